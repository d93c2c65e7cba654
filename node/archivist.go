package node

import (
	"errors"
	"io"
	"sync"

	"github.com/cometbft/cometbft/p2p"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/schemas"
)

const (
	historyAnswer = 4 << 20 // bytes of blocks in an answer, at which it is full
	historyBlocks = 2000    // and blocks
	readersHeld   = 8
)

// archivist answers questions for the archive.
type archivist struct {
	app      *app.App
	settings *Settings

	mu      sync.Mutex // guards readers
	readers map[int64]*app.ArchiveReader
}

// answer answers field 1, the first height, with blocks, each as field 1.
func (a *archivist) answer(_ p2p.ID, question []byte) ([]byte, error) {
	from := int64(0)
	f := schemas.ReadFields(question)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		if n == 1 {
			from = int64(f.Uint(n, v))
		}
	}
	if f.Err() != nil || from < 1 {
		return nil, errNotThere
	}
	// What orders left of bodies that it never had is not in its archive.
	if restored, err := a.app.Restored(); restored > 0 || err != nil {
		return nil, errors.Join(err, errNotThere)
	}
	if err := servesHistory(a.settings, a.app); err != nil {
		return nil, err
	}
	r, err := a.reader(from)
	if errors.Is(err, app.ErrNotArchived) {
		return nil, errNotThere
	}
	if err != nil {
		return nil, err
	}
	var out []byte
	next := from
	for n := 0; n < historyBlocks && len(out) < historyAnswer; n++ {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(out) > 0 && len(out)+b.Size() > maxHistoryAnswer-(1<<20) {
			r = nil // it is past a block that was not sent
			break
		}
		out = schemas.AppendField(out, 1, b.Append(nil))
		next = b.Height + 1
	}
	if len(out) == 0 {
		return nil, errNotThere
	}
	a.keep(next, r)
	return out, nil
}

// reader is one that stands before a height, mostly where the answer before ended.
func (a *archivist) reader(from int64) (*app.ArchiveReader, error) {
	a.mu.Lock()
	r := a.readers[from]
	delete(a.readers, from)
	a.mu.Unlock()
	if r != nil {
		return r, nil
	}
	return a.app.Archive(from)
}

func (a *archivist) keep(next int64, r *app.ArchiveReader) {
	if r == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for other := range a.readers {
		if len(a.readers) < readersHeld {
			break
		}
		delete(a.readers, other)
	}
	a.readers[next] = r
}
