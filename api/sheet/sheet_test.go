package sheet_test

import (
	"os"
	"testing"

	"github.com/waybill-ledger/waybill/api/sheet"
)

func most() sheet.Limits {
	return sheet.Limits{Rows: 1000, Cells: 100000, Unpacked: 8 << 20, Events: 1000, Bytes: 4 << 20}
}

func TestX(t *testing.T) {
	for _, f := range [][2]string{{"asn.json", "asn.x12"}, {"desadv.json", "desadv.edi"}} {
		m0, _ := os.ReadFile("testdata/" + f[0])
		f0, _ := os.ReadFile("testdata/" + f[1])
		m, err := sheet.DecodeMapping(m0)
		if err != nil {
			t.Fatal(err)
		}
		r, err := m.Read(f0, most())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Faults {
			t.Log(f.Error())
		}
		for _, e := range r.Events {
			t.Logf("%d %s", e.Row, e.Text)
		}
	}
}
