package api

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/waybill-ledger/waybill/api/local"
)

// Media types of what is resolved.
const (
	typeLinkset = "application/linkset+json"
	typeHTML    = "text/html"
)

// Link types (GS1-Conformant Resolver Standard 1.2; GS1 Web Vocabulary). The
// vocabulary's terms are kept without their namespace.
const (
	linkVocabulary  = "https://ref.gs1.org/voc/"
	olderVocabulary = "https://gs1.org/voc/"
	defaultLink     = "defaultLink"
	epcisLink       = "epcis"
	traceLink       = "traceability"
	wholeLinkset    = "linkset" // and all: not a link type, but all of them
)

// linkType reads the name of a link type: a term of the GS1 Web Vocabulary bare,
// with the prefix gs1: or as a URI. Which terms there are grows with every
// version of it, so any name may be one.
func linkType(s string) (string, bool) {
	for _, stem := range []string{"gs1:", linkVocabulary, olderVocabulary, "http://gs1.org/voc/", "https://www.gs1.org/voc/"} {
		if rest, ok := strings.CutPrefix(s, stem); ok {
			s = rest
			break
		}
	}
	if s == "" || len(s) > 50 || strings.IndexFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
	}) >= 0 {
		return "", false
	}
	return s, true
}

// Linkset is what leads on from one thing (RFC 9264, 4.2).
type Linkset struct {
	Linkset []map[string]any `json:"linkset"` // one context: its anchor, and targets by the URI of their relation
}

// LinkTarget is a target of a linkset (RFC 9264, 4.2.3).
type LinkTarget struct {
	Href     string   `json:"href"`
	Title    string   `json:"title,omitempty"`
	Type     string   `json:"type,omitempty"`
	Hreflang []string `json:"hreflang,omitempty"`
}

func targetOf(l local.Link) LinkTarget {
	t := LinkTarget{Href: l.Href, Title: l.Title, Type: l.Media}
	if l.Lang != "" {
		t.Hreflang = []string{l.Lang}
	}
	return t
}

// linksetOf writes links, in their order, under the anchor. A link without a title has
// that of the thing, as the standard wants each to have one.
func linksetOf(anchor, title, heading string, links []local.Link) Linkset {
	context := map[string]any{"anchor": anchor}
	if title != "" {
		context["description"], context["itemDescription"] = title, title // the latter as it was called before version 1.2
	}
	for _, l := range links {
		if l.Title == "" {
			l.Title = heading
		}
		relation := linkVocabulary + l.Type
		targets, _ := context[relation].([]LinkTarget)
		context[relation] = append(targets, targetOf(l))
	}
	return Linkset{Linkset: []map[string]any{context}}
}

// pick chooses the link of a type that suits the languages asked for best, the
// first where none does; nil where there is none of the type. Languages are
// matched by their primary subtag, in the order of their weights, and then of their names
// (RFC 9110, 12.5.4).
func pick(links []local.Link, name, languages string) *local.Link {
	var first *local.Link
	byLanguage := map[string]*local.Link{}
	for i := range links {
		l := &links[i]
		if l.Type != name {
			continue
		}
		if first == nil {
			first = l
		}
		if primary := primaryTag(l.Lang); byLanguage[primary] == nil {
			byLanguage[primary] = l
		}
	}
	best, bestQ := first, 0.0
	for part := range strings.SplitSeq(languages, ",") {
		tag, weight, weighted := strings.Cut(part, ";")
		q := 1.0
		if weighted {
			var err error
			if q, err = strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64); err != nil {
				continue
			}
		}
		if l := byLanguage[primaryTag(strings.TrimSpace(tag))]; l != nil && l.Lang != "" && q > bestQ {
			best, bestQ = l, q
		}
	}
	return best
}

func primaryTag(tag string) string {
	primary, _, _ := strings.Cut(tag, "-")
	return strings.ToLower(primary)
}

// root is the URL of this gateway as the caller reached it. A proxy that ends TLS
// says so.
func root(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return (&url.URL{Scheme: scheme, Host: r.Host}).String()
}

// native are the resources of this gateway about an identifier. They need a key.
func native(id string, class bool) map[string]string {
	at := "/api/v1/items/" + url.PathEscape(id)
	parameter := "MATCH_anyEPC"
	if class {
		parameter = "MATCH_epcClass"
	}
	return map[string]string{"item": at, "trail": at + "/trail", "trace": at + "/trace", "bundle": at + "/bundle",
		"events": "/epcis/v2/events?" + url.Values{parameter: {id}}.Encode()}
}

// nativeLinks are the same as links of the vocabulary.
func nativeLinks(root, id string, class bool) []local.Link {
	at := native(id, class)
	return []local.Link{
		{Type: epcisLink, Href: root + at["events"], Title: "Events, as EPCIS 2.0", Media: typeJSON},
		{Type: traceLink, Href: root + at["trail"], Title: "Records, in ledger order", Media: typeJSON},
		{Type: traceLink, Href: root + at["trace"], Title: "Where it came from and where it went", Media: typeJSON},
		{Type: traceLink, Href: root + at["bundle"], Title: "Proof, for waybill verify", Media: typeBundle},
	}
}

// ResolverDescription tells what is resolved here (GS1-Conformant Resolver
// Standard 1.2, resolver description file).
type ResolverDescription struct {
	Name                        string             `json:"name"`
	ResolverRoot                string             `json:"resolverRoot"`
	SupportedPrimaryKeys        []string           `json:"supportedPrimaryKeys"`
	SupportedLinkType           []LinkTypeOfPrefix `json:"supportedLinkType"`
	LinkTypeDefaultCanBeLinkset bool               `json:"linkTypeDefaultCanBeLinkset"`
}

// LinkTypeOfPrefix is a vocabulary of link types.
type LinkTypeOfPrefix struct {
	Namespace string `json:"namespace"`
	Prefix    string `json:"prefix"`
}

// getResolver answers the description file.
func (g *Gateway) getResolver(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(allowOrigin, "*")
	g.writeJSON(w, r, http.StatusOK, ResolverDescription{Name: "Waybill: " + g.cfg.Partner, ResolverRoot: root(r),
		SupportedPrimaryKeys: primaryKeys(), SupportedLinkType: []LinkTypeOfPrefix{{Namespace: linkVocabulary, Prefix: "gs1:"}}})
}
