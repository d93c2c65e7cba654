package app

import (
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
)

// Partner is a partner, nil where there is none of this id.
func (v *View) Partner(id string) (*schemas.Partner, error) {
	value, _, err := v.get(schemas.PartnerKey(id))
	if value == nil || err != nil {
		return nil, err
	}
	p, err := schemas.DecodePartner(id, value)
	if err != nil {
		return nil, fmt.Errorf("reading partner %q: %w", id, err)
	}
	return &p, nil
}
