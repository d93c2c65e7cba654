package app_test

import (
	"encoding/json"
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
)

// books keep the ledger a second time: what every message does to custody, containers,
// balances, shipments, disputes, recalls, proposals, keys and validators, said over again
// from docs/custody.md, governance.md, keys.md, recalls.md and joining.md, in plain maps
// and without a thought for speed. They share no function with the rules they check; of
// package schemas they take the messages alone.
//
// Of a message they tell all that stands against it. The ledger must refuse it exactly if
// there is something, and with one of these codes: which of several it looks at first the
// documents leave open.
//
// Exported fields are such that JSON copies them: an atomic transaction is tried on a copy.
type books struct {
	Height     uint64
	Now        int64
	Partners   map[string]*bookPartner
	Parameters bookParameters
	Prefixes   map[string]bookPrefix
	Proposals  map[string]*bookProposal
	Passed     uint64            // height at which a change took effect last
	Seen       map[string]uint64 // height at which a validator was seen signing last, by its key
	Items      map[string]*bookItem
	Lots       map[string]map[string]*bookAmount // by lot and partner
	Packed     map[string]map[string]*bookAmount // by container and lot
	Made       map[string]*bookMade              // classes and lots
	Shipments  map[string]*bookShipment
	Recalls    map[string]*bookRecall
	Events     map[string]*bookEvent // by partner and eventID
	Sent       map[string]bool       // by partner and duplicate key

	law *books // before the block: by its partners, parameters and prefixes messages are judged
}

// bookEvent is an event that has an eventID.
type bookEvent struct {
	Height       uint64
	Erased, Held bool
	At           schemas.Locator
	Body         string
	Claim, Void  bool
}

// recorded is an event that a partner recorded in an earlier block.
func (b *books) recorded(partner, eventID string) *bookEvent {
	if e := b.Events[partner+" "+eventID]; e != nil && e.Height < b.Height {
		return e
	}
	return nil
}

func newBooks(g *schemas.Genesis) *books {
	b := &books{Partners: map[string]*bookPartner{}, Prefixes: map[string]bookPrefix{}, Proposals: map[string]*bookProposal{}, Seen: map[string]uint64{}, Items: map[string]*bookItem{},
		Lots: map[string]map[string]*bookAmount{}, Packed: map[string]map[string]*bookAmount{}, Made: map[string]*bookMade{},
		Shipments: map[string]*bookShipment{}, Recalls: map[string]*bookRecall{}, Events: map[string]*bookEvent{}, Sent: map[string]bool{},
		Parameters: bookParameters{Voting: 7 * 24 * 3600, Silent: 30 * 24 * 3600, Rules: g.Rules}}
	for _, p := range g.Partners {
		b.Partners[p.ID] = &bookPartner{Standing: p.Standing.String(), State: active, GLN: p.GLN, NodeID: p.NodeID, Threshold: 1, Keys: map[string]*bookKey{}}
	}
	for _, k := range g.Keys {
		b.Partners[k.Partner].Keys[k.ID] = &bookKey{Roles: k.Roles, Held: k.Held, From: k.From, Until: k.Until}
	}
	return b
}

func (b *books) copy() *books {
	text, err := json.Marshal(b)
	if err != nil {
		panic(err)
	}
	c := &books{law: b.law}
	if err := json.Unmarshal(text, c); err != nil {
		panic(err)
	}
	for id, p := range b.Partners {
		for i, change := range p.Changes {
			c.Partners[id].Changes[i].act = change.act
		}
	}
	for id, p := range b.Proposals {
		c.Proposals[id].change = p.change
	}
	return c
}

// next begins a block: what is over by its time is over, and what was decided holds.
func (b *books) next(now int64) {
	b.law = b.copy()
	b.law.law = nil
	b.Height, b.Now = b.Height+1, now
	b.lapse()
}

// verdict is what becomes of a message.
type verdict struct {
	why    []schemas.Code // all that stands against it; none: it is accepted
	effect schemas.Effect
	undone bool           // with all of its transaction
	told   []schemas.Code // flags of those that the books know: toldFlags
}

var toldFlags = []schemas.Code{schemas.BuiltUpon, schemas.DocumentsMissing, schemas.ShippedRecalled}

func (v *verdict) String() string {
	switch {
	case v.undone:
		return "undone"
	case len(v.why) > 0:
		return fmt.Sprintf("refused %v", v.why)
	}
	return v.effect.String()
}

// teller is one message on the books.
type teller struct {
	*books
	verdict
	who, key string
	e        *schemas.Skeleton
	body     []byte
	at       schemas.Locator
}

// stands tells something that stands against the message, if it is so.
func (m *teller) stands(so bool, why ...schemas.Code) {
	if so {
		m.why = append(m.why, why...)
	}
}

func (m *teller) refused() bool { return len(m.why) > 0 }

// transaction enters a transaction at a position of the block.
func (b *books) transaction(d schemas.Draft, position int) []verdict {
	out := make([]verdict, len(d.Events))
	on, failed := b, -1
	if d.Atomic {
		on = b.copy()
	}
	for i, e := range d.Events {
		m := &teller{books: on, who: d.Partner, key: d.KeyID, e: &e.Skeleton, body: e.Body, at: schemas.Locator{Height: int64(b.Height), Position: uint32(position), Index: uint32(i)}}
		sent := fmt.Sprintf("%s %x", d.Partner, d.DuplicateKeys[i])
		if e.KindOf() == schemas.KindEvent && on.Sent[sent] {
			m.effect = schemas.Duplicate
		} else if m.enter(); !m.refused() {
			on.Sent[sent] = true
		}
		if out[i] = m.verdict; m.refused() && d.Atomic {
			failed = i
			break
		}
	}
	switch {
	case failed >= 0:
		for i := range out {
			if i != failed {
				out[i] = verdict{undone: true}
			}
		}
	case d.Atomic:
		law := b.law
		*b = *on
		b.law = law
	}
	b.Partners[d.Partner].Signed += len(d.Events)
	return out
}

func (m *teller) enter() {
	if m.e.Order != nil {
		m.order()
		return
	}
	if m.e.Act == nil {
		if m.e.Declaration != nil {
			m.declare()
		} else {
			m.event()
		}
		return
	}
	m.effect = schemas.Applied
	switch a := m.e.Act.(type) {
	case *schemas.AnnounceShipment:
		m.announce(a)
	case *schemas.ShipmentStep:
		m.shipmentStep(a)
	case *schemas.AttachDocuments:
		m.attach(a)
	case *schemas.OfferHandover:
		m.offer(a.Shipment, a.To, a.Until)
	case *schemas.ReturnShipment:
		m.sendBack(a)
	case *schemas.AcceptHandover:
		m.accept(a)
	case *schemas.HandoverStep:
		m.handoverStep(a)
	case *schemas.DisputeHandover:
		m.dispute(a)
	case *schemas.AddEvidence:
		m.addEvidence(a)
	case *schemas.ResolveDispute:
		m.resolve(a)
	case *schemas.SettleException: // of any record: it is the partner's own list
	case *schemas.Recall:
		m.recall(a)
	case *schemas.ExtendRecall:
		m.extend(a)
	case *schemas.AcknowledgeRecall:
		m.stands(!m.isOpen(a.Issuer, a.Recall), schemas.NoSuchRecall)
		if !m.refused() {
			m.Recalls[a.Issuer+"/"+a.Recall].Answers[m.who] = a.Done
		}
	case *schemas.CloseRecall:
		m.stands(!m.isOpen(m.who, a.Recall), schemas.NoSuchRecall)
		if !m.refused() {
			m.Recalls[m.who+"/"+a.Recall].Closed = true
		}
	case *schemas.Propose:
		m.propose(&a.Change)
	case *schemas.Vote:
		m.vote(a)
	case *schemas.Withdraw:
		m.withdraw(a)
	case *schemas.AddKey, *schemas.RevokeKey, *schemas.SetThreshold:
		m.keyChange(a)
	case *schemas.ApproveKeyChange:
		m.approve(a)
	case *schemas.MoveHost:
		m.moveHost(a)
	case *schemas.Ready:
		m.ready(a)
	default:
		panic(fmt.Sprintf("the books know no %T", a))
	}
}

// admits reports whether a key may sign a message of this role in the block: by what held
// before it.
func (b *books) admits(partner, key string, role uint32) bool {
	p := b.law.Partners[partner]
	return p != nil && p.State == active && p.Standing != "observer" && p.Keys[key] != nil && p.Keys[key].valid(b.Height) && p.Keys[key].Roles&role != 0
}

// order is what a partner orders about the body of an event of its own.
func (m *teller) order() {
	m.effect = schemas.Applied
	e := m.recorded(m.who, m.e.Order.EventID)
	m.stands(e == nil, schemas.UnknownEvent)
	if e == nil {
		return
	}
	switch m.e.Order.What {
	case schemas.OrderErase:
		m.erasable(e)
	case schemas.OrderHold, schemas.OrderRelease:
		m.stands(e.Erased, schemas.AlreadyErased)
	}
	if m.refused() {
		return
	}
	switch m.e.Order.What {
	case schemas.OrderErase:
		e.Erased = true
	case schemas.OrderHold:
		e.Held = true
	case schemas.OrderRelease:
		e.Held = false
	}
}

func (m *teller) erasable(e *bookEvent) {
	m.stands(e.Erased, schemas.AlreadyErased)
	m.stands(e.Held, schemas.OnHold)
}
