package proof

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/waybill-ledger/waybill/schemas"
)

// Trust is an auditor's root of trust: a header that several nodes confirmed,
// got in a way that the maker of a bundle does not control. All that a bundle
// proves, it proves to whoever trusts this.
type Trust struct {
	ChainID          string       `json:"chain_id"`
	Height           int64        `json:"height"`
	Time             time.Time    `json:"time"`
	HeaderHash       schemas.Hash `json:"header_hash"`
	ValidatorSetHash schemas.Hash `json:"validator_set_hash"`
}

// rfc3339 is the form of its time: the standard library takes more, as a comma for the
// point, or an hour of one digit.
var rfc3339 = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)

// maxTrust bounds the JSON of a root of trust.
const maxTrust = 4096

// DecodeTrust reads the JSON of a root of trust: each of its five members once,
// and nothing else. The standard decoder alone takes the last of two members of
// one name, and any case: a file that two readers read differently is no root.
func DecodeTrust(b []byte) (*Trust, error) {
	bad := func(what string) (*Trust, error) {
		return nil, fmt.Errorf("reading a root of trust: %s", what)
	}
	if len(b) > maxTrust || !utf8.Valid(b) {
		return bad("it is too long, or no UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return bad("it is no JSON object")
	}
	t, at := &Trust{}, ""
	into := map[string]any{"chain_id": &t.ChainID, "height": &t.Height, "time": &at,
		"header_hash": &t.HeaderHash, "validator_set_hash": &t.ValidatorSetHash}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return bad("a member's name cannot be read")
		}
		field, ok := into[fmt.Sprint(name)]
		if !ok {
			return bad(fmt.Sprintf("member %q is unknown, or there twice", name))
		}
		if err := d.Decode(field); err != nil {
			return bad(fmt.Sprintf("member %q: %v", name, err))
		}
		delete(into, name.(string))
	}
	if _, err := d.Token(); err != nil {
		return bad("the object does not end")
	}
	if _, err := d.Token(); err != io.EOF {
		return bad("something follows the object")
	}
	if len(into) > 0 {
		return bad("it needs chain_id, height, time, header_hash and validator_set_hash")
	}
	var err error
	if t.Time, err = time.Parse(time.RFC3339Nano, at); err != nil || !rfc3339.MatchString(at) || t.Time.Before(time.Unix(0, 0)) {
		return bad(fmt.Sprintf("%q is no time of RFC 3339 since 1970", at))
	}
	if t.ChainID == "" || t.Height < 1 || t.HeaderHash.IsZero() || t.ValidatorSetHash.IsZero() {
		return bad("a member is empty")
	}
	return t, nil
}
