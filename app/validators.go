package app

import "github.com/waybill-ledger/waybill/schemas"

// orderValidator says which node and consensus key validate for a partner; a nil key, none.
func (b *block) orderValidator(partner, nodeID string, key []byte) schemas.Code {
	p := b.partnerLeaf(partner)
	if p == nil {
		return schemas.UnknownPartner
	}
	p.NodeID, p.Validate = nodeID, key
	b.putPartner(p)
	return schemas.OK
}
