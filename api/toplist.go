package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Lists of top-level resources (EPCIS 2.0, 12.4): the values that recorded events have,
// in the order of bytes, and then the words of the standard that no event has yet, as
// every repository supports these.

// listPlace is where a page of a list begins.
type listPlace struct {
	after string // the last value of the page before
	words bool   // it was one of those that no event has
	told  uint64 // which of the standard's words were told as recorded, so that none comes twice though it is recorded meanwhile
}

func (p listPlace) String() string {
	return strconv.FormatUint(p.told, 16) + "/" + strconv.FormatBool(p.words) + "/" + p.after
}

func parseListPlace(s string) (p listPlace, err error) {
	if s == "" {
		return p, nil
	}
	parts := strings.SplitN(s, "/", 3)
	if len(parts) == 3 {
		p.after = parts[2]
		if p.told, err = strconv.ParseUint(parts[0], 16, 64); err == nil {
			p.words, err = strconv.ParseBool(parts[1])
		}
	}
	if len(parts) != 3 || err != nil {
		return p, fault(schemas.BadParameter, "nextPageToken is not one of this list")
	}
	return p, nil
}

// page lists values from a place on; next is where the next page begins.
func (t topLevel) page(ctx context.Context, view View, at listPlace, limit int) (out []string, next listPlace, more bool, err error) {
	if !at.words {
		if out, more, err = t.values(ctx, view, at.after, limit); err != nil {
			return nil, at, false, err
		}
		for _, v := range out {
			if i := slices.Index(t.words, v); i >= 0 {
				at.told |= 1 << i
			}
		}
		if more {
			at.after = out[len(out)-1]
			return out, at, true, nil
		}
		at.words, at.after = true, ""
	}
	for i, word := range t.words {
		if word <= at.after || at.told>>i&1 == 1 {
			continue
		}
		if len(out) == limit {
			return out, at, true, nil
		}
		out, at.after = append(out, word), word
	}
	return out, at, false, nil
}

// list answers the values that are known, page by page, so that no page skips or
// repeats one while others arrive.
func (g *Gateway) list(t topLevel) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, limit, err := paging(r)
		var token string
		var at listPlace
		if err == nil {
			token, err = g.parseNameToken(q, t.path)
		}
		if err == nil {
			at, err = parseListPlace(token)
		}
		var prefixes map[string]string
		if err == nil {
			_, prefixes, err = namespaces(r.Header)
		}
		var values []string
		var next listPlace
		var more bool
		if err == nil {
			err = g.read(func(view View) (err error) {
				if values, next, more, err = t.page(r.Context(), view, at, limit); err == nil {
					err = t.translate(w, r, view, values)
				}
				return err
			})
		}
		if err != nil {
			g.fail(w, r, err)
			return
		}
		if more {
			g.tellNext(w, r, nameToken(t.path, next.String()))
		}
		out := collection(values)
		if givesXML(w) { // which has no context that would define words and prefixes
			out.asURIs(t, stateOf(r).form.Web)
		} else {
			out.shorten(prefixes)
		}
		g.writeForm(w, r, out, out.xml)
	}
}

// translate writes identifiers in the form that a request asks for: they are Digital
// Links, and EPC URNs where the last event that has one, or a registered prefix, tells how.
func (t topLevel) translate(w http.ResponseWriter, r *http.Request, view View, values []string) error {
	asked := r.Header.Get(epcFormat)
	if epcForms[asked] == schemas.AsSubmitted || t.words != nil || t.of == 0 {
		return nil
	}
	w.Header().Set(epcFormat, asked)
	for i := 0; epcForms[asked] == schemas.AsURN && i < len(values); i++ {
		id, err := schemas.ParseIdentifier(values[i])
		if err != nil || id.Scheme() == schemas.PrivateURI {
			continue
		}
		q, err := schemas.ReadQuery([]schemas.Parameter{t.finding(values[i])}, &schemas.Namespaces{})
		if err != nil {
			return err
		}
		q.Limit, q.MaxHeight = 1, view.Height()
		found, err := view.Page(r.Context(), *q)
		if err != nil {
			return err
		}
		read := pager{in: stateOf(r).read}
		if err := read.add(found.Records...); err != nil {
			return err
		}
		urn := ""
		if len(found.Records) > 0 {
			urn = urnIn(found.Records[0].Body, values[i])
		}
		if urn == "" {
			urn, _ = id.URNOf(view.PrefixDigits(values[i]))
		}
		if urn != "" {
			values[i] = urn
		}
	}
	return nil
}

// asURIs writes the standard's words as XML has them: as URNs, or as web URIs.
func (c *Collection) asURIs(t topLevel, web bool) {
	terms := schemas.BizSteps
	if t.of == schemas.ListDispositions {
		terms = schemas.Dispositions
	}
	for i, member := range c.Member {
		switch {
		case !slices.Contains(t.words, member):
		case web:
			c.Member[i] = terms.WebURI(member)
		default:
			c.Member[i] = terms.URN(member)
		}
	}
}

// shorten writes members with the prefixes that a request defines, where they match,
// and tells these (EPCIS 2.0, 12.4).
func (c *Collection) shorten(prefixes map[string]string) {
	used := map[string]string{}
	for i, member := range c.Member {
		best := ""
		for _, name := range sorted(prefixes) {
			if space := prefixes[name]; len(space) > len(prefixes[best]) && len(member) > len(space) && strings.HasPrefix(member, space) {
				best = name
			}
		}
		if rest := member[len(prefixes[best]):]; best != "" && !strings.HasPrefix(rest, "//") { // which would read as a URL
			c.Member[i], used[best] = best+":"+rest, prefixes[best]
		}
	}
	if len(used) > 0 {
		c.Context = []any{standardContext, used}
	}
}

// value reads the value in a path, in any form, or with a prefix that the request
// defines; a *schemas.Fault not_found for what can be none.
func (t topLevel) value(r *http.Request) (string, error) {
	s, err := segment(r, t.segment)
	if err != nil {
		return "", err
	}
	ns, _, err := namespaces(r.Header)
	if err != nil {
		return "", err
	}
	none := fault(schemas.NotFound, "no such "+t.segment+": "+clip(s))
	if t.of == 0 {
		if _, ok := schemas.ParseEventType(s); !ok {
			return "", none
		}
		return s, nil
	}
	s, err = t.canonical(ns.Expand(s))
	if err != nil {
		none.Detail += ": " + faultOf(err).Detail
	}
	if err != nil || !printable(s) {
		return "", none
	}
	return s, nil
}
