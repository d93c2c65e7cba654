package node

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/cometbft/cometbft/p2p"
)

const (
	// blockTime is how long a block of this node's proposing may take the network, by
	// what the last ones took: a larger one costs hardly less for an event, keeps everybody
	// waiting, and is what rounds fail by.
	blockTime  = time.Second
	leastBlock = 256 << 10 // bytes that are proposed in any case
	firstBlock = 512 << 10 // bytes that are proposed before anything is known

	paceMemory = 4 * time.Second // of blocks; what is older weighs less
	// paceStall is how long without a block is no slowness any more: somebody is away
	// that seems to be there.
	paceStall = 20 * time.Second
)

// pace is how fast blocks take up what waits for them. It learns from blocks that
// had no room for all: in others what a network could do does not show.
type pace struct {
	connected func() time.Duration // since when enough validators are, so that there should be blocks; 0: they are not

	mu      sync.Mutex // guards what follows
	last    time.Time  // of the last commit
	waiting int        // bytes that waited after it
	bytes   float64    // that were taken up,
	seconds float64    // in that time
	since   time.Time  // something waits, and no block was committed; zero: nothing is known to
}

// committed notes that a block of so many bytes was committed, and how many wait
// behind it. It answers how many the next may have.
func (p *pace) committed(now time.Time, bytes, waiting int) (most int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	took := now.Sub(p.last)
	if p.waiting > bytes && bytes > 0 && took > 0 && took < paceStall {
		if all := p.seconds + took.Seconds(); all > paceMemory.Seconds() {
			keep := max(0, paceMemory.Seconds()-took.Seconds()) / max(p.seconds, 1e-9)
			p.bytes, p.seconds = p.bytes*min(1, keep), p.seconds*min(1, keep)
		}
		p.bytes, p.seconds = p.bytes+float64(bytes), p.seconds+took.Seconds()
	}
	p.last, p.waiting, p.since = now, waiting, time.Time{}
	if p.seconds == 0 {
		return firstBlock
	}
	return max(leastBlock, int64(p.bytes/p.seconds*blockTime.Seconds()))
}

// delay is how long so many bytes take: 0 where a quorum is away.
func (p *pace) delay(now time.Time, bytes int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes == 0 {
		return 0
	}
	if p.since.IsZero() {
		p.since = now
	}
	stuck := now.Sub(p.since)
	if stuck > time.Second { // what waited while a quorum was away tells nothing of blocks
		stuck = min(stuck, p.connected())
		if stuck == 0 || stuck > paceStall {
			return 0
		}
	}
	if p.bytes == 0 { // as if blocks were as large, and took as long, as they may at first
		return max(stuck, time.Duration(float64(bytes)/firstBlock*float64(blockTime)))
	}
	return max(stuck, time.Duration(float64(bytes)/p.bytes*p.seconds*float64(time.Second)))
}

// Delay tells how long what is handed in now waits for a block, behind what waits.
func (l *ledger) Delay(own int64) time.Duration {
	return l.pace.delay(time.Now(), int(own)+l.app.Crowd(int(own)))
}

// reaches tells for how long this node has been connected to more than two thirds of
// the partners that validate, itself among them: 0 where it is not. It waits for no
// block, as asking consensus would.
func (l *ledger) reaches() time.Duration {
	view, err := l.app.View()
	if err != nil {
		return 0
	}
	partners, err := view.Partners()
	if err != nil {
		return 0
	}
	all, reached, own := 0, []time.Duration(nil), l.keys.Node.ID()
	for _, p := range partners {
		if p.NodeID == "" || len(p.Validate) == 0 {
			continue
		}
		all++
		if p2p.ID(p.NodeID) == own {
			reached = append(reached, math.MaxInt64)
		} else if peer := l.engine.Switch().Peers().Get(p2p.ID(p.NodeID)); peer != nil {
			reached = append(reached, peer.Status().Duration)
		}
	}
	enough := 2*all/3 + 1
	if len(reached) < enough {
		return 0
	}
	slices.Sort(reached)
	return reached[len(reached)-enough]
}
