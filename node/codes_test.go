package node_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

// provoked is a code, and the script whose last line provokes it.
type provoked struct {
	code   schemas.Code
	script string
}

// Every code is provoked through the gateway of a node that runs, or stands among
// those that cannot be, with the reason. Whoever adds a code adds it to either.
func TestEveryCodeIsProvoked(t *testing.T) {
	x := startTown(t)
	shown := map[schemas.Code]bool{schemas.OK: true, schemas.Unavailable: true}
	for _, rows := range [][]provoked{written, signed, moved, shipped, asked} {
		for _, row := range rows {
			shown[row.code] = true
		}
	}
	for _, row := range governed {
		shown[row.code] = true
	}
	for c := range crafted {
		shown[c] = true
	}
	for _, c := range schemas.Codes() {
		if _, absent := unprovoked[c]; absent == shown[c] {
			t.Errorf("%s is to be provoked here, or among those that cannot be, and not both", c)
		}
	}
	t.Run("apart", func(t *testing.T) {
		for _, row := range slices.Concat(written, signed, moved, shipped, asked) {
			t.Run(row.code.String(), func(t *testing.T) {
				t.Parallel()
				x.play(t, row)
			})
		}
		for _, code := range slices.Sorted(maps.Keys(crafted)) {
			t.Run(code.String(), func(t *testing.T) {
				t.Parallel()
				crafted[code](t, x).shows(t, code)
			})
		}
	})
	// What follows changes what the others stand on.
	for _, row := range governed {
		t.Run(row.code.String(), func(t *testing.T) { x.play(t, row) })
	}
	must(t, x.node.TestingCloseLedger())
	x.ask(t, "GET", "/readyz", "").shows(t, schemas.Unavailable)
}

// town is a node whose network has other partners, without nodes. What they sign
// reaches the ledger through the same gateway.
type town struct {
	node    *node.Node
	url     string
	keys    map[string]ed25519.PrivateKey // by partner
	glns    map[string]string
	api     map[string]string // API keys: "" has all scopes
	codec   *schemas.Codec
	client  *http.Client
	expiry  uint64
	counted chan uint64 // numbers that nobody else has
}

const ownPartner = "acme-farms"

func startTown(t *testing.T) *town {
	t.Helper()
	s := alone(t)
	s.Bodies = "own"
	must(t, s.Save())
	x := &town{keys: map[string]ed25519.PrivateKey{}, glns: map[string]string{ownPartner: "9521234000006"}, api: map[string]string{}, expiry: 1000,
		client: &http.Client{Timeout: patience}, counted: make(chan uint64)}
	keys, err := node.LoadKeys(s.Home)
	must(t, err)
	x.keys[ownPartner], x.url = keys.Partner, "http://"+s.REST
	x.codec, err = schemas.NewCodec()
	must(t, err)
	x.found(t, s)
	gateway, err := local.Open(node.GatewayPath(s.Home))
	must(t, err)
	x.api[""], _, err = gateway.CreateKey("all", local.Scopes()...)
	must(t, err)
	x.api["reader"], _, err = gateway.CreateKey("reader", local.Query)
	must(t, err)
	must(t, gateway.Close())
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	must(t, err)
	x.node = n
	t.Cleanup(func() { _ = n.Stop() }) // the ledger is closed already, which is an error then
	go func() {
		for i := uint64(1); ; i++ {
			select {
			case x.counted <- i:
			case <-t.Context().Done():
				return
			}
		}
	}()
	commit(t, n, event(t, 1)) // it is ready
	return x
}

// found adds partners, retention classes and company prefixes to the genesis document.
func (x *town) found(t *testing.T, s node.Settings) {
	t.Helper()
	doc, err := types.GenesisDocFromFile(node.GenesisPath(s.Home))
	must(t, err)
	var g schemas.Genesis
	must(t, json.Unmarshal(doc.AppState, &g))
	g.Retention = []schemas.RetentionClass{{Name: "plain"}, {Name: "books", Min: 10 * 366 * 24 * 3600}}
	g.Prefixes = []schemas.Prefix{{Digits: "9521235", Partner: ownPartner, Strict: true}, {Digits: "9521236", Partner: "mill", Strict: true}}
	for i, p := range []schemas.Partner{
		{ID: "haul", GLN: "9521234000013", Standing: schemas.StandingMember},
		{ID: "mill", GLN: "9521234000020", Standing: schemas.StandingMember},
		{ID: "shop", GLN: "9521234000037", Standing: schemas.StandingMember},
		{ID: "watch", GLN: "9521234000044", Standing: schemas.StandingObserver},
		{ID: "tiny", GLN: "9521234000051", Standing: schemas.StandingParticipant, Host: ownPartner, Sponsor: ownPartner},
		{ID: "gone", GLN: "9521234000068", Standing: schemas.StandingMember, State: schemas.Removed},
		{ID: "leaves", GLN: "9521234000099", Standing: schemas.StandingParticipant, Host: ownPartner, Sponsor: ownPartner},
	} {
		p.Name = p.ID
		key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(7 + i)}, ed25519.SeedSize))
		public := key.Public().(ed25519.PublicKey)
		x.keys[p.ID], x.glns[p.ID] = key, p.GLN
		held := schemas.HeldByGateway
		switch p.ID {
		case "haul":
			held = schemas.HeldByClient
		case "mill":
			held = schemas.HeldInHardware
		}
		roles := schemas.RoleCapture | schemas.RoleAdmin
		if p.ID == "shop" {
			roles = schemas.RoleCapture
		}
		g.Partners = append(g.Partners, p)
		g.Keys = append(g.Keys, schemas.Key{Partner: p.ID, ID: schemas.KeyID(public), Public: public, Roles: roles, Held: held, From: 1})
	}
	doc.AppState, err = json.Marshal(g)
	must(t, err)
	must(t, doc.SaveAs(node.GenesisPath(s.Home)))
}

// told is what a request was answered.
type told struct {
	status  int
	header  http.Header
	body    []byte
	problem api.Problem
	receipt schemas.Receipt
	ours    bool // signed by the gateway, which answers a refusal with a problem
}

// shows fails the test unless the answer is the code, as the table has it: a problem,
// or a word of a receipt, where the code is a flag or somebody else signed.
func (r *told) shows(t *testing.T, code schemas.Code) {
	t.Helper()
	if r.status < 300 && (code.Status() == 0 || !r.ours) {
		for _, e := range r.receipt.Events {
			if e.Code == code || slices.Contains(e.Flags, code) {
				if code.Hint() == "" {
					t.Errorf("%s has no hint", code)
				}
				return
			}
		}
	}
	p := &r.problem
	if p.Code != code || r.status != code.Status() || p.Status != r.status || strings.TrimSpace(p.Detail) == "" || strings.TrimSpace(p.Hint) == "" {
		t.Errorf("status %d instead of %s with %d:\n%s", r.status, code, code.Status(), r.body)
	}
}

func (r *told) fine() bool {
	return r.status < 300 && !slices.ContainsFunc(r.receipt.Events, func(e schemas.EventReceipt) bool { return e.Code != schemas.OK })
}

// ask sends a request with all scopes. Headers are name and value in turn; one without a
// value is not sent.
func (x *town) ask(t *testing.T, method, path, body string, headers ...string) *told {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, x.url+path, strings.NewReader(body))
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+x.api[""])
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		if req.Header.Set(headers[i], headers[i+1]); headers[i+1] == "" {
			req.Header.Del(headers[i])
		}
	}
	res, err := x.client.Do(req)
	must(t, err)
	defer res.Body.Close()
	out := &told{status: res.StatusCode, header: res.Header}
	out.body, err = io.ReadAll(res.Body)
	must(t, err)
	_ = json.Unmarshal(out.body, &out.problem) // not every answer is one
	_ = json.Unmarshal(out.body, &out.receipt)
	return out
}

// draft is a new transaction of a partner.
func (x *town) draft(partner string, events ...*schemas.Event) schemas.Draft {
	secret := schemas.Sum("waybill/test", binary.BigEndian.AppendUint64(nil, <-x.counted))
	d := schemas.Draft{ChainID: "alone", Partner: partner, KeyID: schemas.KeyID(x.keys[partner].Public().(ed25519.PublicKey)), Actor: "test", Expiry: x.expiry,
		Nonce: secret[:schemas.NonceSize], Secret: secret[:], Events: events}
	for _, e := range events {
		var key []byte // an order, or an act, has none
		if e.KindOf() == schemas.KindEvent {
			key = schemas.DuplicateKeyOf(secret[:], e)
		}
		d.DuplicateKeys = append(d.DuplicateKeys, key)
	}
	return d
}

// send signs a draft and posts it.
func (x *town) send(t *testing.T, d schemas.Draft) *told {
	t.Helper()
	raw, _, err := x.codec.Sign(d, x.keys[d.Partner])
	must(t, err)
	return x.post(t, raw)
}

func (x *town) post(t *testing.T, raw []byte) *told {
	t.Helper()
	return x.ask(t, "POST", "/api/v1/transactions", string(raw), "Content-Type", "application/vnd.waybill.transaction")
}

// play plays a script, a request a line:
//
//	PARTNER: MESSAGE; MESSAGE  a transaction that it signed; PARTNER!: an atomic one
//	event MESSAGE              an event that the gateway is to sign
//	METHOD PATH BODY           any other
//
// A MESSAGE is an act, as NAME JSON, an order, as erase ID, or an event, as ACTION STEP
// [EPC,EPC] and parent=EPC lot=NAME:QUANTITY:UNIT to=PARTNER abroad=GLN id=ID void=REASON
// ago=DURATION and further members as JSON. In JSON and paths $NAME is what NAME stands
// for here and %$NAME is that, escaped; $proposal is the last that was made and $earlier
// the one before it.
func (x *town) play(t *testing.T, row provoked) {
	s := &playing{town: x, t: t, tag: fmt.Sprintf("%d.", uint32(row.code))}
	s.script(row.script).shows(t, row.code)
}

// script plays lines, and returns what the last of them was answered.
func (s *playing) script(script string) (last *told) {
	s.t.Helper()
	lines := strings.Split(strings.TrimSpace(script), "\n")
	for i, line := range lines {
		last = s.line(s.t, s.fill(strings.TrimSpace(line)))
		if i < len(lines)-1 && !last.fine() {
			s.t.Fatalf("%s\nwas answered with %d: %s", line, last.status, last.body)
		}
	}
	return last
}

type playing struct {
	*town
	t         *testing.T
	tag       string   // begins all names of the script
	proposals []string // that were made
}

var variable = regexp.MustCompile(`(%?)\$([a-zA-Z0-9-]+)`)

func (s *playing) fill(line string) string {
	return variable.ReplaceAllStringFunc(line, func(found string) string {
		name := strings.TrimPrefix(strings.TrimPrefix(found, "%"), "$")
		value := s.name(name)
		if strings.HasPrefix(found, "%") {
			value = url.PathEscape(value)
		}
		return value
	})
}

// name is what a short name stands for. Things whose names begin with strict or
// foreign are under the strict company prefixes of the node's partner, and of the mill.
func (s *playing) name(name string) string {
	const stem = "https://id.gs1.org/"
	if gln, ok := s.glns[name]; ok {
		return stem + "417/" + gln
	}
	gtin := "09521234543213"
	switch {
	case strings.HasPrefix(name, "strict"):
		gtin = "09521235123452"
	case strings.HasPrefix(name, "foreign"):
		gtin = "09521236123451"
	}
	switch {
	case name == "shipment":
		return "urn:example:shipment:" + s.tag
	case name == "event":
		return "urn:example:event:" + s.tag
	case strings.HasPrefix(name, "recall"):
		return strings.TrimSuffix(s.tag, ".") + "-" + name
	case name == "newest":
		var all api.Proposals
		must(s.t, json.Unmarshal(s.ask(s.t, "GET", "/api/v1/proposals", "").body, &all))
		return all.Proposals[0].ID
	case name == "earlier":
		return s.proposals[len(s.proposals)-2]
	case name == "proposal":
		return s.proposals[len(s.proposals)-1]
	case name == "change":
		var keys api.Keys
		must(s.t, json.Unmarshal(s.ask(s.t, "GET", "/api/v1/partners/"+ownPartner+"/keys", "").body, &keys))
		return keys.Changes[0].ID
	case name == "key":
		return schemas.KeyID(s.keys[ownPartner].Public().(ed25519.PublicKey))
	case name == "now":
		return time.Now().UTC().Format(time.RFC3339)
	case name == "tomorrow":
		return time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	case name == "past":
		return time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	case strings.Contains(name, "lot"):
		return stem + "01/" + gtin + "/10/" + s.tag + name
	default:
		return stem + "01/" + gtin + "/21/" + s.tag + name
	}
}

func (s *playing) line(t *testing.T, line string) *told {
	t.Helper()
	word, rest, _ := strings.Cut(line, " ")
	if word == "event" {
		r := s.ask(t, "POST", "/epcis/v2/events", string(s.event(t, rest)))
		r.ours = true
		return r
	}
	partner, isTransaction := strings.CutSuffix(word, ":")
	if !isTransaction {
		path, body, _ := strings.Cut(rest, " ")
		r := s.ask(t, word, path, body)
		r.ours = true
		if path == "/api/v1/proposals" {
			s.proposed(&r.receipt)
		}
		return r
	}
	partner, atomic := strings.CutSuffix(partner, "!")
	var events []*schemas.Event
	for text := range strings.SplitSeq(rest, "; ") {
		events = append(events, s.message(t, text))
	}
	d := s.draft(partner, events...)
	d.Atomic = atomic
	r := s.send(t, d)
	if strings.Contains(rest, "Propose") {
		s.proposed(&r.receipt)
	}
	return r
}

func (s *playing) proposed(r *schemas.Receipt) {
	s.proposals = append(s.proposals, fmt.Sprintf("%d-%d-0", r.Height, r.Position))
}

func (s *playing) message(t *testing.T, text string) *schemas.Event {
	t.Helper()
	name, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	if name == "erase" {
		order, err := schemas.MakeOrder(schemas.OrderErase, s.name("event")+rest, "", time.Now().UTC().Format(time.RFC3339Nano))
		must(t, err)
		return order
	}
	if strings.ToUpper(name[:1]) == name[:1] {
		act, err := schemas.ReadAct(name, []byte(rest), time.Now())
		must(t, err)
		return act
	}
	event, err := schemas.DecodeSingle(s.event(t, text))
	must(t, err)
	return event
}

func (s *playing) event(t *testing.T, text string) []byte {
	t.Helper()
	text, raw, _ := strings.Cut(text, " {")
	words := strings.Fields(text)
	e := map[string]any{"type": "ObjectEvent", "action": strings.ToUpper(words[0]), "bizStep": words[1], "eventTime": time.Now().UTC().Format(time.RFC3339Nano), "eventTimeZoneOffset": "+00:00"}
	epcs, quantities := "epcList", "quantityList"
	var things []string
	var lots []map[string]any
	for _, word := range words[2:] {
		key, value, ok := strings.Cut(word, "=")
		switch {
		case !ok:
			for _, name := range strings.Split(word, ",") {
				things = append(things, s.name(name))
			}
		case key == "parent":
			e["type"], e["parentID"], epcs, quantities = "AggregationEvent", s.name(value), "childEPCs", "childQuantityList"
		case key == "lot":
			part := strings.Split(value, ":")
			lot := map[string]any{"epcClass": s.name(part[0])}
			if len(part) > 1 {
				lot["quantity"] = json.Number(part[1])
			}
			if len(part) > 2 {
				lot["uom"] = part[2]
			}
			lots = append(lots, lot)
		case key == "to":
			e["destinationList"] = []any{map[string]string{"type": "possessing_party", "destination": s.name(value)}}
		case key == "abroad":
			e["destinationList"] = []any{map[string]string{"type": "possessing_party", "destination": "https://id.gs1.org/417/" + value}}
		case key == "id":
			e["eventID"] = "urn:example:event:" + s.tag + value
		case key == "ago":
			d, err := time.ParseDuration(value)
			must(t, err)
			e["eventTime"] = time.Now().Add(-d).UTC().Format(time.RFC3339Nano)
		case key == "void":
			e["errorDeclaration"] = map[string]any{"declarationTime": e["eventTime"], "reason": value}
		default:
			t.Fatalf("no such word: %s", word)
		}
	}
	if things != nil {
		e[epcs] = things
	}
	if lots != nil {
		e[quantities] = lots
	}
	if raw != "" {
		must(t, json.Unmarshal([]byte("{"+raw), &e))
	}
	body, err := json.Marshal(e)
	must(t, err)
	return body
}
