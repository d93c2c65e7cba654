package api

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/waybill-ledger/waybill/api/sheet"
)

// tabular lets queries that answer events be answered as a sheet, where the Accept
// header likes CSV or XLSX best. What answers them knows nothing of it: its JSON is
// written as rows. It stands inside of reading, whose room the sheet takes, too.
func (g *Gateway) tabular(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		accept := strings.Join(r.Header.Values("Accept"), ",")
		chosen := choose(accept, slices.Concat(epcisTypes, []string{sheet.TypeCSV, sheet.TypeXLSX}))
		if chosen != sheet.TypeCSV && chosen != sheet.TypeXLSX {
			next.ServeHTTP(w, r)
			return
		}
		asked := r.Clone(r.Context())
		asked.Header.Set("Accept", typeJSON)
		held := &heldAnswer{ResponseWriter: w}
		next.ServeHTTP(held, asked)
		if held.status != http.StatusOK {
			return // it was told
		}
		w.Header().Del("Content-Type")
		w.Header().Del("Content-Length")
		g.writeSheet(w, r, chosen, "events", func(to sheet.Writer) error { return sheet.WriteEvents(to, held.body.Bytes()) })
	})
}

// heldAnswer keeps a good answer, and lets others pass.
type heldAnswer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (h *heldAnswer) WriteHeader(status int) {
	if h.status = status; status != http.StatusOK {
		h.ResponseWriter.WriteHeader(status)
	}
}

func (h *heldAnswer) Write(b []byte) (int, error) {
	if h.status == 0 {
		h.status = http.StatusOK
	}
	if h.status == http.StatusOK {
		return h.body.Write(b)
	}
	return h.ResponseWriter.Write(b)
}

// roomyBuffer takes room of reads for what it holds.
type roomyBuffer struct {
	bytes.Buffer
	in    *place
	taken int
}

func (b *roomyBuffer) Write(p []byte) (int, error) {
	if need := b.Len() + len(p); need > b.taken {
		more := max(need-b.taken, firstBytes)
		if err := b.in.grow(2 * int64(more)); err != nil { // a buffer grows by half more than it has
			return 0, err
		}
		b.taken += more
	}
	return b.Buffer.Write(p)
}

// writeSheet answers with a file that a spreadsheet program opens.
func (g *Gateway) writeSheet(w http.ResponseWriter, r *http.Request, mediaType, name string, fill func(sheet.Writer) error) {
	out := &roomyBuffer{in: stateOf(r).read}
	to, err := sheet.NewWriter(mediaType, out)
	if err == nil {
		err = fill(to)
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	h, ending := w.Header(), ".csv"
	if mediaType == sheet.TypeXLSX {
		ending = ".xlsx"
		h.Set("Content-Type", mediaType)
	} else {
		h.Set("Content-Type", mediaType+"; charset=utf-8; header=present")
	}
	h.Set("Content-Disposition", "attachment; filename="+strconv.Quote(name+ending))
	writeBody(w, http.StatusOK, mediaType, out.Bytes())
}

// wantsSheet is the media type that accepting chose, "" where that is JSON.
func wantsSheet(w http.ResponseWriter) string {
	if t := w.Header().Get("Content-Type"); t == sheet.TypeCSV || t == sheet.TypeXLSX {
		return t
	}
	return ""
}
