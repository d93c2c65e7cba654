package api_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

// fakeLedger is a ledger of one node in memory. It signs for real, and decides as
// the rules do on what a gateway can see: duplicates, repeated eventIDs, atomic
// transactions, expiry. What it does with a transaction the test chooses.
type fakeLedger struct {
	t     testing.TB
	codec *schemas.Codec
	key   ed25519.PrivateKey

	mu          sync.Mutex          // guards what follows
	asked       schemas.BundleQuery // last, for a bundle
	changed     chan struct{}
	height      int64
	now         time.Time
	elsewhere   string // partner that holds all things; "" for whoever sends
	quorum      bool   // commit what is broadcast at once
	down        error  // what Broadcast answers instead
	refuse      func(*schemas.Transaction) *schemas.Fault
	denied      schemas.Code // of every act
	lose        bool         // take what is broadcast, and lose it
	signErr     error        // what Sign answers instead
	life        int64        // heights until expiry
	viewFaults  int          // how many views expire before one can be read
	viewFails   error        // what reading answers instead
	pool        [][]byte
	wholeTraces bool // traces hold all bodies
	short       bool // pages of queries are short
	tooComplex  bool // queries are
	realBundles bool // bundles have a JSON form
	network     api.Network
	missing     [2]int64 // heights without records
	looked      func()   // told whenever messages are read
	proving     func()   // told whenever a checkpoint is
	paging      func()   // told whenever a query is answered
	delay       time.Duration
	waiting     int64 // bytes that Delay was last told of

	broadcasts int
	signed     int
	commits    map[schemas.Hash]*commit
	order      []*commit
	records    []schemas.Record
	moments    []schemas.Record
	duplicates map[string]int // record
	eventIDs   map[string]int
}

type commit struct {
	tx      *schemas.Transaction
	receipt schemas.Receipt
}

func newLedger(t testing.TB) *fakeLedger {
	codec, err := schemas.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	seed := sha256.Sum256([]byte("acme-farms"))
	return &fakeLedger{t: t, codec: codec, key: ed25519.NewKeyFromSeed(seed[:]), changed: make(chan struct{}), height: 1, quorum: true, life: 100,
		now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), commits: map[schemas.Hash]*commit{}, duplicates: map[string]int{}, eventIDs: map[string]int{},
		network: api.Network{ChainID: "test", Rules: 1, Partner: "acme-farms", Quorum: true}}
}

// set changes the ledger, and wakes who waits.
func (l *fakeLedger) set(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	l.wake()
}

func (l *fakeLedger) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// restore brings the quorum back and commits what waits.
func (l *fakeLedger) restore() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quorum, l.down, l.lose, l.refuse = true, nil, false, nil
	pool := l.pool
	l.pool = nil
	for _, raw := range pool {
		l.commit(raw)
	}
	l.wake()
}

// pass lets empty blocks pass.
func (l *fakeLedger) pass(heights int64) { l.set(func() { l.height += heights; l.pool = nil }) }

func (l *fakeLedger) Sign(actor string, atomic bool, events []*schemas.Event) (api.Signed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.signErr != nil {
		return api.Signed{}, l.signErr
	}
	l.signed++
	d := schemas.Draft{ChainID: "test", Partner: "acme-farms", KeyID: "gateway", Actor: actor, Atomic: atomic, Events: events,
		Expiry: uint64(l.height + l.life), Nonce: random(schemas.NonceSize), Secret: random(32)}
	for _, e := range events {
		var key []byte
		if e.KindOf() == schemas.KindEvent { // an order has none
			key = schemas.DuplicateKeyOf([]byte("secret"), e)
		}
		d.DuplicateKeys = append(d.DuplicateKeys, key)
	}
	raw, id, err := l.codec.Sign(d, l.key)
	if err != nil {
		return api.Signed{}, err
	}
	tx, err := l.codec.Decode(raw)
	if err != nil {
		return api.Signed{}, err
	}
	out := api.Signed{Raw: raw, ID: id, Expiry: int64(d.Expiry)}
	for i := range tx.Messages {
		out.Digests, out.IDs = append(out.Digests, tx.Messages[i].Digest), append(out.IDs, tx.Messages[i].EventIDOf())
	}
	return out, nil
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func (l *fakeLedger) Broadcast(_ context.Context, raw []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.wake()
	l.broadcasts++
	if l.down != nil {
		return l.down
	}
	tx, err := l.codec.Decode(raw)
	if err != nil {
		return err
	}
	if l.refuse != nil {
		if f := l.refuse(tx); f != nil {
			return f
		}
	}
	switch {
	case int64(tx.Header.Expiry) <= l.height: // first, as admission does
		return &schemas.Fault{Code: schemas.Expired, Detail: "expired"}
	case l.commits[tx.ID] != nil:
		return &schemas.Fault{Code: schemas.Replayed, Detail: "admitted before"}
	case l.lose:
	case l.quorum:
		l.commit(raw)
	case !slices.ContainsFunc(l.pool, func(other []byte) bool { return slices.Equal(other, raw) }):
		l.pool = append(l.pool, raw)
	}
	return nil
}

// commit makes a block of one transaction; l.mu is held.
func (l *fakeLedger) commit(raw []byte) {
	tx, err := l.codec.Decode(raw)
	if err != nil {
		l.t.Errorf("an undecodable transaction was broadcast: %v", err)
		return
	}
	if l.commits[tx.ID] != nil || int64(tx.Header.Expiry) <= l.height {
		return
	}
	l.height++
	l.now = l.now.Add(time.Second)
	r := l.execute(tx, true)
	l.commits[tx.ID] = &commit{tx: tx, receipt: r}
	l.order = append(l.order, l.commits[tx.ID])
}

func (l *fakeLedger) execute(tx *schemas.Transaction, keep bool) schemas.Receipt {
	r := schemas.Receipt{Transaction: tx.ID, Height: l.height, Time: l.now, Events: []schemas.EventReceipt{}}
	mark := len(l.records)
	undo := func() {
		for k, n := range l.duplicates {
			if n >= mark {
				delete(l.duplicates, k)
			}
		}
		for k, n := range l.eventIDs {
			if n >= mark {
				delete(l.eventIDs, k)
			}
		}
		l.records = l.records[:mark]
	}
	refused := -1
	for i := range tx.Messages {
		e := l.message(tx, i)
		if e.Code != schemas.OK && refused < 0 {
			refused = i
		}
		r.Events = append(r.Events, e)
	}
	if tx.Header.Atomic && refused >= 0 {
		undo()
		for i := range r.Events {
			if i != refused {
				r.Events[i].Code, r.Events[i].Effect = schemas.Undone, schemas.NoEffect
			}
		}
	}
	if !keep {
		undo()
	}
	return r
}

func (l *fakeLedger) message(tx *schemas.Transaction, i int) schemas.EventReceipt {
	m := &tx.Messages[i]
	e := schemas.EventReceipt{EventID: m.EventIDOf(), Digest: m.Digest, Effect: schemas.Observation, Flags: []schemas.Code{}}
	if n, ok := l.duplicates[string(m.DuplicateKey)]; ok && len(m.DuplicateKey) > 0 {
		first := l.records[n]
		e.EventID, e.Effect = first.EventID, schemas.Duplicate
		e.First = &schemas.FirstReceipt{Transaction: first.Transaction, Time: first.Time, Locator: first.Locator,
			EventReceipt: schemas.EventReceipt{EventID: first.EventID, Digest: first.Digest, Effect: first.Result.Effect, Flags: []schemas.Code{}}}
		return e
	}
	if _, ok := l.eventIDs[e.EventID]; ok && m.Event.Skeleton.Declaration == nil {
		e.Code, e.Effect = schemas.EventIDConflict, schemas.NoEffect
		return e
	}
	if m.Kind == schemas.KindAct && l.denied != schemas.OK {
		e.Code, e.Effect = l.denied, schemas.NoEffect
		return e
	}
	if m.Event.Skeleton.Action == schemas.ActionDelete && l.elsewhere != "" {
		e.Code, e.Effect = schemas.NotCustodian, schemas.NoEffect
		return e
	}
	if m.Event.Skeleton.Action != schemas.ActionObserve {
		e.Effect = schemas.Applied
	}
	l.duplicates[string(m.DuplicateKey)], l.eventIDs[e.EventID] = len(l.records), len(l.records)
	l.records = append(l.records, schemas.Record{Locator: schemas.Locator{Height: l.height, Index: uint32(i)}, Time: l.now, Partner: tx.Header.Partner,
		KeyID: tx.Header.KeyId, Actor: tx.Header.Actor, Transaction: tx.ID, Kind: m.Kind, EventID: e.EventID, Digest: m.Digest,
		Result: schemas.Result{Effect: e.Effect}, Skeleton: &m.Event.Skeleton, Body: m.Event.Body})
	return e
}

func (l *fakeLedger) Delay(own int64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = own
	return l.delay
}

func (l *fakeLedger) Turn(context.Context) (func(), error) { return func() {}, nil }

func (l *fakeLedger) Await(ctx context.Context, id schemas.Hash, expiry int64) (*schemas.Receipt, error) {
	for {
		l.mu.Lock()
		c, height, changed := l.commits[id], l.height, l.changed
		l.mu.Unlock()
		switch {
		case c != nil:
			r := c.receipt
			return &r, nil
		case height >= expiry:
			return nil, api.ErrExpired
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (l *fakeLedger) DryRun(_ context.Context, actor string, atomic bool, events []*schemas.Event) (*schemas.Receipt, error) {
	signed, err := l.Sign(actor, atomic, events)
	if err != nil {
		return nil, err
	}
	tx, err := l.codec.Decode(signed.Raw)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.execute(tx, false)
	return &r, nil
}

func (l *fakeLedger) Rehearse(_ context.Context, tx *schemas.Transaction) (*schemas.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.execute(tx, false)
	return &r, nil
}

// Bundle answers no bundle, but what was asked for.
func (l *fakeLedger) Bundle(_ context.Context, q schemas.BundleQuery) ([]byte, error) {
	if q.ID == "urn:example:json" || l.realBundles { // a bundle of a version alone is none, but has a JSON form
		return []byte{1, 1, 2}, nil
	}
	if q.ID == "urn:example:large" {
		return make([]byte, 20<<20), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = q
	return append([]byte("bundle\x00"), q.ID...), nil
}

func (l *fakeLedger) Renew(_ context.Context, bundle []byte, since int64) ([]byte, error) {
	if len(bundle) == 0 {
		return nil, &schemas.Fault{Code: schemas.BadEncoding, Detail: "empty"}
	}
	return fmt.Appendf(bundle, " since %d", since), nil
}

func (l *fakeLedger) Trust(context.Context) (*api.Trust, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &api.Trust{ChainID: "test", Height: l.height, Time: l.now, HeaderHash: "00", ValidatorSetHash: "01"}, nil
}

func (l *fakeLedger) Network(context.Context) (*api.Network, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.network
	n.Height, n.Time = l.height, l.now
	return &n, nil
}

func (l *fakeLedger) Watch(height int64) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.height > height {
		done := make(chan struct{})
		close(done)
		return done
	}
	return l.changed
}

// committed are the transactions on the ledger, in order.
func (l *fakeLedger) committed() []*commit {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.order)
}

// count tells how many events are recorded.
func (l *fakeLedger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.records)
}

func (l *fakeLedger) sent() (signed, broadcasts int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.signed, l.broadcasts
}

func (l *fakeLedger) View() (api.View, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.viewFails != nil {
		return nil, l.viewFails
	}
	if l.viewFaults > 0 {
		l.viewFaults--
		return &fakeView{height: -1}, nil
	}
	commits := map[schemas.Hash]*commit{}
	for id, c := range l.commits {
		commits[id] = c
	}
	return &fakeView{looked: l.looked, paging: l.paging, elsewhere: l.elsewhere, missing: l.missing, height: l.height, now: l.now, records: slices.Clone(l.records), moments: slices.Clone(l.moments), commits: commits, wholeTraces: l.wholeTraces, short: l.short, tooComplex: l.tooComplex}, nil
}

func (l *fakeLedger) ViewAt(int64) (api.View, error) {
	return nil, &schemas.Fault{Code: schemas.ViewExpired}
}

func (l *fakeLedger) SignedHeader(_ context.Context, height int64) (*api.SignedHeader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if height > l.height {
		return nil, &schemas.Fault{Code: schemas.NotFound, Detail: "no such header"}
	}
	return &api.SignedHeader{Height: height, Time: l.now, Hash: "00", Signed: []byte("signed")}, nil
}

func (l *fakeLedger) Checkpoint(context.Context) (*api.Checkpoint, error) {
	l.mu.Lock()
	proving := l.proving
	l.mu.Unlock()
	if proving != nil {
		proving()
	}
	return &api.Checkpoint{Origin: "test", Size: 3, Root: "00", Height: 5, Hash: "01", Proof: []byte("proof")}, nil
}

func (l *fakeLedger) Growth(_ context.Context, from, to uint64) (*api.Growth, error) {
	return &api.Growth{From: from, To: to, Path: []schemas.Hash{{1}}}, nil
}

func (l *fakeLedger) Anchor(_ context.Context, index, size uint64) (*api.AnchorProof, error) {
	return &api.AnchorProof{Index: index, Size: size, Height: 5, Hash: schemas.Hash{2}, Path: []schemas.Hash{{1}}}, nil
}

// Erasure answers that an event of the name erased is, and nothing else.
func (l *fakeLedger) Erasure(_ context.Context, partner, eventID string) (*api.Erasure, error) {
	if eventID != "erased" {
		return nil, nil
	}
	return &api.Erasure{Partner: partner, EventID: eventID, Standing: "erased", Event: schemas.Locator{Height: 2}, Order: schemas.Locator{Height: 3},
		Receipt: &schemas.ErasureReceipt{ChainID: "test", Partner: "acme-farms", KeyID: "node", Recorder: partner, EventID: eventID, Signature: []byte("signature")}}, nil
}

func (l *fakeLedger) Carrying(_ context.Context, height int64, size uint64) (*api.AnchorProof, error) {
	return &api.AnchorProof{Index: 1, Size: size, Height: height, Hash: schemas.Hash{2}, Path: []schemas.Hash{{1}}, Signed: []byte("signed")}, nil
}
