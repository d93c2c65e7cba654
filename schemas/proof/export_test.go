package proof

import "github.com/waybill-ledger/waybill/schemas"

// EventOf is the event that a bundle's members make.
func EventOf(members []schemas.Member) (*schemas.Event, error) {
	return eventOf(schemas.KindEvent, members)
}
