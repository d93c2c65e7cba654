package app_test

import (
	"bytes"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Error declarations and required documents on the books.

const declared = `,"errorDeclaration":`

// declare judges a declaration: of an event that its author recorded, word by word, it
// ends what that left open; what came of it stays as it is.
func (m *teller) declare() {
	m.effect = schemas.Observation
	e := m.Events[m.who+" "+m.e.EventID]
	said, _, _ := bytes.Cut(m.body, []byte(declared))
	if e == nil || e.Void || e.Body != string(said)+"}" {
		return
	}
	e.Void, m.effect = true, schemas.Applied
	came := m.endOpen(e)
	if !e.Claim && (came || m.goneOn()) {
		m.told = append(m.told, schemas.BuiltUpon)
	}
}

// endOpen ends what the void event opened. It answers whether by it its author has what
// it received.
func (m *teller) endOpen(e *bookEvent) (came bool) {
	for _, id := range m.e.EPCs {
		it := m.item(id)
		switch {
		case m.e.Action == schemas.ActionDelete:
		case m.e.BizStep == "shipping" && it.Offer != nil && it.Offer.By == e.At:
			o := it.Offer
			it.Offer = nil
			m.unitOver(o, goneUnit)
		case m.e.BizStep == "receiving" && it.Waits[m.who].By == e.At:
			delete(it.Waits, m.who)
		case m.e.BizStep == "receiving":
			came = came || m.holder(id) == m.who
		}
	}
	return came
}

// goneOn reports whether somebody else has what the void event moved or handed over, or
// some of what it made.
func (m *teller) goneOn() bool {
	var things []string
	var made []schemas.Quantity
	switch {
	case m.e.Type == schemas.TransformationEvent:
		things, made = append(append(things, m.e.EPCs...), m.e.OutputEPCs...), m.e.OutputQuantities
	case m.e.Action == schemas.ActionObserve && m.e.BizStep == "shipping":
		things = m.e.EPCs
	case m.e.Action != schemas.ActionObserve:
		if things = m.e.EPCs; m.e.ParentID != "" {
			things = append([]string{m.e.ParentID}, things...)
		}
		if m.e.Type == schemas.ObjectEvent && m.e.Action == schemas.ActionAdd {
			made = m.e.Quantities
		}
	}
	for _, id := range things {
		if h := m.holder(id); h != "" && h != m.who {
			return true
		}
	}
	for _, q := range made {
		if name := lotName(q.Class, q.UOM); m.lacks(name, m.who, amountIn(q)) || m.strict(q.Class) && m.below(name, m.who, amountIn(q)) {
			return true
		}
	}
	return false
}

// bookDocument is one that the terms of a shipment require.
type bookDocument struct{ Kind, Hash, Attached string }

func (s *bookShipment) lacksDocuments() bool {
	for _, d := range s.Documents {
		if d.Attached == "" {
			return true
		}
	}
	return false
}

// papers judges the hand-over of a unit or lot by the documents that are to be there when
// its receiver gets it.
func (m *teller) papers(s *bookShipment, to, id string) {
	if to == s.Receiver && s.lacksDocuments() {
		m.stands(m.strict(id), schemas.DocumentsMissing)
		m.told = append(m.told, schemas.DocumentsMissing)
	}
}

func (m *teller) attach(a *schemas.AttachDocuments) {
	s := m.ship(a.Shipment)
	if s == nil {
		return
	}
	m.stands(s.over(), schemas.WrongState)
	m.stands(!strings.Contains(" "+strings.Join(s.parties(), " ")+" ", " "+m.who+" "), schemas.WrongRole)
	after := append([]bookDocument(nil), s.Documents...)
	for _, d := range a.Documents {
		required := false
		for i, term := range after {
			if (term.Kind == "" || term.Kind == d.Kind) && (term.Hash == "" || term.Hash == d.Hash.String()) {
				required, after[i].Attached = true, d.Hash.String()
			}
		}
		m.stands(!required, schemas.NotRequired)
	}
	if !m.refused() {
		s.Documents = after
	}
}
