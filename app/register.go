package app

import (
	"bytes"
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
)

// Rows of a partner's register: what duplicates, repeated eventIDs and error
// declarations are judged by. They are no leaves of their own; the register's
// log commits to them.
func duplicateRow(partner string, key []byte) []byte {
	return append(rowKey(rowDuplicate, partner), key...)
}

func eventRow(partner, eventID string) []byte { return rowKey(rowEvent, eventID, partner) }

func withdrawalRow(partner string, at schemas.Locator) []byte {
	return at.Append(rowKey(rowWithdrawal, partner))
}

// ownKey is the key under which the message itself is found again, and priorKey
// that of the event which it declares void, nil where it names none.
func ownKey(key []byte) []byte { return key[:min(len(key), len(schemas.Hash{}))] }

func priorKey(key []byte) []byte { return key[len(ownKey(key)):] }

// duplicate looks for an earlier message with the same duplicate key.
func (m *message) duplicate() (first schemas.Locator, ok bool) {
	if len(m.msg.DuplicateKey) == 0 {
		return first, false
	}
	row := m.row(duplicateRow(m.partner, ownKey(m.msg.DuplicateKey)))
	if row == nil {
		return first, false
	}
	return must(schemas.DecodeLocator(row)), true
}

// prior is what the register keeps of a recorded event: where it is, what a
// declaration must repeat, and whether one did.
type prior struct {
	at      schemas.Locator
	content schemas.Hash
	void    bool
	key     []byte // its duplicate key, where it had one
	time    int64  // of its block, in a network with retention classes
	claim   bool   // it changed nothing
}

func (p prior) encode() []byte {
	b := schemas.AppendField(make([]byte, 0, 128), 1, p.at.Append(nil))
	b = schemas.AppendField(b, 2, p.content[:])
	if p.void {
		b = schemas.AppendUint(b, 3, 1)
	}
	b = schemas.AppendField(b, 4, p.key)
	if p.time != 0 {
		b = schemas.AppendField(b, 5, be64(p.time))
	}
	if p.claim {
		b = schemas.AppendUint(b, 6, 1)
	}
	return b
}

func decodePrior(b []byte) (p prior, err error) {
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			p.at, err = schemas.DecodeLocator(v)
		case 2:
			p.content = f.Hash(n, v)
		case 3:
			p.void = f.Uint(n, v) == 1
		case 4:
			p.key = v
		case 5:
			if len(v) != 8 {
				f.Fail(n, "no time")
				break
			}
			p.time = int64(decodeUint64(v))
		case 6:
			p.claim = f.Uint(n, v) == 1
		default:
			err = fmt.Errorf("unknown field %d", n)
		}
		if err != nil {
			return p, err
		}
	}
	return p, f.Err()
}

// entry is its link in the register, under its eventID.
func (p prior) entry(eventID string) schemas.Hash {
	return schemas.RegisterEntry(eventID, p.key, p.content, p.at, p.time, p.claim)
}

// repeats reports whether a declaration says the same as the prior event: to
// its skeleton, and, where both came with keys, to every byte of its body.
func (p prior) repeats(content schemas.Hash, declared []byte) bool {
	if p.content != content {
		return false
	}
	return len(p.key) == 0 || len(declared) == 0 || bytes.Equal(p.key, declared)
}

// withdrawal is what the register keeps of an error declaration: with it and with
// the priors, the register's log can be computed again.
type withdrawal struct {
	content schemas.Hash
	key     []byte           // its duplicate key, and that of the event it repeats
	voids   *schemas.Locator // the event that it voids, nil where it voids none
	eventID string           // of that event
}

func (w withdrawal) encode() []byte {
	b := schemas.AppendField(nil, 1, w.content[:])
	b = schemas.AppendField(b, 2, w.key)
	if w.voids != nil {
		b = schemas.AppendField(b, 3, w.voids.Append(nil))
		b = schemas.AppendString(b, 4, w.eventID)
	}
	return b
}

func decodeWithdrawal(b []byte) (w withdrawal, err error) {
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			w.content = f.Hash(n, v)
		case 2:
			w.key = v
		case 3:
			at, err := schemas.DecodeLocator(v)
			if err != nil {
				f.Fail(n, err.Error())
			}
			w.voids = &at
		case 4:
			w.eventID = string(v)
		default:
			f.Fail(n, "unknown")
		}
	}
	return w, f.Exact(b, w.encode())
}

// priorEvent looks for an earlier event of the same partner and eventID. Also a
// derived eventID can be taken: its partner may have given it to another event.
func (m *message) priorEvent() (p prior, ok bool) {
	row := m.row(eventRow(m.partner, m.msg.EventIDOf()))
	if row == nil {
		return p, false
	}
	return must(decodePrior(row)), true
}

// declare judges an error declaration. It voids the identical event that its own
// partner recorded under the same eventID; custody never moves back.
func (m *message) declare(p prior, known bool) {
	m.result.Effect = schemas.Observation
	m.observe()
	if !known || !p.repeats(m.msg.ContentHash(), priorKey(m.msg.DuplicateKey)) {
		m.flag(schemas.UnmatchedDeclaration)
		return
	}
	if p.void {
		return
	}
	m.voids = &p.at
	p.void = true
	m.led.PutRow(eventRow(m.partner, m.event.EventID), p.encode())
	m.led.Emit(voidRow(p.at), m.at.Append(nil))
	m.registered = append(m.registered, schemas.VoidEntry(p.at, m.at))
	m.result.Effect = schemas.Applied
	m.retract(p)
}

// register adds the event to its partner's register.
func (m *message) register() {
	p := prior{at: m.at, content: m.msg.ContentHash(), key: m.msg.DuplicateKey, claim: m.result.Effect == schemas.Claim}
	id := m.msg.EventIDOf()
	if m.event.Declaration != nil {
		id = "" // a declaration reserves no eventID: the event itself may yet come
		w := withdrawal{content: p.content, key: p.key, voids: m.voids, eventID: m.event.EventID}
		m.led.Emit(withdrawalRow(m.partner, m.at), w.encode())
	} else {
		if len(m.dir.parameters.Retention) > 0 {
			p.time = m.now()
			m.due(id, "", p.time)
		}
		m.led.PutRow(eventRow(m.partner, id), p.encode())
	}
	if len(p.key) > 0 {
		m.led.PutRow(duplicateRow(m.partner, ownKey(p.key)), m.at.Append(nil))
	}
	m.registered = append(m.registered, p.entry(id))
}

// register is a partner's register: its trail and its log of events.
type register struct{ trail, events log }

// logs are the registers and nonces that a block's transactions grew. They are written
// once, at its end: the root of a log costs as many hashes as its count has bits.
type logs struct {
	registers map[string]register
	nonces    map[uint64]log // by expiry
}

// growing is what the transaction that runs adds to them, if it does not break down.
type growing struct {
	partner  string
	register register
	expiry   uint64
	nonces   log
}

func (l *logs) keep(g *growing) {
	if l.registers == nil {
		l.registers, l.nonces = map[string]register{}, map[uint64]log{}
	}
	l.registers[g.partner], l.nonces[g.expiry] = g.register, g.nonces
}

func (b *block) registerOf(partner string) register {
	if r, ok := b.grown.registers[partner]; ok {
		return r
	}
	_, aside := b.get(schemas.RegisterKey(partner))
	var r register
	r.trail, r.events = readItemLogs(aside)
	return r
}

func (b *block) noncesOf(expiry uint64) log {
	if l, ok := b.grown.nonces[expiry]; ok {
		return l
	}
	_, aside := b.get(schemas.NoncesKey(expiry))
	return readLog(aside)
}

func (b *block) writeLogs() {
	for partner, r := range b.grown.registers {
		leaf := schemas.Register{Trail: r.trail.head(), Events: r.events.head()}
		b.led.Set(schemas.RegisterKey(partner), leaf.Append(nil), asideOf(r.trail, r.events))
	}
	for expiry, l := range b.grown.nonces {
		b.led.Set(schemas.NoncesKey(expiry), schemas.SingleHead(l.head()), l.AppendTo(nil))
	}
}
