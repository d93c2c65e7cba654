package app_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// open a place for snapshots beside a chain's application, which is made anew.
func (c *chain) keepSnapshots(dir string) {
	c.t.Helper()
	snapshots, err := store.OpenSnapshots(dir)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.app, err = app.New(app.Config{Store: c.store, Snapshots: snapshots, ChainID: chainID, Blocks: c, Rules: c.rules}); err != nil {
		c.t.Fatal(err)
	}
	c.app.OnCommit(func(done app.Committed) { c.last = done })
}

// offered is a snapshot as the engine hands it from node to node.
type offered struct {
	snapshot *abci.Snapshot
	appHash  []byte
	chunks   [][]byte
}

// take takes a snapshot of the last height.
func (c *chain) take() offered {
	c.t.Helper()
	due, err := c.app.DueSnapshot(1)
	if err != nil || due == nil {
		c.t.Fatalf("no snapshot is due at height %d: %v", c.height, err)
	}
	defer due.Release()
	if err := due.Take(context.Background(), func() {}); err != nil {
		c.t.Fatal(err)
	}
	return c.offer()
}

// offer is the newest snapshot.
func (c *chain) offer() offered {
	c.t.Helper()
	list, err := c.app.ListSnapshots(context.Background(), &abci.RequestListSnapshots{})
	if err != nil || len(list.Snapshots) == 0 {
		c.t.Fatalf("no snapshot is offered: %v", err)
	}
	o := offered{snapshot: list.Snapshots[len(list.Snapshots)-1], appHash: c.hash}
	for i := range o.snapshot.Chunks {
		res, err := c.app.LoadSnapshotChunk(context.Background(), &abci.RequestLoadSnapshotChunk{Height: o.snapshot.Height, Format: o.snapshot.Format, Chunk: i})
		if err != nil || res.Chunk == nil {
			c.t.Fatalf("chunk %d is not there: %v", i, err)
		}
		o.chunks = append(o.chunks, res.Chunk)
	}
	return o
}

// joining is a chain without a ledger, that may restore one.
func joining(t tester, options store.Options) *chain {
	t.Helper()
	c := newChain(t, options)
	dir, err := os.MkdirTemp("", "snapshots") // rapid has no TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c.keepSnapshots(dir)
	return c
}

// restore hands a snapshot over, and returns how that ended.
func (c *chain) restore(o offered) (abci.ResponseOfferSnapshot_Result, *abci.ResponseApplySnapshotChunk) {
	c.t.Helper()
	ctx := context.Background()
	offer, err := c.app.OfferSnapshot(ctx, &abci.RequestOfferSnapshot{Snapshot: o.snapshot, AppHash: o.appHash})
	if err != nil {
		c.t.Fatal(err)
	}
	if offer.Result != abci.ResponseOfferSnapshot_ACCEPT {
		return offer.Result, nil
	}
	var last *abci.ResponseApplySnapshotChunk
	for i, chunk := range o.chunks {
		if last, err = c.app.ApplySnapshotChunk(ctx, &abci.RequestApplySnapshotChunk{Index: uint32(i), Chunk: chunk, Sender: "peer"}); err != nil {
			c.t.Fatal(err)
		}
		if last.Result != abci.ResponseApplySnapshotChunk_ACCEPT {
			break
		}
	}
	return offer.Result, last
}

// restored checks that a chain stands where another does.
func (c *chain) restored(from *chain, o offered) {
	c.t.Helper()
	if offer, last := c.restore(o); offer != abci.ResponseOfferSnapshot_ACCEPT || last.Result != abci.ResponseApplySnapshotChunk_ACCEPT {
		c.t.Fatalf("a true snapshot is answered %v, %v", offer, last)
	}
	info, err := c.app.Info(context.Background(), &abci.RequestInfo{})
	if err != nil || info.LastBlockHeight != int64(o.snapshot.Height) || !bytes.Equal(info.LastBlockAppHash, o.appHash) || info.AppVersion != schemas.EngineVersion {
		c.t.Fatalf("after the restore Info says %v: %v", info, err)
	}
	if err := c.store.Verify(context.Background()); err != nil {
		c.t.Fatal(err)
	}
	c.height, c.time, c.hash, c.drawn = int64(o.snapshot.Height), from.time, o.appHash, from.drawn
}

// rows are the rows of some kinds.
func (c *chain) rows(kinds string) map[string]string {
	c.t.Helper()
	out := map[string]string{}
	for _, kind := range []byte(kinds) {
		for row, err := range c.store.Latest().Rows([]byte{kind}, nil, false) {
			if err != nil {
				c.t.Fatal(err)
			}
			out[string(row.Key)] = string(row.Value)
		}
	}
	return out
}

// TestSnapshotRestore restores random ledgers at random heights, and plays what
// follows on both: they agree on every hash and answer, and their next snapshots
// are the same to the byte.
func TestSnapshotRestore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := aHistory(rt)
		s := &script{chain: newChain(rt, store.Options{}), subjects: map[schemas.TrailKey]bool{}}
		s.keepSnapshots(filepath.Join(t.TempDir(), "snapshots"))
		s.init()
		at := rapid.IntRange(1, len(h.blocks)).Draw(rt, "snapshot at")
		var joined *chain
		for i, block := range h.blocks {
			s.time = s.time.Add(h.pauses[i])
			if rapid.IntRange(0, 5).Draw(rt, "empty") == 0 {
				if s.block(); joined != nil {
					joined.time = s.time
					joined.finish(joined.request(nil))
				}
			}
			var txs [][]byte
			for _, line := range block {
				txs = append(txs, s.sign(s.transaction(line, s.time.Add(time.Minute))))
			}
			want := s.block(txs...)
			if joined != nil {
				joined.time = s.time
				got := joined.replay(txs)
				if !bytes.Equal(got.AppHash, want.AppHash) {
					rt.Fatalf("they part at height %d", s.height)
				}
				for j := range want.TxResults {
					if !bytes.Equal(got.TxResults[j].Data, want.TxResults[j].Data) || got.TxResults[j].Code != want.TxResults[j].Code {
						rt.Fatalf("they answer transaction %d of height %d differently", j, s.height)
					}
				}
			}
			if i+1 >= at && joined == nil && len(txs) > 0 {
				joined = joining(rt, store.Options{})
				joined.restored(s.chain, s.take())
				for key, value := range s.rows("depqQwvW") {
					if joined.rows(key[:1])[key] != value {
						rt.Fatalf("row %q is not restored", key)
					}
				}
				for key, value := range s.rows("U") {
					if joined.rows("U")[key] != value && key[1:9] >= string(binary.BigEndian.AppendUint64(nil, uint64(s.time.UnixNano()))) {
						rt.Fatalf("what ends at %x is not restored", key)
					}
				}
				if have, want := len(joined.rows("depqQwvW")), len(s.rows("depqQwvW")); have != want {
					rt.Fatalf("%d rows are restored, there are %d", have, want)
				}
			}
		}
		if joined == nil {
			return
		}
		last := s.event("obj add epc=last id=900")
		raw := s.sign(s.draft("farm", false, last))
		s.block(raw)
		joined.time = s.time
		joined.replay([][]byte{raw})
		if a, b := s.take(), joined.take(); !bytes.Equal(a.snapshot.Hash, b.snapshot.Hash) {
			rt.Fatal("their next snapshots differ")
		}
	})
}

// replay runs a block without asking for the receipts of what came before the
// snapshot.
func (c *chain) replay(txs [][]byte) *abci.ResponseFinalizeBlock {
	c.t.Helper()
	req := c.request(txs)
	res, err := c.app.FinalizeBlock(context.Background(), req)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.app.Commit(context.Background(), &abci.RequestCommit{}); err != nil {
		c.t.Fatal(err)
	}
	c.height, c.hash = req.Height, res.AppHash
	return res
}

// TestSnapshotForgedNothing: what the lies are told with tells the truth.
func TestSnapshotForgedNothing(t *testing.T) {
	s, truth := aLedger(t)
	joining(t, store.Options{}).restored(s.chain, forged(t, truth, nil, nil))
}

// TestSnapshotChunks: bytes that are no chunk, or not the one that was offered.
func TestSnapshotChunks(t *testing.T) {
	s, truth := aLedger(t)
	m, err := schemas.DecodeManifest(truth.snapshot.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	codec, err := schemas.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	large := schemas.SnapshotRecord{Kind: schemas.SnapshotState, Key: []byte("I"), Value: make([]byte, schemas.MaxSnapshotRecord)}
	for name, chunk := range map[string][]byte{
		"no frame":           []byte("no frame"),
		"nothing":            {},
		"a frame cut short":  truth.chunks[0][:len(truth.chunks[0])-1],
		"a bomb":             codec.Compress(make([]byte, 32<<20)),
		"an unknown kind":    codec.Compress([]byte{9, 0, 0}),
		"a record cut short": codec.Compress([]byte{1, 5, 'a'}),
		"a long length":      codec.Compress([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}),
		"a large record":     codec.Compress(large.Append(nil)),
		"a large chunk":      bytes.Repeat([]byte{7}, schemas.MaxSnapshotChunk+1),
	} {
		t.Run(name, func(t *testing.T) {
			c := joining(t, store.Options{})
			_, last := c.restore(offered{appHash: truth.appHash, chunks: [][]byte{chunk}}.sealed(m, nil))
			if last.Result != abci.ResponseApplySnapshotChunk_REJECT_SNAPSHOT {
				t.Fatalf("it is answered %v", last)
			}
			// The same bytes in place of a chunk that was offered are asked for again.
			o := truth
			o.chunks = [][]byte{chunk}
			_, last = c.restore(o)
			if last.Result != abci.ResponseApplySnapshotChunk_RETRY || fmt.Sprint(last.RefetchChunks, last.RejectSenders) != "[0] [peer]" {
				t.Fatalf("in place of another it is answered %v", last)
			}
			if last, err = c.app.ApplySnapshotChunk(context.Background(), &abci.RequestApplySnapshotChunk{Chunk: truth.chunks[0], Sender: "other"}); err != nil || last.Result != abci.ResponseApplySnapshotChunk_ACCEPT {
				t.Fatalf("the chunk of somebody else is answered %v: %v", last, err)
			}
		})
	}
	for name, change := range map[string]func(*abci.Snapshot){
		"hash":     func(s *abci.Snapshot) { s.Hash = make([]byte, 32) },
		"manifest": func(s *abci.Snapshot) { s.Metadata = append(bytes.Clone(s.Metadata), 0) },
		"none":     func(s *abci.Snapshot) { s.Metadata = nil },
		"chunks":   func(s *abci.Snapshot) { s.Chunks++ },
		"height":   func(s *abci.Snapshot) { s.Height++ },
	} {
		o := truth
		altered := *truth.snapshot
		change(&altered)
		o.snapshot = &altered
		if offer, _ := joining(t, store.Options{}).restore(o); offer != abci.ResponseOfferSnapshot_REJECT_SENDER {
			t.Errorf("another %s is answered %v", name, offer)
		}
	}
	c := joining(t, store.Options{})
	c.restored(s.chain, truth)
	// A ledger that has gone on from there is never overwritten.
	c.block()
	if offer, _ := c.restore(truth); offer != abci.ResponseOfferSnapshot_ABORT {
		t.Errorf("over a ledger an offer is answered %v", offer)
	}
}

// TestSnapshotRestoredTwice: a restore that the engine never heard of is done again.
func TestSnapshotRestoredTwice(t *testing.T) {
	s, truth := aLedger(t)
	c := joining(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	c.restored(s.chain, truth)
	if err := c.store.Close(); err != nil {
		t.Fatal(err)
	}
	c.open()
	c.keepSnapshots(filepath.Join(t.TempDir(), "snapshots"))
	if rows := c.rows("R"); len(rows) != 1 {
		t.Errorf("%d rows say what was restored", len(rows))
	}
	c.restored(s.chain, truth)
	c.submit("farm", false, c.event("obj obs epc=a id=99"))
}

// TestSnapshotLacks: what was recorded before the snapshot is said to be missing,
// never left out; what follows from the state is answered.
func TestSnapshotLacks(t *testing.T) {
	s, truth := aLedger(t)
	c := joining(t, store.Options{})
	c.restored(s.chain, truth)
	raw := c.sign(c.draft("farm", false, c.event("obj obs epc=a id=99")))
	c.time = c.time.Add(time.Minute)
	c.replay([][]byte{raw})
	v := c.view()
	if first, last, err := v.Missing(); first != 1 || last != int64(truth.snapshot.Height) || err != nil {
		t.Errorf("heights %d to %d are missing: %v", first, last, err)
	}
	if it, err := v.Item(full("a")); err != nil || it == nil || it.Custodian != "farm" {
		t.Errorf("the item is %+v: %v", it, err)
	}
	missing := func(what string, err error) {
		t.Helper()
		var fault *schemas.Fault
		if !errors.As(err, &fault) || fault.Code != schemas.HistoryMissing {
			t.Errorf("%s is answered %v", what, err)
		}
	}
	for _, key := range []schemas.TrailKey{{Kind: schemas.CustodyTrail, Subject: full("a")}, {Kind: schemas.ObservationTrail, Subject: full("a")},
		{Kind: schemas.PartnerTrail, Subject: "farm"}, {Kind: schemas.PartnerTrail, Subject: "mill"}, {Kind: schemas.ClassTrail, Subject: full("lot1")}} {
		_, err := v.Trail(key, 0, 10)
		missing(fmt.Sprintf("trail %c %s", key.Kind, key.Subject), err)
	}
	_, err := v.EventsByID("urn:example:event:3")
	missing("an eventID", err)
	_, err = v.Record(schemas.Locator{Height: 1})
	missing("a record", err)
	head, err := v.TrailHead(schemas.TrailKey{Kind: schemas.ObservationTrail, Subject: full("a")})
	if err != nil {
		t.Fatal(err)
	}
	if records, err := v.Trail(schemas.TrailKey{Kind: schemas.ObservationTrail, Subject: full("a")}, head.Count-1, 10); err != nil || len(records) != 1 {
		t.Errorf("the trail since the snapshot has %d records: %v", len(records), err)
	}
	if records, err := v.Trail(schemas.TrailKey{Kind: schemas.ObservationTrail, Subject: full("nobody")}, 0, 10); err != nil || len(records) != 0 {
		t.Errorf("a trail that there is not has %d records: %v", len(records), err)
	}
}

// TestSnapshotsBesideBlocks: a snapshot that is being taken while blocks commit is
// of its own height, and the last two are kept.
func TestSnapshotsBesideBlocks(t *testing.T) {
	s, first := aLedger(t)
	due, err := s.app.DueSnapshot(1)
	if err != nil || due == nil {
		t.Fatal(due, err)
	}
	for i := range 12 {
		s.submit("farm", false, s.event(fmt.Sprintf("obj obs epc=a id=%d", 100+i)))
	}
	if err := due.Take(context.Background(), func() {}); err != nil {
		t.Fatal(err)
	}
	due.Release()
	if o := s.offer(); !bytes.Equal(o.snapshot.Hash, first.snapshot.Hash) {
		t.Error("the snapshot that was taken late differs")
	}
	var heights []int64
	for range 3 {
		s.submit("farm", false, s.event(fmt.Sprintf("obj obs epc=b id=%d", 200+s.height)))
		s.take()
		heights = append(heights, s.height)
	}
	if got, want := fmt.Sprint(s.app.Snapshots()), fmt.Sprint(append([]int64{5}, heights...)); got != want && got != fmt.Sprint(heights[1:]) {
		t.Errorf("snapshots of heights %s are kept, want %s", got, want)
	}
	s.block()
	if due, err := s.app.DueSnapshot(1); due != nil || err != nil {
		t.Error("an empty block asks for a snapshot")
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.submit("farm", false, s.event("obj obs epc=b id=300"))
	if due, err = s.app.DueSnapshot(1); err != nil || due == nil {
		t.Fatal(due, err)
	}
	cancel()
	if err := due.Take(ctx, func() {}); err == nil {
		t.Error("a snapshot was taken though it was given up")
	}
	due.Release()
	if err := s.store.Close(); err != nil {
		t.Error(err)
	}
}
