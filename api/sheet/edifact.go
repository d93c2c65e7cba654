package sheet

import (
	"strconv"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// readEDIFACT reads despatch advices (DESADV) and receiving advices (RECADV) of
// UN/EDIFACT (ISO 9735). Columns begin with their level: H/ for what precedes the
// first CPS, CPS1/ for the outermost packing and CPS2/ for what is in it, CPS/ for
// the nearest that has such a segment, LIN/ for the line.
func readEDIFACT(file []byte, most Limits) (*Table, error) {
	raw, err := plainText(file)
	if err != nil {
		return nil, err
	}
	d := delimiters{segment: '\'', element: '+', component: ':', release: '?'}
	text := strings.TrimLeft(string(raw), "\r\n\t ")
	if una, ok := strings.CutPrefix(text, "UNA"); ok {
		if len(una) < 6 {
			return nil, &schemas.Fault{Code: schemas.BadSheet, Detail: "the UNA segment has fewer than six characters"}
		}
		d = delimiters{component: una[0], element: una[1], release: una[3], segment: una[5]}
		if d.release == ' ' {
			d.release = 0
		}
		text = strings.TrimLeft(una[6:], "\r\n\t ")
	}
	if !strings.HasPrefix(text, "UNB") || d.component == d.element || d.element == d.segment || d.component == d.segment || letterOrDigit(d.element) || letterOrDigit(d.component) || letterOrDigit(d.segment) {
		return nil, &schemas.Fault{Code: schemas.BadSheet, Detail: "an EDIFACT interchange begins with UNB, or with a UNA that shows different delimiters"}
	}
	n := newNotice(most)
	packing := (*node)(nil) // that lines are in
	for number := 1; text != ""; number++ {
		var s segment
		if s, text, err = d.cut(text, number); err == nil {
			packing, err = n.edifact(&s, packing)
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

func (n *notice) edifact(s *segment, packing *node) (*node, error) {
	switch s.tag {
	case "UNB":
		n.envelope = n.level("")
		return nil, n.envelope.add(s)
	case "UNG", "UNE", "UNZ":
		return nil, nil
	case "UNH":
		if kind := s.at(2); kind != "DESADV" && kind != "RECADV" {
			return nil, badInterchange(s.number, "message %s: DESADV and RECADV are read", clip(kind))
		}
		return nil, n.open(s)
	case "UNT":
		return nil, n.close(s, s.at(1))
	}
	if n.began == 0 {
		return nil, badInterchange(s.number, "%s outside of a message", clip(s.tag))
	}
	switch s.tag {
	case "CPS":
		parent := n.byID[s.at(2)]
		if parent == nil && s.at(2) != "" {
			return nil, badInterchange(s.number, "CPS %s is in %s, which did not come before it", clip(s.at(1)), clip(s.at(2)))
		}
		if s.at(1) == "" || n.byID[s.at(1)] != nil {
			return nil, badInterchange(s.number, "CPS %s has no number of its own", clip(s.at(1)))
		}
		depth := 1
		if parent != nil {
			depth += parent.depth
		}
		at, err := n.below(parent, s.number, "CPS/", "CPS"+strconv.Itoa(depth)+"/")
		if err != nil {
			return nil, err
		}
		n.enter(s.at(1), at)
		packing = at
	case "LIN":
		at, err := n.below(packing, s.number, "LIN/")
		if err != nil {
			return nil, err
		}
		n.enter("", at)
	}
	return packing, n.at.add(s)
}
