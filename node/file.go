package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/waybill-ledger/waybill/app/store"
)

// replaceFile writes a file durably, whole or not at all.
func replaceFile(path string, content []byte) error {
	err := store.WriteSynced(path+".new", content)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	return errors.Join(err, store.SyncPath(filepath.Dir(path)))
}

// writeSecret writes a new file, readable by its owner alone. It replaces none.
func writeSecret(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists: a key is never replaced, choose another home", path)
	}
	if err != nil {
		return fmt.Errorf("writing a key: %w", err)
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// readSecret reads a file that nobody but its owner may read or change.
func readSecret(path string, decode func([]byte) error) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("reading a key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s has mode %04o, so others may read or change it: chmod 600 it, and rotate the key if somebody could have read it", path, mode)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading a key: %w", err)
	}
	if err := decode(b); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}
