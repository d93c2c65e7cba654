package api_test

import (
	"bufio"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

// streamedTo is what the stream tells a key, from the beginning.
func (h *harness) streamedTo(key, query string) (out []api.Streamed) {
	h.t.Helper()
	r := h.do("GET", "/api/v1/stream?after=0-0-0&follow=false"+query, "", "Authorization", key).want(h.t, 200)
	l := &listener{t: h.t, body: bufio.NewReader(strings.NewReader(string(r.body)))}
	for {
		one, err := l.next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			h.t.Fatal(err)
		}
		out = append(out, *one)
	}
}

// TestStreamMoments: what happened without a message is told behind the messages, and
// bound keys are told what concerns theirs alone.
func TestStreamMoments(t *testing.T) {
	h := newHarness(t, defaults())
	keys := guests(t, h)
	h.record(1)
	h.do("POST", "/api/v1/transactions", string(h.signedBy("guest", event(7, `"eventID":"urn:uuid:7"`))), "Content-Type", sendBinary, "Authorization", keys["guest"]).want(t, 201)
	moment := func(n uint32, m schemas.Moment) schemas.Record {
		return schemas.Record{Locator: schemas.Locator{Height: 2, Position: schemas.MomentPosition, Index: n}, Partner: append(m.Concerns, "")[0], Moment: &m}
	}
	h.ledger.set(func() {
		h.ledger.moments = []schemas.Record{
			moment(0, schemas.Moment{Kind: schemas.MomentUpgrade, Subjects: []string{"2"}}),
			moment(1, schemas.Moment{Kind: schemas.MomentOffer, Subjects: []string{itemLink}, Concerns: []string{"acme-farms", "guest"}, Cause: schemas.Locator{Height: 1}}),
			moment(2, schemas.Moment{Kind: schemas.MomentOffer, Subjects: []string{"https://id.gs1.org/01/09521234543213/21/999"}, Concerns: []string{"acme-farms", "mill"}}),
			moment(3, schemas.Moment{Kind: schemas.MomentAdmitted, Subjects: []string{"mill"}, Concerns: []string{"mill"}, From: 3})}
	})
	types := func(list []api.Streamed) (out []string) {
		for _, one := range list {
			out = append(out, one.Type+" "+strings.Join(one.Subjects, " "))
		}
		return out
	}
	all := h.streamedTo("Bearer "+h.key, "")
	if len(all) != 6 || all[3].Cause != "1-0-0" || all[5].From != 3 || all[5].Link != "/api/v1/partners" || all[3].Transaction != (schemas.Hash{}) {
		t.Fatalf("told %+v", all)
	}
	for query, want := range map[string]int{"&type=offer.expired": 2, "&type=offer.*|upgrade.in_force": 3, "&partner=mill": 2, "&subject=mill": 1, "&subject=" + itemURN: 2} {
		if got := h.streamedTo("Bearer "+h.key, query); len(got) != want {
			t.Errorf("%s: told %v", query, types(got))
		}
	}
	own := []string{"event.recorded https://id.gs1.org/01/09521234543213/21/7", "offer.expired " + itemLink}
	for who, want := range map[string][]string{"guest": own, "partner's observer": own, "item's observer": {"offer.expired https://id.gs1.org/01/09521234543213/21/999"}} {
		if got := types(h.streamedTo(keys[who], "")); !slices.Equal(got, want) {
			t.Errorf("%s is told %v", who, got)
		}
	}
	h.do("GET", "/api/v1/stream", "", "Authorization", keys["moved"]).problem(t, 403, "not_hosted")
}
