package schemas

import (
	"encoding/binary"
	"fmt"
)

func stateKey(kind byte, parts ...string) []byte {
	key := []byte{kind}
	for i, p := range parts {
		if i > 0 {
			key = append(key, 0)
		}
		key = append(key, p...)
	}
	return key
}

// Keys of the state tree. Parts are separated by a zero byte, which no
// identifier and no name may hold.
func AccumulatorKey() []byte                       { return stateKey(kindAccumulator) }
func ChangedKey() []byte                           { return stateKey(kindChanged) }
func ParametersKey() []byte                        { return stateKey(kindParameters) }
func ItemKey(id string) []byte                     { return stateKey(kindItem, id) }
func ClassKey(class string) []byte                 { return stateKey(kindClass, class) }
func PartnerKey(partner string) []byte             { return stateKey(kindPartner, partner) }
func RegisterKey(partner string) []byte            { return stateKey(kindRegister, partner) }
func ErasureKey(partner, eventID string) []byte    { return stateKey(kindErasure, partner, eventID) }
func KeyKey(partner, id string) []byte             { return stateKey(kindKey, partner, id) }
func KeyRingKey(partner string) []byte             { return stateKey(kindKeyRing, partner) }
func BalanceKey(class, uom, partner string) []byte { return stateKey(kindBalance, class, uom, partner) }
func LotOffersKey(class, uom, holder string) []byte {
	return stateKey(kindLotOffers, class, uom, holder)
}

// LotPassedKey is the key of who got the loose lots that a message offered, or gave those
// that it received: the value is that at ReleaseKey.
func LotPassedKey(at Locator) []byte { return at.Append([]byte{kindLotPassed}) }

// ShipmentKey is the key of a shipment, UnitsKey that of what it consists of.
func ShipmentKey(id string) []byte { return stateKey(kindShipment, id) }
func UnitsKey(id string) []byte    { return stateKey(kindUnits, id) }

// LotShipmentsKey is the key of the shipments in which a holder has some of a lot.
func LotShipmentsKey(class, uom, holder string) []byte {
	return stateKey(kindLotShipment, class, uom, holder)
}

// HandoverKey is the key of a shipment's n-th hand-over, from 1, and DisputeKey that of
// the dispute about it.
func HandoverKey(shipment string, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(stateKey(kindHandover, shipment), 0), n)
}
func DisputeKey(shipment string, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(stateKey(kindDispute, shipment), 0), n)
}

// RecallKey is the key of a recall, RecallSpansKey that of the spans of time of which a
// partner's name what it made, RecallReplyKey that of a holder's answer to it, and
// RecalledKey that of a thing, class or lot that recalls name.
func RecallKey(issuer, recall string) []byte { return stateKey(kindRecall, issuer, recall) }
func RecallSpansKey(issuer string) []byte    { return stateKey(kindRecallSpans, issuer) }
func RecallReplyKey(issuer, recall, partner string) []byte {
	return stateKey(kindRecallReply, issuer, recall, partner)
}
func RecalledKey(id string) []byte { return stateKey(kindRecalled, id) }

// RecalledInsideKey is the key of what recalls name inside a container.
func RecalledInsideKey(container string) []byte { return stateKey(kindInside, container) }

// NoncesKey is the key of the transactions that expire at a height.
func NoncesKey(expiry uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindNonces}, expiry)
}

// RescueKey is the key of the document that began an epoch, from 1 on.
func RescueKey(epoch uint64) []byte { return binary.BigEndian.AppendUint64([]byte{kindRescue}, epoch) }

// ReleaseKey is the key of what an emptied container let go: the epoch that ended.
func ReleaseKey(container string, epoch uint64) []byte {
	return binary.BigEndian.AppendUint64(append(stateKey(kindRelease, container), 0), epoch)
}

// ContentsKey is the key of the lots that a container holds in an epoch.
func ContentsKey(container string, epoch uint64) []byte {
	return binary.BigEndian.AppendUint64(append(stateKey(kindContents, container), 0), epoch)
}

// WaitingKey is the key of a partner's receipt that waits for an item's offer.
func WaitingKey(item, partner string) []byte { return stateKey(kindWaiting, item, partner) }

// valueSize is room for most values, so that checking one allocates nothing.
const valueSize = 512

// External is the custodian of what a partner handed to somebody outside the
// network: the prefix before that party's PGLN.
const External = "external:"

// Item is the state of an instance: the value of its leaf.
type Item struct {
	Custodian    string // partner, or External and a PGLN; "" while nobody has claimed it
	Parent       string // the container it was put into, "" for none
	ParentEpoch  uint64 // it is inside only while the container's epoch is this
	Epoch        uint64 // of the item as a container: raised when it is emptied
	Levels       uint64 // containers nested in it, at most: since it was last emptied
	Disposition  string
	Ended        bool // consumed, destroyed or decommissioned
	Offer        *Offer
	Waiting      uint64 // receipts that began to wait for an offer in this turn
	Turn         uint64 // raised when receipts lapse: one waits only in its own turn
	Lots         uint64 // classes and lots inside it: entries of the leaf at ContentsKey
	Shipment     string // that it was announced in last, as a unit
	Maker        string // partner who commissioned it, or whose transformation made it; "" where nobody here did
	Made         int64  // event time of that, nanoseconds
	Custody      Head   // trail of what changed the state
	Observations Head   // trail of what was seen or claimed
}

// MaxWaiting is for how long, in nanoseconds of block time, an offer waits for its
// answer and a receipt for its offer. Nothing removes what is older: it has lapsed.
const MaxWaiting = 30 * 24 * 3600 * 1_000_000_000

// Offer is an open offer to hand over, or a receipt that waits for one.
type Offer struct {
	Party     string // whom an offer names, or whose receipt waits
	EventTime int64  // claimed, nanoseconds
	Time      int64  // of the block, nanoseconds
	From      string // of a lot: who offers; "" for items, whose custodian offers
	Quantity  string // of a lot: the amount as canonical decimal, "" unknown
	Locator   Locator
	Shipment  string // that is handed over; "" for none
	Handover  uint64 // its number
	Until     int64  // of the block: it ends then, nanoseconds; 0: when any does
}

// Lapsed reports whether the offer or receipt has ended by a block's time, in nanoseconds.
func (o *Offer) Lapsed(now int64) bool {
	return now-o.Time > MaxWaiting || o.Until != 0 && now > o.Until
}

func (o *Offer) append(dst []byte) []byte {
	dst = AppendString(dst, 1, o.Party)
	dst = AppendField(dst, 2, be64(uint64(o.EventTime)))
	dst = AppendField(dst, 3, be64(uint64(o.Time)))
	dst = AppendString(dst, 4, o.From)
	dst = AppendString(dst, 5, o.Quantity)
	dst = AppendField(dst, 6, o.Locator.Append(nil))
	if o.Shipment == "" {
		return dst
	}
	dst = AppendUint(AppendString(dst, 7, o.Shipment), 8, o.Handover)
	return AppendField(dst, 9, be64(uint64(o.Until)))
}

func decodeOffer(b []byte) (o Offer, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			o.Party = string(v)
		case 2, 3, 9:
			if len(v) != 8 {
				f.Fail(n, "no time")
				break
			}
			t := int64(binary.BigEndian.Uint64(v))
			switch n {
			case 2:
				o.EventTime = t
			case 3:
				o.Time = t
			default:
				o.Until = t
			}
		case 4:
			o.From = string(v)
		case 5:
			o.Quantity = string(v)
		case 6:
			if o.Locator, err = DecodeLocator(v); err != nil {
				f.Fail(n, err.Error())
			}
		case 7:
			o.Shipment = string(v)
		case 8:
			o.Handover = f.Uint(n, v)
		default:
			f.Fail(n, "unknown")
		}
	}
	var stack [valueSize]byte
	return o, f.Exact(b, o.append(stack[:0]))
}

// AppendOffers appends a list of offers, each as field 1.
func AppendOffers(dst []byte, offers []Offer) []byte {
	for i := range offers {
		dst = AppendField(dst, 1, offers[i].append(nil))
	}
	return dst
}

// DecodeOffers reads a list of offers.
func DecodeOffers(b []byte) (out []Offer, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		if n != 1 {
			f.Fail(n, "unknown")
			break
		}
		o, err := decodeOffer(v)
		if err != nil {
			return nil, fmt.Errorf("offer %d: %w", len(out), err)
		}
		out = append(out, o)
	}
	var stack [valueSize]byte
	return out, f.Exact(b, AppendOffers(stack[:0], out))
}

// AppendHead appends a head: its root, then its count.
func AppendHead(dst []byte, n uint64, h Head) []byte {
	if h.Count == 0 {
		return dst
	}
	return AppendField(dst, n, binary.BigEndian.AppendUint64(h.Root[:], h.Count))
}

// Head reads v as the value of an AppendHead field.
func (f *Fields) Head(n uint64, v []byte) (h Head) {
	if len(v) != len(h.Root)+8 {
		f.Fail(n, "no head")
		return h
	}
	copy(h.Root[:], v)
	if h.Count = binary.BigEndian.Uint64(v[len(h.Root):]); h.Count == 0 {
		f.Fail(n, "a head of no entries")
	}
	return h
}

// Append appends the leaf value of an item: 1 custodian, 2 parent, 3 parent
// epoch, 4 epoch, 5 disposition, 6 ended, 7 offer, 8 waiting, 9 custody head,
// 10 observation head, 11 levels, 12 turn, 13 lots, 14 maker, 15 shipment, 16 made.
func (it *Item) Append(dst []byte) []byte {
	dst = AppendString(dst, 1, it.Custodian)
	dst = AppendString(dst, 2, it.Parent)
	dst = AppendUint(dst, 3, it.ParentEpoch)
	dst = AppendUint(dst, 4, it.Epoch)
	dst = AppendString(dst, 5, it.Disposition)
	if it.Ended {
		dst = AppendUint(dst, 6, 1)
	}
	if it.Offer != nil {
		dst = AppendField(dst, 7, it.Offer.append(nil))
	}
	dst = AppendUint(dst, 8, it.Waiting)
	dst = AppendHead(dst, 9, it.Custody)
	dst = AppendHead(dst, 10, it.Observations)
	dst = AppendUint(dst, 11, it.Levels)
	dst = AppendUint(dst, 12, it.Turn)
	dst = AppendUint(dst, 13, it.Lots)
	dst = AppendString(AppendString(dst, 14, it.Maker), 15, it.Shipment)
	return AppendUint(dst, 16, uint64(it.Made))
}

// DecodeItem reads an item's leaf value.
func DecodeItem(b []byte) (it Item, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			it.Custodian = string(v)
		case 2:
			it.Parent = string(v)
		case 3:
			it.ParentEpoch = f.Uint(n, v)
		case 4:
			it.Epoch = f.Uint(n, v)
		case 5:
			it.Disposition = string(v)
		case 6:
			it.Ended = f.Uint(n, v) == 1
		case 7:
			o, err := decodeOffer(v)
			if err != nil {
				f.Fail(n, err.Error())
				break
			}
			it.Offer = &o
		case 8:
			it.Waiting = f.Uint(n, v)
		case 9:
			it.Custody = f.Head(n, v)
		case 10:
			it.Observations = f.Head(n, v)
		case 11:
			it.Levels = f.Uint(n, v)
		case 12:
			it.Turn = f.Uint(n, v)
		case 13:
			it.Lots = f.Uint(n, v)
		case 14:
			it.Maker = string(v)
		case 15:
			it.Shipment = string(v)
		case 16:
			it.Made = int64(f.Uint(n, v))
		default:
			f.Fail(n, "unknown")
		}
	}
	var stack [valueSize]byte
	return it, f.Exact(b, it.Append(stack[:0]))
}

// Register is the leaf value of a partner's register: its trail, and the log
// that its duplicates and eventIDs are judged by.
type Register struct {
	Trail  Head
	Events Head
}

// Append appends the leaf value of a register: 1 trail, 2 events.
func (r *Register) Append(dst []byte) []byte {
	return AppendHead(AppendHead(dst, 1, r.Trail), 2, r.Events)
}

// DecodeRegister reads a register's leaf value.
func DecodeRegister(b []byte) (r Register, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			r.Trail = f.Head(n, v)
		case 2:
			r.Events = f.Head(n, v)
		default:
			f.Fail(n, "unknown")
		}
	}
	var stack [valueSize]byte
	return r, f.Exact(b, r.Append(stack[:0]))
}

// SingleHead appends the leaf value that is one head alone: of a class, of the
// transactions that expire at a height, of the header accumulator.
func SingleHead(h Head) []byte { return AppendHead(nil, 1, h) }

// DecodeSingleHead reads such a leaf value.
func DecodeSingleHead(b []byte) (h Head, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		if n != 1 {
			f.Fail(n, "unknown")
			break
		}
		h = f.Head(n, v)
	}
	var stack [valueSize]byte
	return h, f.Exact(b, AppendHead(stack[:0], 1, h))
}

// AppendRelease appends the leaf value of an emptied container's epoch: 1 who
// held what it let go.
func AppendRelease(dst []byte, custodian string) []byte { return AppendString(dst, 1, custodian) }

// DecodeRelease reads such a leaf value.
func DecodeRelease(b []byte) (custodian string, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		if n != 1 {
			f.Fail(n, "unknown")
			break
		}
		custodian = string(v)
	}
	var stack [valueSize]byte
	return custodian, f.Exact(b, AppendRelease(stack[:0], custodian))
}

// LotBalance is what a partner holds of a class or lot: the leaf value at BalanceKey.
type LotBalance struct {
	Amount  string // canonical decimal
	Unknown bool   // it cannot be told any more
}

// Append appends the leaf value of a balance: 1 amount, 2 unknown.
func (l *LotBalance) Append(dst []byte) []byte {
	dst = AppendString(dst, 1, l.Amount)
	if l.Unknown {
		dst = AppendUint(dst, 2, 1)
	}
	return dst
}

// DecodeLotBalance reads such a leaf value.
func DecodeLotBalance(b []byte) (l LotBalance, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			l.Amount = string(v)
		case 2:
			l.Unknown = f.Uint(n, v) == 1
		default:
			f.Fail(n, "unknown")
		}
	}
	var stack [valueSize]byte
	return l, f.Exact(b, l.Append(stack[:0]))
}
