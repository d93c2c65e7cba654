package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// Bounds of a publication.
const (
	maxPublication = 64 << 10 // bytes of the request
	maxTitle       = 200      // bytes
	maxShown       = 50       // members of events
	maxLinks       = 50
	maxHref        = 2000 // bytes
)

// shownByDefault are the members of events that a publication shows when it names none.
var shownByDefault = []string{"type", "eventTime", "eventTimeZoneOffset", "bizStep", "disposition"}

// PublicationRequest says what to show to whoever asks.
type PublicationRequest struct {
	Title   string       `json:"title,omitempty"`
	Show    []string     `json:"show,omitempty"`    // top-level members of the partner's own events; when absent those that say what happened when
	Custody bool         `json:"custody,omitempty"` // also that the partner holds the item, while it does
	Links   []local.Link `json:"links,omitempty"`
}

// Publications is a page of what is public, by what it is of.
type Publications struct {
	Publications  []local.Publication `json:"publications"`
	NextPageToken string              `json:"nextPageToken,omitempty"`
}

// published reads what a publication is of: a GS1 identifier in any of its forms, or
// the 6 to 12 digits of a company prefix.
func published(r *http.Request) (string, error) {
	text, err := segment(r, "id")
	if err != nil {
		return "", err
	}
	if isCompanyPrefix(text) {
		return text, nil
	}
	id, err := schemas.ParseIdentifier(text)
	if err != nil {
		return "", fault(faultOf(err).Code, clip(text)+": "+faultOf(err).Detail)
	}
	if id.Scheme() == schemas.PrivateURI || !strings.HasPrefix(id.String(), gs1Root) {
		return "", fault(schemas.BadIdentifier, clip(text)+": this is found by a GS1 Digital Link only: name a GS1 identifier, or the 6 to 12 digits of a company prefix")
	}
	return id.String(), nil
}

// putPublication makes something public, in place of what was public of it before.
func (g *Gateway) putPublication(w http.ResponseWriter, r *http.Request) {
	of, err := published(r)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	g.write(w, r, maxPublication, func(body []byte, dry bool) (*answer, error) {
		p, err := publicationOf(body)
		if err != nil {
			return nil, err
		}
		p.Of, p.By, p.Made = of, keyOf(r).ID, time.Now().UTC().Truncate(time.Millisecond)
		status := http.StatusOK
		if !dry {
			first, err := g.local.Publish(*p)
			if errors.Is(err, local.ErrFull) {
				return nil, fault(schemas.TooLarge, err.Error()+": publish a class or a company prefix in place of its items")
			}
			if err != nil {
				return nil, err
			}
			if first {
				status = http.StatusCreated
			}
		}
		out, err := json.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("encoding a publication: %w", err)
		}
		return &answer{status: status, mediaType: typeJSON, body: out}, nil
	})
}

// deletePublication ends a publication.
func (g *Gateway) deletePublication(w http.ResponseWriter, r *http.Request) {
	of, err := published(r)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	dry, err := dryRunOf(r)
	there := false
	if err == nil && dry {
		var p *local.Publication
		p, err = g.local.Publication(of)
		there = p != nil
	} else if err == nil {
		there, err = g.local.Unpublish(of)
	}
	if err == nil && !there {
		err = fault(schemas.NotFound, "nothing is published of "+clip(of))
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// getPublication answers what is public of exactly this.
func (g *Gateway) getPublication(w http.ResponseWriter, r *http.Request) {
	_, err := parameters(r)
	var of string
	if err == nil {
		of, err = published(r)
	}
	var out *local.Publication
	if err == nil {
		out, err = g.local.Publication(of)
	}
	if err == nil && out == nil {
		err = fault(schemas.NotFound, "nothing is published of "+clip(of))
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	g.writeJSON(w, r, http.StatusOK, out)
}

// listPublications answers what is public, page by page.
func (g *Gateway) listPublications(w http.ResponseWriter, r *http.Request) {
	q, limit, err := paging(r)
	out := Publications{}
	if err == nil {
		var more bool
		out.Publications, more, err = g.local.Publications(q["nextPageToken"], limit)
		if more {
			out.NextPageToken = out.Publications[limit-1].Of
			linkNext(w, r, out.NextPageToken)
		}
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	if out.Publications == nil {
		out.Publications = []local.Publication{}
	}
	g.writeJSON(w, r, http.StatusOK, out)
}

// publicationOf reads a request; an empty one takes every default.
func publicationOf(body []byte) (*local.Publication, error) {
	var q PublicationRequest
	if len(bytes.TrimSpace(body)) > 0 {
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(&q); err != nil {
			return nil, fault(schemas.BadJSON, "this is no publication: an object of title, show, custody and links")
		}
		if _, err := d.Token(); err != io.EOF {
			return nil, fault(schemas.BadJSON, "something follows the publication")
		}
	}
	p := &local.Publication{Title: q.Title, Show: q.Show, Custody: q.Custody, Links: q.Links}
	if len(p.Title) > maxTitle {
		return nil, &schemas.Fault{Code: schemas.BadValue, Pointer: "/title", Detail: fmt.Sprintf("a title has at most %d bytes", maxTitle)}
	}
	if p.Show == nil {
		p.Show = shownByDefault
	}
	if len(p.Show) > maxShown {
		return nil, &schemas.Fault{Code: schemas.BadValue, Pointer: "/show", Detail: fmt.Sprintf("at most %d members are named", maxShown)}
	}
	for i, name := range p.Show {
		if !printable(name) || len(name) > maxTitle {
			return nil, &schemas.Fault{Code: schemas.BadValue, Pointer: fmt.Sprintf("/show/%d", i), Detail: "no name of an event's member"}
		}
	}
	if p.Links == nil {
		p.Links = []local.Link{}
	}
	if len(p.Links) > maxLinks {
		return nil, &schemas.Fault{Code: schemas.BadValue, Pointer: "/links", Detail: fmt.Sprintf("at most %d links are kept", maxLinks)}
	}
	for i := range p.Links {
		if f := checkLink(&p.Links[i]); f != nil {
			f.Pointer = fmt.Sprintf("/links/%d/%s", i, f.Pointer)
			return nil, f
		}
	}
	return p, nil
}

var language = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$`)

// checkLink brings a link into the form that it is kept in. A fault's pointer is
// the member's name.
func checkLink(l *local.Link) *schemas.Fault {
	bad := func(member, detail string) *schemas.Fault {
		return &schemas.Fault{Code: schemas.BadValue, Pointer: member, Detail: detail}
	}
	name, ok := linkType(l.Type)
	if !ok || name == defaultLink {
		return bad("type", "a link type of the GS1 Web Vocabulary, like gs1:pip; the default link is the item itself")
	}
	l.Type = name
	u, err := url.Parse(l.Href)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || len(l.Href) > maxHref || !printable(l.Href) {
		return bad("href", fmt.Sprintf("an http or https URL of at most %d bytes", maxHref))
	}
	l.Href = u.String()
	if len(l.Title) > maxTitle {
		return bad("title", fmt.Sprintf("a title has at most %d bytes", maxTitle))
	}
	if l.Media != "" {
		if _, _, err := mime.ParseMediaType(l.Media); err != nil || len(l.Media) > maxTitle {
			return bad("media", "a media type, like text/html")
		}
	}
	if l.Lang != "" && !language.MatchString(l.Lang) {
		return bad("lang", "a language tag, like en or de-AT")
	}
	return nil
}
