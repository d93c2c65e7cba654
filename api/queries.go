package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// Stored queries (EPCIS 2.0, 8.2.7 and 12): durable in the gateway's own store, and
// part of its backup. What is kept is the definition as it was sent; it is checked
// when it comes and read again whenever it is used.

// Bounds of stored queries.
const (
	maxDefinition = 256 << 10
	maxQueries    = 1000
	maxQueryName  = 128
)

// QueryDefinition is a stored query as it is told.
type QueryDefinition struct {
	Name  string          `json:"name"`
	Query json.RawMessage `json:"query"`
}

// StoredQuery is a stored query ready to be asked: of the whole ledger by pages, or
// of what was recorded behind a place, in the order in which it was.
type StoredQuery struct {
	Name  string
	Query schemas.EventQuery
	mark  [8]byte
}

// Behind is the query for at most limit records behind a place, nil for all, in the
// ledger's order: what a subscription delivers next. The page tells where the next
// one begins, which is ahead of its last record where what follows does not match.
func (q *StoredQuery) Behind(after *schemas.Locator, limit int) schemas.EventQuery {
	next := q.Query
	next.OrderBy, next.OrderFields, next.Ascending = schemas.ByRecordTime, nil, true
	next.CountLimit, next.MaxCount = 0, 0
	next.After, next.Limit = after, limit
	return next
}

// storedQuery reads a stored query; a *schemas.Fault no_such_name where there is none.
func (g *Gateway) storedQuery(name string) (*StoredQuery, error) {
	kept, err := g.keptQuery(name)
	if err != nil {
		return nil, err
	}
	list, ns, err := definition(kept)
	if err != nil {
		return nil, err
	}
	query, err := g.readQuery(list, ns)
	if err != nil {
		return nil, err
	}
	return &StoredQuery{Name: name, Query: *query, mark: markOf(name, fmt.Sprint(kept.Prefixes), list)}, nil
}

func (g *Gateway) keptQuery(name string) (*local.StoredQuery, error) {
	kept, err := g.local.Query(name)
	if err == nil && kept == nil {
		err = fault(schemas.NoSuchName, "no stored query is named "+clip(name))
	}
	return kept, err
}

// definition reads what a stored query demands, and with which prefixes.
func definition(q *local.StoredQuery) (list []schemas.Parameter, ns *schemas.Namespaces, err error) {
	ns = &schemas.Namespaces{}
	for _, prefix := range sorted(q.Prefixes) {
		if err := ns.Define(prefix, q.Prefixes[prefix]); err != nil {
			return nil, nil, err
		}
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(q.Definition, &members); err != nil || members == nil {
		return nil, nil, fault(schemas.BadQuery, "query is an object of parameters")
	}
	for name, value := range members {
		if name == "@context" {
			if err := ns.ReadContext(value); err != nil {
				return nil, nil, fault(schemas.BadQuery, "@context: "+faultOf(err).Detail)
			}
			continue
		}
		p := schemas.Parameter{Name: name}
		if p.Values, p.List, err = values(value); err != nil {
			return nil, nil, fault(schemas.BadParameter, clip(name)+": "+faultOf(err).Detail)
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b schemas.Parameter) int { return strings.Compare(a.Name, b.Name) })
	return list, ns, nil
}

// values reads a parameter's value: one, or a list of these.
func values(raw json.RawMessage) (out []schemas.ParameterValue, list bool, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, false, fault(schemas.BadQuery, "no JSON value")
	}
	all, list := v.([]any)
	if !list {
		all = []any{v}
	}
	for _, v := range all {
		switch v := v.(type) {
		case string:
			out = append(out, schemas.ParameterValue{Text: v})
		case json.Number:
			out = append(out, schemas.ParameterValue{Text: v.String(), Kind: schemas.NumberValue})
		case bool:
			out = append(out, schemas.ParameterValue{Text: fmt.Sprint(v), Kind: schemas.BooleanValue})
		case nil:
			out = append(out, schemas.ParameterValue{Kind: schemas.NullValue})
		default:
			return nil, false, fault(schemas.BadParameter, "a value is a text, a number, true or false, or a list of these")
		}
	}
	return out, list, nil
}

// postQuery stores a query.
func (g *Gateway) postQuery(w http.ResponseWriter, r *http.Request) {
	g.write(w, r, maxDefinition, func(body []byte, dry bool) (*answer, error) {
		q, err := queryOf(r.Header, body)
		if err != nil {
			return nil, err
		}
		told, err := json.Marshal(QueryDefinition{q.Name, q.Definition})
		if err != nil {
			return nil, fmt.Errorf("telling a stored query: %w", err)
		}
		out := &answer{status: http.StatusOK, mediaType: typeJSON, body: told}
		if dry {
			return out, g.mayStore(q.Name)
		}
		return g.once(r, body, func(res *reservation) (*answer, error) {
			out.status, out.location = http.StatusCreated, "/epcis/v2/queries/"+url.PathEscape(q.Name)
			return out, g.store(q, res, out)
		})
	})
}

// queryOf reads a query that is to be stored, and checks all of it.
func queryOf(h http.Header, body []byte) (*local.StoredQuery, error) {
	if _, err := schemas.Compact(nil, body); err != nil {
		return nil, err
	}
	var sent map[string]json.RawMessage
	if json.Unmarshal(body, &sent) != nil || sent == nil {
		return nil, fault(schemas.BadQuery, "this is no object of name and query")
	}
	q := &local.StoredQuery{Made: time.Now().UTC()}
	var context json.RawMessage
	for name, value := range sent {
		switch name {
		case "name":
			if json.Unmarshal(value, &q.Name) != nil {
				return nil, &schemas.Fault{Code: schemas.BadQuery, Pointer: "/name", Detail: "a name is a text"}
			}
		case "query":
			q.Definition, _ = schemas.Compact(nil, value) // a part of what was read before
		case "@context": // as JSON-LD has it, of the whole: prefixes of the query
			context = value
		default:
			return nil, &schemas.Fault{Code: schemas.BadQuery, Pointer: "/" + clip(name), Detail: "a stored query has a name and a query, not " + clip(name)}
		}
	}
	switch {
	case !printable(q.Name) || len(q.Name) > maxQueryName || strings.Contains(q.Name, "/"):
		return nil, &schemas.Fault{Code: schemas.BadQuery, Pointer: "/name", Detail: fmt.Sprintf("a query needs a name of 1 to %d bytes, without blanks and slashes", maxQueryName)}
	case q.Name == "." || q.Name == "..": // clients resolve these in a path (RFC 3986, 5.2.4), so nobody could ask or delete it
		return nil, &schemas.Fault{Code: schemas.BadQuery, Pointer: "/name", Detail: "no query is named " + q.Name + ", which clients take out of a path"}
	case q.Definition == nil:
		return nil, &schemas.Fault{Code: schemas.BadQuery, Pointer: "/query", Detail: "a stored query needs its parameters, as query"}
	}
	var err error
	if q.Definition, err = under(context, q.Definition); err != nil {
		return nil, err
	}
	if _, q.Prefixes, err = namespaces(h); err != nil {
		return nil, err
	}
	list, ns, err := definition(q)
	if err == nil {
		_, err = schemas.ReadQuery(list, ns)
	}
	if err != nil {
		f := *faultOf(err)
		f.Pointer = "/query" + f.Pointer
		return nil, &f
	}
	return q, nil
}

// under moves the context that stands beside a query into it.
func under(context, query json.RawMessage) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if context == nil || json.Unmarshal(query, &members) != nil || members == nil { // what is no query is told later
		return query, nil
	}
	if members["@context"] != nil {
		return nil, &schemas.Fault{Code: schemas.BadQuery, Pointer: "/@context", Detail: "a stored query has one @context, in its query or beside it"}
	}
	members["@context"] = context
	out, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("writing a stored query: %w", err)
	}
	return schemas.Compact(nil, out)
}

// mayStore reports why no query of a name can be stored.
func (g *Gateway) mayStore(name string) error {
	other, err := g.local.Query(name)
	if err != nil {
		return err
	}
	if other != nil || name == simpleEventQuery {
		return fault(schemas.NameTaken, "a query named "+clip(name)+" is stored already")
	}
	if g.local.QueryCount() >= maxQueries {
		return fault(schemas.TooLarge, fmt.Sprintf("%d queries are stored, and no more can be: delete one", maxQueries))
	}
	return nil
}

// store writes a query that is new, with the answer to its Idempotency-Key.
func (g *Gateway) store(q *local.StoredQuery, res *reservation, out *answer) error {
	g.naming.Lock()
	defer g.naming.Unlock()
	if err := g.mayStore(q.Name); err != nil {
		return err
	}
	change, err := local.PutQuery(q)
	if err != nil {
		return err
	}
	changes := []local.Change{change}
	if res != nil {
		record := &local.Answer{Request: res.request, Made: q.Made}
		out.record(record)
		changes = append(changes, local.PutAnswer(res.key, record, true)...)
	}
	return g.local.Commit(changes...)
}

// queryName reads the name in a path.
func queryName(r *http.Request) (string, error) {
	name, err := segment(r, "queryName")
	if err == nil && (!printable(name) || len(name) > maxQueryName) {
		err = fault(schemas.NoSuchName, "no stored query is named "+clip(name))
	}
	return name, err
}

// listQueries answers the stored queries by name, page by page.
func (g *Gateway) listQueries(w http.ResponseWriter, r *http.Request) {
	q, limit, err := paging(r)
	var after string
	if err == nil {
		after, err = g.parseNameToken(q, "queries")
	}
	var all []*local.StoredQuery
	var more bool
	if err == nil {
		all, more, err = g.local.Queries(after, limit, pageBytes)
	}
	bytes := 0
	for _, kept := range all {
		bytes += len(kept.Definition)
	}
	if err == nil {
		err = stateOf(r).read.grow(answerWeight * int64(bytes))
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	if more {
		g.tellNext(w, r, nameToken("queries", all[len(all)-1].Name))
	}
	out := []QueryDefinition{}
	for _, kept := range all {
		out = append(out, QueryDefinition{kept.Name, kept.Definition})
	}
	g.writeForm(w, r, out, func() []byte {
		names := make([]string, len(out))
		for i := range out {
			names[i] = out[i].Name
		}
		return stringsXML("GetQueryNamesResult", names)
	})
}

// getQuery answers a stored query's definition.
func (g *Gateway) getQuery(w http.ResponseWriter, r *http.Request) {
	_, err := parameters(r)
	var name string
	if err == nil {
		name, err = queryName(r)
	}
	var kept *local.StoredQuery
	if err == nil {
		kept, err = g.keptQuery(name)
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	g.writeJSON(w, r, http.StatusOK, QueryDefinition{kept.Name, kept.Definition})
}

// deleteQuery forgets a stored query, and ends its subscriptions, as the standard's
// REST binding has it.
func (g *Gateway) deleteQuery(w http.ResponseWriter, r *http.Request) {
	dry, err := dryRunOf(r)
	var name string
	if err == nil {
		name, err = queryName(r)
	}
	if err == nil && dry {
		_, err = g.keptQuery(name)
	} else if err == nil {
		err = g.drop(name)
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	w.Header().Del("Content-Type")
	w.WriteHeader(http.StatusNoContent)
}

func (g *Gateway) drop(name string) error {
	g.naming.Lock()
	defer g.naming.Unlock()
	if _, err := g.keptQuery(name); err != nil {
		return err
	}
	return g.subs.dropAll(name, local.DropQuery(name))
}

// getQueryEvents answers a page of the events that a stored query finds.
func (g *Gateway) getQueryEvents(w http.ResponseWriter, r *http.Request) {
	a, err := g.askStored(r)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	g.answerQuery(w, r, a)
}

// askStored reads a stored query with the page that a request asks for.
func (g *Gateway) askStored(r *http.Request) (*asked, error) {
	page, err := parameters(r, "perPage", "nextPageToken")
	if err != nil {
		return nil, err
	}
	name, err := queryName(r)
	if err != nil {
		return nil, err
	}
	q, err := g.storedQuery(name)
	if err != nil {
		return nil, err
	}
	return g.paged(&q.Query, name, q.mark, page)
}
