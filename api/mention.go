package api

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// Mention is what the ledger has of an identifier that no event is about, but that events
// name: a place or a party, or a class of which there are only instances.
type Mention struct {
	ID     string            `json:"id"` // canonical
	Class  bool              `json:"class"`
	As     []string          `json:"as"` // what events have it as: the parameters that find them
	Height int64             `json:"height"`
	Time   time.Time         `json:"time"`
	Links  map[string]string `json:"links"` // the events, by the same
}

// mentionEffort bounds what is looked at for one of these parameters.
const mentionEffort = 1 << 16

// mentionedBy are the parameters of queries that may find events that name an identifier.
func mentionedBy(id schemas.Identifier) (parameters []string) {
	switch scheme := id.Scheme(); {
	case scheme == schemas.SGLN:
		parameters = []string{"EQ_readPoint", "EQ_bizLocation", "EQ_source_location", "EQ_destination_location"}
	case scheme.Class():
		return []string{"MATCH_anyEPC"}
	case scheme != schemas.PGLN:
		return nil
	}
	return append(parameters, "EQ_source_possessing_party", "EQ_destination_possessing_party", "EQ_source_owning_party", "EQ_destination_owning_party")
}

// mentionOf tells what events name an identifier as; a *schemas.Fault not_found where none
// of those that are looked at does.
func mentionOf(ctx context.Context, view View, id schemas.Identifier) (*Mention, error) {
	out := &Mention{ID: id.String(), Class: id.Scheme().Class(), As: []string{}, Height: view.Height(), Time: view.Time(), Links: map[string]string{}}
	for _, name := range mentionedBy(id) {
		q, err := schemas.ReadQuery([]schemas.Parameter{{Name: name, Values: []schemas.ParameterValue{{Text: out.ID}}}}, &schemas.Namespaces{})
		if err != nil {
			return nil, err
		}
		q.Limit, q.MaxHeight, q.Effort = 1, out.Height, mentionEffort
		found, err := view.Page(ctx, *q)
		if err != nil {
			return nil, err
		}
		if len(found.Records) > 0 {
			out.As, out.Links[name] = append(out.As, name), epcisRoot+"/events?"+url.Values{name: {out.ID}}.Encode()
		}
	}
	if len(out.As) == 0 {
		return nil, fault(schemas.NotFound, "the ledger has no record of "+clip(out.ID))
	}
	return out, nil
}

// links are the same as links of the vocabulary.
func (m *Mention) links(root string) (out []local.Link) {
	for _, name := range m.As {
		_, as, _ := strings.Cut(name, "_")
		out = append(out, local.Link{Type: epcisLink, Href: root + m.Links[name], Title: "Events by " + as + ", as EPCIS 2.0", Media: typeJSON})
	}
	return out
}
