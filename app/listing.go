package app

import (
	"bytes"
	"context"
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
)

// Values lists what the index has of a kind, in the order of bytes, behind one: at
// most limit; more tells whether others follow. Each is found by one seek, so that a
// value that a million events share costs no more than others.
func (v *View) Values(ctx context.Context, of schemas.Listing, after string, limit int) (out []string, more bool, err error) {
	prefixes := listings(of)
	next := make([]string, len(prefixes)) // the first of each range, "" where it is read to its end
	for i, p := range prefixes {
		if next[i], err = v.valueAfter(p, after); err != nil {
			return nil, false, err
		}
	}
	for ctx.Err() == nil {
		least := ""
		for _, s := range next {
			if s != "" && (least == "" || s < least) {
				least = s
			}
		}
		switch {
		case least == "":
			return out, false, nil
		case len(out) >= limit:
			return out, true, nil
		}
		out = append(out, least)
		for i, p := range prefixes {
			if next[i] != least {
				continue
			}
			if next[i], err = v.valueAfter(p, least); err != nil {
				return nil, false, err
			}
		}
	}
	return nil, false, ctx.Err()
}

// listings are the prefixes of the ranges that have the values of a kind.
func listings(of schemas.Listing) [][]byte {
	switch of {
	case schemas.ListEPCs:
		return [][]byte{{rowTrail, byte(schemas.CustodyTrail)}, {rowTrail, byte(schemas.ObservationTrail)}}
	case schemas.ListBizSteps:
		return [][]byte{{rowField, fieldBizStep}}
	case schemas.ListBizLocations:
		return [][]byte{{rowField, fieldBizLocation}}
	case schemas.ListReadPoints:
		return [][]byte{{rowField, fieldReadPoint}}
	case schemas.ListDispositions:
		return [][]byte{{rowField, fieldDisposition}}
	}
	return nil
}

// valueAfter is the first value of a range behind one, "" for none. A zero byte ends
// a value in a row's key, and no value holds the byte after it.
func (v *View) valueAfter(prefix []byte, after string) (string, error) {
	var from []byte
	if after != "" {
		from = append(append(bytes.Clone(prefix), after...), 1)
	}
	for row, err := range v.at.Rows(prefix, from, false) {
		if err != nil {
			return "", v.answered(fmt.Errorf("listing values: %w", err))
		}
		value, _, _ := bytes.Cut(row.Key[len(prefix):], []byte{0})
		return string(value), nil
	}
	return "", nil
}
