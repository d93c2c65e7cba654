package app_test

import (
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Recalls on the books.

type bookRecall struct {
	Closed  bool
	Answers map[string]bool // of partners: whether they are done
	Spans   []bookSpan
}

// bookSpan is a span of time in which the issuer made what is recalled.
type bookSpan struct {
	From, Until int64 // 0: it has no end
	Of          string
}

// bookMade is a class or lot: who brought it into being, from when to when, and which
// recalls name it.
type bookMade struct {
	Maker       string
	First, Last int64
	Marks       []string
}

func (b *books) lot(class string) *bookMade {
	if b.Made[class] == nil {
		b.Made[class] = &bookMade{}
	}
	return b.Made[class]
}

func (b *books) isOpen(issuer, name string) bool {
	r := b.Recalls[issuer+"/"+name]
	return r != nil && !r.Closed
}

// recalls are the open ones that name a thing, lotRecalls those that name a class or lot.
func (b *books) recalls(id string) []string {
	it := b.item(id)
	return b.naming(id, it.Marks, it.Maker, it.Made, it.Made)
}

func (b *books) lotRecalls(class string) []string {
	l := b.lot(class)
	return b.naming(class, l.Marks, l.Maker, l.First, l.Last)
}

func (b *books) naming(id string, marks []string, maker string, first, last int64) (by []string) {
	by = b.stillOpen(marks)
	for _, name := range sortedNames(b.Recalls) {
		r := b.Recalls[name]
		if issuer, _, _ := strings.Cut(name, "/"); issuer != maker || r.Closed || slices.Contains(by, name) {
			continue
		}
		for _, s := range r.Spans {
			of := s.Of == "" || id == s.Of || strings.HasPrefix(id, s.Of+"/")
			if of && s.From <= last && (s.Until == 0 || first < s.Until) {
				by = append(by, name)
				break
			}
		}
	}
	return by
}

func (b *books) stillOpen(marks []string) []string {
	return slices.DeleteFunc(slices.Clone(marks), func(name string) bool { return b.Recalls[name].Closed })
}

// within is everything that is in a container, and in what is in there.
func (b *books) within(container string) (ids []string) {
	for _, id := range sortedNames(b.Items) {
		for in := b.Items[id].Parent; in != ""; in = b.Items[in].Parent {
			if in == container {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// inside are the open recalls by which things within a container are marked, each as often
// as it marks one.
func (b *books) inside(container string) (by []string) {
	for _, id := range b.within(container) {
		by = append(by, b.stillOpen(b.item(id).Marks)...)
	}
	return sorted(by)
}

// onward are the recalls that name a thing or something within it.
func (b *books) onward(id string) []string { return append(b.recalls(id), b.inside(id)...) }

// ships stands against handing over what is recalled where custody is strict of one of
// these, and tells of it elsewhere.
func (m *teller) ships(recalls, of []string, to ...string) {
	m.stands(slices.ContainsFunc(of, m.strict) && goesOn(recalls, to...), schemas.RecalledItem)
	if len(recalls) > 0 {
		m.told = append(m.told, schemas.ShippedRecalled)
	}
}

// shipsAll judges a thing, what is within it, and what it holds of lots itself.
func (m *teller) shipsAll(id string, to ...string) {
	m.ships(m.onward(id), []string{id}, to...)
	m.shipsLots(id, nil, to...)
}

func (m *teller) shipsLots(id string, of []string, to ...string) {
	for _, lot := range sortedNames(m.Packed[id]) {
		class, _, _ := strings.Cut(lot, " ")
		m.ships(m.lotRecalls(class), append(of, class, id), to...)
	}
}

// offered is to whom what something is in is offered.
func (m *teller) offered(id string) (top string, to []string) {
	top = m.top(id)
	if o := m.item(top).Offer; o != nil {
		to = append(to, o.To)
		if s := m.Shipments[o.Shipment]; s != nil {
			to = append(to, s.Receiver)
		}
	}
	return top, to
}

// packs judges what was packed into something that is offered.
func (m *teller) packs(id string) {
	if top, to := m.offered(id); len(to) > 0 {
		m.ships(append(m.stillOpen(m.item(id).Marks), m.inside(id)...), []string{id, top}, to...)
		m.shipsLots(id, []string{top}, to...)
	}
}

func (m *teller) packsLots(list []schemas.Quantity) {
	for _, q := range list {
		if top, to := m.offered(m.e.ParentID); len(to) > 0 {
			m.ships(m.lotRecalls(q.Class), []string{top, q.Class}, to...)
		}
	}
}

// goesOn reports whether something recalled would go on, and not back to all who recall it.
func goesOn(recalls []string, to ...string) bool {
	return slices.ContainsFunc(recalls, func(name string) bool {
		issuer, _, _ := strings.Cut(name, "/")
		return !slices.Contains(to, issuer)
	})
}

func (m *teller) recall(a *schemas.Recall) {
	name := m.who + "/" + a.Recall
	m.stands(m.Recalls[name] != nil, schemas.NameUsed)
	m.callBack(name, &bookRecall{Answers: map[string]bool{}}, &a.RecallScope)
}

func (m *teller) extend(a *schemas.ExtendRecall) {
	name := m.who + "/" + a.Recall
	m.stands(!m.isOpen(m.who, a.Recall), schemas.NoSuchRecall)
	m.callBack(name, m.Recalls[name], &a.RecallScope)
}

// sixteen open recalls of its maker can name a thing, and sixty-four spans be in those of
// a partner.
const (
	markRoom = 16
	spanRoom = 64
)

func (m *teller) callBack(name string, r *bookRecall, scope *schemas.RecallScope) {
	var named []*[]string
	for _, id := range scope.Items {
		m.stands(m.item(id).Maker != m.who, schemas.NotMaker)
		named = append(named, &m.item(id).Marks)
	}
	for _, class := range scope.Lots {
		m.stands(m.lot(class).Maker != m.who, schemas.NotMaker)
		named = append(named, &m.lot(class).Marks)
	}
	for _, marks := range named {
		own := slices.DeleteFunc(m.stillOpen(*marks), func(n string) bool { return !strings.HasPrefix(n, m.who+"/") })
		m.stands(len(own) >= markRoom && !slices.Contains(own, name), schemas.TooManyRecalls)
	}
	var spans []bookSpan
	if r != nil {
		spans = slices.Clone(r.Spans)
	}
	for _, s := range scope.Made {
		if span := (bookSpan{s.From, s.Until, s.Class}); !slices.Contains(spans, span) {
			spans = append(spans, span)
		}
	}
	open := len(spans)
	for other, r := range m.Recalls {
		if strings.HasPrefix(other, m.who+"/") && other != name && !r.Closed {
			open += len(r.Spans)
		}
	}
	m.stands(len(scope.Made) > 0 && open > spanRoom, schemas.TooManyRecalls)
	if m.refused() {
		return
	}
	r.Spans = spans
	m.Recalls[name] = r
	for _, marks := range named {
		m.mark(marks, name)
	}
}

// packed marks a thing that is packed by the recalls of when it was made.
func (m *teller) packed(id string) {
	it := m.item(id)
	for _, name := range m.recalls(id) {
		own := slices.DeleteFunc(m.stillOpen(it.Marks), func(n string) bool { return !strings.HasPrefix(n, it.Maker+"/") })
		if !slices.Contains(it.Marks, name) && len(own) < markRoom {
			m.mark(&it.Marks, name)
		}
	}
}

// mark marks what its maker's recall names. Where there is no room, the oldest mark that
// it inherited gives way.
func (m *teller) mark(marks *[]string, name string) {
	all := m.stillOpen(*marks)
	if !slices.Contains(all, name) {
		if len(all) >= markRoom {
			issuer, _, _ := strings.Cut(name, "/")
			i := slices.IndexFunc(all, func(n string) bool { return !strings.HasPrefix(n, issuer+"/") })
			all = slices.Delete(all, i, i+1)
		}
		all = append(all, name)
	}
	*marks = all
}

// handOn marks what is made of things, by the recalls of these as far as there is room.
func (m *teller) handOn(marks *[]string, inherited []string) {
	all := m.stillOpen(*marks)
	for _, name := range inherited {
		if len(all) < markRoom && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	*marks = all
}
