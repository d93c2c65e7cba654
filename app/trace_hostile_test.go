package app_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// TestTraceOfTheSameAgain: a few lots that were made of each other a thousand times
// are met once each, not once for every way and moment by which they are come to, of
// which there are billions.
func TestTraceOfTheSameAgain(t *testing.T) {
	c := newChain(t, store.Options{})
	const made = 1000
	for at := 0; at < made; at += 100 {
		var events []*schemas.Event
		for i := range 100 {
			events = append(events, c.event(fmt.Sprintf("xform epc=A,B,C out=B,C,D t=-%dm", at+at/100+i)))
		}
		c.submit("farm", false, events...)
	}
	for _, of := range []struct {
		id        string
		direction schemas.Direction
		edges     int // of each event
	}{{"A", schemas.Downstream, 7}, {"D", schemas.Upstream, 7}, {"B", schemas.Both, 6}} { // what else was made of A is not B's
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		tr, err := c.view().Trace(ctx, schemas.TraceQuery{ID: full(of.id), Direction: of.direction, MaxDepth: 16, MaxEvents: 2000})
		cancel()
		if err != nil || len(tr.Events) != made || len(tr.Items) != 4 || len(tr.Edges) != of.edges*made || tr.Truncated {
			t.Fatalf("the trace of %s: %v, %d events, %d items, %d edges, truncated %t", of.id, err, len(tr.Events), len(tr.Items), len(tr.Edges), tr.Truncated)
		}
	}
}
