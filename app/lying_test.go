package app_test

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"testing"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// computed computes a ledger again from blocks that a peer gave, each altered first.
func computed(t *testing.T, c *chain, alter func(*app.ArchivedBlock)) error {
	t.Helper()
	dir := t.TempDir()
	s, err := store.OpenReplay(store.Options{Dir: dir}, store.ArchiveDir(dir), app.SameEntry(c.codec))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, _, err := app.NewReplay(s, chainID, 1, c.genesis)
	if err != nil {
		t.Fatal(err)
	}
	to, err := store.Collect(dir, r.Cursor())
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	from, err := c.app.Archive(1)
	if err != nil {
		t.Fatal(err)
	}
	for range c.height {
		b, err := from.Next()
		if err != nil {
			t.Fatal(err)
		}
		alter(&b)
		for _, e := range b.Records {
			err = errors.Join(err, to.Append(store.Records, e))
		}
		for _, e := range b.Bodies {
			err = errors.Join(err, to.Append(store.Bodies, e))
		}
		if err := errors.Join(err, to.Flush()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(); err != nil {
			return err
		}
	}
	return nil
}

// A peer may say that a block made an erasure good that nobody put off: of a
// transaction that there is, or is not, or is not admitted. That is a lie, and no
// fault of who reads it.
func TestErasuresThatAPeerMakesUp(t *testing.T) {
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	for _, epc := range []string{"a", "b", "c"} {
		c.submit("farm", false, c.event("obj add epc="+epc+" step=commissioning"))
	}
	if err := computed(t, c, func(*app.ArchivedBlock) {}); err != nil {
		t.Fatal(err)
	}
	for _, at := range [][2]uint64{{1, 0}, {1, 9}, {2, 0}, {2, 1}, {2, 1 << 31}, {3, 0}, {1 << 62, 0}} {
		err := computed(t, c, func(b *app.ArchivedBlock) {
			if b.Height == 2 {
				last := len(b.Records) - 1
				place := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, at[0]), uint32(at[1]))
				b.Records[last] = schemas.AppendField(append([]byte(nil), b.Records[last]...), 11, place)
			}
		})
		var damage *store.Damage
		if !errors.As(err, &damage) {
			t.Errorf("of %v: %v", at, err)
		}
	}
}
