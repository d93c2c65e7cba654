// Package audit is for auditors: what they need to check what a ledger tells them,
// without asking anybody.
//
// A bundle is all that a node says of an item, lot or partner, with the proof: the
// events as their partners signed them, the place of each in the ledger, and a
// header that more than two thirds of the validators signed. A root of trust is a
// header that several partners' nodes confirmed once; it comes to the auditor by a
// way that the bundle's maker does not control, and does not expire. [Verify] needs
// these two and nothing else: no network, no key, no clock.
//
// What it answers says in words what is proven, and what is not: that everything
// that happened was reported, no ledger can show.
package audit

import (
	"bytes"
	"fmt"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// Statement is what a verified bundle says: every event, the state of what was
// asked for, and in words what is proven of it and what is not. It follows from
// the bundle and the root of trust alone.
type Statement struct {
	*proof.Report
	Proven    []string `json:"proven"`
	NotProven []string `json:"not_proven"`
	Stamped   *Stamp   `json:"stamped,omitempty"` // where a time stamp was demanded
}

// Verify checks a bundle, in its binary or its JSON form, against a root of trust.
// The error names the first thing that does not hold.
func Verify(bundle []byte, trust *proof.Trust) (*Statement, error) {
	return VerifyDemanding(bundle, trust, Demands{})
}

// Binary is the binary form of a bundle in either form: JSON begins with a brace
// or a blank, as no binary bundle does.
func Binary(bundle []byte) ([]byte, error) {
	if len(bundle) > 0 && bytes.IndexByte([]byte("{ \t\r\n"), bundle[0]) >= 0 {
		return proof.ParseJSON(bundle)
	}
	return bundle, nil
}

// ReadTrust reads a root of trust: the JSON that waybill trust prints.
func ReadTrust(text []byte) (*proof.Trust, error) {
	t, err := proof.DecodeTrust(text)
	if err != nil {
		return nil, fmt.Errorf("root of trust: %w", err)
	}
	return t, nil
}
