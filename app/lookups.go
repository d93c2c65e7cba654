package app

import "github.com/waybill-ledger/waybill/schemas"

// A block names a bounded number of things, but what it names may lie deep: each
// thing at the bottom of a stack of its own asks for sixteen containers beside
// itself, and a container that something is packed into, taken out of or emptied for
// each lot in it. All that a block looks up beyond what its events name is counted
// together: a container once in the block, its lots each time. When
// maxLookups are spent, a message that needs a further one is refused by a code, as
// a rule's refusal is: it can be sent again, in another block.
//
// An honest proposer leaves out what would not fit (survey.go), so that its block
// never comes to this; but for what open recalls make a message look up.

// maxLookups is how much a block looks up beyond what it names: containers, and lots
// in them.
const maxLookups = 100_000

// tooFar ends the run of a message that the block cannot afford.
type tooFar struct{}

// afford spends n of the block's lookups.
func (b *block) afford(n int) {
	if b.lookups+n > b.most {
		panic(tooFar{})
	}
	b.lookups += n
}

// bytesPerLookup is how much of a leaf is read for one lookup. Most leaves are shorter than
// what names them in a block costs; some are as long as what several acts said.
const bytesPerLookup = 1024

// affordLeaf spends the lookups of a leaf that can be long.
func (b *block) affordLeaf(value []byte) { b.afford(len(value) / bytesPerLookup) }

// follow notes that a container is looked up because something is inside it.
func (b *block) follow(container string) {
	if b.followed[container] {
		return
	}
	b.afford(1)
	b.followed[container] = true
}

// brokeDown tells the code of a message whose run ended in a panic; a fault of the
// disk is passed on.
func brokeDown(r any) schemas.Code {
	switch r := r.(type) {
	case ioFailure:
		panic(r)
	case tooFar:
		return schemas.TooFarInside
	}
	return schemas.RuleFailed
}
