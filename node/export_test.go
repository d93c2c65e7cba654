package node

import (
	"context"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

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

// HeaderOf, CommitOf and SetOf turn what the engine has into what bundles have.
var (
	HeaderOf = headerOf
	CommitOf = commitOf
	SetOf    = setOf
)

// Chain is where Lead finds headers and validator sets.
type Chain interface {
	Signed(height int64) (*proof.Signed, error)
	Validators(height int64) ([]proof.Validator, error)
}

type exported struct{ Chain }

func (c exported) signed(height int64) (*proof.Signed, error)         { return c.Signed(height) }
func (c exported) validators(height int64) ([]proof.Validator, error) { return c.Validators(height) }

// Lead adds to a bundle what leads from a root of trust to the header of a height.
func Lead(c Chain, b *proof.Bundle, since, past, to int64) error {
	return (&steps{ledger: exported{c}, ctx: context.Background(), since: since, past: past, to: to}).lead(b)
}
