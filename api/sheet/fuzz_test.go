package sheet_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/waybill-ledger/waybill/api/sheet"
)

// FuzzRead: whatever a file holds, reading it ends within its bounds, and what it
// becomes is read alike again.
func FuzzRead(f *testing.F) {
	var all []*sheet.Mapping
	for i, text := range []string{simple, lots, string(must(os.ReadFile("testdata/asn.json"))), string(must(os.ReadFile("testdata/desadv.json")))} {
		m, err := sheet.DecodeMapping([]byte(text))
		if err != nil {
			f.Fatal(i, err)
		}
		all = append(all, m)
	}
	f.Add([]byte("Step,Time,GTIN,Serial,State\nshipping,2026-05-01T10:00,9521234543213,1,\n"))
	f.Add(must(os.ReadFile("testdata/asn.x12")))
	f.Add(must(os.ReadFile("testdata/desadv.edi")))
	var book bytes.Buffer
	w := must(sheet.NewWriter(sheet.TypeXLSX, &book))
	for _, row := range [][]string{{"Time", "GTIN", "Serial", "Qty"}, {"2026-05-01", "09521234543213", "007", "-2.5"}} {
		if err := w.Row(row); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(book.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, m := range all {
			r, err := m.Read(text, most())
			if err != nil {
				continue
			}
			if len(r.Events) > most().Events || r.Rows > most().Rows {
				t.Fatalf("%d events of %d rows", len(r.Events), r.Rows)
			}
			again, err := m.Read(text, most())
			if err != nil || len(again.Events) != len(r.Events) || len(again.Faults) != len(r.Faults) {
				t.Fatalf("read again: %v", err)
			}
			for i := range r.Events {
				if !bytes.Equal(r.Events[i].Text, again.Events[i].Text) || r.Events[i].Decoded == nil {
					t.Fatalf("event %d is another: %s", i, again.Events[i].Text)
				}
			}
			if !json.Valid(m.Document(r.Events, "2026-05-01T00:00:00Z")) {
				t.Fatal("the document is no JSON")
			}
		}
	})
}

// FuzzMapping: whatever a mapping holds, it is refused or works.
func FuzzMapping(f *testing.F) {
	for _, text := range []string{simple, lots, string(must(os.ReadFile("testdata/asn.json"))), `{"source":{"format":"csv","split":{"A":","}},"events":[{"group":[],"event":{"a":[{"$rows":{"$when":{"A":"*"},"b":"{B?|upper}"}}]}}]}`} {
		f.Add([]byte(text))
	}
	rows := []byte("A,B,C,Step,Time,GTIN,Serial,State\n1,2,3,shipping,2026-05-01T10:00,9521234543213,1,\n")
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := sheet.DecodeMapping(text)
		if err != nil {
			return
		}
		r, err := m.Read(rows, most())
		if err != nil {
			return
		}
		if !json.Valid(m.Document(r.Events, "2026-05-01T00:00:00Z")) {
			t.Fatal("the document is no JSON")
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
