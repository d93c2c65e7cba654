package app_test

import (
	"fmt"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// recalls answers the script's command of this name.
func (s *script) recalls() {
	list, more, err := s.view().Recalls(schemas.RecallRef{}, false, 100)
	if err != nil || more {
		s.print("%v, more: %v", err, more)
	}
	for _, r := range list {
		state := "open"
		if r.Closed != 0 {
			state = "closed"
		}
		s.print("%s/%s: class=%s %s names=%d", r.Issuer, r.Recall, r.Class, state, r.Named)
	}
}

// reach answers the script's command: reach ISSUER NAME.
func (s *script) reach(issuer, name string) {
	r, err := s.view().RecallReach(s.t.Context(), schemas.RecallRef{Issuer: issuer, Recall: name})
	if r == nil || err != nil {
		s.print("none: %v", err)
		return
	}
	s.print("reaches=%d holders=%d open=%d answers=%d truncated=%v", r.Items, len(r.Holders), r.Open, len(r.Replies), r.Truncated)
	for _, h := range r.Holders {
		line := fmt.Sprintf("%s: items=%d", h.Partner, h.Items)
		for _, id := range h.IDs {
			line += " " + short(id)
		}
		for _, b := range h.Balances {
			line += fmt.Sprintf(" %s:%s:%s", short(b.ID), b.Quantity, b.UOM)
		}
		if h.Acknowledged {
			line += " acknowledged"
		}
		if h.Done {
			line += " done"
		}
		s.print("%s", strings.TrimSpace(line))
	}
}
