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
}

type wait struct {
	party            string
	claimed, blocked time.Time
}

type lot struct{ class, uom string }

type shipment struct {
	wait
	from, amount string
}

type known struct {
	content, key string
	void         bool
}

func newModel(members map[string]*member) *model {
	m := &model{byGLN: map[string]string{}, holder: map[string]string{}, inside: map[string]string{}, offer: map[string]wait{},
		waits: map[string]map[string]wait{}, lots: map[lot]map[string]*big.Rat{}, packed: map[string]map[lot]*big.Rat{}, sent: map[lot][]shipment{}, came: map[lot][]shipment{},
		keys: map[string]bool{}, ids: map[string]known{}}
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
}

// apply judges one message.
func (m *model) apply(who string, e *schemas.Skeleton, key string, now time.Time) (schemas.Code, schemas.Effect) {
	m.lapse(now)
	own, prior := key[:min(32, len(key))], key[min(32, len(key)):]
	if m.keys[who+own] {
		return schemas.OK, schemas.Duplicate
	}
	bare := *e
	bare.Declaration = nil
	content := string(bare.Append(nil))
	before, repeated := m.ids[who+e.EventID]
	repeated = repeated && e.EventID != ""
	if e.Declaration == nil && repeated {
		return schemas.EventIDConflict, schemas.NoEffect
	}
	m.keys[who+own] = true
	if e.Declaration != nil {
		if !repeated || before.content != content || before.key != prior || before.void {
			return schemas.OK, schemas.Observation
		}
		before.void = true
		m.ids[who+e.EventID] = before
		return schemas.OK, schemas.Applied
	}
	m.ids[who+e.EventID] = known{content: content, key: own}
	a := &act{model: m, who: who, e: e, now: now, at: time.Unix(0, e.EventTime), effect: schemas.Observation}
	a.play()
	return schemas.OK, a.effect
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

// stow puts lots into a container, or takes as much out as there is.
func (a *act) stow(container string, list []schemas.Quantity, in bool) {
	for _, q := range list {
		k := lot{q.Class, q.UOM}
		have, there := a.packed[container][k]
		said, _ := new(big.Rat).SetString(q.Amount.String())
		switch {
		case in && q.Known && said.Sign() == 0, !in && !there:
			continue
		case in:
			a.book(a.who, q, false)
			if a.packed[container] == nil {
				a.packed[container] = map[lot]*big.Rat{}
			}
			switch {
			case !q.Known, there && have == nil:
				a.packed[container][k] = nil
			case there:
				a.packed[container][k] = new(big.Rat).Add(have, said)
			default:
				a.packed[container][k] = said
			}
		case have == nil || !q.Known:
			a.packed[container][k] = nil
			a.credit(a.who, k, nil)
		case said.Cmp(have) >= 0:
			delete(a.packed[container], k)
			a.credit(a.who, k, have)
		default:
			a.packed[container][k] = new(big.Rat).Sub(have, said)
			a.credit(a.who, k, said)
		}
	}
}

// credit adds what came out of a container.
func (a *act) credit(who string, k lot, amount *big.Rat) {
	q := schemas.Quantity{Class: k.class, UOM: k.uom}
	if amount != nil {
		q.Amount, _ = schemas.ParseDecimal(amount.FloatString(12))
		q.Known = true
	}
	a.book(who, q, true)
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

func (a *act) weigh(list []schemas.Quantity, credit bool) {
	for _, q := range list {
		a.book(a.who, q, credit)
	}
}

func (a *act) book(who string, q schemas.Quantity, credit bool) {
	k := lot{q.Class, q.UOM}
	if a.lots[k] == nil {
		a.lots[k] = map[string]*big.Rat{}
	}
	have, seen := a.lots[k][who]
	if !seen {
		have = new(big.Rat)
	}
	a.lots[k][who] = nil
	if have == nil || !q.Known {
		return
	}
	amount, _ := new(big.Rat).SetString(q.Amount.String())
	if !credit {
		amount.Neg(amount)
	}
	if have = new(big.Rat).Add(have, amount); have.Sign() >= 0 {
		a.lots[k][who] = have
	}
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
			a.waits[id][a.who] = wait{a.who, a.at, a.now}
		}
	}
	for _, q := range lots {
		a.receiveLot(q)
	}
}

func amountOf(q schemas.Quantity) string {
	if !q.Known {
		return ""
	}
	return q.Amount.String()
}

// pick is the first shipment of the amount that fits, or else the first that fits.
func pick(list []shipment, amount string, fits func(shipment) bool) int {
	found := -1
	for i := len(list) - 1; i >= 0; i-- {
		if fits(list[i]) && (list[i].amount == amount || found < 0 || list[found].amount != amount) {
			found = i
		}
	}
	return found
}

func cut(list []shipment, i int) []shipment {
	return append(append([]shipment{}, list[:i]...), list[i+1:]...)
}

func (a *act) fitting(s shipment) bool { return s.party == a.who && !s.claimed.After(a.at) }

func (a *act) receiveLot(q schemas.Quantity) {
	k := lot{q.Class, q.UOM}
	if i := pick(a.sent[k], amountOf(q), a.fitting); i >= 0 {
		s := a.sent[k][i]
		a.sent[k] = cut(a.sent[k], i)
		if !a.lacks(s.from, k, s.amount) {
			// What is commissioned is weighed later, unless somebody else's things are named.
			a.settle(s.from, s.amount, q, !a.commissions() || a.foreign(a.moved()))
			return
		}
	}
	if !a.commissions() {
		a.came[k] = append(a.came[k], shipment{wait{a.who, a.at, a.now}, "", amountOf(q)})
	}
}

// lacks reports whether a partner is known to have less than an amount.
func (a *act) lacks(who string, k lot, amount string) bool {
	have := a.lots[k][who]
	want, ok := new(big.Rat).SetString(amount)
	return ok && have != nil && have.Cmp(want) < 0
}

func (a *act) commissions() bool {
	return a.e.Type == schemas.ObjectEvent && a.e.Action == schemas.ActionAdd
}

// settle books a shipment of an amount by one partner and the receipt of q.
func (a *act) settle(from, amount string, q schemas.Quantity, credit bool) {
	sent := schemas.Quantity{Class: q.Class, UOM: q.UOM}
	if amount != "" {
		sent.Amount, _ = schemas.ParseDecimal(amount)
		sent.Known = true
	}
	a.book(from, sent, false)
	if !q.Known {
		q = sent
	}
	if credit {
		a.book(a.who, q, true)
	}
	a.effect = schemas.Applied
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
			a.offer[id] = wait{to, a.at, a.now}
		}
	}
	for _, q := range lots {
		a.shipLot(q, to)
	}
}

func (a *act) shipLot(q schemas.Quantity, to string) {
	k := lot{q.Class, q.UOM}
	a.effect = schemas.Applied
	if strings.HasPrefix(to, "external:") {
		a.book(a.who, q, false)
		return
	}
	fits := func(s shipment) bool {
		return s.party == to && !s.claimed.Before(a.at)
	}
	if i := pick(a.came[k], amountOf(q), fits); i >= 0 {
		got := a.came[k][i].amount
		a.came[k] = cut(a.came[k], i)
		a.book(a.who, q, false)
		if got != "" {
			q.Amount, _ = schemas.ParseDecimal(got)
			q.Known = true
		}
		a.book(to, q, true)
		return
	}
	if a.lacks(a.who, k, amountOf(q)) {
		a.lots[k][a.who] = nil
	}
	a.sent[k] = append(a.sent[k], shipment{wait{to, a.at, a.now}, a.who, amountOf(q)})
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
