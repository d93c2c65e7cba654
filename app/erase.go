package app

import (
	"errors"
	"fmt"
	"slices"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// Erasure. The state says that a body is erased, which the partner that recorded
// its event ordered; so does every node's, at one height. What is done about it is
// outside of consensus: in the block of the order the archive gets what remains of
// the transaction, without the body and without the transaction's secret, from
// which its salts could be had: each other body comes with the secret of its own
// event. Then, behind the block's batch, the old entry is overwritten. A row says
// that it must be, so that a node which stops in between does it when it opens.
// Skeleton, body root, digest and signature stay, and with them every proof.

// maxErasures bounds what one block erases: each takes a transaction's bodies to
// be read and written again.
const maxErasures = 16

// obey judges an order about the body of an event.
func (m *message) obey() {
	o := m.event.Order
	if o.What == schemas.OrderErase {
		if m.result.Code = m.erase(m.partner, o.EventID); m.result.Code == schemas.OK {
			m.result.Effect = schemas.Applied
		}
		return
	}
	p, now, class, code := m.standingOf(m.partner, o.EventID)
	if m.result.Code = code; code != schemas.OK {
		return
	}
	switch o.What {
	case schemas.OrderClassify:
		m.classify(class, p, &now)
	case schemas.OrderRelease:
		now.Standing = 0
	case schemas.OrderHold:
		now.Standing = schemas.BodyHeld
	}
	if m.result.Code != schemas.OK {
		return
	}
	m.result.Effect = schemas.Applied
	now.Event, now.Order = p.at, m.at
	if key := schemas.ErasureKey(m.partner, o.EventID); now.Standing == 0 && now.Class == "" {
		m.led.Delete(key)
	} else {
		m.led.Set(key, now.Append(nil), nil)
	}
}

// standingOf is an event that a partner recorded before this block, with how its body
// stands and its retention class.
func (m *message) standingOf(partner, eventID string) (p prior, now schemas.Erasure, class schemas.RetentionClass, code schemas.Code) {
	row := m.row(eventRow(partner, eventID))
	if row == nil {
		return p, now, class, schemas.UnknownEvent
	}
	if p = must(decodePrior(row)); p.at.Height >= m.height { // its bodies are not archived yet
		return p, now, class, schemas.UnknownEvent
	}
	if value, _ := m.get(schemas.ErasureKey(partner, eventID)); value != nil {
		now = must(schemas.DecodeErasure(value))
	}
	if now.Standing == schemas.BodyErased {
		return p, now, class, schemas.AlreadyErased
	}
	class, _ = schemas.FindClass(m.dir.parameters.Retention, now.Class)
	return p, now, class, schemas.OK
}

// erasable judges whether the body of a partner's event may be erased now.
func (m *message) erasable(partner, eventID string) (p prior, now schemas.Erasure, class schemas.RetentionClass, code schemas.Code) {
	p, now, class, code = m.standingOf(partner, eventID)
	switch {
	case code != schemas.OK:
	case now.Standing == schemas.BodyHeld:
		code = schemas.OnHold
	case p.time != 0 && m.now() < class.From(p.time):
		code = schemas.Retained
	case len(m.erased) >= maxErasures:
		code = schemas.TooManyErasures
	}
	return p, now, class, code
}

// erase has the body of a partner's event erased: by its own order, or by vote.
func (m *message) erase(partner, eventID string) schemas.Code {
	p, now, class, code := m.erasable(partner, eventID)
	if code != schemas.OK {
		return code
	}
	now.Event, now.Order, now.Standing = p.at, m.at, schemas.BodyErased
	m.led.Set(schemas.ErasureKey(partner, eventID), now.Append(nil), nil)
	m.notDue(partner, eventID, class, p.time)
	m.led.PutRow(goneRow(p.at), present)
	m.erased = append(m.erased, target{partner: partner, eventID: eventID, at: p.at, key: ownKey(p.key), order: m.height})
	return schemas.OK
}

// erasingRow says that an entry of the archive's bodies must be overwritten.
func erasingRow(ref []byte) []byte { return append([]byte{rowErasing}, ref...) }

// eraseBodies archives what remains of the transactions that the block's orders
// concern, and takes what the index has of the bodies out of it.
func (a *App) eraseBodies(b *block, archive archiver, source decided, recorded []txRecord, out *executed) error {
	list, err := a.toErase(b)
	if err != nil {
		return err
	}
	late, err := a.lateErasures(b, source.delays(), list)
	if err != nil {
		return err
	}
	for i, e := range append(list, late...) {
		if err := a.eraseOrPutOff(b, archive, e, i >= len(list), source, recorded, out); err != nil {
			return fmt.Errorf("erasing at %s: %w", e.at, err)
		}
	}
	return b.rewrite()
}

// kept is what a node has of a transaction from which bodies go.
type kept struct {
	t    *archived
	ref  store.Ref // of its bodies, which will be overwritten
	left *remains  // nil where they are gone already: of a replay
}

// keptOf reads what the node has of a transaction, of whose record and bodies the
// references are given.
func (a *App) keptOf(p place, ref store.Ref, records []byte) (*kept, error) {
	k := &kept{ref: ref}
	frame, err := a.readRef(store.Records, records)
	if err != nil {
		return nil, err
	}
	if k.t, err = a.decodeArchived(nil, frame, nil); err != nil {
		return nil, err
	}
	encoded, err := a.store.Read(store.Bodies, ref)
	if err != nil {
		return nil, err
	}
	k.left, err = a.readRemains(nil, p, encoded, len(k.t.messages), nil)
	return k, err
}

// keptOfBlock is the same of a transaction of the block itself, which is not in
// the archive yet.
func (a *App) keptOfBlock(p place, r *txRecord) (k *kept, err error) {
	k = &kept{ref: r.bodies}
	if k.t, err = a.decodeArchived(nil, a.codec.Frame(r.encode(schemas.Hash{})), nil); err != nil || r.tx.Bodies == nil {
		return k, err
	}
	if k.left, err = a.readRemains(nil, p, schemas.EncodeBodies(r.tx.Bodies), len(k.t.messages), nil); err == nil {
		k.left.drop(r.unkept)
	}
	return k, err
}

func (a *App) eraseIn(b *block, archive archiver, e erasing, k *kept, given []byte, out *executed) (err error) {
	if e.most >= len(k.t.messages) {
		return errRow
	}
	entry := given
	switch {
	case given != nil:
		err = a.follow(b, k, e, given)
	case k.left != nil:
		b.unindexAll(e.at, k.left, e.gone)
		entry = a.codec.Compress(k.left.encode())
	default:
		entry = []byte{0} // nothing was there
	}
	if err != nil {
		return err
	}
	now, err := archive.Append(store.Bodies, entry)
	if err != nil {
		return err
	}
	b.led.PutRow(remainsRow(e.at), now.Append(nil))
	b.led.PutRow(erasingRow(k.ref.Append(nil)), e.at[:])
	out.erase = append(out.erase, k.ref)
	out.erasedAt = append(out.erasedAt, e.at)
	return nil
}

// indexed reports whether the index has a message.
func indexed(r *schemas.Record) bool {
	return r.Result.Code == schemas.OK && r.Result.Effect != schemas.Duplicate && r.Kind == schemas.KindEvent
}

// errRemains is of an archive that does not have what an erasure left.
var errRemains = errors.New("what an erasure left is not what the messages commit to")

// follow takes what an archive has in the place of what an erasure left: the very
// bodies that the messages commit to, but for those that orders erased; or nothing,
// because a later order erased in the transaction again.
func (a *App) follow(b *block, k *kept, e erasing, given []byte) error {
	if store.Erased(given) {
		if k.left == nil {
			return nil
		}
		all := map[int]bool{}
		for i := range k.left.bodies {
			all[i] = true
		}
		b.unindexAll(e.at, k.left, all)
		return nil
	}
	left, err := a.readRemains(nil, e.at, given, len(k.t.messages), nil)
	if err != nil {
		return fmt.Errorf("%w: %w", errRemains, err)
	}
	if k.left != nil {
		b.unindexAll(e.at, k.left, e.gone)
	}
	unkept := decodeIndexes(b.row(unkeptRow(e.at)))
	for i, body := range left.bodies {
		record, err := k.t.record(e.at.message(i))
		switch {
		case err != nil:
			return err
		case body == nil && slices.Contains(unkept, uint32(i)):
			continue
		case body == nil && !e.gone[i] && (k.left == nil || k.left.bodies[i] != nil) && !b.ordered(record.Partner, linkOf(record)) && !b.ordered(record.Partner, link{'i', record.EventID}):
			return fmt.Errorf("%w: body %d is missing, and nobody ordered that", errRemains, i)
		case body == nil:
			continue
		case e.gone[i]:
			return fmt.Errorf("%w: body %d is there, and was erased", errRemains, i)
		}
		event, err := heldBody(record.Kind, record.SkeletonBytes, record.BodyRoot, body, left.salt(i))
		if err != nil {
			return fmt.Errorf("%w: body %d: %w", errRemains, i, err)
		}
		if k.left == nil && e.at.height() < b.height && indexed(record) {
			b.reindex(e.at.message(i), event, true)
		}
	}
	return nil
}

func (a *App) readRef(stream store.Stream, encoded []byte) ([]byte, error) {
	ref, err := store.DecodeRef(encoded)
	if err != nil {
		return nil, err
	}
	return a.store.Read(stream, ref)
}

// unindexAll drops bodies, and what the index has of them.
func (b *block) unindexAll(p place, left *remains, gone map[int]bool) {
	for i, body := range left.bodies {
		if body == nil || !gone[i] {
			continue
		}
		if e, err := schemas.DecodeEvent(body); err == nil { // else it is an order, which no index has
			b.reindex(p.message(i), e, false)
		}
		left.bodies[i] = nil
	}
}

// overwrite makes erasures real that are committed.
func (a *App) overwrite(refs []store.Ref, places []place) error {
	for _, ref := range refs {
		if err := a.store.Erase(store.Bodies, ref); err != nil {
			return err
		}
	}
	for _, p := range places {
		a.bodies.drop(p) // behind the disk: who reads from now on reads nothing
		a.hashes.drop(p)
	}
	return nil
}

// overwriteAll does again what a node may have been stopped in the middle of.
func (a *App) overwriteAll() error {
	for row, err := range a.store.Latest().Rows([]byte{rowErasing}, nil, false) {
		if err != nil {
			return fmt.Errorf("reading what was erased: %w", err)
		}
		ref, err := store.DecodeRef(row.Key[1:])
		if err != nil {
			return fmt.Errorf("reading what was erased: %w", err)
		}
		if err := a.store.Erase(store.Bodies, ref); err != nil {
			return err
		}
	}
	return nil
}

// ErasedBefore are the heights before one of transactions whose bodies are erased,
// in part or all: each once, ascending.
func (a *App) ErasedBefore(height int64) (heights []int64, err error) {
	for row, err := range a.store.Latest().Rows([]byte{rowRemains}, nil, false) {
		if err != nil {
			return nil, fmt.Errorf("reading what was erased: %w", err)
		}
		if len(row.Key) != 1+len(place{}) {
			return nil, errRow
		}
		h := place(row.Key[1:]).height()
		if h >= height {
			break
		}
		if len(heights) == 0 || heights[len(heights)-1] != h {
			heights = append(heights, h)
		}
	}
	return heights, nil
}
