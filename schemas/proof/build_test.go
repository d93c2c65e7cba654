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
	m := l.material(proof.AnItem, unit)
	m.Commit.Votes[1].Signature = bytes.Clone(m.Commit.Votes[1].Signature)
	m.Commit.Votes[1].Signature[5] ^= 1
	m.Commit.Votes = append(m.Commit.Votes, proof.Vote{Index: 9, Signature: make([]byte, 64)})
	b, err := proof.Build(m)
	if err != nil {
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
	m := l.material(proof.AnItem, unit)
	all := slices.Clone(m.Commit.Votes)
	spoilt := bytes.Clone(all[1].Signature)
	spoilt[5] ^= 1
	m.Commit.Votes = []proof.Vote{all[0], {Index: 1, Time: all[1].Time, Signature: spoilt}, all[2]}
	if _, err := proof.Build(m); !errors.Is(err, proof.ErrFewVotes) {
		t.Errorf("two votes of four: %v", err)
	}
	m.Commit.Votes = append(m.Commit.Votes, all[3], all[0])
	b, err := proof.Build(m)
	if err != nil {
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
		if err != nil || r.Present || r.Subject != proof.Unknown || len(r.Events) != 0 {
			t.Errorf("%s: %v, %v", subject, r, err)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		alter  func(l *ledger, m *proof.Material)
		refuse string
	}{
		"no subject":       {func(_ *ledger, m *proof.Material) { m.Subject = 0 }, "subject of kind 0"},
		"the wrong kind":   {func(_ *ledger, m *proof.Material) { m.Subject = proof.AClass }, "the other kind"},
		"a time before us": {func(_ *ledger, m *proof.Material) { m.Header.Time = time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC) }, "cannot be encoded"},
		"a broken state": {func(_ *ledger, m *proof.Material) {
			m.State = func([]byte) ([]byte, proof.Path, error) { return nil, proof.Path{}, errors.New("disk") }
		}, "disk"},
		"no container": {func(l *ledger, m *proof.Material) {
			delete(l.state, string(schemas.ItemKey(pallet)))
		}, "nothing at"},
		"no body": {func(_ *ledger, m *proof.Material) {
			r := slices.Clone(m.Records[schemas.CustodyTrail])
			r[0].Body = nil
			m.Records[schemas.CustodyTrail] = r
		}, "record at 2/0/0: its body is not held here"},
		"no transaction": {func(_ *ledger, m *proof.Material) {
			r := slices.Clone(m.Records[schemas.CustodyTrail])
			r[0].Transaction = nil
			m.Records[schemas.CustodyTrail] = r
		}, "without its transaction"},
		"no digests": {func(_ *ledger, m *proof.Material) {
			r := slices.Clone(m.Records[schemas.CustodyTrail])
			r[0].Transaction = &proof.Transaction{}
			m.Records[schemas.CustodyTrail] = r
		}, "inclusion"},
		"no partner": {func(l *ledger, _ *proof.Material) { delete(l.state, string(schemas.PartnerKey("borg-foods"))) }, "nothing at"},
		"no key":     {func(l *ledger, _ *proof.Material) { delete(l.state, string(schemas.KeyKey("borg-foods", "k1"))) }, "nothing at"},
	} {
		l := newStory(t)
		m := l.material(proof.AnItem, unit)
		c.alter(l, &m)
		_, err := proof.Build(m)
		if errors.Is(err, proof.ErrOtherSubject) != (name == "the wrong kind") {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil || !strings.Contains(err.Error(), c.refuse) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func ExampleVerify() {
	l := newStory(new(testing.T)) // a ledger with real keys; a node gives its own to Build
	bundle, err := proof.Build(l.material(proof.AnItem, unit))
	if err != nil {
		fmt.Println(err)
		return
	}
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
	// Validators with 40 of 40 votes of the trusted set signed the ledger's state after block 6. By their clocks, all of it was decided before 2026-03-01T08:00:06Z.
	// All that the ledger then had of this item is 4 records, each as signed by its partner, in the order in which they were recorded.
	// The custodian of the item was then the partner carrier.
	// The item was then inside 1 container.
	// custody trail of https://id.gs1.org/01/09521234543213/21/1001: it has 2 records, the bundle 1
}
