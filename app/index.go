package app

import (
	"encoding/binary"
	"math"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// Kinds of rows: the first byte of every key outside the tree. Those that the
// rules read (d, e, h, p), and W, without which the register's log cannot be
// computed from its rows, are committed through the register, the nonces and the
// header; the others only answer queries and can be rebuilt from the archive.
const (
	rowDuplicate   = 'd' // partner, duplicate key: locator of the first
	rowEvent       = 'e' // eventID, partner: prior
	rowTransaction = 'h' // transaction id: height and position, expiry
	rowAnchor      = 'p' // the pending anchor: height and block hash
	rowWithdrawal  = 'W' // partner, locator of an error declaration: withdrawal

	rowRestored = 'R' // height that the node was restored at, if it was

	rowAccumulator = 'a' // n-th anchor: height and block hash
	rowBlock       = 'b' // height: time, and where the archive has the block's record
	rowDeclared    = 'D' // eventID, locator of an error declaration
	rowException   = 'X' // partner, locator
	rowHash        = 'H' // first bytes of an event hash, locator
	rowField       = 'F' // field, value, slice of event time, height: run
	rowBalance     = 'q' // class, unit, partner
	rowPacked      = 'Q' // class, unit, container that holds some
	rowWaiting     = 'w' // item, partner whose receipt waits for its offer
	rowRecalled    = 'i' // issuer, recall, item or lot that it names
	rowLotMade     = 'l' // partner, class or lot that it brought into being: event times of the first and the last of it
	rowNow         = 'n' // time of the last block
	rowTime        = 'T' // slice of event time, height: run
	rowTrail       = 'r' // trail key, n: locator and event time; of a partner's, one of the last of a transaction
	rowSubtree     = 'A' // trail key, n: roots of the full subtrees of its log that end with the n-th record
	rowBodies      = 't' // height, position: where the archive has the transaction
	rowErasing     = 'z' // place in the archive's bodies that is overwritten
	rowRemains     = 'Z' // height, position: where the archive has what an erasure left of the bodies
	rowCopy        = 'c' // partner, link to an event, locator of a message that may repeat it
	rowGone        = 'g' // locator of an event whose body was ordered to be erased
	rowOwed        = 'o' // partner, eventID whose copies are not all erased yet: target
	rowDue         = 'u' // partner, time at which a body is due to be erased, eventID
	rowUnkept      = 'k' // height, position: messages whose bodies this node does not keep
	rowPutOff      = 'y' // height, position: messages whose bodies are erased and not yet out of the archive
	rowProposal    = 'O' // place of the act that made a proposal
	rowShipment    = 's' // partner, shipment that it is a party of
	rowOffered     = 'f' // partner, time, locator of an offer that it made or got
	rowSettled     = 'S' // partner, locator of an exception that it worked off
	rowDeadline    = 'U' // time, kind, cause, subject of what ends then
	rowMoment      = 'm' // height, kind, subject of what happened without a message
	rowVoid        = 'v' // locator: that of the declaration that voids it
)

// A kind that is given twice does not compile.
var _ = map[byte]bool{
	rowDuplicate: true, rowEvent: true, rowTransaction: true, rowAnchor: true, rowWithdrawal: true, rowRestored: true,
	rowAccumulator: true, rowBlock: true, rowDeclared: true, rowException: true, rowField: true, rowBalance: true,
	rowPacked: true, rowWaiting: true, rowNow: true, rowTime: true, rowTrail: true, rowSubtree: true, rowBodies: true, rowVoid: true,
	rowErasing: true, rowRemains: true, rowCopy: true, rowGone: true, rowOwed: true, rowDue: true, rowPutOff: true, rowHash: true, rowUnkept: true, rowRecalled: true, rowProposal: true,
	rowShipment: true, rowOffered: true, rowSettled: true, rowDeadline: true, rowMoment: true, rowLotMade: true,
}

// Fields with an index of their own.
const (
	fieldBizLocation    = 'l'
	fieldBizStep        = 's'
	fieldClass          = 'c' // of quantityList and childQuantityList
	fieldDisposition    = 'd'
	fieldMaker          = 'm' // who recorded it, of what brings things into being
	fieldParent         = 'p' // that is no item and so has no trail
	fieldReadPoint      = 'r'
	fieldTransformation = 'x'
)

var present = []byte{1} // the value of a row whose key says all

var errRow = store.Damaged("a row is damaged")

// spare is room behind a prefix for what follows it in a key: an event time and a
// place, or a duplicate key.
const spare = 32

// rowKey joins a kind and parts, each behind a zero byte, which none may hold.
func rowKey(kind byte, parts ...string) []byte {
	size := 1 + spare
	for _, p := range parts {
		size += len(p) + 1
	}
	key := append(make([]byte, 0, size), kind)
	for _, p := range parts {
		key = append(key, p...)
		key = append(key, 0)
	}
	return key
}

func transactionRow(id schemas.Hash) []byte { return append([]byte{rowTransaction}, id[:]...) }

// transactionValue is a transaction's place, and until when it could come again.
func transactionValue(at schemas.Locator, expiry uint64) []byte {
	return append(at.Append(nil)[:len(place{})], be64(int64(expiry))...)
}

func decodeTransactionValue(b []byte) (p place, expiry uint64, err error) {
	if len(b) != len(p)+8 {
		return p, 0, store.Damaged("a transaction's place has %d bytes", len(b))
	}
	return place(b), decodeUint64(b[len(p):]), nil
}

func anchorRow() []byte                 { return []byte{rowAnchor} }
func voidRow(at schemas.Locator) []byte { return at.Append([]byte{rowVoid}) }
func blockRow(height int64) []byte      { return append([]byte{rowBlock}, be64(height)...) }

func accumulatorRow(n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{rowAccumulator}, n)
}

func txRow(p place) []byte { return append([]byte{rowBodies}, p[:]...) }

func trailPrefix(key schemas.TrailKey) []byte {
	return append(key.Append(append(make([]byte, 0, 3+len(key.Subject)+spare), rowTrail)), 0)
}

func trailRow(key schemas.TrailKey, n uint64) []byte {
	return binary.BigEndian.AppendUint64(trailPrefix(key), n)
}

// trailValue is where a trail's record is, and when its event happened.
func trailValue(at schemas.Locator, eventTime int64) []byte {
	b := at.Append(make([]byte, 0, schemas.LocatorSize+8))
	return binary.BigEndian.AppendUint64(b, uint64(eventTime^math.MinInt64))
}

func unsortable(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) ^ math.MinInt64 }

func (m *message) putTrailRow(key schemas.TrailKey, n uint64) {
	m.led.Emit(trailRow(key, n), trailValue(m.at, m.event.EventTime))
}

// sketch is what the index keeps of an event beside its place, so that most
// records that do not match are passed over unread: type and action in one byte,
// then two bytes of a hash of each of bizStep, disposition, bizLocation and
// readPoint. What it lets pass is checked against the record.
type sketch [9]byte

func sketchOf(e *schemas.Skeleton, bizLocation, readPoint string) (s sketch) {
	s[0] = byte(e.Type)<<4 | byte(e.Action)
	for i, value := range [...]string{e.BizStep, e.Disposition, bizLocation, readPoint} {
		binary.BigEndian.PutUint16(s[1+2*i:], brief(value))
	}
	return s
}

// brief is FNV-1a, folded to sixteen bits.
func brief(value string) uint16 {
	h := uint32(2166136261)
	for i := range len(value) {
		h = (h ^ uint32(value[i])) * 16777619
	}
	return uint16(h>>16 ^ h)
}

// indexEvent writes the rows that find the event again.
func (m *message) indexEvent() {
	e := m.event
	m.heed()
	s := sketchOf(e, m.said(m.msg.Event.BizLocation), m.said(m.msg.Event.ReadPoint))
	for prefix := range m.ranges {
		m.runs.add(prefix, e.EventTime, m.at, s)
	}
	if len(brought(e)) > 0 { // without what the body says of places: an erasure has nothing to rewrite here
		m.runs.add(fieldPrefix(fieldMaker, m.partner), e.EventTime, m.at, sketchOf(e, "", ""))
	}
	if e.Declaration != nil {
		m.led.Emit(m.at.Append(rowKey(rowDeclared, m.msg.EventIDOf())), present)
	}
	m.indexException()
}

// indexException lists a flagged message for its author, and for those whom it concerns.
func (m *message) indexException() {
	if len(m.result.Flags) == 0 {
		return
	}
	m.led.Emit(m.at.Append(rowKey(rowException, m.partner)), present)
	for _, p := range m.parties.list {
		m.led.Emit(m.at.Append(rowKey(rowException, p)), present)
	}
}

// said is what a body says, as far as the index may know it.
func (m *message) said(value string) string {
	if m.foreign {
		return ""
	}
	return value
}

// ranges yields the prefixes of the ranges that the event is in, each good until
// the next, and whether only its body says so.
func (m *message) ranges(yield func(prefix []byte, ofBody bool) bool) {
	e := m.event
	if !yield([]byte{rowTime}, false) {
		return
	}
	var room [128]byte // of a prefix
	parent := e.ParentID
	if m.parent() != "" {
		parent = ""
	}
	for _, f := range [...]struct {
		field byte
		value string
	}{
		{fieldParent, parent},
		{fieldBizStep, e.BizStep}, {fieldDisposition, e.Disposition}, {fieldTransformation, e.TransformationID},
		{fieldBizLocation, m.said(m.msg.Event.BizLocation)}, {fieldReadPoint, m.said(m.msg.Event.ReadPoint)},
	} {
		if f.value != "" && !yield(appendField(room[:0], f.field, f.value), f.field == fieldBizLocation || f.field == fieldReadPoint) {
			return
		}
	}
	if e.Type != schemas.TransformationEvent {
		for _, q := range e.Quantities {
			if !yield(appendField(room[:0], fieldClass, q.Class), false) {
				return
			}
		}
	}
}

func fieldPrefix(field byte, value string) []byte { return appendField(nil, field, value) }

func appendField(dst []byte, field byte, value string) []byte {
	return append(append(append(dst, rowField, field), value...), 0)
}
