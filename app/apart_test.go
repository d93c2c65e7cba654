package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// A transaction is read again and again for some of its messages, each time for others:
// all are what was sent, those that were kept from before, too.
func TestMessagesAreReadApart(t *testing.T) {
	const count = 200
	c := newChain(t, store.Options{})
	send := func(from, count int) int64 {
		var events []*schemas.Event
		for i := range count {
			// Of different size, so that what is read into the same memory is not as long.
			body := fmt.Sprintf(`{"@context":[{"ex":"https://ns.example.com/"}],"type":"ObjectEvent","action":"OBSERVE","eventID":"urn:event:%d","eventTime":"2026-01-02T03:04:05Z",`+
				`"eventTimeZoneOffset":"+00:00","epcList":["urn:thing:%d"],"ex:text":"%s"}`, from+i, from+i, strings.Repeat(string(rune('a'+i%26)), 1+i%17))
			e, err := schemas.DecodeEvent([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
		c.block(c.sign(c.draft("farm", false, events...)))
		return c.view().Height()
	}
	heights := []int64{send(0, count), send(1000, count/2), send(2000, 1)}
	for _, step := range []int{1, 7, 61, 97} {
		c.app.TestingOnlyForget()
		for n := range count {
			i := n * step % count
			for h, height := range heights {
				from := 1000 * h
				if h == 1 && i >= count/2 || h == 2 && i > 0 {
					continue
				}
				r, err := c.view().Record(schemas.Locator{Height: height, Index: uint32(i)})
				if err != nil {
					t.Fatal(err)
				}
				text := `"` + strings.Repeat(string(rune('a'+i%26)), 1+i%17) + `"`
				if r.EventID != fmt.Sprintf("urn:event:%d", from+i) || r.Skeleton.EPCs[0] != fmt.Sprintf("urn:thing:%d", from+i) ||
					!strings.Contains(string(r.Body), text) || !strings.Contains(string(r.Body), `"`+r.EventID+`"`) {
					t.Fatalf("step %d: message %d of height %d is %s %s", step, i, height, r.EventID, r.Body)
				}
			}
		}
	}
}
