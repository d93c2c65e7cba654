package api

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/epcisxml"
)

// Media types.
const (
	typeJSON        = "application/json"
	typeLD          = "application/ld+json"
	typeProblem     = "application/problem+json"
	typeBundle      = "application/vnd.waybill.bundle"
	typeTransaction = "application/vnd.waybill.transaction"
	typeBinary      = "application/octet-stream"
)

// Versions of the standard that are spoken here.
const (
	epcisVersion = "2.0.0"
	cbvVersion   = "2.0.0"
	oldVersion   = "1.2.0" // of EPCIS and CBV: in XML
)

// accepting answers 406 unless one of the types may be given, and gives the first
// that may.
func (g *Gateway) accepting(types ...string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			accept := strings.Join(r.Header.Values("Accept"), ",")
			chosen := choose(accept, types)
			if chosen == "" {
				g.fail(w, r, fault(schemas.NotAcceptable, "this can be given as "+strings.Join(types, ", ")))
				return
			}
			if chosen != types[0] {
				w.Header().Set("Content-Type", chosen)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// choose picks the offered type that an Accept header likes best, the first of
// equals; "" when it takes none (RFC 9110, 12.5.1).
func choose(accept string, offered []string) string {
	if strings.TrimSpace(accept) == "" {
		return offered[0]
	}
	best, bestQ := "", 0.0
	for _, o := range offered {
		if q := quality(accept, o); q > bestQ {
			best, bestQ = o, q
		}
	}
	return best
}

// quality is the weight that the most specific matching range gives a type.
func quality(accept, offered string) float64 {
	group, _, _ := strings.Cut(offered, "/")
	q, specific := 0.0, 0
	for part := range strings.SplitSeq(accept, ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		s := 0
		switch name {
		case offered:
			s = 3
		case group + "/*":
			s = 2
		case "*/*":
			s = 1
		}
		if s < specific || s == 0 {
			continue
		}
		weight := 1.0
		if text, ok := params["q"]; ok {
			if weight, err = strconv.ParseFloat(text, 64); err != nil || weight < 0 || weight > 1 {
				continue
			}
		}
		q, specific = weight, s
	}
	return q
}

// sending answers 415 unless the body has one of the types. A body without a type
// is taken as the first.
func (g *Gateway) sending(types ...string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !readable(r.Header, types) {
				w.Header().Set("Accept-Encoding", "gzip") // RFC 9110, 12.5.3
				g.fail(w, r, fault(schemas.UnsupportedMediaType, "this is read as "+strings.Join(types, ", ")+", as UTF-8, plain or with content encoding gzip"))
				return
			}
			if zipped(r.Header.Get("Content-Encoding")) {
				inflate(r)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// zipped reports whether a content encoding is gzip, by either name (RFC 9110, 8.4.1.3).
func zipped(encoding string) bool {
	return strings.EqualFold(encoding, "gzip") || strings.EqualFold(encoding, "x-gzip")
}

func readable(h http.Header, types []string) bool {
	if encoding := strings.Join(h.Values("Content-Encoding"), ","); encoding != "" && !strings.EqualFold(encoding, "identity") && !zipped(encoding) {
		return false
	}
	text := h.Get("Content-Type")
	if text == "" {
		return true
	}
	name, params, err := mime.ParseMediaType(text)
	if err != nil {
		return false
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return false
	}
	for _, t := range types {
		if name == t {
			return true
		}
	}
	return false
}

// maxToldExtensions is how many bytes of prefixes are told back.
const maxToldExtensions = 4096

// standard announces and checks the versions of EPCIS and CBV (EPCIS 2.0, 12.6).
func (g *Gateway) standard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("GS1-EPCIS-Version", epcisVersion)
		h.Set("GS1-EPCIS-Min", oldVersion)
		h.Set("GS1-EPCIS-Max", epcisVersion)
		h.Set("GS1-CBV-Version", cbvVersion)
		h.Set("GS1-CBV-Min", oldVersion)
		h.Set("GS1-CBV-Max", cbvVersion)
		h.Set(epcFormat, epcNever)
		h.Set("GS1-Vendor-Version", g.vendorVersion())
		h.Set("GS1-EPCIS-Capture-Limit", strconv.Itoa(g.captureEvents(r.Header.Get(errorBehaviour))))
		h.Set("GS1-EPCIS-Capture-File-Size-Limit", strconv.FormatInt(g.limits.CaptureBytes, 10))
		form, err := checkVersions(r)
		if err != nil {
			g.fail(w, r, err)
			return
		}
		if stateOf(r).form = form; form.Old {
			h.Set("GS1-EPCIS-Version", oldVersion)
		}
		if told := said(r.Header, extensionsHeader); told != "" {
			_, _, err := namespaces(r.Header)
			switch {
			case err != nil && r.Method == http.MethodPost:
				g.fail(w, r, err)
				return
			case err == nil && len(told) <= maxToldExtensions: // a read that needs them tells
				h.Set(extensionsHeader, told)
			}
		}
		h.Set(cbvFormat, cbvURNs)
		switch {
		case form.Web:
			h.Set(cbvFormat, cbvWeb)
		case form.Kept:
			h.Set(cbvFormat, cbvKept)
		}
		next.ServeHTTP(w, r)
	})
}

func (g *Gateway) vendorVersion() string {
	if g.cfg.Version == "" {
		return "waybill"
	}
	return "waybill/" + g.cfg.Version
}

// Forms of vocabulary in XML.
const (
	cbvFormat = "GS1-CBV-XML-Format"
	cbvURNs   = "Always_URN"
	cbvWeb    = "Always_Web_URI"
	cbvKept   = "Never_Translates"
)

// Forms of identifiers in events. They are of answers with events: what is captured
// is kept as it was submitted, whatever its sender names.
const (
	epcFormat = "GS1-EPC-Format"
	epcNever  = "Never_Translates"
	anyForm   = "No_Preference" // of vocabulary, too
)

var epcForms = map[string]schemas.IdentifierForm{ // only read
	"": schemas.AsSubmitted, anyForm: schemas.AsSubmitted, epcNever: schemas.AsSubmitted,
	"Always_GS1_Digital_Link": schemas.AsDigitalLink, "Always_EPC_URN": schemas.AsURN,
}

// checkVersions reads in which form answers are wanted, and refuses what asks for
// another version than are spoken, or for a form that is none. EPCIS 1.2 is spoken in XML alone.
func checkVersions(r *http.Request) (form epcisxml.Form, err error) {
	h := r.Header
	refuse := func(name string) (epcisxml.Form, error) {
		detail := name + ": " + clip(said(h, name)) + " is not spoken here"
		if !strings.HasSuffix(name, "Format") {
			detail += "; 2.0 is, and 1.2 by who accepts XML"
		}
		return form, fault(schemas.NotAcceptable, detail)
	}
	spoken := []int{20}
	if speaksXML(r) {
		spoken = []int{12, 20}
	}
	for _, names := range [][3]string{{"GS1-EPCIS-Version", "GS1-EPCIS-Min", "GS1-EPCIS-Max"}, {"GS1-CBV-Version", "GS1-CBV-Min", "GS1-CBV-Max"}} {
		if name := unspoken(h, names, spoken); name != "" {
			return refuse(name)
		}
	}
	if _, known := epcForms[said(h, epcFormat)]; !known {
		return refuse(epcFormat)
	}
	v, highest := h.Get("GS1-EPCIS-Version"), h.Get("GS1-EPCIS-Max")
	form.Old = v != "" && version(v) < 20 || v == "" && highest != "" && version(highest) < 20
	switch said(h, cbvFormat) {
	case "", anyForm, cbvURNs:
	case cbvWeb:
		form.Web = true
	case cbvKept:
		form.Kept = true
	default:
		return refuse(cbvFormat)
	}
	return form, nil
}

// said is what a header says, of all its lines: of two that differ none is taken.
func said(h http.Header, name string) string {
	lines := slices.Clone(h.Values(name))
	return strings.Join(slices.Compact(lines), ", ")
}

// unspoken returns the header for which no version that is spoken is left of what a
// request asks for, by exact version, least and most; "" where one is.
func unspoken(h http.Header, names [3]string, spoken []int) string {
	left := slices.Clone(spoken)
	for i, name := range names {
		text := said(h, name)
		if text == "" {
			continue
		}
		asked := version(text)
		left = slices.DeleteFunc(left, func(v int) bool {
			return asked < 0 || i != 2 && v < asked || i != 1 && v > asked
		})
		if len(left) == 0 {
			return name
		}
	}
	return ""
}

// version reads "2", "2.0" and "2.0.0" as 20; -1 is none.
func version(s string) int {
	parts := strings.Split(s, ".")
	if len(parts) > 3 {
		return -1
	}
	out := 0
	for i := range 2 {
		n := 0
		if i < len(parts) {
			var err error
			if n, err = strconv.Atoi(parts[i]); err != nil || n < 0 || n > 9 {
				return -1
			}
		}
		out = 10*out + n
	}
	return out
}

// discover answers OPTIONS with what a resource does, in whatever form is asked for.
func (g *Gateway) discover(allow string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", allow)
		w.Header().Set(epcFormat, anyForm)
		w.Header().Set(cbvFormat, anyForm)
		w.WriteHeader(http.StatusNoContent)
	}
}
