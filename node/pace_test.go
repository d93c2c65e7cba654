package node_test

import (
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/node"
)

// TestPace: what waits is told by blocks that had no room for all; before there was
// one, and while blocks fail to come, it is not believed to go fast.
func TestPace(t *testing.T) {
	connected := time.Hour
	committed, delay := node.NewPace(func() time.Duration { return connected })
	begin := time.Unix(1000, 0)
	at := func(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }
	about := func(what string, got, want time.Duration) {
		t.Helper()
		if got < want*99/100 || got > want*101/100 {
			t.Errorf("%s: %s, not about %s", what, got, want)
		}
	}
	first := committed(at(0), 0, 0)
	about("nothing waits", delay(at(0), 0), 0)
	if d := delay(at(0), int(first)); d <= 0 || d > 5*time.Second {
		t.Errorf("a first block's bytes are believed to take %s", d)
	}
	about("no block came", delay(at(7), 10), 7*time.Second)
	connected = 0
	about("a quorum is away", delay(at(8), 10), 0)
	connected = 2 * time.Second
	about("a quorum is back", delay(at(18), 10), 2*time.Second)
	connected = time.Hour
	about("somebody seems to be there", delay(at(60), 10), 0)

	if committed(at(61), 100, 0) != first || committed(at(62), 4_000_000, 0) != first {
		t.Error("blocks that held all that waited told how fast they can be")
	}
	committed(at(63), 100, 10_000_000)
	if most := committed(at(64), 1_000_000, 9_000_000); most != 1_000_000 {
		t.Errorf("at a megabyte a second %d bytes are proposed", most)
	}
	about("at a megabyte a second", delay(at(64), 3_000_000), 3*time.Second)
	for s := range 20 {
		committed(at(65+float64(s)), 100_000, 9_000_000)
	}
	if d := delay(at(85), 3_000_000); d < 20*time.Second {
		t.Errorf("long after it became ten times slower it is believed to take %s", d)
	}
	if most := committed(at(86), 1, 9_000_000); most < 128<<10 {
		t.Errorf("%d bytes are proposed, less than in any case", most)
	}
}
