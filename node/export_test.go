package node

// Waits is who waits for which transaction and height, for its tests.
type Waits = waits

// The seams of Waits.
var (
	NewWaits       = newWaits
	WaitsCommitted = (*waits).committed
	WaitsWait      = (*waits).wait
	WaitsWatch     = (*waits).watch
	WaitsWaiting   = (*waits).waiting
	PoolFault      = poolFault
	CheckFault     = checkFault
)

// TestingCloseLedger closes the ledger under a node that runs, as a disk that
// fails does.
func (n *Node) TestingCloseLedger() error {
	for _, c := range n.closers {
		if c.what == "the ledger" {
			return c.close()
		}
	}
	return nil
}

// Ledger is what the node gives its gateway.
func (n *Node) Ledger() *ledger { return n.ledger }

// Base is the first block that the engine still has.
func (n *Node) Base() int64 { return n.engine.BlockStore().Base() }
