package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Problem is an RFC 9457 problem document: what every error is answered with.
type Problem struct {
	Type     string       `json:"type"` // epcisException:NAME under /epcis/v2
	Title    string       `json:"title"`
	Status   int          `json:"status"`
	Code     schemas.Code `json:"code"`
	Detail   string       `json:"detail,omitempty"`
	Pointer  string       `json:"pointer,omitempty"` // RFC 6901, into what was sent
	Line     int          `json:"line,omitempty"`    // of XML that was sent; its pointer is into the same as JSON
	Hint     string       `json:"hint,omitempty"`
	Instance string       `json:"instance,omitempty"` // the request, as logs name it
	// Errors are all that is wrong, where there is more than one thing.
	Errors []Problem `json:"errors,omitempty"`
	// Receipt is that of a refused event: the refusal itself is on the ledger.
	Receipt *schemas.Receipt `json:"receipt,omitempty"`
	// RetryAfter is in seconds; it is sent as a header.
	RetryAfter int `json:"-"`
}

// Error returns the code, the place and the detail in one line.
func (p *Problem) Error() string {
	f := schemas.Fault{Code: p.Code, Pointer: p.Pointer, Line: p.Line, Detail: p.Detail}
	return f.Error()
}

// fault makes an error that the gateway answers with.
func fault(code schemas.Code, detail string) *schemas.Fault {
	return &schemas.Fault{Code: code, Detail: detail}
}

// problemOf turns any error into a problem document. What is no fault of the
// request is told as such; internals go to the log only.
func problemOf(r *http.Request, err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p.of(r)
	}
	f := faultOf(err)
	p = &Problem{Code: f.Code, Detail: f.Detail, Pointer: f.Pointer, Line: f.Line}
	switch f.Code {
	case schemas.Unavailable, schemas.Overloaded, schemas.RateLimited, schemas.InProgress:
		p.RetryAfter = 1
	}
	return p.of(r)
}

// faultOf finds the fault in an error.
func faultOf(err error) *schemas.Fault {
	var f *schemas.Fault
	var u Unavailable
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &u):
		return fault(schemas.Unavailable, string(u))
	case errors.Is(err, context.DeadlineExceeded):
		return fault(schemas.Overloaded, "it took too long: ask for less")
	case errors.Is(err, context.Canceled):
		return fault(schemas.Unavailable, "the request was given up")
	case errors.Is(err, ErrUnavailable):
		return fault(schemas.Unavailable, "the node cannot take this now")
	default:
		return fault(schemas.Internal, "the node met a fault of its own")
	}
}

// of fills in what follows from the code and the request.
func (p *Problem) of(r *http.Request) *Problem {
	method := r.Method
	if strings.HasPrefix(r.URL.Path, "/epcis/v2/queries") { // whatever is sent there is a query
		method = http.MethodGet
	}
	return p.in(isEPCIS(r), method, requestID(r))
}

// in fills in what follows from the code, the kind of interface and the request.
func (p *Problem) in(epcis bool, method, request string) *Problem {
	q := *p
	if q.Status == 0 {
		q.Status = q.Code.Status()
	}
	if q.Status < http.StatusBadRequest { // a code that is a flag, never alone an answer
		q.Status = http.StatusInternalServerError
	}
	q.Title = strings.ReplaceAll(q.Code.String(), "_", " ")
	q.Hint = q.Code.Hint()
	q.Type = "urn:waybill:code:" + q.Code.String()
	if epcis {
		q.Type = "epcisException:" + exception(q.Code, method)
	}
	if request != "" {
		q.Instance = "urn:waybill:request:" + request
	}
	q.Errors = nil
	for i := range p.Errors {
		q.Errors = append(q.Errors, *p.Errors[i].in(epcis, method, ""))
	}
	return &q
}

func isEPCIS(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/epcis/") }

// exception is the exception of EPCIS 2.0 (12.6) that a code is told as: its own, or
// that of its status.
func exception(code schemas.Code, method string) string {
	asked := method == http.MethodGet
	switch code {
	case schemas.QueryTooLarge:
		return "QueryTooLargeException"
	case schemas.QueryTooComplex:
		return "QueryTooComplexException"
	case schemas.BadQuery:
		return "QueryValidationException"
	case schemas.BadSubscription:
		return "SubscriptionControlsException"
	case schemas.NoSuchName:
		return "NoSuchNameException"
	case schemas.EventIDConflict, schemas.IdempotencyConflict, schemas.Replayed, schemas.NameTaken:
		return "ResourceAlreadyExistsException"
	case schemas.BadParameter, schemas.ViewExpired:
		if asked {
			return "QueryParameterException"
		}
		return "ValidationException"
	}
	switch code.Status() {
	case http.StatusBadRequest, http.StatusConflict:
		return "ValidationException"
	case http.StatusUnauthorized, http.StatusForbidden:
		return "SecurityException"
	case http.StatusNotFound:
		return "NoSuchResourceException"
	case http.StatusNotAcceptable:
		return "NotAcceptableException"
	case http.StatusRequestEntityTooLarge:
		if asked {
			return "QueryTooLargeException"
		}
		return "CaptureLimitExceededException"
	case http.StatusRequestURITooLong:
		return "URITooLongException"
	case http.StatusUnsupportedMediaType:
		return "UnsupportedMediaTypeException"
	}
	return "ImplementationException"
}

// fail answers a request with an error.
func (g *Gateway) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(r, err)
	if p.Status >= http.StatusInternalServerError && p.Code != schemas.Unavailable && p.Code != schemas.Overloaded && p.Code != schemas.HistoryMissing && p.Code != schemas.ArchiveAway {
		g.log.Error("request failed", slog.String("request", requestID(r)), slog.String("route", routeOf(r)), slog.Any("error", err))
	}
	if onlyXML(r) {
		writeProblemAs(w, p, typeProblemXML, p.xml())
		return
	}
	writeProblem(w, p)
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	body, err := json.Marshal(p)
	if err != nil { // cannot be: a problem holds nothing that JSON lacks
		body = []byte(`{"title":"internal","status":500,"code":"internal"}`)
	}
	writeProblemAs(w, p, typeProblem, body)
}

func writeProblemAs(w http.ResponseWriter, p *Problem, mediaType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="waybill"`)
	}
	w.WriteHeader(p.Status)
	w.Write(body) // an error here is the client's connection
}

// writeJSON answers with a JSON document.
func (g *Gateway) writeJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	writeBody(w, status, typeJSON, body)
}

func writeBody(w http.ResponseWriter, status int, mediaType string, body []byte) {
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", mediaType)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // an error here is the client's connection
}
