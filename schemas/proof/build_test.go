package proof_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// A vote that this package would refuse must not spoil the bundle: it is left out.
func TestBuildDropsVotes(t *testing.T) {
	l := newStory(t)
	b, m := l.build(proof.AnItem, unit), l.signed(l.header())
	m.Commit.Votes[1].Signature = bytes.Clone(m.Commit.Votes[1].Signature)
	m.Commit.Votes[1].Signature[5] ^= 1
	m.Commit.Votes = append(m.Commit.Votes, proof.Vote{Index: 9, Signature: make([]byte, 64)})
	if err := b.Seal(m); err != nil {
		t.Fatal(err)
	}
	r, err := proof.Verify(b.Encode(), l.trust())
	if err != nil || r.Signed != 30 || len(m.Commit.Votes) != 5 {
		t.Errorf("%v, %v", r, err)
	}
}

// A commit whose votes that hold are too few makes no bundle: what is exported
// verifies. With the votes that another node saw it does.
func TestSealNeedsVotes(t *testing.T) {
	l := newStory(t)
	b, m := l.build(proof.AnItem, unit), l.signed(l.header())
	all := slices.Clone(m.Commit.Votes)
	spoilt := bytes.Clone(all[1].Signature)
	spoilt[5] ^= 1
	m.Commit.Votes = []proof.Vote{all[0], {Index: 1, Time: all[1].Time, Signature: spoilt}, all[2]}
	if err := b.Seal(m); !errors.Is(err, proof.ErrFewVotes) {
		t.Errorf("two votes of four: %v", err)
	}
	m.Commit.Votes = append(m.Commit.Votes, all[3], all[0])
	if err := b.Seal(m); err != nil {
		t.Fatal(err)
	}
	r, err := proof.Verify(b.Encode(), l.trust())
	if err != nil || r.Signed != 30 {
		t.Errorf("%v, %v", r, err)
	}
}

// An identifier that the state has nothing of gives a bundle that says so, of
// whichever kind it was asked for.
func TestBuildUnknown(t *testing.T) {
	l := newStory(t)
	const none = "https://id.gs1.org/01/09521234543213/21/none"
	for _, subject := range []proof.Subject{proof.AnItem, proof.AClass} {
		b := l.build(subject, none)
		r, err := proof.Verify(b.Encode(), l.trust())
		if err != nil || r.Asked().Present || r.Asked().Kind != proof.Unknown || len(r.Events) != 0 {
			t.Errorf("%s: %v, %v", subject, r, err)
		}
	}
}

// faulty is a source that some of is missing from.
type faulty struct {
	*ledger
	fails func(key []byte) bool
	alter func(r *proof.Record)
}

func (f *faulty) State(key []byte) ([]byte, proof.Path, error) {
	if f.fails != nil && f.fails(key) {
		return nil, proof.Path{}, errors.New("disk")
	}
	return f.ledger.State(key)
}

func (f *faulty) Records(key schemas.TrailKey, from uint64, limit int) ([]proof.Record, error) {
	records, err := f.ledger.Records(key, from, limit)
	records = slices.Clone(records)
	for i := range records {
		if f.alter != nil {
			f.alter(&records[i])
		}
	}
	return records, err
}

func TestBuildRefuses(t *testing.T) {
	lacks := func(key []byte) func(l *ledger, m *proof.Material) {
		return func(l *ledger, _ *proof.Material) { delete(l.state, string(key)) }
	}
	altered := func(alter func(r *proof.Record)) func(l *ledger, m *proof.Material) {
		return func(l *ledger, m *proof.Material) { m.Source = &faulty{ledger: l, alter: alter} }
	}
	for name, c := range map[string]struct {
		alter  func(l *ledger, m *proof.Material)
		refuse string
	}{
		"the wrong kind": {func(_ *ledger, m *proof.Material) { m.Asked[0] = proof.Thing{Kind: proof.AnItem, ID: private} }, "the other kind"},
		"a broken state": {func(l *ledger, m *proof.Material) {
			m.Source = &faulty{ledger: l, fails: func(key []byte) bool { return true }}
		}, "disk"},
		"no container": {lacks(schemas.ItemKey(pallet)), "nothing at"},
		"no partner":   {lacks(schemas.PartnerKey("borg-foods")), "nothing at"},
		"no key":       {lacks(schemas.KeyKey("borg-foods", "k1")), "nothing at"},
		"no skeleton":  {altered(func(r *proof.Record) { r.Skeleton = nil }), "without its skeleton"},
		"no digest": {altered(func(r *proof.Record) {
			r.Body, r.SkeletonBytes, r.Digest = nil, nil, schemas.Hash{}
		}), "record at 2/0/0: it comes without its digest"},
		"no event":     {altered(func(r *proof.Record) { r.Body = []byte("{}") }), "record at 2/0/0: reading its body"},
		"missing rows": {func(l *ledger, _ *proof.Material) { l.records[custody(unit)] = l.records[custody(unit)][:1] }, "has 1 rows"},
	} {
		l := newStory(t)
		l.set(schemas.ClassKey(private), schemas.SingleHead(l.head(class(lot))))
		delete(l.state, string(schemas.ItemKey(private)))
		m := l.everything(proof.AnItem, unit)
		c.alter(l, &m)
		_, err := proof.Assemble(m)
		if errors.Is(err, proof.ErrOtherSubject) != (name == "the wrong kind") {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil || !strings.Contains(err.Error(), c.refuse) {
			t.Errorf("%s: %v", name, err)
		}
	}
	l := newStory(t)
	b, h := l.build(proof.AnItem, unit), l.header()
	h.Time = time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := b.Seal(l.signed(h)); err == nil || !strings.Contains(err.Error(), "cannot be encoded") {
		t.Errorf("a time before us: %v", err)
	}
}

func ExampleVerify() {
	l := newStory(new(testing.T)) // a ledger with real keys; a node gives its own to Assemble and Seal
	bundle := l.build(proof.AnItem, unit)
	report, err := proof.Verify(bundle.Encode(), l.trust())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, line := range report.Proven() {
		fmt.Println(line)
	}
	bundle.Transactions = bundle.Transactions[1:]
	_, err = proof.Verify(bundle.Encode(), l.trust())
	fmt.Println(err)
	// Output:
	// Validators with 30 of 40 votes of a trusted set signed the header of height 10.
	// What follows is the ledger's state after block 9. By the validators' clocks, all of it was decided before 2026-03-01T08:00:09Z.
	// The custody trail of https://id.gs1.org/01/09521234543213/21/1001 then had 2 records: all are here, in the order in which they were recorded, and no other followed.
	// The observation trail of https://id.gs1.org/01/09521234543213/21/1001 then had 2 records: all are here, in the order in which they were recorded, and no other followed.
	// The custodian of the item was then the partner carrier.
	// The item was then inside 1 container.
	// custody trail of https://id.gs1.org/01/09521234543213/21/1001: it has 2 records, the bundle 1
}
