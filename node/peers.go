package node

import (
	"time"

	"github.com/cometbft/cometbft/p2p"
)

// listenNowhere is where a node listens that nobody shall connect to: the engine
// cannot do without a listener, and this one is out of everybody's reach but its own
// machine's.
const listenNowhere = "127.0.0.1:0"

// redialEvery is how often a node tries peers that it is not connected to.
const redialEvery = 5 * time.Second

// listen is where the node listens for peers.
func (s *Settings) listen() string {
	if s.P2P == "" {
		return listenNowhere
	}
	return s.P2P
}

// redial connects to the peers of the settings again and again. The engine does so,
// too, and waits longer from time to time, hours at last, before it gives up. A node
// that nobody can connect to would then be cut off for ever.
func redial(to p2p.Switcher, peers []string) (stop func() error) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(redialEvery)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			for _, peer := range peers {
				// They were checked with the settings; one that is being dialled is an error.
				if a, err := p2p.NewNetAddressString(peer); err == nil && !to.Peers().Has(a.ID) {
					go func() { _ = to.DialPeerWithAddress(a) }()
				}
			}
		}
	}()
	return func() error {
		close(quit)
		<-done
		return nil
	}
}
