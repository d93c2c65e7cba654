package schemas

import (
	"maps"
	"slices"
	"strings"
)

// Vocabulary is one list of the Core Business Vocabulary.
type Vocabulary uint8

// The lists.
const (
	BizSteps Vocabulary = iota
	Dispositions
	PartyTypes
	TransactionTypes
	ErrorReasons
	Components
	SensorAlerts
	Measurements
)

func (v Vocabulary) list() *vocabulary {
	return [...]*vocabulary{&bizSteps, &dispositions, &partyTypes, &transactionTypes, &errorReasons, &components, &alerts, &measurements}[v]
}

// Words are the bare words of a list, sorted.
func (v Vocabulary) Words() []string { return slices.Sorted(maps.Keys(v.list().words)) }

// Word returns the bare word of a term in any of its legal forms, and false for
// what is not of the list.
func (v Vocabulary) Word(s string) (string, bool) {
	w, f := v.list().term(s, nil, false)
	return w, f == nil && strings.IndexByte(w, ':') < 0
}

// URN returns the form that EPCIS 1.2 had for a bare word: a URN, or for the lists
// of sensors, which have none, the compact web URI (CBV 2.0, 7 and 8).
func (v Vocabulary) URN(word string) string {
	if urn := v.list().urn; urn != "" {
		return cbvURN + urn + word
	}
	return "gs1:" + word
}

// WebURI returns the web URI of a bare word.
func (v Vocabulary) WebURI(word string) string {
	if v.list().urn != "" {
		return cbvSpaces[0] + v.list().web + word
	}
	return gs1Space + word
}

// StandardPrefix returns what the context of EPCIS 2.0 says of a prefix, "" for
// nothing.
func StandardPrefix(name string) string { return standardPrefix(name) }
