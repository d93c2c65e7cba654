package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/api/sheet"
	"github.com/waybill-ledger/waybill/schemas"
)

// typeForm is how a file and its mapping come together (RFC 7578).
const typeForm = "multipart/form-data"

// Bounds of an import.
const (
	importBytes = 8 << 20  // of the file
	importRows  = 50000    // with content
	importCells = 500000   // of these
	importRoom  = 64 << 20 // that a file's rows take while they become events
)

// Import is what a file would become: the answer to a dry run.
type Import struct {
	Sheet    string           `json:"sheet,omitempty"`
	Rows     int              `json:"rows"`
	Events   int              `json:"events"`
	Errors   []Problem        `json:"errors"`             // of rows that become no event
	More     int              `json:"more_errors"`        // that are not listed
	Receipt  *schemas.Receipt `json:"receipt,omitempty"`  // that the events would get; none where nothing would be recorded
	Document json.RawMessage  `json:"document,omitempty"` // the events
}

// postImport captures what the rows of a file become by a mapping. From there on
// it is a capture like others: one job, whose pointers lead to rows.
func (g *Gateway) postImport(w http.ResponseWriter, r *http.Request) {
	a, err := g.importForm(w, r)
	switch {
	case err == nil:
		a.write(w)
	case r.Context().Err() != nil && errors.Is(err, r.Context().Err()):
		// The client went away; what it sent goes on.
	default:
		g.fail(w, r, err)
	}
}

func (g *Gateway) importForm(w http.ResponseWriter, r *http.Request) (*answer, error) {
	dry, err := dryRunOf(r)
	if err != nil {
		return nil, err
	}
	behaviour, err := behaviourOf(r)
	if err != nil {
		return nil, err
	}
	body, err := g.receive(w, r, importBytes+sheet.MaxMapping+firstBytes)
	if err != nil {
		return nil, err
	}
	at, err := g.writes.enter(keyOf(r).ID, weight*int64(len(body))+importRoom)
	if err != nil {
		return nil, err
	}
	defer at.leave()
	mapping, file, err := readForm(r, body)
	if err != nil {
		return nil, err
	}
	if dry {
		return g.dryImport(r, mapping, file, behaviour)
	}
	sent := append(append(fmt.Appendf(nil, "%d ", len(mapping)), mapping...), file...) // without the form's boundary, which no repeat shares
	return g.submit(r, sent, func(res *reservation) (*answer, error) {
		return g.captureInTurn(r, len(sent), behaviour, res, func() (*document, error) {
			_, result, err := g.readImport(mapping, file)
			if err != nil {
				return nil, err
			}
			return importedDocument(result, behaviour)
		})
	})
}

// readForm reads the two parts of a form.
func readForm(r *http.Request, body []byte) (mapping, file []byte, err error) {
	bad := func(detail string) ([]byte, []byte, error) {
		return nil, nil, &schemas.Fault{Code: schemas.BadSheet, Detail: detail + ": send a form with the parts mapping and file, once each"}
	}
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return bad("the Content-Type names no boundary")
	}
	parts := map[string][]byte{}
	form := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		p, err := form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return bad("the form cannot be read to its end")
		}
		name := p.FormName()
		if _, twice := parts[name]; twice || name != "mapping" && name != "file" {
			return bad("a part named " + clip(name))
		}
		if parts[name], err = io.ReadAll(p); err != nil {
			return bad("part " + name + " cannot be read to its end")
		}
	}
	switch {
	case parts["mapping"] == nil:
		return bad("there is no mapping")
	case parts["file"] == nil:
		return bad("there is no file")
	case len(parts["file"]) > importBytes:
		return nil, nil, fault(schemas.TooLarge, fmt.Sprintf("a file of %d bytes, %d are read: import it in parts, as waybill import does", len(parts["file"]), importBytes))
	}
	return parts["mapping"], parts["file"], nil
}

// readImport makes events of a file. A fault's pointer is into the mapping, under
// /mapping, or to a row.
func (g *Gateway) readImport(mapping, file []byte) (m *sheet.Mapping, result *sheet.Result, err error) {
	if m, err = sheet.DecodeMapping(mapping); err == nil {
		result, err = m.Read(file, sheet.Limits{Rows: importRows, Cells: importCells, Unpacked: importRoom / 2, Events: g.limits.CaptureEvents, Bytes: int(min(g.limits.CaptureBytes, importBytes))})
	}
	var f *schemas.Fault
	if errors.As(err, &f) && f.Pointer != "" && !strings.HasPrefix(f.Pointer, sheet.Rows) {
		err = &schemas.Fault{Code: f.Code, Pointer: "/mapping" + f.Pointer, Detail: f.Detail}
	}
	return m, result, err
}

// importErrors are the faults of rows as a job tells them.
func importErrors(r *sheet.Result) []local.JobError {
	out := make([]local.JobError, 0, len(r.Faults))
	for i := range r.Faults {
		f := &r.Faults[i]
		detail := "row " + fmt.Sprint(f.Row)
		if r.Sheet != "" {
			detail = "sheet " + r.Sheet + ", " + detail
		}
		if f.Column != "" {
			detail += ", column " + f.Column
		}
		out = append(out, local.JobError{Pointer: f.Pointer(), Code: f.Code, Detail: detail + ": " + f.Detail})
	}
	return out
}

// importedDocument is what a capture needs of the events. With rollback one faulty
// row refuses them all.
func importedDocument(result *sheet.Result, behaviour string) (*document, error) {
	d := &document{base: sheet.Rows, errors: importErrors(result)}
	if len(d.errors) > 0 && (behaviour == rollback || len(result.Events) == 0) {
		first := d.errors[0]
		return nil, &Problem{Code: first.Code, Pointer: first.Pointer, Detail: first.Detail, Errors: problemsOf(d.errors)}
	}
	for i := range result.Events {
		d.events, d.places = append(d.events, result.Events[i].Decoded), append(d.places, result.Events[i].Row)
	}
	return d, nil
}

// dryImport tells what a file would become.
func (g *Gateway) dryImport(r *http.Request, mapping, file []byte, behaviour string) (*answer, error) {
	m, result, err := g.readImport(mapping, file)
	if err != nil {
		return nil, err
	}
	errs := importErrors(result)
	out := Import{Sheet: result.Sheet, Rows: result.Rows, Events: len(result.Events), Errors: []Problem{}, More: result.Left + max(0, len(errs)-manyErrors),
		Document: m.Document(result.Events, time.Now().UTC().Format(timeFormat))}
	for _, p := range problemsOf(errs) {
		out.Errors = append(out.Errors, *p.of(r))
	}
	if len(result.Events) > 0 && (behaviour == proceed || len(errs) == 0) {
		events := make([]*schemas.Event, len(result.Events))
		for i := range result.Events {
			events[i] = result.Events[i].Decoded
		}
		if out.Receipt, err = g.ledger.DryRun(r.Context(), keyOf(r).ID, behaviour == rollback, events); err != nil {
			return nil, err
		}
	}
	return jsonAnswer(http.StatusOK, "", out)
}
