package node_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

// erased is a node whose partner recorded three events in one transaction, and
// then had two of them erased, one after the other: its archive before the orders,
// and after both.
type erased struct {
	node          *node.Node
	home          string
	before, after []app.ArchivedBlock
	at            int // index of the block with the transaction
	orders        [2]int
	codec         *schemas.Codec
}

func archiveOf(t *testing.T, n *node.Node) (blocks []app.ArchivedBlock) {
	t.Helper()
	answer, err := n.Archive(1)
	if err != nil {
		t.Fatal(err)
	}
	f := schemas.ReadFields(answer)
	for _, v, ok := f.Next(); ok; _, v, ok = f.Next() {
		b, err := app.DecodeArchivedBlock(v)
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, b)
	}
	return blocks
}

func patientEvent(t *testing.T, n int) *schemas.Event {
	t.Helper()
	e, err := schemas.DecodeSingle(fmt.Appendf(nil, `{"type":"ObjectEvent","eventID":"urn:example:event:%d","action":"ADD","bizStep":"commissioning","eventTime":"2026-01-31T12:00:00.000Z",`+
		`"eventTimeZoneOffset":"+00:00","epcList":["urn:epc:id:sgtin:9521234.012345.%d"],"bizLocation":{"id":"urn:epc:id:sgln:9521234.00001.0"},"readPoint":{"id":"urn:example:door:%d"}}`, n, n, n))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func erasure(t *testing.T, n int) *schemas.Event {
	t.Helper()
	o, err := schemas.MakeOrder(schemas.OrderErase, fmt.Sprintf("urn:example:event:%d", n), "", "2026-02-01T12:00:00.000Z")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func erasedNode(t *testing.T) *erased {
	t.Helper()
	s := alone(t)
	s.IdleInterval = node.Duration(20 * time.Millisecond)
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	})
	x := &erased{node: n, home: s.Home}
	if x.codec, err = schemas.NewCodec(); err != nil {
		t.Fatal(err)
	}
	pass := func(blocks int64) {
		for from := height(t, n); height(t, n) < from+blocks; {
			<-n.Ledger().Watch(height(t, n))
		}
	}
	commit(t, n, patientEvent(t, 9))
	first := commit(t, n, patientEvent(t, 1), patientEvent(t, 2), patientEvent(t, 3))
	pass(2)
	x.before, x.at = archiveOf(t, n), int(first.Height)-1
	for i := range x.orders {
		r := commit(t, n, erasure(t, i+1))
		if r.Events[0].Code != schemas.OK {
			t.Fatal(r.Events[0].Code)
		}
		x.orders[i] = int(r.Height) - 1
		pass(2)
	}
	pass(1)
	x.after = archiveOf(t, n)
	return x
}

// alike compares what was fetched with what the node has, byte by byte.
func (x *erased) alike(t *testing.T, home string) {
	t.Helper()
	for _, stream := range []string{"records", "bodies"} {
		name := filepath.Join("archive", stream+"-0000000000.seg")
		have, err := os.ReadFile(filepath.Join(node.HistoryPath(home), name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(node.LedgerPath(x.home), name))
		if err != nil {
			t.Fatal(err)
		}
		if len(have) == 0 || !bytes.HasPrefix(want, have) {
			t.Errorf("the fetched %s are not those of the node", stream)
		}
	}
}

// A history that is fetched across erasures is the same whether its beginning came
// from a peer before the orders or behind them, and a body that was fetched goes as
// soon as its order is computed.
func TestHistoryAcrossAnErasure(t *testing.T) {
	x := erasedNode(t)
	last := len(x.after) - 1
	pieces := map[string][][]app.ArchivedBlock{
		"behind both orders, at once":     {x.after},
		"behind both orders, in pieces":   {x.after[:x.at+2], x.after[x.at+1 : x.orders[0]+2], x.after[x.orders[0]+1 : x.orders[1]+2], x.after[x.orders[1]+1:]},
		"before the orders, then behind":  {x.before, x.after[len(x.before)-1:]},
		"behind, from one that is slower": {x.after[:x.at+2], x.before[x.at+1:], x.after[len(x.before)-1:]},
	}
	for name, list := range pieces {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			h := history(t, x.node, home)
			for _, blocks := range list {
				if err := h.Keep(answerOf(blocks)); err != nil {
					t.Fatal(err)
				}
			}
			if height, _ := h.Computed(); height != int64(last) {
				t.Fatalf("%d blocks of %d are computed", height, last)
			}
			x.alike(t, home)
			if found, err := h.Located("https://id.gs1.org/414/9521234000013"); err != nil || len(found) != 2 || found[0] != "urn:example:event:3" || found[1] != "urn:example:event:9" {
				t.Errorf("at the place were %v, %v", found, err)
			}
			if err := h.Complete(); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("stopped before it overwrote", func(t *testing.T) {
		home := t.TempDir()
		h := history(t, x.node, home)
		if err := h.Keep(answerOf(x.before)); err != nil {
			t.Fatal(err)
		}
		segment := filepath.Join(node.HistoryPath(home), "archive", "bodies-0000000000.seg")
		full, err := os.ReadFile(segment)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(h.Keep(answerOf(x.after[len(x.before)-1:])), h.Close()); err != nil {
			t.Fatal(err)
		}
		erased, err := os.ReadFile(segment)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(segment, append(bytes.Clone(full), erased[len(full):]...), 0o600); err != nil {
			t.Fatal(err)
		}
		h = history(t, x.node, home)
		defer h.Close()
		if height, _ := h.Computed(); height != int64(last) {
			t.Fatalf("%d blocks of %d are computed", height, last)
		}
		x.alike(t, home)
	})
}

// left is what an erasure leaves of the transaction: nil bodies are erased.
func (x *erased) left(bodies, secrets [][]byte) []byte {
	at := schemas.Locator{Height: int64(x.at) + 1}.Append(nil)
	b := schemas.AppendField(nil, 1, at[:12])
	for i, body := range bodies {
		var m []byte
		if body != nil {
			m = schemas.AppendField(schemas.AppendField(nil, 1, secrets[i]), 2, body)
		}
		b = schemas.AppendEntry(b, 2, m)
	}
	return x.codec.Compress(b)
}

// A peer that withholds a body which nobody had erased, or gives another, or one
// that is erased, is found out; what the true ones give is taken afterwards.
func TestHistoryOfAPeerThatWithholds(t *testing.T) {
	x := erasedNode(t)
	sent, err := schemas.DecodeBodies(x.before[x.at].Bodies[0])
	if err != nil {
		t.Fatal(err)
	}
	joined, err := x.codec.Decompress(sent.Frame, int(sent.Size))
	if err != nil {
		t.Fatal(err)
	}
	bodies, err := schemas.SplitBodies(joined, 3)
	if err != nil {
		t.Fatal(err)
	}
	var secrets [][]byte
	for i := range bodies {
		s := schemas.EventSecret(sent.Secret, i)
		secrets = append(secrets, s[:])
	}
	order := x.orders[1]
	with := func(at int, entry []byte) []app.ArchivedBlock {
		lie := append([]app.ArchivedBlock{}, x.after...)
		lie[at].Bodies = append([][]byte{}, lie[at].Bodies...)
		lie[at].Bodies[len(lie[at].Bodies)-1] = entry
		return lie
	}
	t.Run("without an order", func(t *testing.T) {
		h := history(t, x.node, t.TempDir())
		defer h.Close()
		nine := -1
		for i := range x.at {
			if len(x.after[i].Bodies) > 0 {
				nine = i
			}
		}
		if got, err := h.Confirmed(answerOf(with(nine, make([]byte, len(x.after[nine].Bodies[0]))))); err == nil {
			t.Errorf("%d blocks are confirmed", got)
		}
	})
	for name, entry := range map[string][]byte{
		"one of the others is withheld":  x.left([][]byte{nil, nil, nil}, secrets),
		"another body":                   x.left([][]byte{nil, nil, patientEvent(t, 4).Body}, secrets),
		"another secret":                 x.left([][]byte{nil, nil, bodies[2]}, [][]byte{nil, nil, secrets[1]}),
		"the erased body is there":       x.left([][]byte{nil, bodies[1], bodies[2]}, secrets),
		"fewer bodies":                   x.left([][]byte{nil, nil}, secrets),
		"noise":                          x.codec.Compress([]byte("noise")),
		"nothing, not even zeros":        {},
		"not compressed, and no bodies":  []byte("noise"),
		"bodies as they were first sent": x.before[x.at].Bodies[0],
	} {
		t.Run(name, func(t *testing.T) {
			h := history(t, x.node, t.TempDir())
			defer h.Close()
			if err := h.Keep(answerOf(with(order, entry))); err == nil {
				t.Error("it is kept")
			}
			height, _ := h.Computed()
			if height > int64(order) {
				t.Errorf("%d blocks are computed", height)
			}
			if err := h.Keep(answerOf(x.after[height:])); err != nil {
				t.Errorf("after the lie the truth is refused: %v", err)
			}
			if err := h.Complete(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("nothing is left of all", func(t *testing.T) {
		home := t.TempDir()
		h := history(t, x.node, home)
		if err := h.Keep(answerOf(with(order, make([]byte, len(x.after[order].Bodies[1]))))); err != nil {
			t.Fatal(err)
		}
		if err := h.Complete(); err == nil || len(h.Dismissed()) != 1 {
			t.Errorf("the history is complete: %v, dismissed are %v", err, h.Dismissed())
		}
		h = history(t, x.node, home)
		if height, _ := h.Computed(); height != 0 {
			t.Errorf("%d blocks of it are kept", height)
		}
		if err := errors.Join(h.Keep(answerOf(x.after)), h.Complete()); err != nil {
			t.Error(err)
		}
	})
}
