package api

import (
	"bytes"

	"github.com/waybill-ledger/waybill/schemas"
)

// The digits of a Digital Link do not tell where the company prefix ends, so that an
// item's EPC URN is known only where somebody wrote it: whoever asks, or whoever
// recorded the item.

var (
	urnOpens  = []byte(`"urn:epc:id:`)
	urnCloses = []byte(`"`)
)

// urnOf is an item's EPC URN as the first event of its trails wrote it, the one of its
// custody before the one of its observations; "" where neither did.
func urnOf(view View, id string, read pager) (string, error) {
	for _, kind := range [...]schemas.TrailKind{schemas.CustodyTrail, schemas.ObservationTrail} {
		records, err := view.Trail(schemas.TrailKey{Kind: kind, Subject: id}, 0, read.step(1))
		if err == nil {
			err = read.add(records...)
		}
		if err != nil {
			return "", err
		}
		for i := range records {
			if urn := urnIn(records[i].Body, id); urn != "" {
				return urn, nil
			}
		}
	}
	return "", nil
}

// urnIn finds an identifier's URN among the texts of an event.
func urnIn(body []byte, id string) string {
	for {
		at := bytes.Index(body, urnOpens)
		if at < 0 {
			return ""
		}
		body = body[at+1:]
		end := bytes.Index(body, urnCloses)
		if end < 0 {
			return ""
		}
		if found, err := schemas.ParseIdentifier(string(body[:end])); err == nil && found.String() == id {
			urn, _ := found.URN()
			return urn
		}
		body = body[end:]
	}
}
