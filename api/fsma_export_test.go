package api

import "github.com/waybill-ledger/waybill/schemas"

// TestingOnlyFSMA tells the rows of events, of some lots alone.
func TestingOnlyFSMA(records []schemas.Record, lots map[string]bool) (*FSMA, error) {
	out := &FSMA{}
	return out, out.tell(records, lots, nil)
}
