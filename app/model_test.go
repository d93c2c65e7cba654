package app_test

import (
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// model says the rules over again, in plain maps and without a thought for speed:
// contents are moved one by one, balances are rationals, nothing is encoded. It is
// kept apart from the code it checks: it shares no function with it.
type model struct {
	byGLN  map[string]string
	holder map[string]string          // of what is inside nothing
	inside map[string]string          // container
	offer  map[string]wait            // of an item
	waits  map[string]map[string]wait // of an item, by receiver
	lots   map[lot]map[string]*big.Rat
	packed map[string]map[lot]*big.Rat // by container, nil for an amount that cannot be told
	sent   map[lot][]shipment          // offers of lots that are open
	came   map[lot][]shipment          // receipts of lots that wait
	keys   map[string]bool
	ids    map[string]known
	passed map[string]bool // events by which lots went from one to another, by who recorded them and eventID
}

type wait struct {
	party            string
	claimed, blocked time.Time
	event            string // that began it
}

type lot struct{ class, uom string }

type shipment struct {
	wait
	from, amount string
}

type known struct {
	content, key string
	void, claim  bool
}

func newModel(members map[string]*member) *model {
	m := &model{byGLN: map[string]string{}, holder: map[string]string{}, inside: map[string]string{}, offer: map[string]wait{},
		waits: map[string]map[string]wait{}, lots: map[lot]map[string]*big.Rat{}, packed: map[string]map[lot]*big.Rat{}, sent: map[lot][]shipment{}, came: map[lot][]shipment{},
		keys: map[string]bool{}, ids: map[string]known{}, passed: map[string]bool{}}
	for _, p := range members {
		m.byGLN[p.gln] = p.id
	}
	return m
}

func (m *model) top(id string) string {
	for m.inside[id] != "" {
		id = m.inside[id]
	}
	return id
}

func (m *model) owner(id string) string { return m.holder[m.top(id)] }

// act is one event on the model.
type act struct {
	*model
	who     string
	e       *schemas.Skeleton
	now, at time.Time
	effect  schemas.Effect
	built   bool // what is declared void has consequences
}

// apply judges one message.
func (m *model) apply(who string, e *schemas.Skeleton, key string, now time.Time) (code schemas.Code, effect schemas.Effect, built bool) {
	m.lapse(now)
	own, prior := key[:min(32, len(key))], key[min(32, len(key)):]
	if m.keys[who+own] {
		return schemas.OK, schemas.Duplicate, false
	}
	bare := *e
	bare.Declaration = nil
	content := string(bare.Append(nil))
	before, repeated := m.ids[who+e.EventID]
	repeated = repeated && e.EventID != ""
	if e.Declaration == nil && repeated {
		return schemas.EventIDConflict, schemas.NoEffect, false
	}
	m.keys[who+own] = true
	if e.Declaration != nil {
		if !repeated || before.content != content || before.key != prior || before.void {
			return schemas.OK, schemas.Observation, false
		}
		before.void = true
		m.ids[who+e.EventID] = before
		a := &act{model: m, who: who, e: e, now: now}
		a.retract()
		return schemas.OK, schemas.Applied, a.built && !before.claim
	}
	a := &act{model: m, who: who, e: e, now: now, at: time.Unix(0, e.EventTime), effect: schemas.Observation}
	a.play()
	m.ids[who+e.EventID] = known{content: content, key: own, claim: a.effect == schemas.Claim}
	return schemas.OK, a.effect, false
}

// retract ends what the author's event that is void left open, and finds what came of it.
func (a *act) retract() {
	a.gone()
	switch a.e.BizStep {
	case "shipping":
		for id, o := range a.offer {
			if o.event == a.e.EventID && a.owner(id) == a.who {
				delete(a.offer, id)
			}
		}
		for k, list := range a.sent {
			a.sent[k] = slices.DeleteFunc(slices.Clone(list), func(s shipment) bool { return s.event == a.e.EventID && s.from == a.who })
		}
	case "receiving":
		for _, waits := range a.waits {
			if waits[a.who].event == a.e.EventID {
				delete(waits, a.who)
			}
		}
		for k, list := range a.came {
			a.came[k] = slices.DeleteFunc(slices.Clone(list), func(s shipment) bool { return s.event == a.e.EventID && s.party == a.who })
		}
	}
}

// gone finds out whether what the event moved, made or handed over is with others by now, or
// whether it brought its author what it has.
func (a *act) gone() {
	moves := a.e.Action != schemas.ActionObserve && a.e.Type != schemas.AssociationEvent && a.e.Type != schemas.TransactionEvent
	handed, lots := a.e.EPCs, a.e.Quantities
	if p := a.parent(); p != "" && a.e.Type != schemas.ObjectEvent {
		handed, lots = []string{p}, nil
	}
	if a.e.Type == schemas.TransformationEvent {
		handed, lots = nil, nil
	}
	hands := a.e.Action != schemas.ActionDelete && (a.e.BizStep == "shipping" || a.e.BizStep == "receiving")
	a.built = hands && len(lots) > 0 && a.passed[a.who+a.e.EventID]
	switch {
	case moves:
		a.built = a.built || a.foreign(append(append([]string{a.parent()}, a.e.EPCs...), a.e.OutputEPCs...))
	case hands && a.e.BizStep == "shipping":
		a.built = a.built || a.foreign(handed)
	}
	if hands && a.e.BizStep == "receiving" {
		for _, id := range handed {
			a.built = a.built || a.owner(id) == a.who && a.waits[id][a.who].event != a.e.EventID
		}
	}
	if !moves {
		return
	}
	made := a.e.OutputQuantities
	if a.commissions() {
		made = a.e.Quantities
	}
	for _, q := range made {
		a.built = a.built || a.lacks(a.who, lot{q.Class, q.UOM}, amountOf(q))
	}
}

func (a *act) play() {
	moves := a.e.Action == schemas.ActionAdd || a.e.Action == schemas.ActionDelete || a.e.Type == schemas.TransformationEvent
	if a.e.Action != schemas.ActionDelete {
		a.receive()
		a.reject()
	}
	if moves {
		if a.foreign(a.moved()) {
			if a.effect != schemas.Applied {
				a.effect = schemas.Claim
			}
			return
		}
		a.effect = schemas.Applied
		a.change()
	}
	if a.e.Action != schemas.ActionDelete {
		a.ship()
	}
}

func (a *act) parent() string {
	if strings.Contains(a.e.ParentID, "/414/") {
		return ""
	}
	return a.e.ParentID
}

func (a *act) moved() []string {
	if a.e.Type == schemas.AggregationEvent && a.e.Action == schemas.ActionDelete && a.parent() != "" {
		return []string{a.parent()}
	}
	return append(append([]string{a.parent()}, a.e.EPCs...), a.e.OutputEPCs...)
}

func (a *act) foreign(ids []string) bool {
	for _, id := range ids {
		if o := a.owner(id); id != "" && o != "" && o != a.who {
			return true
		}
	}
	return false
}

func (a *act) claim(ids ...string) {
	for _, id := range ids {
		if id != "" && a.inside[id] == "" && a.holder[id] == "" {
			a.holder[id] = a.who
		}
	}
}

// leave takes a thing out of what it is in; it is then with who did it.
func (a *act) leave(id string) {
	if a.inside[id] != "" {
		delete(a.inside, id)
		a.holder[id] = a.who
	}
}

func (a *act) empty(container string) {
	for child, in := range a.inside {
		if in == container {
			a.leave(child)
		}
	}
	for k, amount := range a.packed[container] {
		a.credit(a.who, k, amount)
	}
	delete(a.packed, container)
}

// lapse forgets what is older than thirty days.
func (m *model) lapse(now time.Time) {
	old := func(w wait) bool { return now.Sub(w.blocked) > 30*24*time.Hour }
	for id, o := range m.offer {
		if old(o) {
			delete(m.offer, id)
		}
	}
	for _, list := range m.waits {
		for partner, w := range list {
			if old(w) {
				delete(list, partner)
			}
		}
	}
	for _, all := range []map[lot][]shipment{m.sent, m.came} {
		for k := range all {
			all[k] = slices.DeleteFunc(all[k], func(s shipment) bool { return old(s.wait) })
		}
	}
}

func (a *act) end(id string) {
	a.claim(id)
	delete(a.offer, id)
	delete(a.waits, id)
	a.leave(id)
	a.empty(id)
}

func (a *act) change() {
	e := a.e
	add := e.Action == schemas.ActionAdd
	switch {
	case e.Type == schemas.ObjectEvent:
		for _, id := range e.EPCs {
			if add {
				a.claim(id)
			} else {
				a.end(id)
			}
		}
		a.weigh(e.Quantities, add)
	case e.Type == schemas.TransformationEvent:
		for _, id := range e.EPCs {
			a.end(id)
		}
		a.claim(e.OutputEPCs...)
		a.weigh(e.Quantities, false)
		a.weigh(e.OutputQuantities, true)
	case e.Type == schemas.AggregationEvent && a.parent() != "":
		a.claim(a.parent())
		switch {
		case add:
			for _, id := range e.EPCs {
				a.put(id)
			}
			a.stow(a.parent(), e.Quantities, true)
		case len(e.EPCs) == 0 && len(e.Quantities) == 0:
			a.empty(a.parent())
		default:
			for _, id := range e.EPCs {
				if a.inside[id] == a.parent() {
					a.leave(id)
				}
			}
			a.stow(a.parent(), e.Quantities, false)
		}
	default:
		a.claim(append([]string{a.parent()}, e.EPCs...)...)
	}
}

func (a *act) put(id string) {
	a.claim(id)
	if a.inside[id] != "" || a.top(a.parent()) == id {
		return
	}
	for up := a.parent(); up != ""; up = a.inside[up] {
		if up == id {
			return
		}
	}
	a.inside[id] = a.parent()
	delete(a.offer, id)
	delete(a.waits, id)
}

// handed are the things that change hands, those inside others left out.
func (a *act) handed() (ids []string, lots []schemas.Quantity) {
	all := a.e.EPCs
	if p := a.parent(); p != "" && a.e.Type != schemas.ObjectEvent {
		all = []string{p}
	} else if a.e.Type != schemas.TransformationEvent {
		lots = a.e.Quantities
	}
	if a.e.Type == schemas.TransformationEvent {
		return nil, nil
	}
	for _, id := range all {
		if a.inside[id] == "" {
			ids = append(ids, id)
		}
	}
	return ids, lots
}

func (a *act) pass(id, to string) {
	a.holder[id] = to
	delete(a.offer, id)
	delete(a.waits, id)
	a.effect = schemas.Applied
}

func (a *act) receive() {
	if a.e.BizStep != "receiving" {
		return
	}
	ids, lots := a.handed()
	for _, id := range ids {
		switch holder, o := a.holder[id], a.offer[id]; {
		case holder == a.who:
		case o.party == a.who && !o.claimed.After(a.at), strings.HasPrefix(holder, "external:"):
			a.pass(id, a.who)
		case holder == "" && a.e.Action == schemas.ActionAdd:
		default:
			if a.waits[id] == nil {
				a.waits[id] = map[string]wait{}
			}
			a.waits[id][a.who] = wait{a.who, a.at, a.now, a.e.EventID}
		}
	}
	for _, q := range lots {
		a.receiveLot(q)
	}
}

func (a *act) reject() {
	if a.e.BizStep != "inspecting" || a.e.Disposition != "non_conformant" {
		return
	}
	ids, lots := a.handed()
	for _, id := range ids {
		if o := a.offer[id]; o.party == a.who && !o.claimed.After(a.at) {
			delete(a.offer, id)
			a.effect = schemas.Applied
		}
	}
	for _, q := range lots {
		k := lot{q.Class, q.UOM}
		if i := pick(a.sent[k], amountOf(q), a.fitting); i >= 0 {
			a.sent[k] = cut(a.sent[k], i)
			a.effect = schemas.Applied
		}
	}
}

func (a *act) to() string {
	if len(a.e.Destinations) == 0 {
		return ""
	}
	d := a.e.Destinations[0]
	g := d.ID[strings.LastIndex(d.ID, "/")+1:]
	if p := a.byGLN[g]; p != "" {
		return p
	}
	return "external:" + g
}

func (a *act) ship() {
	to := a.to()
	ids, lots := a.handed()
	if a.e.BizStep == "void_shipping" {
		a.withdraw(ids, lots, to)
		return
	}
	if a.e.BizStep != "shipping" || to == "" || to == a.who {
		return
	}
	named := a.e.EPCs
	if p := a.parent(); p != "" && a.e.Type != schemas.ObjectEvent {
		named = []string{p}
	}
	if a.foreign(named) {
		if a.effect != schemas.Applied {
			a.effect = schemas.Claim
		}
		return
	}
	for _, id := range ids {
		a.claim(id)
		a.effect = schemas.Applied
		w, waiting := a.waits[id][to]
		switch {
		case strings.HasPrefix(to, "external:"), waiting && !w.claimed.Before(a.at):
			a.pass(id, to)
		default:
			a.offer[id] = wait{to, a.at, a.now, a.e.EventID}
		}
	}
	for _, q := range lots {
		a.shipLot(q, to)
	}
}

func (a *act) withdraw(ids []string, lots []schemas.Quantity, to string) {
	for _, id := range ids {
		if _, open := a.offer[id]; open && a.holder[id] == a.who {
			delete(a.offer, id)
			a.effect = schemas.Applied
		}
	}
	for _, q := range lots {
		k := lot{q.Class, q.UOM}
		for i, s := range a.sent[k] {
			if s.party == to && s.from == a.who && s.amount == amountOf(q) {
				a.sent[k] = cut(a.sent[k], i)
				a.effect = schemas.Applied
				break
			}
		}
	}
}
