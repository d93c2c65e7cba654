package local

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	dbm "github.com/cosmos/cosmos-db"
)

// A dump is every row of the store at one moment: a line that names the format,
// then for each row the lengths of key and value as uvarints and both, an empty
// key behind the last, and the SHA-256 of all that.
const dumpFormat = "waybill gateway 1\n"

// Bounds of a dump's rows: what the gateway itself writes is far below.
const (
	maxDumpKey   = 64 << 10
	maxDumpValue = 64 << 20
)

// Dump is the store at the moment when it was asked for, until it is closed.
// Writes go on meanwhile, and are not in it.
type Dump struct{ rows dbm.Iterator }

// Dump holds the store's rows as they are now.
func (s *Store) Dump() (*Dump, error) {
	it, err := s.db.Iterator(nil, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the gateway's store: %w", err)
	}
	return &Dump{it}, nil
}

// Close lets go of the rows.
func (d *Dump) Close() error { return d.rows.Close() }

// Write writes the dump, once.
func (d *Dump) Write(to io.Writer) error {
	sum := sha256.New()
	w := bufio.NewWriter(io.MultiWriter(to, sum))
	write := func(parts ...[]byte) (err error) {
		for _, p := range parts {
			if _, err = w.Write(p); err != nil {
				return fmt.Errorf("writing the gateway's rows: %w", err)
			}
		}
		return nil
	}
	if err := write([]byte(dumpFormat)); err != nil {
		return err
	}
	var lengths []byte
	for ; d.rows.Valid(); d.rows.Next() {
		k, v := d.rows.Key(), d.rows.Value()
		lengths = binary.AppendUvarint(binary.AppendUvarint(lengths[:0], uint64(len(k))), uint64(len(v)))
		if err := write(lengths, k, v); err != nil {
			return err
		}
	}
	if err := d.rows.Error(); err != nil {
		return fmt.Errorf("reading the gateway's rows: %w", err)
	}
	if err := errors.Join(write([]byte{0}), w.Flush()); err != nil {
		return err
	}
	if _, err := to.Write(sum.Sum(nil)); err != nil {
		return fmt.Errorf("writing the gateway's rows: %w", err)
	}
	return nil
}

// Load makes a store of a dump, in a directory that has none.
func Load(dir string, from io.Reader) (err error) {
	db, err := dbm.NewDB("gateway", dbm.GoLevelDBBackend, dir)
	if err != nil {
		return fmt.Errorf("making a gateway's store in %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	it, err := db.Iterator(nil, nil)
	if err != nil {
		return fmt.Errorf("reading the gateway's store: %w", err)
	}
	used := it.Valid()
	if err := it.Close(); err != nil || used {
		return errors.Join(err, fmt.Errorf("%s holds a gateway's store already", dir))
	}
	return ReadDump(from, func(key, value []byte) error { return db.Set(key, value) })
}

// ReadDump reads a dump to its end, and fails unless it is whole. What row was
// given before is then to be thrown away.
func ReadDump(from io.Reader, row func(key, value []byte) error) error {
	sum := sha256.New()
	r := bufio.NewReader(from)
	hashed := &tee{r, sum}
	format := make([]byte, len(dumpFormat))
	if _, err := io.ReadFull(hashed, format); err != nil || string(format) != dumpFormat {
		return errors.New("this is no dump of a gateway's store, or one of another version")
	}
	for {
		size, err := binary.ReadUvarint(hashed)
		if err != nil || size > maxDumpKey {
			return errors.New("the dump of the gateway's store is cut short or damaged")
		}
		if size == 0 {
			break
		}
		length, err := binary.ReadUvarint(hashed)
		if err != nil || length > maxDumpValue {
			return errors.New("the dump of the gateway's store is cut short or damaged")
		}
		b := make([]byte, size+length)
		if _, err := io.ReadFull(hashed, b); err != nil {
			return fmt.Errorf("the dump of the gateway's store is cut short: %w", err)
		}
		if err := row(b[:size], b[size:]); err != nil {
			return fmt.Errorf("keeping a row of the gateway's store: %w", err)
		}
	}
	want := make([]byte, sha256.Size)
	if _, err := io.ReadFull(r, want); err != nil || !bytes.Equal(want, sum.Sum(nil)) {
		return errors.New("the dump of the gateway's store is damaged")
	}
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the dump of the gateway's store")
	}
	return nil
}

// tee hashes what is read.
type tee struct {
	from *bufio.Reader
	sum  io.Writer
}

func (t *tee) Read(b []byte) (int, error) {
	n, err := t.from.Read(b)
	_, _ = t.sum.Write(b[:n]) // a hash takes everything
	return n, err
}

func (t *tee) ReadByte() (byte, error) {
	b, err := t.from.ReadByte()
	if err == nil {
		_, _ = t.sum.Write([]byte{b})
	}
	return b, err
}
