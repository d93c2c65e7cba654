package audit_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/audit"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// A witness does not follow a network across a rescue, and says in words why; a
// document that does not hold is no excuse.
func TestWitnessStopsAtARescue(t *testing.T) {
	h := newHistory(2, four)
	last := h.headers[len(h.headers)-1]
	partners := validatorsOf("partner of a", "partner of b")
	r := &proof.Rescue{RescueStatement: proof.RescueStatement{ChainID: simChain, Epoch: 1, Height: last.Header.Height, Header: last.Hash(), App: schemas.Hash{1}, Reason: "fire"}}
	for i, name := range []string{"acme", "borg", "carrier", "dairy"} {
		v := proof.RescueValidator{Partner: name, Validator: four.set[i], Fate: proof.Lost}
		if i < 2 {
			v.Fate, v.Signing = proof.Stays, partners.set[i].Public
		}
		r.Validators = append(r.Validators, v)
	}
	for i := range 2 {
		if err := r.Sign(four.keys[i], partners.keys[i]); err != nil {
			t.Fatal(err)
		}
	}
	w := newWatch(t, h.trust(1), h)
	w.signs(h, 2)
	h.grow(2, "", validatorsOf("a", "b"))
	tells := func(document []byte) func(string, any) {
		return func(_ string, answer any) {
			if s, ok := answer.(*api.SignedHeader); ok && s.Height == last.Header.Height {
				s.Rescue = document
			}
		}
	}
	w.nodes[0].lie = tells(r.Encode())
	err := w.Round(context.Background())
	if !errors.Is(err, audit.ErrRestarted) || !strings.Contains(err.Error(), r.ID().String()) || !strings.Contains(err.Error(), "Lost for ever: carrier, dairy") {
		t.Errorf("at a rescue the witness says %v", err)
	}
	w.shows(h, 2)
	other := *r
	other.Header[0]++
	for name, document := range map[string][]byte{"none": nil, "another header's": other.Encode(), "nonsense": []byte("nonsense")} {
		w.nodes[0].lie = tells(document)
		if err := w.Round(context.Background()); err == nil || errors.Is(err, audit.ErrRestarted) {
			t.Errorf("with the document %s the witness says %v", name, err)
		}
		w.shows(h, 2)
	}
	// Whoever accepts the rescue begins anew behind it.
	anew := newWatch(t, h.trust(last.Header.Height+1), h)
	anew.signs(h, 4)
}
