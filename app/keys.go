package app

import "github.com/waybill-ledger/waybill/schemas"

// partnerLeaf is a partner as the block has left it so far, nil where there is none.
func (b *block) partnerLeaf(id string) *schemas.Partner {
	value, _ := b.get(schemas.PartnerKey(id))
	if value == nil {
		return nil
	}
	p := must(schemas.DecodePartner(id, value))
	return &p
}

func (b *block) putPartner(p *schemas.Partner) {
	b.led.Set(schemas.PartnerKey(p.ID), p.Append(nil), nil)
	b.governed = true
}

// replaceKeys gives a partner keys, valid from the next block on.
func (b *block) replaceKeys(partner string, keys []schemas.Key, threshold uint32) schemas.Code {
	p := b.partnerLeaf(partner)
	if p == nil {
		return schemas.UnknownPartner
	}
	for _, k := range keys {
		b.led.Set(schemas.KeyKey(partner, k.ID), k.Append(nil), nil)
	}
	p.Threshold = threshold
	b.putPartner(p)
	return schemas.OK
}
