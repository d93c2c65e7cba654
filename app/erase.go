package app

import (
	"bytes"
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

// target is a message whose body goes.
type target struct {
	at      schemas.Locator
	partner string
	eventID string
}

// obey judges an order about the body of an event.
func (m *message) obey() {
	o := m.event.Order
	row := m.row(eventRow(m.partner, o.EventID))
	if row == nil {
		m.result.Code = schemas.UnknownEvent
		return
	}
	p := must(decodePrior(row))
	if p.at.Height >= m.height { // its bodies are not archived yet
		m.result.Code = schemas.UnknownEvent
		return
	}
	key := schemas.ErasureKey(m.partner, o.EventID)
	var now schemas.Erasure
	if value, _ := m.get(key); value != nil {
		now = must(schemas.DecodeErasure(value))
	}
	m.result.Effect = schemas.Applied
	switch {
	case now.Standing == schemas.BodyErased:
		m.result = schemas.Result{Code: schemas.AlreadyErased}
	case o.What == schemas.OrderRelease:
		m.led.Delete(key)
	case o.What == schemas.OrderHold:
		now = schemas.Erasure{Standing: schemas.BodyHeld, Event: p.at, Order: m.at}
		m.led.Set(key, now.Append(nil), nil)
	case now.Standing == schemas.BodyHeld:
		m.result = schemas.Result{Code: schemas.OnHold}
	case len(m.erased) >= maxErasures:
		m.result = schemas.Result{Code: schemas.TooManyErasures}
	default:
		now = schemas.Erasure{Standing: schemas.BodyErased, Event: p.at, Order: m.at}
		m.led.Set(key, now.Append(nil), nil)
		m.erased = append(m.erased, target{p.at, m.partner, o.EventID})
	}
}

// erasingRow says that an entry of the archive's bodies must be overwritten.
func erasingRow(ref []byte) []byte { return append([]byte{rowErasing}, ref...) }

func remainsRow(p place) []byte { return append([]byte{rowRemains}, p[:]...) }

// remains is what the archive keeps of a transaction's bodies after an erasure.
type remains struct {
	at     place
	bodies [][]byte // nil where it is erased
	salts  []schemas.Hash
}

// encode: 1 place, 2 once for each message: nothing where it is erased, else 1
// event secret, 2 body.
func (r *remains) encode() []byte {
	b := schemas.AppendField(nil, 1, r.at[:])
	for i, body := range r.bodies {
		var m []byte
		if body != nil {
			m = schemas.AppendField(schemas.AppendField(nil, 1, r.salts[i][:]), 2, body)
		}
		b = schemas.AppendEntry(b, 2, m)
	}
	return b
}

func decodeRemains(b []byte) (*remains, error) {
	r := &remains{}
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch {
		case n == 1 && len(v) == len(r.at):
			r.at = place(v)
		case n == 2:
			var body []byte
			var secret schemas.Hash
			in := schemas.ReadFields(v)
			for k, w, ok := in.Next(); ok; k, w, ok = in.Next() {
				switch k {
				case 1:
					secret = in.Hash(k, w)
				case 2:
					body = w
				default:
					in.Fail(k, "unknown")
				}
			}
			if in.Err() != nil {
				f.Fail(n, "no body")
			}
			r.bodies, r.salts = append(r.bodies, body), append(r.salts, secret)
		default:
			f.Fail(n, "unknown")
		}
	}
	if err := f.Err(); err != nil {
		return nil, fmt.Errorf("reading what an erasure left: %w", err)
	}
	return r, nil
}

// readRemains reads bodies in any of their forms; nil where all are gone.
func (a *App) readRemains(p place, encoded []byte, count int) (*remains, error) {
	if store.Erased(encoded) {
		return nil, nil
	}
	if isTransactionRecord(encoded) { // compressed: what an erasure left
		b, err := a.codec.Expand(encoded)
		if err != nil {
			return nil, err
		}
		r, err := decodeRemains(b)
		if err == nil && (r.at != p || len(r.bodies) != count) {
			err = fmt.Errorf("what an erasure left is of %d/%d", placeHeight(r.at), placePosition(r.at))
		}
		return r, err
	}
	b, err := schemas.DecodeBodies(encoded)
	if err != nil {
		return nil, err
	}
	joined, err := a.codec.Decompress(b.Frame, int(b.Size))
	if err != nil {
		return nil, err
	}
	r := &remains{at: p}
	if r.bodies, err = schemas.SplitBodies(joined, count); err != nil {
		return nil, err
	}
	for i := range r.bodies {
		r.salts = append(r.salts, schemas.EventSecret(b.Secret, i))
	}
	return r, nil
}

// eraseBodies archives what remains of the transactions that the block's orders
// concern, and takes what the index has of the bodies out of it.
func (a *App) eraseBodies(b *block, archive archiver, source decided, out *executed) error {
	byPlace := map[place][]uint32{}
	var places []place
	for _, t := range b.erased {
		targets, err := a.copies(t)
		if err != nil {
			return err
		}
		for _, at := range targets {
			p := placeOf(at)
			if byPlace[p] == nil {
				places = append(places, p)
			}
			byPlace[p] = append(byPlace[p], at.Index)
		}
	}
	slices.SortFunc(places, func(x, y place) int { return bytes.Compare(x[:], y[:]) })
	late, err := a.lateErasures(b, source.delays(), byPlace)
	if err != nil {
		return err
	}
	for i, p := range append(places, late...) {
		if err := a.eraseOrPutOff(b, archive, p, byPlace[p], i >= len(places), source, out); err != nil {
			return fmt.Errorf("erasing at %d/%d: %w", placeHeight(p), placePosition(p), err)
		}
	}
	return nil
}

// copies are the places that hold the body: the event, and declarations that
// repeat it.
func (a *App) copies(t target) ([]schemas.Locator, error) {
	list := []schemas.Locator{t.at}
	view, err := a.View()
	if err != nil {
		return nil, err
	}
	prefix := rowKey(rowDeclared, t.eventID)
	for row, err := range view.at.Rows(prefix, nil, false) {
		if err != nil {
			return nil, fmt.Errorf("reading declarations: %w", err)
		}
		at, err := schemas.DecodeLocator(row.Key[len(prefix):])
		if err != nil {
			return nil, fmt.Errorf("reading declarations: %w", err)
		}
		r, err := view.bare(at)
		if err != nil {
			return nil, err
		}
		if r.Partner == t.partner {
			list = append(list, at)
		}
	}
	return list, nil
}

func (a *App) eraseIn(b *block, archive archiver, p place, ref store.Ref, records []byte, indexes []uint32, given []byte, out *executed) error {
	frame, err := a.readRef(store.Records, records)
	if err != nil {
		return err
	}
	t, err := a.decodeArchived(frame)
	if err != nil {
		return err
	}
	encoded, err := a.store.Read(store.Bodies, ref)
	if err != nil {
		return err
	}
	left, err := a.readRemains(p, encoded, len(t.messages))
	if err != nil {
		return err
	}
	entry := given // of a replay, which finds what was erased since
	if left != nil {
		for _, i := range indexes {
			if err := b.unindex(schemas.Locator{Height: placeHeight(p), Position: placePosition(p), Index: i}, left.bodies[i]); err != nil {
				return err
			}
			left.bodies[i], left.salts[i] = nil, schemas.Hash{}
		}
		entry = a.codec.Compress(left.encode())
	}
	now, err := archive.Append(store.Bodies, entry)
	if err != nil {
		return err
	}
	b.led.PutRow(remainsRow(p), now.Append(nil))
	b.led.PutRow(erasingRow(ref.Append(nil)), p[:])
	out.erase = append(out.erase, ref)
	return nil
}

func (a *App) readRef(stream store.Stream, encoded []byte) ([]byte, error) {
	ref, err := store.DecodeRef(encoded)
	if err != nil {
		return nil, err
	}
	return a.store.Read(stream, ref)
}

// unindex takes out of the index what only the body says: where the event was, and
// its hashes.
func (b *block) unindex(at schemas.Locator, body []byte) error {
	if body == nil {
		return nil
	}
	e, err := schemas.DecodeEvent(body)
	if err != nil {
		return nil // of an order, which no index has
	}
	b.forgetHashes(at, e)
	if e.BizLocation == "" && e.ReadPoint == "" {
		return nil
	}
	bare := sketchOf(&e.Skeleton, "", "")
	with := &message{block: b, event: &e.Skeleton, msg: &schemas.Message{Event: e}}
	for prefix, ofBody := range with.ranges {
		if err := b.rewriteRun(prefix, e.Skeleton.EventTime, at, bare, ofBody); err != nil {
			return err
		}
	}
	return nil
}

// rewriteRun gives an event another sketch in a range, or takes it out.
func (b *block) rewriteRun(prefix []byte, t int64, at schemas.Locator, s sketch, remove bool) error {
	key := runKey(prefix, sliceOf(t), at.Height)
	data := b.row(key)
	if data == nil {
		return nil
	}
	var again runs
	for cand, err := range decodeRun(key, data, len(prefix)) {
		switch {
		case err != nil:
			return err
		case cand.at != at:
			again.add(prefix, cand.time, cand.at, cand.sketch)
		case !remove:
			again.add(prefix, cand.time, cand.at, s)
		}
	}
	if len(again.list) == 0 {
		b.led.DeleteRow(key)
	} else {
		b.led.PutRow(key, again.list[0].data)
	}
	return nil
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

// Erasure tells how the body of a partner's event stands under orders, nil where
// none stands, and whether this node's archive has it.
func (v *View) Erasure(partner, eventID string) (e *schemas.Erasure, held bool, err error) {
	value, _, err := v.get(schemas.ErasureKey(partner, eventID))
	if value == nil || err != nil {
		return nil, false, err
	}
	found, err := schemas.DecodeErasure(value)
	if err != nil {
		return nil, false, fmt.Errorf("reading an erasure: %w", err)
	}
	if owed, err := v.app.owes(found.Event); owed || err != nil {
		return &found, owed, err
	}
	r, err := v.Record(found.Event)
	return &found, r.Body != nil, err
}
