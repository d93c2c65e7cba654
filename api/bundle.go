package api

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// maxTrustAhead is how many heights a reader's root of trust may be before the node:
// another may have told it a moment ago.
const maxTrustAhead = 10

// bundleParameters are those of every bundle.
var bundleParameters = []string{"names", "times", "only", "withhold", "hashIDs", "height", "since"}

// getItemBundle answers the proof of what the ledger has under an identifier, or
// that it has nothing.
func (g *Gateway) getItemBundle(w http.ResponseWriter, r *http.Request) {
	g.serveBundle(w, r, "item.bundle", func(q map[string]string) (schemas.BundleQuery, error) {
		out, err := thingQuery(r, q)
		if err == nil {
			out.Of, err = choice(q, "as", map[string]schemas.BundleOf{"": schemas.BundleOfThing, "item": schemas.BundleOfItem, "lot": schemas.BundleOfLot})
		}
		return out, err
	}, "observations", "containers", "ancestors", "as")
}

// getLotBundle answers the proof of a class or lot, of one partner's part in it or
// of everybody's.
func (g *Gateway) getLotBundle(w http.ResponseWriter, r *http.Request) {
	g.serveBundle(w, r, "lot.bundle", func(q map[string]string) (schemas.BundleQuery, error) {
		out, err := thingQuery(r, q)
		out.Of, out.Partner = schemas.BundleOfLot, q["partner"]
		if err == nil {
			err = stretch(q, &out)
		}
		return out, err
	}, "containers", "ancestors", "partner", "first", "count")
}

// getPartnerBundle answers the proof of what a partner sent.
func (g *Gateway) getPartnerBundle(w http.ResponseWriter, r *http.Request) {
	g.serveBundle(w, r, "partner.bundle", func(q map[string]string) (out schemas.BundleQuery, err error) {
		out.Of = schemas.BundleOfPartner
		if out.ID, err = segment(r, "id"); err == nil {
			err = stretch(q, &out)
		}
		return out, err
	}, "first", "count")
}

// stretch reads which records of a long trail are asked for.
func stretch(q map[string]string, out *schemas.BundleQuery) (err error) {
	if out.First, err = natural(q, "first"); err == nil {
		out.Count, err = natural(q, "count")
	}
	return err
}

// getShipmentBundle answers the proof of a shipment: what was done about it, by whom,
// and how it stands.
func (g *Gateway) getShipmentBundle(w http.ResponseWriter, r *http.Request) {
	g.serveBundle(w, r, "shipment.bundle", func(q map[string]string) (schemas.BundleQuery, error) {
		out := schemas.BundleQuery{Of: schemas.BundleOfShipment}
		id, err := subject(r)
		if err == nil {
			out.ID = id.String()
			out.Units, err = flag(q, "units", false)
		}
		return out, err
	}, "units")
}

func thingQuery(r *http.Request, q map[string]string) (out schemas.BundleQuery, err error) {
	id, err := subject(r)
	if err != nil {
		return out, err
	}
	out.ID = id.String()
	if out.Observations, err = flag(q, "observations", false); err != nil {
		return out, err
	}
	if out.Containers, err = flag(q, "containers", true); err != nil {
		return out, err
	}
	out.Ancestors, err = number(q, "ancestors", 0, 0, proof.MaxAncestry)
	return out, err
}

// serveBundle reads what every bundle's request has, and answers the bundle in the
// form that was asked for.
func (g *Gateway) serveBundle(w http.ResponseWriter, r *http.Request, name string, read func(map[string]string) (schemas.BundleQuery, error), known ...string) {
	q, err := parameters(r, append(known, bundleParameters...)...)
	var query schemas.BundleQuery
	if err == nil {
		query, err = read(q)
	}
	if err == nil {
		err = g.commonQuery(r, q, &query)
	}
	var bundle []byte
	if err == nil {
		asJSON := w.Header().Get("Content-Type") == typeJSON // as negotiated, where it is not the first
		bundle, err = g.made(r, asJSON, func() ([]byte, error) { return g.ledger.Bundle(r.Context(), query) })
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	sendBundle(w, name, bundle)
}

func sendBundle(w http.ResponseWriter, name string, bundle []byte) {
	kind := w.Header().Get("Content-Type")
	if kind != typeJSON {
		kind = typeBundle
	} else {
		name += ".json"
	}
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	writeBody(w, http.StatusOK, kind, bundle)
}

// postBundle answers a bundle again, of the same state under a header of now. It
// records nothing: a repetition is answered anew.
func (g *Gateway) postBundle(w http.ResponseWriter, r *http.Request) {
	q, err := parameters(r, "since")
	var since uint64
	if err == nil {
		since, err = natural(q, "since")
	}
	if err == nil {
		err = g.reaches(r.Context(), int64(since), maxTrustAhead, "since="+q["since"])
	}
	var old, bundle []byte
	if err == nil {
		old, err = g.receive(w, r, g.limits.CaptureBytes)
	}
	if err == nil {
		err = stateOf(r).read.grow(int64(len(old))) // while it waits for its turn
	}
	if err == nil {
		bundle, err = g.made(r, w.Header().Get("Content-Type") == typeJSON, func() ([]byte, error) { return g.ledger.Renew(r.Context(), old, int64(since)) })
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	sendBundle(w, "renewed.bundle", bundle)
}

func (g *Gateway) commonQuery(r *http.Request, q map[string]string, out *schemas.BundleQuery) (err error) {
	for _, f := range []struct {
		name string
		into *bool
	}{{"names", &out.Names}, {"times", &out.Times}, {"hashIDs", &out.HashIDs}} {
		if *f.into, err = flag(q, f.name, false); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name  string
		into  *int64
		ahead int64
	}{{"height", &out.Height, 0}, {"since", &out.Since, maxTrustAhead}} {
		n, err := natural(q, f.name)
		if err != nil {
			return err
		}
		*f.into = int64(n)
		if err := g.reaches(r.Context(), *f.into, f.ahead, f.name+"="+q[f.name]); err != nil {
			return err
		}
	}
	if out.Height != 0 && out.Since > out.Height+1 { // the header behind a height carries its state
		return fault(schemas.BadParameter, fmt.Sprintf("since=%d is above height=%d: a reader's root of trust is not younger than what it is shown", out.Since, out.Height))
	}
	if out.Only, err = members(q, "only"); err != nil {
		return err
	}
	out.Withhold, err = members(q, "withhold")
	return err
}

// members reads names of members of events.
func members(q map[string]string, name string) ([]string, error) {
	text, ok := q[name]
	if !ok {
		return nil, nil
	}
	list := strings.Split(text, "|")
	if len(list) > maxList {
		return nil, fault(schemas.BadParameter, fmt.Sprintf("%s has more than %d names", name, maxList))
	}
	return list, nil
}

func flag(q map[string]string, name string, absent bool) (bool, error) {
	word := map[bool]string{true: "true", false: "false"}[absent]
	return choice(q, name, map[string]bool{"": absent, word: absent, "true": true, "false": false})
}

func choice[T any](q map[string]string, name string, of map[string]T) (T, error) {
	v, ok := of[q[name]]
	if !ok {
		return v, fault(schemas.BadParameter, name+" cannot be "+clip(q[name]))
	}
	return v, nil
}

// natural reads a height, an index or a count.
func natural(q map[string]string, name string) (uint64, error) {
	text, ok := q[name]
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > math.MaxInt64 {
		return 0, fault(schemas.BadParameter, name+" is a number: "+clip(text))
	}
	return n, nil
}

// turn waits until fewer than a channel's capacity do what takes much memory.
func turn(r *http.Request, line chan struct{}) (leave func(), err error) {
	select {
	case line <- struct{}{}:
		return func() { <-line }, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// readInTurn reads in its turn, which ends before anything is told: a client that is slow
// to take an answer holds up no other.
func (g *Gateway) readInTurn(r *http.Request, line chan struct{}, read func(View) error) error {
	leave, err := turn(r, line)
	if err != nil {
		return err
	}
	defer leave()
	return g.read(read)
}

// made makes a bundle in its turn, and writes it in the form that was asked for. It takes
// room for it, which a client that is slow to take it holds.
func (g *Gateway) made(r *http.Request, asJSON bool, bundle func() ([]byte, error)) ([]byte, error) {
	leave, err := turn(r, g.bundles)
	if err != nil {
		return nil, err
	}
	defer leave()
	b, err := bundle()
	if err == nil && asJSON {
		if b, err = proof.AppendJSON(nil, b); err == nil && len(b) > proof.MaxBundle {
			return nil, fault(schemas.TooLarge, fmt.Sprintf("as JSON the bundle has %d bytes, %d are read: ask for its binary form", len(b), proof.MaxBundle))
		}
	}
	if err == nil {
		err = stateOf(r).read.grow(int64(len(b)))
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}
