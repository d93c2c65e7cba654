package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/waybill-ledger/waybill/app/store"
)

// A depot keeps files under slash-separated names, whole ones only: a directory,
// or a bucket of an S3-compatible store.
type depot interface {
	// claim keeps other backups out until release is called; home is whose backups
	// go there.
	claim(ctx context.Context, home, owner string) (release func() error, err error)
	// list names the files whose names begin so.
	list(ctx context.Context, prefix string) ([]string, error)
	// read reads a file that may not be longer than limit; fs.ErrNotExist says that
	// there is none.
	read(ctx context.Context, name string, limit int64) ([]byte, error)
	// write puts a file under its name, whole and durable, and has read it back.
	write(ctx context.Context, name string, content []byte) error
	// remove removes files, durably; one that is not there is none too many.
	remove(ctx context.Context, names ...string) error
	String() string
}

// openDepot finds a depot by its name: s3://BUCKET/PREFIX, or a directory.
func openDepot(name string, access S3) (depot, error) {
	if strings.HasPrefix(name, bucketScheme) {
		return openBucket(name, access)
	}
	return directory(name), nil
}

// directory is a depot of a file system.
type directory string

const (
	unfinished = ".unfinished"
	lockFile   = "lock"
)

func (d directory) String() string { return string(d) }

func (d directory) path(name string) string {
	return filepath.Join(string(d), filepath.FromSlash(name))
}

// claim locks the directory, in which nobody else's backups go, and removes what an
// earlier backup left unfinished. Where nothing says whose it is, it is whose backup comes.
func (d directory) claim(ctx context.Context, _, owner string) (release func() error, err error) {
	if err := d.make("."); err != nil {
		return nil, err
	}
	lock, err := lockPath(d.path(lockFile))
	if err != nil {
		return nil, fmt.Errorf("another backup goes into %s just now, or it cannot be locked: %w", d, err)
	}
	var names []string
	if err = claimFor(ctx, d, ownerFile, owner); err == nil {
		names, err = d.list(ctx, "") // behind it: what it writes passes under the name of what was left
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	for _, name := range names {
		if strings.HasSuffix(name, unfinished) {
			if err := os.Remove(d.path(name)); err != nil {
				return nil, errors.Join(fmt.Errorf("removing what an earlier backup left: %w", err), lock.Close())
			}
		}
	}
	return lock.Close, nil
}

// claimFor holds the owner of a depot's backups against a file that says who that is, or
// writes it: --keep removes what is not the newest, whosever it is.
func claimFor(ctx context.Context, d depot, file, owner string) error {
	have, err := d.read(ctx, file, 1<<10)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d.write(ctx, file, []byte(owner))
	case err == nil && string(have) != owner:
		return fmt.Errorf("%s has the backups of another home: give each a place of its own (if it is this home's, remove %s there)", d, file)
	}
	return err
}

// lockPath locks a file until it is closed, or the process ends.
func lockPath(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (d directory) list(_ context.Context, prefix string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(string(d), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(string(d), path)
		switch name = filepath.ToSlash(name); {
		case err != nil:
			return err
		case entry.IsDir() && name == "lost+found":
			return fs.SkipDir
		case !entry.IsDir() && strings.HasPrefix(name, prefix):
			names = append(names, name)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing %s: %w", d, err)
	}
	return names, nil
}

func (d directory) read(_ context.Context, name string, limit int64) ([]byte, error) {
	f, err := os.Open(d.path(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readLimited(f, name, limit)
}

// readLimited reads what may not be longer than limit.
func readLimited(from io.Reader, name string, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return b, err
}

func (d directory) write(_ context.Context, name string, content []byte) error {
	path := d.path(name)
	temporary := path + unfinished
	err := d.make(filepath.Dir(filepath.FromSlash(name)))
	if err == nil {
		err = store.WriteSynced(temporary, content)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	b, err := os.ReadFile(temporary)
	if err == nil && !bytes.Equal(b, content) {
		err = errors.New("what was written reads back otherwise: the disk is failing")
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err == nil {
		err = store.SyncPath(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// make makes a directory below the depot's, durably.
func (d directory) make(name string) error {
	path := filepath.Join(string(d), name)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("making a directory for backups: %w", err)
	}
	return store.SyncPath(filepath.Dir(path))
}

func (d directory) remove(_ context.Context, names ...string) error {
	dirs := map[string]bool{}
	for _, name := range names {
		path := d.path(name)
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing %s: %w", name, err)
		}
		dirs[filepath.Dir(path)] = true
	}
	for dir := range dirs {
		if err := store.SyncPath(dir); err != nil {
			return fmt.Errorf("removing from %s: %w", d, err)
		}
	}
	return nil
}
