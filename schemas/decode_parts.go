package schemas

import (
	"fmt"
	"slices"
)

// what reads the things that an event is about.
func (d *decoder) what() (f *Fault) {
	s := &d.e.Skeleton
	epcs, quantities := fieldEPCList, fieldQuantityList
	switch s.Type {
	case AggregationEvent, AssociationEvent:
		epcs, quantities = fieldChildEPCs, fieldChildQuantityList
	case TransformationEvent:
		epcs, quantities = fieldInputEPCList, fieldInputQuantityList
		if s.OutputEPCs, f = d.epcs(d.at[fieldOutputEPCList]); f != nil {
			return f
		}
		if s.OutputQuantities, f = d.quantities(d.at[fieldOutputQuantityList]); f != nil {
			return f
		}
		if n := d.at[fieldTransformationID]; n != 0 {
			if s.TransformationID, f = d.transformation(n); f != nil {
				return f
			}
		}
	}
	if n := d.at[fieldParentID]; n != 0 {
		if s.ParentID, f = d.instance(n); f != nil {
			return f
		}
	}
	if s.EPCs, f = d.epcs(d.at[epcs]); f != nil {
		return f
	}
	if s.Quantities, f = d.quantities(d.at[quantities]); f != nil {
		return f
	}
	if n := d.at[fieldILMD]; n != 0 {
		return d.object(n, func(string, int) (bool, *Fault) { return false, nil })
	}
	return nil
}

// transformation reads what several events of one transformation share: the
// identifier of one thing, or of a document that has no serial number.
func (d *decoder) transformation(n int) (string, *Fault) {
	if id, scheme, f := d.identifier(n); f != nil || scheme == GDTIClass {
		return id, f
	}
	return d.instance(n)
}

// fewItems is how many EPCs are told apart by looking back.
const fewItems = 16

// epcs reads a list of instances, each once.
func (d *decoder) epcs(n int) (out []string, f *Fault) {
	if n == 0 {
		return nil, nil
	}
	if d.t.tape[n].kind != jsonArray {
		return nil, d.bad(n, "an array of identifiers")
	}
	count := 0
	for v := n + 1; v < int(d.t.tape[n].next); v = int(d.t.tape[v].next) {
		count++
	}
	if f = d.counted(n, count); f != nil || count == 0 {
		return nil, f
	}
	out = make([]string, 0, count)
	var seen map[string]struct{}
	if count > fewItems {
		seen = make(map[string]struct{}, count)
	}
	f = d.list(n, MaxEventItems, func(v int) *Fault {
		id, f := d.instance(v)
		if f != nil {
			return f
		}
		if seen != nil {
			if _, ok := seen[id]; ok {
				return nil
			}
			seen[id] = struct{}{}
		} else if slices.Contains(out, id) {
			return nil
		}
		out = append(out, id)
		return nil
	})
	return out, f
}

// counted bounds the EPCs and quantities of an event.
func (d *decoder) counted(n, count int) *Fault {
	if d.items += count; d.items > MaxEventItems {
		return d.t.fault(TooLarge, n, fmt.Sprintf("more than %d EPCs and quantities in one event", MaxEventItems))
	}
	return nil
}

func (d *decoder) quantities(n int) (out []Quantity, f *Fault) {
	if n == 0 {
		return nil, nil
	}
	f = d.list(n, MaxEventItems, func(v int) *Fault {
		q, f := d.quantity(v)
		out = append(out, q)
		return f
	})
	if f == nil {
		f = d.counted(n, len(out))
	}
	return out, f
}

func (d *decoder) quantity(n int) (q Quantity, f *Fault) {
	f = d.object(n, func(name string, v int) (known bool, f *Fault) {
		switch name {
		case "epcClass":
			q.Class, f = d.class(v)
		case "quantity":
			q.Known = true
			q.Amount, f = d.amount(v)
		case "uom":
			q.UOM, f = d.unit(v)
		default:
			return false, nil
		}
		return true, f
	})
	if f == nil && q.Class == "" {
		f = &Fault{Code: MissingField, Pointer: d.t.pointer(n) + "/epcClass", Detail: "a quantity needs epcClass"}
	}
	return q, f
}

// class reads the identifier of a class or lot.
func (d *decoder) class(n int) (string, *Fault) {
	id, scheme, f := d.identifier(n)
	if f == nil && !scheme.Class() && scheme != PrivateURI && scheme != OtherGS1 {
		f = d.t.fault(BadIdentifier, n, "one thing where a class or lot must be named (EPC lists have things): "+quote(d.t.str(n)))
	}
	return id, f
}

func (d *decoder) amount(n int) (Decimal, *Fault) {
	if d.t.tape[n].kind != jsonNumber {
		return Decimal{}, d.bad(n, "a number")
	}
	v, err := ParseDecimal(d.t.raw(n))
	switch {
	case err != nil:
		return v, d.t.fault(BadQuantity, n, "no bounded decimal: "+quoteRaw(d.t.raw(n)))
	case v.Sign() < 0:
		return v, d.t.fault(BadQuantity, n, "a quantity is not negative: "+quoteRaw(d.t.raw(n)))
	}
	return v, nil
}

// unit reads a code of UN/ECE Recommendation 20: its form only, as the list grows.
func (d *decoder) unit(n int) (string, *Fault) {
	if d.t.tape[n].kind != jsonString {
		return "", d.bad(n, "a unit code such as \"KGM\"")
	}
	s := d.t.str(n)
	ok := len(s) == 2 || len(s) == 3
	for i := range len(s) {
		ok = ok && (isDigit(s[i]) || 'A' <= s[i] && s[i] <= 'Z')
	}
	if !ok {
		return "", d.bad(n, "a unit code of UN/ECE Recommendation 20, such as \"KGM\"")
	}
	return s, nil
}

// whereAndWhy reads places, steps, parties and papers.
func (d *decoder) whereAndWhy() (f *Fault) {
	s := &d.e.Skeleton
	if n := d.at[fieldBizStep]; n != 0 {
		if s.BizStep, f = d.term(&bizSteps, n, true); f != nil {
			return f
		}
	}
	if n := d.at[fieldDisposition]; n != 0 {
		if s.Disposition, f = d.term(&dispositions, n, true); f != nil {
			return f
		}
	}
	if n := d.at[fieldPersistentDisposition]; n != 0 {
		if f = d.persistentDisposition(n); f != nil {
			return f
		}
	}
	if d.e.ReadPoint, f = d.placeObject(d.at[fieldReadPoint]); f != nil {
		return f
	}
	if d.e.BizLocation, f = d.placeObject(d.at[fieldBizLocation]); f != nil {
		return f
	}
	if n := d.at[fieldBizTransactionList]; n != 0 {
		if f = d.list(n, maxEntries, d.bizTransaction); f != nil {
			return f
		}
	}
	if s.Sources, f = d.parties(d.at[fieldSourceList], "source"); f != nil {
		return f
	}
	s.Destinations, f = d.parties(d.at[fieldDestinationList], "destination")
	return f
}

func (d *decoder) persistentDisposition(n int) *Fault {
	return d.object(n, func(name string, v int) (bool, *Fault) {
		if name != "set" && name != "unset" {
			return false, nil
		}
		return true, d.list(v, maxEntries, func(v int) *Fault {
			_, f := d.term(&dispositions, v, true)
			return f
		})
	})
}

// placeObject reads a readPoint or bizLocation.
func (d *decoder) placeObject(n int) (id string, f *Fault) {
	if n == 0 {
		return "", nil
	}
	f = d.object(n, func(name string, v int) (bool, *Fault) {
		if name != "id" {
			return false, nil
		}
		var f *Fault
		id, f = d.place(v)
		return true, f
	})
	if f == nil && id == "" {
		f = &Fault{Code: MissingField, Pointer: d.t.pointer(n) + "/id", Detail: "a place needs an id"}
	}
	return id, f
}

func (d *decoder) bizTransaction(n int) *Fault {
	named := false
	f := d.object(n, func(name string, v int) (known bool, f *Fault) {
		switch name {
		case "type":
			_, f = d.term(&transactionTypes, v, false)
		case "bizTransaction":
			named = true
			_, _, f = d.identifier(v)
		default:
			return false, nil
		}
		return true, f
	})
	if f == nil && !named {
		f = &Fault{Code: MissingField, Pointer: d.t.pointer(n) + "/bizTransaction", Detail: "an entry needs bizTransaction"}
	}
	return f
}

// parties reads a source or destination list; role is the name of the member
// that holds the party.
func (d *decoder) parties(n int, role string) (out []Party, f *Fault) {
	if n == 0 {
		return nil, nil
	}
	f = d.list(n, maxEntries, func(v int) *Fault {
		p, f := d.party(v, role)
		out = append(out, p)
		return f
	})
	return out, f
}

func (d *decoder) party(n int, role string) (p Party, f *Fault) {
	f = d.object(n, func(name string, v int) (known bool, f *Fault) {
		switch name {
		case "type":
			p.Type, f = d.term(&partyTypes, v, true)
		case role:
			p.ID, f = d.instance(v)
		default:
			return false, nil
		}
		return true, f
	})
	switch {
	case f != nil:
	case p.Type == "":
		f = &Fault{Code: MissingField, Pointer: d.t.pointer(n) + "/type", Detail: "a " + role + " needs a type"}
	case p.ID == "":
		f = &Fault{Code: MissingField, Pointer: d.t.pointer(n) + "/" + role, Detail: "an entry needs " + role}
	}
	return p, f
}
