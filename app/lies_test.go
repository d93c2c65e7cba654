package app_test

import (
	"bytes"
	"crypto/sha256"
	"path/filepath"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// forged is a snapshot whose records were changed, in chunks and under a manifest
// that fit them.
func forged(t *testing.T, o offered, change func([]schemas.SnapshotRecord) []schemas.SnapshotRecord, manifest func(*schemas.Manifest)) offered {
	t.Helper()
	codec, err := schemas.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	var records []schemas.SnapshotRecord
	for _, chunk := range o.chunks {
		rest, err := codec.ExpandChunk(chunk)
		if err != nil {
			t.Fatal(err)
		}
		for len(rest) > 0 {
			var r schemas.SnapshotRecord
			if r, rest, err = schemas.NextSnapshotRecord(rest); err != nil {
				t.Fatal(err)
			}
			records = append(records, schemas.SnapshotRecord{Kind: r.Kind, Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Aside: bytes.Clone(r.Aside)})
		}
	}
	if change != nil {
		if records = change(records); records == nil {
			t.Fatal("there is nothing to forge")
		}
	}
	m, err := schemas.DecodeManifest(o.snapshot.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	out := offered{appHash: o.appHash}
	m.Chunks = nil
	half := (len(records) + 1) / 2
	for _, part := range [][]schemas.SnapshotRecord{records[:half], records[half:]} {
		var b []byte
		for i := range part {
			b = part[i].Append(b)
		}
		out.chunks = append(out.chunks, codec.Compress(b))
	}
	return out.sealed(m, manifest)
}

func (o offered) sealed(m schemas.Manifest, manifest func(*schemas.Manifest)) offered {
	m.Chunks = nil
	for _, c := range o.chunks {
		m.Chunks = append(m.Chunks, sha256.Sum256(c))
	}
	if manifest != nil {
		manifest(&m)
	}
	encoded := m.Append(nil)
	hash := schemas.ManifestHash(encoded)
	o.snapshot = &abci.Snapshot{Height: uint64(m.Height), Format: schemas.SnapshotFormat, Chunks: uint32(len(m.Chunks)), Hash: hash[:], Metadata: encoded}
	return o
}

// aLedger is a ledger with everything in it that a snapshot could lie about.
func aLedger(t *testing.T) (*script, offered) {
	t.Helper()
	s := &script{chain: newChain(t, store.Options{}), subjects: map[schemas.TrailKey]bool{}}
	s.keepSnapshots(filepath.Join(t.TempDir(), "snapshots"))
	s.init()
	for i, lines := range [][]string{
		{"farm: obj add epc=a,b qty=lot1:5 id=1", "mill: obj add epc=c id=1"},
		{"farm: obj obs epc=a id=2 t=-1m; obj obs epc=b id=3"},
		{"farm: obj obs epc=a id=2 t=-2m void=did_not_occur", "mill: obj obs epc=a id=8"},
		{"farm: obj obs epc=b id=7 void=did_not_occur", "mill: obj obs epc=a id=9"},
		{"farm: agg add parent=P-1 epc=a id=4", "haul: obj obs epc=b id=5"},
	} {
		var txs [][]byte
		for _, line := range lines {
			txs = append(txs, s.sign(s.transaction(line, s.time.Add(time.Minute))))
		}
		s.block(txs...)
		for _, r := range s.last.Receipts {
			for _, e := range r.Events {
				if e.Code != schemas.OK {
					t.Fatalf("block %d: %s", i, e.Code)
				}
			}
		}
	}
	return s, s.take()
}

// TestSnapshotLies: a snapshot that says anything that does not follow from the
// app hash is refused with its sender, and leaves a node that restores the next.
func TestSnapshotLies(t *testing.T) {
	type records = []schemas.SnapshotRecord
	s, truth := aLedger(t)
	// alter changes the first record that it can.
	alter := func(kind schemas.SnapshotKind, change func(r *schemas.SnapshotRecord) bool) func(records) records {
		return func(rs records) records {
			for i := range rs {
				if rs[i].Kind == kind && change(&rs[i]) {
					return rs
				}
			}
			return nil
		}
	}
	remove := func(kind schemas.SnapshotKind, which func(r *schemas.SnapshotRecord) bool) func(records) records {
		return func(rs records) records {
			for i := range rs {
				if rs[i].Kind == kind && which(&rs[i]) {
					return append(append(records{}, rs[:i]...), rs[i+1:]...)
				}
			}
			return nil
		}
	}
	all := func(*schemas.SnapshotRecord) bool { return true }
	flip := func(b []byte) bool {
		if len(b) == 0 {
			return false
		}
		b[len(b)-1] ^= 1
		return true
	}
	// field changes a field of the value.
	field := func(n uint64, change func(v []byte) []byte) func(r *schemas.SnapshotRecord) bool {
		return func(r *schemas.SnapshotRecord) bool {
			var out []byte
			f, did := schemas.ReadFields(r.Value), false
			for m, v, ok := f.Next(); ok; m, v, ok = f.Next() {
				if m == n && !did {
					did, v = true, change(bytes.Clone(v))
				}
				out = schemas.AppendField(out, m, v)
			}
			if did {
				r.Value = out
			}
			return did
		}
	}
	flipped := func(v []byte) []byte { flip(v); return v }
	gone := func([]byte) []byte { return nil }
	kindIs := func(kind byte) func(r *schemas.SnapshotRecord) bool {
		return func(r *schemas.SnapshotRecord) bool { return r.Key[0] == kind }
	}
	with := func(r schemas.SnapshotRecord) func(records) records {
		return func(rs records) records {
			for i := range rs {
				if r.Before(&rs[i]) {
					return append(append(append(records{}, rs[:i]...), r), rs[i:]...)
				}
			}
			return append(rs, r)
		}
	}
	both := func(a, b func(*schemas.SnapshotRecord) bool) func(*schemas.SnapshotRecord) bool {
		return func(r *schemas.SnapshotRecord) bool { return a(r) && b(r) }
	}
	nothing := func(rs records) records { return rs }
	voided := func(r *schemas.SnapshotRecord) bool {
		var fields [5][]byte
		f := schemas.ReadFields(r.Value)
		for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
			fields[n] = v
		}
		if fields[3] != nil {
			return false
		}
		r.Value = schemas.AppendField(schemas.AppendField(nil, 1, fields[1]), 2, fields[2])
		r.Value = schemas.AppendField(schemas.AppendUint(r.Value, 3, 1), 4, fields[4])
		return true
	}
	for name, lie := range map[string]struct {
		change   func(records) records
		manifest func(*schemas.Manifest)
		offer    abci.ResponseOfferSnapshot_Result
	}{
		"a value":                {change: alter(schemas.SnapshotState, both(kindIs('P'), func(r *schemas.SnapshotRecord) bool { return flip(r.Value) }))},
		"a state key":            {change: alter(schemas.SnapshotState, both(kindIs('K'), func(r *schemas.SnapshotRecord) bool { return flip(r.Key) }))},
		"a further state key":    {change: with(schemas.SnapshotRecord{Kind: schemas.SnapshotState, Key: []byte("Pzz"), Value: []byte("x")})},
		"a further key, counted": {change: with(schemas.SnapshotRecord{Kind: schemas.SnapshotState, Key: []byte("Pzz"), Value: []byte("x")}), manifest: func(m *schemas.Manifest) { m.Keys++ }},
		"a missing state key":    {change: remove(schemas.SnapshotState, kindIs('B'))},
		"no state":               {change: func(rs records) records { return append(records{}, rs[len(rs)-1]) }},
		"an item's frontier":     {change: alter(schemas.SnapshotState, both(kindIs('I'), func(r *schemas.SnapshotRecord) bool { return flip(r.Aside) }))},
		"no frontier of an item": {change: alter(schemas.SnapshotState, both(kindIs('I'), func(r *schemas.SnapshotRecord) bool { r.Aside = nil; return true }))},
		"a frontier of another":  {change: alter(schemas.SnapshotState, both(kindIs('P'), func(r *schemas.SnapshotRecord) bool { r.Aside = []byte{1}; return true }))},
		"a class's frontier":     {change: alter(schemas.SnapshotState, both(kindIs('C'), func(r *schemas.SnapshotRecord) bool { return flip(r.Aside) }))},
		"a register's frontier":  {change: alter(schemas.SnapshotState, both(kindIs('R'), func(r *schemas.SnapshotRecord) bool { return flip(r.Aside) }))},
		"the accumulator's":      {change: alter(schemas.SnapshotState, both(kindIs('A'), func(r *schemas.SnapshotRecord) bool { return flip(r.Aside) }))},
		"a nonces' frontier":     {change: alter(schemas.SnapshotState, both(kindIs('N'), func(r *schemas.SnapshotRecord) bool { return flip(r.Aside) }))},
		"more beside a frontier": {change: alter(schemas.SnapshotState, both(kindIs('I'), func(r *schemas.SnapshotRecord) bool { r.Aside = append(r.Aside, 9, 1, 1); return true }))},
		"a missing event":        {change: remove(schemas.SnapshotEvent, all)},
		"an eventID":             {change: alter(schemas.SnapshotEvent, func(r *schemas.SnapshotRecord) bool { r.Key[0] ^= 1; return true })},
		"an event's partner": {change: alter(schemas.SnapshotEvent, func(r *schemas.SnapshotRecord) bool {
			r.Key = bytes.Replace(r.Key, []byte("farm"), []byte("mill"), 1)
			return bytes.Contains(r.Key, []byte("mill"))
		})},
		"an event of nobody":       {change: with(schemas.SnapshotRecord{Kind: schemas.SnapshotEvent, Key: []byte("zz\x00nobody\x00"), Value: schemas.AppendField(schemas.AppendField(nil, 1, make([]byte, 16)), 2, make([]byte, 32))})},
		"a further event":          {change: with(schemas.SnapshotRecord{Kind: schemas.SnapshotEvent, Key: []byte("zz\x00farm\x00"), Value: schemas.AppendField(schemas.AppendField(nil, 1, make([]byte, 16)), 2, make([]byte, 32))})},
		"an event's place":         {change: alter(schemas.SnapshotEvent, field(1, flipped))},
		"an event's content":       {change: alter(schemas.SnapshotEvent, field(2, flipped))},
		"an event that is void":    {change: alter(schemas.SnapshotEvent, voided)},
		"a void event that stands": {change: alter(schemas.SnapshotEvent, field(3, gone))},
		"an event's duplicate key": {change: alter(schemas.SnapshotEvent, field(4, flipped))},
		"no duplicate key":         {change: alter(schemas.SnapshotEvent, field(4, gone))},
		"a key without an event":   {change: alter(schemas.SnapshotEvent, func(r *schemas.SnapshotRecord) bool { r.Key = []byte("\x00farm\x00"); return true })},
		"no declaration":           {change: remove(schemas.SnapshotDeclaration, all)},
		"a declaration's content":  {change: alter(schemas.SnapshotDeclaration, field(1, flipped))},
		"a declaration's key":      {change: alter(schemas.SnapshotDeclaration, field(2, flipped))},
		"what a declaration voids": {change: alter(schemas.SnapshotDeclaration, field(3, flipped))},
		"the event that it voids":  {change: alter(schemas.SnapshotDeclaration, field(4, func([]byte) []byte { return []byte("urn:example:event:3") }))},
		"an event that is not":     {change: alter(schemas.SnapshotDeclaration, field(4, flipped))},
		"a missing nonce":          {change: remove(schemas.SnapshotNonce, all)},
		"a nonce's id":             {change: alter(schemas.SnapshotNonce, func(r *schemas.SnapshotRecord) bool { return flip(r.Key) })},
		"a nonce's place":          {change: alter(schemas.SnapshotNonce, func(r *schemas.SnapshotRecord) bool { r.Value[7] = 200; return true })},
		"a nonce's expiry":         {change: alter(schemas.SnapshotNonce, func(r *schemas.SnapshotRecord) bool { return flip(r.Value) })},
		"two nonces' order": {change: func(rs records) records {
			n := len(rs) - 2
			for ; n > 0 && !bytes.Equal(rs[n].Value[12:], rs[n+1].Value[12:]); n-- {
			}
			rs[n].Value, rs[n+1].Value = rs[n+1].Value, rs[n].Value
			return rs
		}},
		"a further nonce":      {change: with(schemas.SnapshotRecord{Kind: schemas.SnapshotNonce, Key: make([]byte, 32), Value: make([]byte, 20)})},
		"records out of order": {change: func(rs records) records { rs[0], rs[1] = rs[1], rs[0]; return rs }},
		"a record twice":       {change: func(rs records) records { return append(records{rs[0]}, rs...) }},
		"the number of keys":   {change: nothing, manifest: func(m *schemas.Manifest) { m.Keys++ }},
		"the root":             {change: nothing, manifest: func(m *schemas.Manifest) { m.Root[0] ^= 1 }, offer: abci.ResponseOfferSnapshot_REJECT_SENDER},
		"the chain":            {change: nothing, manifest: func(m *schemas.Manifest) { m.ChainID += "x" }, offer: abci.ResponseOfferSnapshot_REJECT_SENDER},
		"another height":       {change: nothing, manifest: func(m *schemas.Manifest) { m.Height++ }},
	} {
		t.Run(name, func(t *testing.T) {
			c := joining(t, store.Options{})
			forgery := forged(t, truth, lie.change, lie.manifest)
			offer, last := c.restore(forgery)
			if lie.offer != 0 {
				if offer != lie.offer {
					t.Fatalf("it is answered %v", offer)
				}
			} else if offer != abci.ResponseOfferSnapshot_ACCEPT || last.Result != abci.ResponseApplySnapshotChunk_REJECT_SNAPSHOT || len(last.RejectSenders) != 1 || last.RejectSenders[0] != "peer" {
				t.Fatalf("it is answered %v, %v", offer, last)
			}
			if height, _ := c.store.Last(); height != 0 {
				t.Fatalf("it left height %d", height)
			}
			for _, kind := range "dehwWqQvR" {
				if n := len(c.rows(string(kind))); n > 0 {
					t.Errorf("it left %d rows of kind %c", n, kind)
				}
			}
			c.restored(s.chain, truth)
		})
	}
}
