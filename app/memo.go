package app

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// decoded is a transaction that was decoded once, and perhaps verified.
type decoded struct {
	tx       *schemas.Transaction
	mu       sync.Mutex                // guards the next three
	absent   int64                     // height of a committed state that lacks it; 0: none is known
	verified ed25519.PublicKey         // a key under which the signature holds
	authored map[int]ed25519.PublicKey // by message, the same of its author's
	ahead    bool                      // nobody has asked for it yet; guarded by the memo
}

// admittedIn reports whether a state has the transaction. Of a committed one it is
// looked up once: a block is judged from the state that its proposal was judged from.
func (d *decoded) admittedIn(state reader) (bool, error) {
	height := int64(0)
	if view, ok := state.(*store.View); ok {
		height = view.Height()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if height > 0 && d.absent == height {
		return false, nil
	}
	row, err := state.Row(transactionRow(d.tx.ID))
	if err != nil || row != nil {
		return row != nil, err
	}
	d.absent = height
	return false, nil
}

// verifyAuthor verifies the signature that a message carries by itself.
func (d *decoded) verifyAuthor(i int, key ed25519.PublicKey) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if bytes.Equal(d.authored[i], key) {
		return true
	}
	m := &d.tx.Messages[i]
	if !ed25519.Verify(key, m.AuthorDigest[:], m.Event.AuthorSignature) {
		return false
	}
	if d.authored == nil {
		d.authored = map[int]ed25519.PublicKey{}
	}
	d.authored[i] = key
	return true
}

func (d *decoded) verify(v verifier, key ed25519.PublicKey) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if bytes.Equal(d.verified, key) {
		return true
	}
	if !v.verify(key, d.tx.ID[:], d.tx.Signature) {
		return false
	}
	d.verified = key
	return true
}

// size is about how many bytes of memory it takes.
func (d *decoded) size() int {
	w := d.tx.Weight
	return d.tx.Size + int(d.tx.Bodies.Size) + 512*len(d.tx.Messages) + 2*w.Skeletons + 64*w.Names
}

// sealed reads a transaction without its messages.
func sealed(raw []byte) (d *decoded, err error) {
	defer refusing(&err)
	tx, err := schemas.Sealed(raw)
	return &decoded{tx: tx}, err
}

// whole decodes all of a transaction of which the header was checked.
func (d *decoded) whole(codec *schemas.Codec, raw []byte) (whole *decoded, err error) {
	defer refusing(&err)
	tx, err := codec.DecodeHashed(raw, d.tx)
	if err != nil {
		return nil, err
	}
	return &decoded{tx: bodiless(tx), absent: d.absent, verified: d.verified}, nil
}

// bodiless lets go of the bodies: neither rules nor archive read them from here, and
// they are most of a transaction.
func bodiless(tx *schemas.Transaction) *schemas.Transaction {
	for i := range tx.Messages {
		tx.Messages[i].Event.Body, tx.Messages[i].Event.Members = nil, nil
	}
	return tx
}

// maxAnticipated bounds what is remembered ahead of CheckTx: the transactions of a long
// document wait for each other, and need no memory before it is their turn.
const maxAnticipated = 8 << 20

// Anticipates reports whether Anticipate would remember anything now.
func (a *App) Anticipates() bool { return a.memo.aheadSize() < maxAnticipated }

// Anticipate remembers a transaction that this node has just signed with a key, as
// schemas.Codec.SignDecoded answered it: CheckTx comes next, and need not decode and
// verify it again. It is judged as any other. The transaction is the application's
// from then on.
func (a *App) Anticipate(raw []byte, tx *schemas.Transaction, key ed25519.PublicKey) {
	a.memo.keep(sha256.Sum256(raw), &decoded{tx: bodiless(tx), verified: key, ahead: true})
}

// refusing refuses bytes on which a decoder breaks down: it is pure, so that it
// breaks down on every node alike.
func refusing(err *error) {
	if r := recover(); r != nil {
		*err = &schemas.Fault{Code: schemas.BadEncoding, Detail: fmt.Sprint("decoding broke down: ", r)}
	}
}

// memo remembers decoded transactions by the hash of all their bytes, so that a
// node decodes a body and verifies a signature once, though it meets them in
// the pool, in a proposal and in the block; those of a committed block are dropped.
// It holds two generations, and drops the older one when the younger is full, so
// that what never gets into a block does not stay for ever.
type memo struct {
	mu         sync.Mutex // guards what follows
	young, old generation
	capacity   int // bytes of a generation
}

type generation struct {
	decoded map[[32]byte]*decoded
	size    int // bytes that they take
	ahead   int // bytes of those that nobody has asked for
}

// find notes that what it finds was asked for.
func (g *generation) find(key [32]byte) *decoded {
	d := g.decoded[key]
	if d != nil && d.ahead {
		d.ahead = false
		g.ahead -= d.size()
	}
	return d
}

func newMemo(capacity int) *memo {
	return &memo{young: generation{decoded: map[[32]byte]*decoded{}}, capacity: capacity / 2}
}

func (c *memo) find(key [32]byte) *decoded {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.young.find(key); d != nil {
		return d
	}
	return c.old.find(key)
}

func (c *memo) aheadSize() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.young.ahead + c.old.ahead
}

func (c *memo) keep(key [32]byte, d *decoded) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.young.size > c.capacity {
		c.old, c.young = c.young, generation{decoded: map[[32]byte]*decoded{}}
	}
	if _, ok := c.young.decoded[key]; !ok {
		c.young.decoded[key] = d
		c.young.size += d.size()
		if d.ahead {
			c.young.ahead += d.size()
		}
	}
}

// forget drops transactions that are of no use any more.
func (c *memo) forget(keys [][sha256.Size]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		for _, g := range [...]*generation{&c.young, &c.old} {
			if d := g.find(key); d != nil {
				delete(g.decoded, key)
				g.size -= d.size()
			}
		}
	}
}
