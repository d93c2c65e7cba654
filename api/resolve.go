package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// A GS1 Digital Link URI of this gateway's host names a thing, and answers with it:
// /01/09521234543213/21/1001. Whoever shows an API key of scope query is told what
// the ledger has; everybody else what the node's partner made public, and of all
// else nothing, not even whether it is there.

// allowOrigin lets pages of any origin read an answer: those that need no key have it.
const allowOrigin = "Access-Control-Allow-Origin"

// primaryKeys are the application identifiers that a path may begin with (GS1
// Digital Link Standard: URI Syntax, 4.3).
func primaryKeys() []string {
	return []string{"00", "01", "253", "255", "401", "402", "414", "415", "417", "8003", "8004", "8006", "8010", "8013", "8017", "8018"}
}

// resolverRoutes answers keys with up to three qualifiers. Application identifiers
// are digits, so that nothing else of this gateway begins like one.
func (g *Gateway) resolverRoutes(m chi.Router) {
	m.Use(g.telling)
	m.Get("/.well-known/gs1resolver", g.getResolver)
	for _, path := range []string{"/{ai:[0-9]+}/{key}", "/{ai:[0-9]+}/{key}/{q1:[0-9]+}/{v1}",
		"/{ai:[0-9]+}/{key}/{q1:[0-9]+}/{v1}/{q2:[0-9]+}/{v2}", "/{ai:[0-9]+}/{key}/{q1:[0-9]+}/{v1}/{q2:[0-9]+}/{v2}/{q3:[0-9]+}/{v3}"} {
		m.Get(path, g.resolve)
		m.Options(path, g.resolverOptions)
	}
}

// resolverOptions answers what may be asked, also for browsers that ask first.
func (g *Gateway) resolverOptions(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Allow", "GET, HEAD, OPTIONS")
	h.Set(allowOrigin, "*")
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Accept, Accept-Language")
	w.WriteHeader(http.StatusNoContent)
}

// resolution is what somebody wants of an identifier.
type resolution struct {
	id        schemas.Identifier
	link      string // a link type; "" for the thing itself
	mediaType string // of the answer, where it is the thing itself
	anonymous bool
}

// resolve answers a Digital Link.
func (g *Gateway) resolve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Vary", "Accept, Accept-Language, Authorization")
	q, err := g.ask(r)
	if q.anonymous {
		h.Set(allowOrigin, "*")
		h.Set("Access-Control-Expose-Headers", "Link, Location")
		h.Set("Cache-Control", "no-cache")
	} else {
		h.Set("Cache-Control", "private, no-store")
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	answer := func(w http.ResponseWriter, r *http.Request) {
		found, err := g.findPrivate(r, q)
		g.answerResolved(w, r, q, found, err)
	}
	if q.anonymous {
		p, exact, err := g.publicationFor(q.id.String())
		if err == nil && p == nil {
			err = notPublic(q.id.String())
		}
		ctx, cancel := context.WithTimeout(r.Context(), g.limits.ReadTime)
		defer cancel()
		if err == nil {
			// Whoever shows no key waits here, and takes no place from those who do.
			var leave func()
			if leave, err = turn(r.WithContext(ctx), g.public); err == nil {
				defer leave()
			}
		}
		if err != nil {
			g.fail(w, r, err)
			return
		}
		answer = func(w http.ResponseWriter, r *http.Request) {
			found, err := g.findPublic(r, q, p, exact)
			g.answerResolved(w, r, q, found, err)
		}
	}
	g.reading(http.HandlerFunc(answer)).ServeHTTP(w, r)
}

// ask reads a request. Nothing of the ledger decides about what it refuses.
func (g *Gateway) ask(r *http.Request) (q resolution, err error) {
	q.anonymous = len(r.Header.Values("Authorization")) == 0
	if q.id, err = linked(r); err != nil {
		return q, err
	}
	values, err := queryValues(r)
	if err != nil {
		return q, fault(schemas.BadParameter, "the query string cannot be read")
	}
	offered := []string{typeJSON, typeLinkset, typeHTML}
	switch names := values["linkType"]; {
	case len(names) > 1:
		return q, fault(schemas.BadParameter, "linkType is given more than once")
	case len(names) == 1 && (names[0] == wholeLinkset || names[0] == "all"):
		q.mediaType = typeLinkset
	case len(names) == 1:
		name, ok := linkType(names[0])
		if !ok {
			return q, fault(schemas.BadParameter, "linkType is a link type of the GS1 Web Vocabulary like gs1:pip, linkset, or all: "+clip(names[0]))
		}
		if name != defaultLink {
			q.link = name
		}
	}
	if q.mediaType == "" && q.link == "" {
		if q.mediaType = choose(strings.Join(r.Header.Values("Accept"), ","), offered); q.mediaType == "" {
			return q, fault(schemas.NotAcceptable, "this can be given as "+strings.Join(offered, ", "))
		}
	}
	if q.anonymous {
		return q, nil
	}
	key, err := g.authenticate(r)
	if err == nil && !key.Has(local.Query) {
		err = fault(schemas.Forbidden, fmt.Sprintf("the API key %q lacks the scope %s", key.Name, local.Query))
	}
	if err == nil && key.Bound() {
		err = fault(schemas.Forbidden, "ask without a key for what is public, and under /api/v1/items for the rest")
	}
	if err == nil {
		err = g.spend(key.ID)
	}
	stateOf(r).key = key
	return q, err
}

// linked reads the identifier in a Digital Link's path. Attributes in the query
// must not repeat it; other parameters are let be, as the standard wants it.
func linked(r *http.Request) (schemas.Identifier, error) {
	link := strings.TrimSuffix(gs1Root, "/") + r.URL.EscapedPath()
	id, err := schemas.ParseIdentifier(link)
	if err == nil && r.URL.RawQuery != "" && len(link)+1+len(r.URL.RawQuery) <= schemas.MaxIdentifier {
		_, err = schemas.ParseIdentifier(link + "?" + r.URL.RawQuery)
	}
	if err != nil {
		f := faultOf(err)
		detail := clip(r.URL.Path) + ": " + f.Detail
		if f.Code == schemas.BadCheckDigit {
			detail = clip(r.URL.Path) + ": " + wrongDigit(chi.URLParam(r, "ai"), link)
		}
		return id, fault(f.Code, detail)
	}
	return id, nil
}

// checkedDigits is where in a key its check digit is, where that is not the end.
var checkedDigits = map[string]int{"253": 13, "255": 13, "8003": 14, "8006": 14}

// wrongDigit names the check digit that is wrong, and the right one: the digit in
// whose place only one other is taken.
func wrongDigit(ai, link string) string {
	value := len(gs1Root) + len(ai) + 1
	end := len(link)
	if at := strings.IndexByte(link[value:], '/'); at >= 0 {
		end = value + at
	}
	if size := checkedDigits[ai]; size > 0 && value+size <= end {
		end = value + size
	}
	for d := '0'; d <= '9'; d++ {
		if _, err := schemas.ParseIdentifier(link[:end-1] + string(d) + link[end:]); err == nil {
			return fmt.Sprintf("the check digit of %s is %c, and must be %c", link[value:end], link[end-1], d)
		}
	}
	return "the check digit is wrong"
}

// resolved is what is told of an identifier.
type resolved struct {
	json  any
	page  *itemPage
	links []local.Link // beside the default link
	title string
}

// findPrivate tells what the ledger has.
func (g *Gateway) findPrivate(r *http.Request, q resolution) (*resolved, error) {
	id, class := q.id.String(), q.id.Scheme().Class()
	p, exact, err := g.publicationFor(id)
	if err != nil {
		return nil, err
	}
	out := &resolved{links: nativeLinks(root(r), id, class)}
	if p != nil {
		out.links, out.title = append(out.links, p.Links...), p.Title
	}
	err = g.read(func(view View) error {
		out.page = &itemPage{ID: id, Title: out.title}
		if class {
			c, err := classOf(view, id)
			if err != nil {
				return err
			}
			out.json = struct {
				*Class
				Links map[string]string `json:"links"`
			}{c, native(id, class)}
		} else {
			i, err := itemOf(view, q.id, pager{in: stateOf(r).read})
			if err != nil {
				return err
			}
			out.json = struct {
				*Item
				Links map[string]string `json:"links"`
			}{i, native(id, class)}
			out.page.Custodian, out.page.Disposition, out.page.Ended = i.Custodian, i.Disposition, i.Ended
		}
		if q.mediaType != typeHTML {
			return nil
		}
		return out.page.readTrail(view, id, class, pager{in: stateOf(r).read})
	})
	if err != nil && faultOf(err).Code == schemas.NotFound && exact {
		return g.findPublic(r, q, p, exact) // published before anything was recorded
	}
	if err != nil && faultOf(err).Code == schemas.NotFound {
		return g.findMention(r, q, p)
	}
	return out, err
}

// findMention tells of what no event is about what events name it as.
func (g *Gateway) findMention(r *http.Request, q resolution, p *local.Publication) (*resolved, error) {
	var m *Mention
	err := g.read(func(view View) (err error) {
		m, err = mentionOf(r.Context(), view, q.id)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &resolved{json: m, links: m.links(root(r))}
	if p != nil {
		out.links, out.title = append(out.links, p.Links...), p.Title
	}
	out.page = &itemPage{ID: m.ID, Title: out.title}
	return out, nil
}

// findPublic tells what is public.
func (g *Gateway) findPublic(r *http.Request, q resolution, p *local.Publication, exact bool) (*resolved, error) {
	var item *PublicItem
	err := g.read(func(view View) (err error) {
		item, err = g.publicOf(view, q.id, p, exact, pager{in: stateOf(r).read})
		return err
	})
	if err != nil {
		return nil, err
	}
	item.Links = map[string]string{"linkset": self(r) + "?linkType=" + wholeLinkset}
	page := &itemPage{ID: item.ID, Title: item.Title, Publisher: item.Publisher, Custodian: item.Custodian, Disposition: item.Disposition, Ended: item.Ended}
	for _, e := range item.Events {
		page.add(e.Event, e.Time, "")
	}
	return &resolved{json: item, page: page, links: p.Links, title: p.Title}, nil
}

// passOn adds the parameters of a request to the target of a link, but for linkType, as
// resolvers do: attributes of the thing, and what others count by.
func passOn(target, query string) string {
	var more []string
	for part := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(part, "="); part != "" && name != "linkType" {
			more = append(more, part)
		}
	}
	if len(more) == 0 {
		return target
	}
	target, fragment, anchored := strings.Cut(target, "#")
	between := "?"
	if strings.Contains(target, "?") {
		between = "&"
	}
	if target += between + strings.Join(more, "&"); anchored {
		target += "#" + fragment
	}
	return target
}

// self is the path that was asked for, as it was written.
func self(r *http.Request) string { return r.URL.EscapedPath() }

// answerResolved answers with what was found, in the form that was asked for.
func (g *Gateway) answerResolved(w http.ResponseWriter, r *http.Request, q resolution, found *resolved, err error) {
	if err != nil {
		g.fail(w, r, err)
		return
	}
	anchor := root(r) + self(r)
	h := w.Header()
	h.Add("Link", "<"+anchor+"?linkType="+wholeLinkset+`>; rel="linkset"; type="`+typeLinkset+`"`)
	h.Add("Link", "<"+q.id.String()+`>; rel="http://www.w3.org/2002/07/owl#sameAs"`)
	if q.link != "" {
		l := pick(found.links, q.link, strings.Join(r.Header.Values("Accept-Language"), ","))
		if l == nil {
			g.fail(w, r, fault(schemas.NotFound, "there is no link of the type "+q.link+": linkType=linkset tells which there are"))
			return
		}
		h.Set("Location", passOn(l.Href, r.URL.RawQuery))
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	switch q.mediaType {
	case typeLinkset:
		h.Set("Content-Type", typeLinkset)
		h.Add("Link", `<https://ref.gs1.org/standards/resolver/linkset-context>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"`)
		links := append([]local.Link{{Type: defaultLink, Href: anchor, Title: found.page.heading()}}, found.links...)
		g.writeJSON(w, r, http.StatusOK, linksetOf(anchor, found.title, found.page.heading(), links))
	case typeHTML:
		found.page.Links = found.links
		body, err := found.page.render()
		if err != nil {
			g.fail(w, r, err)
			return
		}
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		writeBody(w, http.StatusOK, typeHTML+"; charset=utf-8", body)
	default:
		g.writeJSON(w, r, http.StatusOK, found.json)
	}
}
