package schemas

import (
	"maps"
	"slices"
)

// ParseTime reads a time as events have it.
func ParseTime(s string) (int64, bool) { return parseTime(s) }

// Term is a word of a vocabulary in one of its forms, and what that form's
// vocabulary makes of it.
type Term struct{ Word, Form, Read string }

// Terms returns every word of every vocabulary in every legal form.
func Terms() (out []Term) {
	for _, v := range []*vocabulary{&bizSteps, &dispositions, &partyTypes, &transactionTypes, &errorReasons, &components, &alerts, &measurements} {
		for _, w := range slices.Sorted(maps.Keys(v.words)) {
			forms := []string{w, cbvSpaces[0] + v.web + w, cbvSpaces[1] + v.web + w, "cbv:" + v.web + w}
			if v.urn != "" {
				forms = append(forms, cbvURN+v.urn+w)
			} else {
				forms = append(forms, "gs1:"+w, gs1Spaces[0]+w, gs1Spaces[1]+w, gs1Spaces[1]+v.web+w, "gs1:"+v.web+w)
			}
			for _, form := range forms {
				read, f := v.term(form, nil, true)
				if f != nil {
					read = f.Error()
				}
				out = append(out, Term{w, form, read})
			}
		}
	}
	return out
}
