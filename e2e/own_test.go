package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// A node that keeps its own bodies alone stands where the others stand, is killed
// and goes on, proves what it keeps and what it does not; and a node that joins gets
// from the others the history that this one does not give.
func TestOwnBodies(t *testing.T) {
	x := start(t, 4, "WAYBILL_SNAPSHOT_HEIGHTS=10")
	const own, joins = 3, 2
	x.kill(t, own)
	x.restart(t, own, "--bodies", "own")
	x.awaitReady(t, own)
	theirs := captureOne(t, x, 0)
	mine := captureOne(t, x, own)
	x.kill(t, own)
	x.sound(t, own)
	x.restart(t, own, "--bodies", "own")
	x.awaitReady(t, own)
	x.level(t)
	x.oneState(t)
	for item, kept := range map[string]bool{theirs: false, mine: true} {
		trail, err := x.client(t, own).WholeTrail(t.Context(), item)
		if err != nil || len(trail.Records) != 1 {
			t.Fatalf("trail of %s: %+v, %v", item, trail, err)
		}
		r := trail.Records[0]
		if (len(r.Event) > 0) != kept || (r.Missing == nil) != kept {
			t.Errorf("of %s, which is kept: %v, there is %+v", item, kept, r)
		}
		if !kept && (r.Missing.Code != schemas.BodyNotKept || !strings.HasSuffix(r.Missing.Detail, x.members[0].Partner)) {
			t.Errorf("what is not kept is told as %+v", r.Missing)
		}
		bundle, err := x.client(t, own).Bundle(t.Context(), schemas.BundleQuery{ID: item})
		if err != nil {
			t.Fatalf("bundle of %s: %v", item, err)
		}
		if report, err := proof.Verify(bundle, x.trust(t)); err != nil || len(report.Events) != 1 {
			t.Errorf("the bundle of %s: %+v, %v", item, report, err)
		}
		if whole, err := x.client(t, 0).WholeTrail(t.Context(), item); err != nil || len(whole.Records) != 1 || len(whole.Records[0].Event) == 0 {
			t.Errorf("another node has of %s: %+v, %v", item, whole, err)
		}
	}

	snapshot := func(above int64) (last int64) {
		for n := 0; last <= above; n++ {
			_, body := newEvent(0, fmt.Sprint("own", above), n)
			if err := acknowledge(t.Context(), x.plain(t, 0), body); err != nil {
				t.Fatal(err)
			}
			if n := x.network(t, 0); len(n.Snapshots) > 0 {
				last = slices.Max(n.Snapshots)
			}
		}
		return last
	}
	first := snapshot(0)
	trust := x.trustFile(t)
	x.kill(t, joins)
	x.wipe(t, joins)
	snapshot(first)
	x.restart(t, joins, "--trust", trust)
	eventually(t, "the history is complete", func() bool {
		n, err := x.plain(t, joins).Network(t.Context())
		return err == nil && n.Height > first && n.Missing == nil
	})
	x.awaitReady(t, joins)
	if trail, err := x.client(t, joins).WholeTrail(t.Context(), theirs); err != nil || len(trail.Records) != 1 || len(trail.Records[0].Event) == 0 {
		t.Errorf("the node that joined has of %s: %+v, %v", theirs, trail, err)
	}
	x.kill(t, own)
	x.sound(t, own)
}
