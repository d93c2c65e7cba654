package node

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"filippo.io/age"

	"github.com/waybill-ledger/waybill/schemas"
)

// A vault is a directory of backups that share what they have in common. Content
// is cut into chunks; a chunk's file is named after a keyed hash of the content,
// so that the next backup finds what is there already and an onlooker learns
// nothing from names, and after the SHA-256 of the file itself, so that anybody
// can tell whether it is whole:
//
//	format                                what this directory is
//	chunks/ab/NAME.SHA256                 a chunk, encrypted where there are recipients
//	manifests/TIME-HEIGHT.SHA256.json     what one backup holds; .age where encrypted
//	manifests/....json.chunks             names of its chunks
//
// A file comes under its name only when it is whole and synced, and a manifest
// comes last: whatever ends a backup, those before it stand.
type vault struct {
	dir        string
	name       schemas.Hash // keys the names of chunks
	recipients []age.Recipient
	identities []age.Identity // to read

	lock    *os.File
	have    map[string]string // keyed name to file name of the chunks that are there
	written int64             // bytes of new chunks
	added   int               // new chunks
}

const (
	vaultFormat = "waybill backups 1\n"
	chunkSize   = 4 << 20
	maxManifest = 256 << 20
	unfinished  = ".unfinished"
)

var (
	chunkName    = regexp.MustCompile(`^[0-9a-f]{64}\.[0-9a-f]{64}$`)
	manifestName = regexp.MustCompile(`^(\d{8}T\d{6}Z-\d{12})\.([0-9a-f]{64})\.(json|age)$`)
)

// openVault opens a directory of backups to add one, and makes it where there is
// none. Only one process at a time adds.
func openVault(dir string, name schemas.Hash, recipients []age.Recipient) (v *vault, err error) {
	v = &vault{dir: dir, name: name, recipients: recipients, have: map[string]string{}}
	if err := v.found(); err != nil {
		return nil, err
	}
	if v.lock, err = os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("locking the backups: %w", err)
	}
	if err := syscall.Flock(int(v.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another backup goes into %s just now: %w", dir, err), v.lock.Close())
	}
	if err := v.list(); err != nil {
		return nil, errors.Join(err, v.close())
	}
	return v, nil
}

func (v *vault) close() error { return v.lock.Close() }

// found makes the directory, or finds that it is one of backups.
func (v *vault) found() error {
	path := filepath.Join(v.dir, "format")
	b, err := os.ReadFile(path)
	switch {
	case err == nil && string(b) == vaultFormat:
		return nil
	case err == nil:
		return fmt.Errorf("%s is of another version of the program, or no directory of backups", v.dir)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("opening the backups: %w", err)
	}
	entries, err := os.ReadDir(v.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("opening the backups: %w", err)
	}
	for _, e := range entries {
		if name := e.Name(); name != "chunks" && name != "manifests" && name != "lost+found" && !strings.HasSuffix(name, unfinished) {
			return fmt.Errorf("%s is no directory of backups, and not empty: it has %s", v.dir, name)
		}
	}
	for _, dir := range []string{v.dir, filepath.Join(v.dir, "chunks"), filepath.Join(v.dir, "manifests")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making a directory for backups: %w", err)
		}
	}
	return v.write("format", []byte(vaultFormat))
}

// list finds the chunks that are there, and removes what an earlier backup left
// unfinished.
func (v *vault) list() error {
	return filepath.WalkDir(v.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch name := d.Name(); {
		case strings.HasSuffix(name, unfinished):
			return os.Remove(path)
		case chunkName.MatchString(name):
			v.have[name[:64]] = name
		}
		return nil
	})
}

// write puts a file under its name, whole and durable, and reads it back.
func (v *vault) write(name string, content []byte) error {
	path := filepath.Join(v.dir, name)
	temporary := path + unfinished
	if err := writeSynced(temporary, content); err != nil {
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
		err = syncPath(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

func writeSynced(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncPath makes a directory's entries durable, or a file's content.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// put adds content and returns the names of its chunks.
func (v *vault) put(from io.Reader) (chunks []string, size int64, sum []byte, err error) {
	whole := sha256.New()
	buf := make([]byte, chunkSize)
	for {
		n, err := io.ReadFull(from, buf)
		if n > 0 {
			whole.Write(buf[:n])
			size += int64(n)
			name, err := v.putChunk(buf[:n])
			if err != nil {
				return nil, 0, nil, err
			}
			chunks = append(chunks, name)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return chunks, size, whole.Sum(nil), nil
		}
		if err != nil {
			return nil, 0, nil, err
		}
	}
}

func (v *vault) putChunk(content []byte) (string, error) {
	keyed := schemas.MAC(v.name[:], content).String()
	if name, ok := v.have[keyed]; ok {
		return name, nil
	}
	stored, err := v.seal(content)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(stored)
	name := keyed + "." + hex.EncodeToString(sum[:])
	dir := filepath.Join("chunks", keyed[:2])
	if err := os.MkdirAll(filepath.Join(v.dir, dir), 0o700); err != nil {
		return "", fmt.Errorf("making a directory for chunks: %w", err)
	}
	if err := v.write(filepath.Join(dir, name), stored); err != nil {
		return "", err
	}
	v.have[keyed] = name
	v.written += int64(len(stored))
	v.added++
	return name, nil
}

func (v *vault) seal(content []byte) ([]byte, error) {
	if len(v.recipients) == 0 {
		return content, nil
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, v.recipients...)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	return out.Bytes(), nil
}

// unseal decrypts at most limit bytes.
func (v *vault) unseal(stored []byte, encrypted bool, limit int64) ([]byte, error) {
	if !encrypted {
		return stored, nil
	}
	if len(v.identities) == 0 {
		return nil, errors.New("the backup is encrypted: --identity FILE must name the age identity")
	}
	r, err := age.Decrypt(bytes.NewReader(stored), v.identities...)
	if err != nil {
		return nil, fmt.Errorf("decrypting: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("decrypting: %w", err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("decrypting: more than %d bytes", limit)
	}
	return b, nil
}

// finish adds the manifest, which makes the backup one.
func (v *vault) finish(m *manifest) (name string, err error) {
	base := fmt.Sprintf("%s-%012d", m.Made.UTC().Format("20060102T150405Z"), m.Height)
	var list []string
	for _, f := range m.Files {
		list = append(list, f.Chunks...)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encoding the manifest: %w", err)
	}
	stored, err := v.seal(text)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(stored)
	ending := "json"
	if len(v.recipients) > 0 {
		ending = "age"
	}
	name = fmt.Sprintf("%s.%x.%s", base, sum, ending)
	if err := v.write(filepath.Join("manifests", name+".chunks"), []byte(strings.Join(append(list, ""), "\n"))); err != nil {
		return "", err
	}
	return name, v.write(filepath.Join("manifests", name), stored)
}

// manifests lists the backups, newest first.
func (v *vault) manifests() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(v.dir, "manifests"))
	if err != nil {
		return nil, fmt.Errorf("listing the backups: %w", err)
	}
	var names []string
	for _, e := range entries {
		if manifestName.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	slices.Reverse(names)
	return names, nil
}

// keep removes all backups but the newest ones, and the chunks that no other has.
func (v *vault) keep(newest int) error {
	names, err := v.manifests()
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, name := range names[:min(newest, len(names))] {
		b, err := os.ReadFile(filepath.Join(v.dir, "manifests", name+".chunks"))
		if err != nil {
			return fmt.Errorf("reading which chunks a backup has, so that nothing is removed: %w", err)
		}
		for _, chunk := range strings.Fields(string(b)) {
			used[chunk] = true
		}
	}
	for _, name := range names[min(newest, len(names)):] {
		// The manifest first: a backup without all its chunks must not look like one.
		if err := os.Remove(filepath.Join(v.dir, "manifests", name)); err != nil {
			return fmt.Errorf("removing an older backup: %w", err)
		}
		if err := os.Remove(filepath.Join(v.dir, "manifests", name+".chunks")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing an older backup: %w", err)
		}
	}
	if err := syncPath(filepath.Join(v.dir, "manifests")); err != nil {
		return fmt.Errorf("removing older backups: %w", err)
	}
	for keyed, name := range v.have {
		if used[name] {
			continue
		}
		if err := os.Remove(filepath.Join(v.dir, "chunks", keyed[:2], name)); err != nil {
			return fmt.Errorf("removing a chunk that no backup has: %w", err)
		}
	}
	return nil
}
