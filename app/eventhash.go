package app

import (
	"fmt"
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// Event hash IDs (CBV 2.0, 8.9) are no part of the state: they follow from bodies,
// which rules do not read. The index finds events by them, with rows that have the
// beginnings of the digests; what is found is hashed again, so that a beginning
// that two digests share finds none that is not asked for. An erasure takes the
// rows with the body: an unsalted hash tells whoever can guess what was erased.

// hashStart is how many bytes of a digest a row has.
const hashStart = 8

// maxSameHash is how many events of one hash are read.
const maxSameHash = maxSameID

func hashPrefix(sum schemas.Hash) []byte {
	return append(append(make([]byte, 0, 1+hashStart+schemas.LocatorSize), rowHash), sum[:hashStart]...)
}

// hashEvents computes the hashes of events whose bodies are at hand. It is done
// once, where a transaction is decoded, before its bodies are let go.
func hashEvents(messages []schemas.Message) {
	var h schemas.EventHasher
	for i := range messages {
		if e := messages[i].Event; e.Body != nil && e.KindOf() == schemas.KindEvent {
			e.HashIDs = hashIDs(&h, e)
		}
	}
}

// hashIDs are an event's hashes; none where the hasher breaks down. Whether a
// transaction is admissible must never hang on it.
func hashIDs(h *schemas.EventHasher, e *schemas.Event) (ids []schemas.HashID) {
	defer func() {
		if recover() != nil {
			*h, ids = schemas.EventHasher{}, nil
		}
	}()
	return h.IDs(e)
}

// hashes are those of a transaction's events, nil where it has none. Whoever sent
// a document asks for its receipt next, and would have every body read and hashed
// again. They go where bodies go, and are never of what is not held.
type hashes []*schemas.HashID

func (h hashes) weight() int { return 256 + 64*len(h) }

// hashesOf are the hashes in a receipt of a block that erases nothing, of events
// that the node keeps; nil of any other.
func hashesOf(b *block, r *txRecord, receipt *schemas.Receipt) hashes {
	if len(b.erased) > 0 || len(r.unkept) > 0 {
		return nil
	}
	list := make(hashes, len(receipt.Events))
	for i := range list {
		list[i] = receipt.Events[i].Hash
	}
	return list
}

// indexHashes writes the rows of a transaction's events that are recorded, and
// tells their hashes in the receipt.
func indexHashes(b *block, r *txRecord, receipt *schemas.Receipt) {
	tx := r.tx
	at := schemas.Locator{Height: receipt.Height, Position: receipt.Position}
	for i := range tx.Messages {
		e := &receipt.Events[i]
		if e.Code != schemas.OK || e.Effect == schemas.Duplicate {
			continue
		}
		at.Index = uint32(i)
		if s := &tx.Messages[i].Event.Skeleton; s.Declaration != nil && b.ordered(tx.Header.Partner, linkTo(s.EventID, tx.Messages[i].DuplicateKey)) {
			continue // its body goes in this block
		}
		if !slices.Contains(r.unkept, at.Index) {
			for _, id := range tx.Messages[i].Event.HashIDs {
				b.led.Emit(at.Append(hashPrefix(id.Sum)), present)
			}
		}
		e.Hash = mainHash(tx.Messages[i].Event.HashIDs)
	}
}

// mainHash is the hash that receipts tell, nil where there is none.
func mainHash(ids []schemas.HashID) *schemas.HashID {
	if len(ids) == 0 {
		return nil
	}
	return &ids[0]
}

// reindexHashes takes the rows of an event of an earlier block out of the index, or
// writes them again. Of the block itself none are written that would go at once.
func (b *block) reindexHashes(at schemas.Locator, e *schemas.Event, there bool) {
	if at.Height == b.height {
		return
	}
	for _, id := range new(schemas.EventHasher).IDs(e) {
		if key := at.Append(hashPrefix(id.Sum)); there {
			b.led.PutRow(key, present)
		} else {
			b.led.DeleteRow(key)
		}
	}
}

// placesByHash are the places of events whose hash may be this one.
func (v *View) placesByHash(id schemas.HashID) (places []schemas.Locator, err error) {
	prefix := hashPrefix(id.Sum)
	for row, err := range v.at.Rows(prefix, nil, false) {
		if err != nil {
			return nil, v.answered(fmt.Errorf("reading events of a hash: %w", err))
		}
		at, err := schemas.DecodeLocator(row.Key[len(prefix):])
		if err != nil {
			return nil, fmt.Errorf("reading events of a hash: %w", err)
		}
		if places = append(places, at); len(places) >= maxSameHash {
			break
		}
	}
	return places, nil
}

// hashOf is the hash ID of a recorded event, nil where its body is not held.
func (v *View) hashOf(r *schemas.Record) (*schemas.HashID, error) {
	if known, ok := v.app.hashes.find(placeOf(r.Locator)); ok && int(r.Index) < len(known) && known[r.Index] != nil {
		return known[r.Index], nil
	}
	body, err := v.bodyOf(r)
	if body == nil || err != nil || r.Kind != schemas.KindEvent {
		return nil, err
	}
	e, err := schemas.DecodeEvent(body)
	if err != nil {
		return nil, fmt.Errorf("reading a recorded event: %w", err)
	}
	return mainHash(new(schemas.EventHasher).IDs(e)), nil
}
