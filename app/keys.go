package app

import "github.com/waybill-ledger/waybill/schemas"

// heldByClient reports whether the key that signed the transaction, or the message's
// author, is in the hands of a client or in hardware, where the gateway cannot use it.
func (m *message) heldByClient() bool {
	value, _ := m.get(schemas.KeyKey(m.partner, m.tx.Header.KeyId))
	if value == nil {
		return false
	}
	k := must(schemas.DecodeKey(m.partner, m.tx.Header.KeyId, value))
	return k.Held == schemas.HeldByClient || k.Held == schemas.HeldInHardware
}
