package app_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// TestOpenExceptionsPassOverSome: whatever has been worked off, one page looks at a bounded
// part of it, and the pages together tell what is open, once each.
func TestOpenExceptionsPassOverSome(t *testing.T) {
	const n = 4100
	c := newChain(t, store.Options{})
	do := func(text func(i int) string) {
		events := make([]*schemas.Event, n)
		for i := range events {
			var err error
			if events[i], err = (notation{c.members}).event(text(i), c.time); err != nil {
				t.Fatal(err)
			}
		}
		c.block(c.sign(c.draft("farm", false, events...)))
	}
	do(func(i int) string { return fmt.Sprintf("obj del epc=u%d id=%d", i, i) }) // claimed_unseen
	flagged := c.height
	do(func(i int) string { // all but the first and the last
		return fmt.Sprintf(`act SettleException {"height":%d,"index":%d}`, flagged, min(max(i, 1), n-2))
	})
	var open []schemas.Locator
	pages := 0
	for next, more := (*schemas.Locator)(nil), true; more; more = next != nil {
		var page []schemas.Record
		var err error
		if page, next, err = c.view().Exceptions("farm", next, true, 100); err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			open = append(open, r.Locator)
		}
		pages++
	}
	want := []schemas.Locator{{Height: flagged, Index: n - 1}, {Height: flagged, Index: 0}}
	if !slices.Equal(open, want) || pages != 3 {
		t.Errorf("%d pages tell %v, not 3 with %v", pages, open, want)
	}
}
