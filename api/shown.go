package api

import (
	"encoding/json"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// PublicItem is what the node's partner shows of an item or class to whoever asks:
// nothing that others recorded, and nobody else's name.
type PublicItem struct {
	ID          string            `json:"id"` // canonical
	Class       bool              `json:"class"`
	Title       string            `json:"title,omitempty"`
	Publisher   Publisher         `json:"publisher"`
	Custodian   string            `json:"custodian,omitempty"` // the publisher, where that is public and true
	Disposition string            `json:"disposition,omitempty"`
	Ended       bool              `json:"ended,omitempty"`
	Events      []PublicEvent     `json:"events"` // the publisher's among the last of the trails, oldest first
	Links       map[string]string `json:"links"`
	Height      int64             `json:"height"`
	Time        time.Time         `json:"time"`
}

// Publisher is the partner that made something public.
type Publisher struct {
	Partner string `json:"partner"`
	Name    string `json:"name,omitempty"`
	GLN     string `json:"gln,omitempty"`
}

// PublicEvent is as much of an event as is public.
type PublicEvent struct {
	Time  time.Time       `json:"time"`  // of recording
	Event json.RawMessage `json:"event"` // the members that are shown, as submitted; empty where the body is erased
}

// gs1Root opens every canonical GS1 identifier.
const gs1Root = "https://id.gs1.org/"

// publicTrail is how many of a trail's last records are looked at.
const publicTrail = 200

func isCompanyPrefix(s string) bool {
	return len(s) >= 6 && len(s) <= 12 && strings.Trim(s, "0123456789") == ""
}

// covering lists what a publication may be of for an identifier to be public by it:
// itself, what it is an instance or lot of, and the company prefixes that its key may
// begin with, the longest first. The key is preceded by another digit where GS1
// General Specifications, section 3, put one.
func covering(canonical string) []string {
	ai, rest, _ := strings.Cut(strings.TrimPrefix(canonical, gs1Root), "/")
	value, _, qualified := strings.Cut(rest, "/")
	out := []string{canonical}
	if qualified {
		out = append(out, gs1Root+ai+"/"+value)
	}
	if size := serialAfter[ai]; size > 0 && len(value) > size {
		out = append(out, gs1Root+ai+"/"+value[:size])
	}
	digits := value
	switch ai {
	case "00", "01", "8003", "8006":
		digits = value[min(1, len(value)):]
	}
	digits = digits[:len(digits)-len(strings.TrimLeft(digits, "0123456789"))]
	for n := min(12, len(digits)); n >= 6; n-- {
		out = append(out, digits[:n])
	}
	return out
}

// serialAfter is how many digits of a key come before a serial number that is no
// qualifier of its own.
var serialAfter = map[string]int{"8003": 14, "253": 13, "255": 13}

// publicationFor finds the nearest publication that an identifier is public by, nil
// where there is none. exact says that it is of the identifier itself.
func (g *Gateway) publicationFor(canonical string) (p *local.Publication, exact bool, err error) {
	for i, of := range covering(canonical) {
		if p, err = g.local.Publication(of); p != nil || err != nil {
			return p, i == 0, err
		}
	}
	return nil, false, nil
}

// publicOf tells what a publication shows of an identifier. What is published itself
// is always found; what belongs to a published class or prefix only when the partner
// recorded an event of it, so that nobody learns what others recorded.
func (g *Gateway) publicOf(view View, id schemas.Identifier, p *local.Publication, exact bool, read pager) (*PublicItem, error) {
	out := &PublicItem{ID: id.String(), Class: id.Scheme().Class(), Title: p.Title, Publisher: Publisher{Partner: g.cfg.Partner},
		Events: []PublicEvent{}, Height: view.Height(), Time: view.Time()}
	records, err := g.own(view, out.ID, out.Class, read)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 && !exact {
		return nil, notPublic(out.ID)
	}
	for i := range records {
		event, err := shownMembers(records[i].Body, p.Show)
		if err != nil {
			return nil, err
		}
		out.Events = append(out.Events, PublicEvent{Time: records[i].Time, Event: event})
	}
	if p.Custody && !out.Class {
		s, err := view.Item(out.ID)
		if err != nil {
			return nil, err
		}
		if s != nil && s.Custodian == g.cfg.Partner {
			out.Custodian, out.Disposition, out.Ended = s.Custodian, s.Disposition, s.Ended
		}
	}
	return out, g.name(view, &out.Publisher)
}

func (g *Gateway) name(view View, p *Publisher) error {
	partners, err := view.Partners()
	for i := range partners {
		if partners[i].ID == p.Partner {
			p.Name, p.GLN = partners[i].Name, partners[i].GLN
		}
	}
	return err
}

func notPublic(id string) error {
	return fault(schemas.NotFound, "nothing is public of "+clip(id)+": show an API key to see what the ledger has")
}

// own are the events that the node's partner recorded of an identifier, in ledger
// order, without declarations of errors and what they void.
func (g *Gateway) own(view View, id string, class bool, read pager) ([]schemas.Record, error) {
	return lastRecords(view, id, class, read, func(r *schemas.Record) bool {
		return r.Partner == g.cfg.Partner && r.VoidedBy == nil && r.Result.Code == schemas.OK && (r.Skeleton == nil || r.Skeleton.Declaration == nil)
	})
}

// lastRecords are those that are wanted among the last of an identifier's trails, in
// ledger order. That trails are longer is not told: the others' records may make
// them so.
func lastRecords(view View, id string, class bool, read pager, wanted func(*schemas.Record) bool) (out []schemas.Record, err error) {
	kinds := []schemas.TrailKind{schemas.CustodyTrail, schemas.ObservationTrail}
	if class {
		kinds = []schemas.TrailKind{schemas.ClassTrail}
	}
	for _, kind := range kinds {
		key := schemas.TrailKey{Kind: kind, Subject: id}
		head, err := view.TrailHead(key)
		if err != nil {
			return nil, err
		}
		from := uint64(0)
		if head.Count > publicTrail {
			from = head.Count - publicTrail
		}
		for from < head.Count && !read.full() {
			records, err := view.Trail(key, from, read.step(int(head.Count-from)))
			if err == nil {
				err = read.add(records...)
			}
			if err != nil || len(records) == 0 {
				return nil, err
			}
			from += uint64(len(records))
			for i := range records {
				if wanted(&records[i]) {
					out = append(out, records[i])
				}
			}
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Locator.Compare(out[j].Locator) < 0 })
	return slices.CompactFunc(out, func(a, b schemas.Record) bool { return a.Locator == b.Locator }), nil
}

// shownMembers is an event reduced to the top-level members that are named, in the
// order and form in which it was submitted.
func shownMembers(body []byte, show []string) (json.RawMessage, error) {
	b, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	out := []byte{'{'}
	for _, m := range b.members {
		if !slices.ContainsFunc(show, func(name string) bool { return string(appendString(nil, name)) == m.name }) {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, m.name...), ':'), m.value...)
	}
	return append(out, '}'), nil
}
