package sheet

import (
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// isaSize is the fixed length of an ISA segment, which shows the delimiters.
const isaSize = 106

// readX12 reads ship notices (856) and receiving advices (861) of ASC X12.
// Columns begin with the code of their level: S/ shipment, O/ order, T/ tare,
// P/ pack, I/ item, as HL03 has it, H/ for what precedes the first.
func readX12(file []byte, most Limits) (*Table, error) {
	raw, err := plainText(file)
	if err != nil {
		return nil, err
	}
	text := strings.TrimLeft(string(raw), "\r\n\t ")
	if len(text) < isaSize || text[:3] != "ISA" {
		return nil, &schemas.Fault{Code: schemas.BadSheet, Detail: "an X12 interchange begins with an ISA segment of 106 characters"}
	}
	d := delimiters{element: text[3], component: text[isaSize-2], segment: text[isaSize-1]}
	if d.element == d.component || d.element == d.segment || d.component == d.segment || letterOrDigit(d.element) || letterOrDigit(d.component) || letterOrDigit(d.segment) {
		return nil, &schemas.Fault{Code: schemas.BadSheet, Detail: "the ISA segment shows no three delimiters: it must have exactly 106 characters"}
	}
	n := newNotice(most)
	for number := 1; text != ""; number++ {
		var s segment
		if s, text, err = d.cut(text, number); err == nil {
			err = n.x12(&s)
		}
		if err != nil {
			return nil, err
		}
	}
	if n.began != 0 {
		return nil, badInterchange(n.began, "the message that begins here does not end")
	}
	return n.table, nil
}

func (n *notice) x12(s *segment) error {
	switch s.tag {
	case "ISA":
		n.envelope = n.level("")
		return n.envelope.add(s)
	case "GS":
		return n.envelope.add(s)
	case "GE", "IEA":
		return nil
	case "ST":
		if kind := s.at(1); kind != "856" && kind != "861" {
			return badInterchange(s.number, "transaction set %s: 856 and 861 are read", clip(kind))
		}
		return n.open(s)
	case "SE":
		return n.close(s, s.at(1))
	}
	if n.began == 0 {
		return badInterchange(s.number, "%s outside of a transaction set", clip(s.tag))
	}
	switch s.tag {
	case "HL":
		parent := n.byID[s.at(2)]
		if parent == nil && s.at(2) != "" {
			return badInterchange(s.number, "HL %s is in %s, which did not come before it", clip(s.at(1)), clip(s.at(2)))
		}
		if s.at(1) == "" || n.byID[s.at(1)] != nil {
			return badInterchange(s.number, "HL %s has no number of its own", clip(s.at(1)))
		}
		at, err := n.below(parent, s.number, s.at(3)+"/")
		if err != nil {
			return err
		}
		n.enter(s.at(1), at)
	case "RCD": // of an 861: each begins an item
		at, err := n.below(nil, s.number, "I/")
		if err != nil {
			return err
		}
		n.enter("", at)
	}
	return n.at.add(s)
}
