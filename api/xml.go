package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/epcisxml"
)

// EPCIS is read and written as XML, too; behind these functions all is JSON.

const (
	typeXML        = "application/xml"
	typeTextXML    = "text/xml"
	typeProblemXML = "application/problem+xml"
)

// epcisTypes are the media types of EPCIS documents, the one that is preferred
// first.
var epcisTypes = []string{typeJSON, typeLD, typeXML, typeTextXML}

func isXML(mediaType string) bool { return mediaType == typeXML || mediaType == typeTextXML }

// sentXML reports whether a body is XML: by its media type, and where it has none
// by its first character.
func sentXML(r *http.Request, body []byte) bool {
	text := r.Header.Get("Content-Type")
	if text == "" {
		return epcisxml.IsXML(body)
	}
	name, _, err := mime.ParseMediaType(text)
	return err == nil && isXML(name)
}

// givesXML reports whether the answer that was negotiated is XML.
func givesXML(w http.ResponseWriter) bool { return isXML(w.Header().Get("Content-Type")) }

// decodeDocument reads a document as it was sent, and the master data in its header.
func decodeDocument(r *http.Request, body []byte, most int) ([]schemas.DocumentEvent, json.RawMessage, error) {
	if !sentXML(r, body) {
		list, err := schemas.DecodeDocument(body, most)
		if err != nil {
			return nil, nil, err
		}
		return list, masterDataOf(body), nil
	}
	doc, err := epcisxml.Decode(body, most)
	if err != nil {
		return nil, nil, err
	}
	return doc.Events, doc.MasterData, nil
}

// decodeSingle reads an event as it was sent.
func decodeSingle(r *http.Request, body []byte) (*schemas.Event, error) {
	if sentXML(r, body) {
		return epcisxml.DecodeSingle(body)
	}
	return schemas.DecodeSingle(body)
}

// resultsDocument is an EPCISQueryDocument in the form that was negotiated.
func resultsDocument(w http.ResponseWriter, r *http.Request, records []schemas.Record, view View, name string) ([]byte, error) {
	now := view.Time()
	if asked := r.Header.Get(epcFormat); epcForms[asked] != schemas.AsSubmitted {
		var err error
		if records, err = translated(records, epcForms[asked], view.PrefixDigits, stateOf(r).read); err != nil {
			return nil, err
		}
		w.Header().Set(epcFormat, asked)
	}
	if !givesXML(w) {
		return queryDocument(records, now, name)
	}
	out := epcisxml.Results{QueryName: name, Created: now.UTC().Format(timeFormat)}
	for i := range records {
		e, err := asSubmitted(&records[i])
		if err != nil {
			return nil, err
		}
		if e != nil { // an erased body is left out, as in JSON
			out.Events = append(out.Events, e)
		}
	}
	return epcisxml.AppendResults(nil, out, stateOf(r).form)
}

// inXML is an answer to a write for a client that takes XML only: a job, a problem, or
// the receipt, which the standard has no form of.
func (a *answer) inXML(mediaType string) *answer {
	out := *a
	out.mediaType = mediaType
	var p Problem
	var j Job
	switch {
	case a.status >= http.StatusBadRequest && json.Unmarshal(a.body, &p) == nil:
		out.mediaType, out.body = typeProblemXML, p.xml()
	case a.status == http.StatusAccepted && json.Unmarshal(a.body, &j) == nil:
		out.body = j.xml()
	default:
		out.body = receiptXML(a.body)
	}
	return &out
}

// receiptXML is a receipt, JSON, with an element for each member and for each entry of
// a list.
func receiptXML(body []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil // no answer is without one
	}
	root := elementOf("receipt", v)
	root.attr("xmlns", "urn:waybill:receipt")
	return root.write()
}

func elementOf(name string, v any) element {
	e := leaf(name, "")
	switch v := v.(type) {
	case map[string]any:
		for _, member := range sorted(v) {
			e.Inner = append(e.Inner, elementOf(member, v[member]))
		}
	case []any:
		for _, entry := range v {
			e.Inner = append(e.Inner, elementOf(strings.TrimSuffix(name, "s"), entry))
		}
	default:
		e.Text = fmt.Sprint(v)
	}
	return e
}

// element is an XML element of text, or of others.
type element struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Inner   []element
}

func leaf(name, text string) element { return element{XMLName: xml.Name{Local: name}, Text: text} }

func (e *element) add(inner ...element) {
	for _, i := range inner {
		if i.Text != "" || len(i.Inner) > 0 {
			e.Inner = append(e.Inner, i)
		}
	}
}

func (e *element) attr(name, value string) {
	e.Attrs = append(e.Attrs, xml.Attr{Name: xml.Name{Local: name}, Value: value})
}

// write writes a document of one root element.
func (e *element) write() []byte {
	out, err := xml.Marshal(e)
	if err != nil { // cannot be: it is text alone
		return nil
	}
	return append([]byte(xml.Header), out...)
}

// xml is the problem as RFC 7807, appendix A, has it in XML.
func (p *Problem) xml() []byte {
	root := p.element("problem")
	root.attr("xmlns", "urn:ietf:rfc:7807")
	return root.write()
}

func (p *Problem) element(name string) element {
	e := leaf(name, "")
	e.add(leaf("type", p.Type), leaf("title", p.Title), leaf("status", strconv.Itoa(p.Status)), leaf("detail", p.Detail),
		leaf("instance", p.Instance), leaf("code", p.Code.String()), leaf("pointer", p.Pointer), leaf("hint", p.Hint))
	if p.Line > 0 {
		e.add(leaf("line", strconv.Itoa(p.Line)))
	}
	errs := leaf("errors", "")
	for i := range p.Errors {
		errs.add(p.Errors[i].element("i"))
	}
	e.add(errs)
	return e
}

// spaceEPCIS is the namespace of what EPCIS 2.0 answers beside events, and spaceQuery
// that of its queries.
const (
	spaceEPCIS = "urn:epcglobal:epcis:xsd:2"
	spaceQuery = "urn:epcglobal:epcis-query:xsd:2"
)

// xml is the job as an EPCISCaptureJob.
func (j *Job) xml() []byte {
	root := j.element()
	return root.write()
}

func (j *Job) element() element {
	root := leaf("epcis:EPCISCaptureJob", "")
	root.attr("xmlns:epcis", spaceEPCIS)
	root.attr("running", strconv.FormatBool(j.Running))
	root.attr("success", strconv.FormatBool(j.Success))
	root.attr("captureID", j.CaptureID)
	root.add(leaf("captureErrorBehaviour", j.Behaviour))
	for _, t := range []struct {
		name string
		at   *time.Time
	}{{"createdAt", j.CreatedAt}, {"finishedAt", j.FinishedAt}} {
		if t.at != nil {
			root.add(leaf(t.name, t.at.UTC().Format(timeFormat)))
		}
	}
	errs := leaf("errors", "")
	for i := range j.Errors {
		errs.add(j.Errors[i].element("error"))
	}
	root.add(errs)
	return root
}

// stringsXML is a list of texts as queries have it (EPCIS 2.0, 11: ArrayOfString).
func stringsXML(root string, texts []string) []byte {
	e := leaf("epcisq:"+root, "")
	e.attr("xmlns:epcisq", spaceQuery)
	for _, text := range texts {
		e.add(leaf("string", text))
	}
	return e.write()
}

// xml is the list in no namespace: the standard says that it is XML, but not how.
func (c Collection) xml() []byte {
	e := leaf(c.Type, "")
	for _, text := range c.Member {
		e.add(leaf("member", text))
	}
	return e.write()
}

// writeForm answers with JSON, or with the same as XML where that was negotiated.
func (g *Gateway) writeForm(w http.ResponseWriter, r *http.Request, v any, inXML func() []byte) {
	if givesXML(w) {
		writeBody(w, http.StatusOK, typeXML, inXML())
		return
	}
	g.writeJSON(w, r, http.StatusOK, v)
}

// onlyXML reports whether a client takes problems as XML alone.
func onlyXML(r *http.Request) bool {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	json := slices.Concat([]string{typeProblem}, epcisTypes[:2])
	return isEPCIS(r) && strings.TrimSpace(accept) != "" && choose(accept, json) == "" &&
		choose(accept, []string{typeProblemXML, typeXML, typeTextXML}) != ""
}

// speaksXML reports whether what a request sends, or else asks for, is XML.
func speaksXML(r *http.Request) bool {
	if r.Method == http.MethodPost {
		return sentXML(r, nil)
	}
	return isXML(choose(strings.Join(r.Header.Values("Accept"), ","), epcisTypes))
}

// inflating is a body that is unzipped while it is read. How much comes out is
// bounded by who reads it.
type inflating struct {
	body io.ReadCloser
	zip  *gzip.Reader
}

func (b *inflating) Read(p []byte) (n int, err error) {
	if b.zip == nil {
		if b.zip, err = gzip.NewReader(b.body); err != nil {
			if err == io.EOF { // nothing was sent
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
	return b.zip.Read(p)
}

func (b *inflating) Close() error { return b.body.Close() }

// inflate makes a request's body the text that was zipped.
func inflate(r *http.Request) {
	r.Body, r.ContentLength = &inflating{body: r.Body}, -1
	r.Header.Del("Content-Encoding")
	r.Header.Del("Content-Length")
}
