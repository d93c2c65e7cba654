package proof_test

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// ledger is a synthetic one: real keys, a real tree and real logs, but no rules:
// each test says what a message did.
type ledger struct {
	t       testing.TB
	chain   string
	height  int64 // of the last block
	start   time.Time
	state   map[string]string
	records map[schemas.TrailKey][]proof.Record
	entries map[schemas.TrailKey][][32]byte
	vals    []proof.Validator
	signers []ed25519.PrivateKey // of the validators
	nonce   byte
	codec   *schemas.Codec
}

// newCodec gives all ledgers one codec: it is dear to make, and has no state.
var newCodec = sync.OnceValues(schemas.NewCodec)

const testChain = "waybill-test"

// Identifiers of the tests, under GS1's demonstration prefix.
const (
	unit    = "https://id.gs1.org/01/09521234543213/21/1001"
	other   = "https://id.gs1.org/01/09521234543213/21/1002"
	pallet  = "https://id.gs1.org/00/095212345000000018"
	priced  = "https://id.gs1.org/01/09521234543213/21/9001"
	private = "urn:example:thing:7" // may be an item's and a lot's
	lot     = "https://id.gs1.org/01/09521234543213/10/L1"
)

func newLedger(t testing.TB) *ledger {
	l := &ledger{t: t, chain: testChain, height: 1, start: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC), state: map[string]string{},
		records: map[schemas.TrailKey][]proof.Record{}, entries: map[schemas.TrailKey][][32]byte{}}
	codec, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	l.codec = codec
	for i := range 4 {
		l.signers = append(l.signers, keyOf(i))
		l.vals = append(l.vals, proof.Validator{Public: keyOf(i).Public().(ed25519.PublicKey), Power: 10})
	}
	for i, id := range []string{"acme-farms", "borg-foods", "carrier"} {
		p := schemas.Partner{ID: id, Name: "The " + id, GLN: fmt.Sprintf("952123400000%d", i), Standing: schemas.StandingMember}
		l.set(schemas.PartnerKey(id), p.Append(nil))
		l.setKey(id, schemas.Key{Roles: schemas.RoleCapture, Held: schemas.HeldByGateway, From: 1})
	}
	return l
}

func (l *ledger) set(key, value []byte) { l.state[string(key)] = string(value) }

// secretOf is a partner's signing key.
func secretOf(partner string) ed25519.PrivateKey { return keyOf(int(partner[0])) }

// setKey gives the partner's one key other properties.
func (l *ledger) setKey(partner string, k schemas.Key) {
	k.Public = secretOf(partner).Public().(ed25519.PublicKey)
	l.set(schemas.KeyKey(partner, "k1"), k.Append(nil))
}

// message is what a test reports, and in which trails it is recorded.
type message struct {
	body   string
	trails []schemas.TrailKey
	result schemas.Result
	dup    []byte
}

func custody(id string) schemas.TrailKey {
	return schemas.TrailKey{Kind: schemas.CustodyTrail, Subject: id}
}

func observations(id string) schemas.TrailKey {
	return schemas.TrailKey{Kind: schemas.ObservationTrail, Subject: id}
}

func class(id string) schemas.TrailKey {
	return schemas.TrailKey{Kind: schemas.ClassTrail, Subject: id}
}

func partnerTrail(id string) schemas.TrailKey {
	return schemas.TrailKey{Kind: schemas.PartnerTrail, Subject: id}
}

var applied = schemas.Result{Effect: schemas.Applied}

// eventJSON is an object event about one thing, its members not in order of name.
func eventJSON(id, action, step, extra string) string {
	return fmt.Sprintf(`{"@context":[{"ex":"https://example.com/"}],"type":"ObjectEvent",`+
		`"eventTime":"2026-03-01T09:00:00.000Z","eventTimeZoneOffset":"+00:00","epcList":[%q],"action":%q,"bizStep":%q%s}`, id, action, step, extra)
}

// transact records a transaction in a block of its own.
func (l *ledger) transact(partner string, messages ...message) {
	l.height++
	l.transactAt(partner, 0, messages...)
}

func (l *ledger) transactAt(partner string, position uint32, messages ...message) {
	l.t.Helper()
	l.nonce++
	draft := schemas.Draft{ChainID: l.chain, Partner: partner, KeyID: "k1", Actor: "erp", Expiry: uint64(l.height + 100),
		Nonce: make([]byte, schemas.NonceSize), Secret: make([]byte, 32)}
	draft.Nonce[0], draft.Secret[0] = l.nonce, l.nonce
	for _, m := range messages {
		event, err := decodeMessage(m.body)
		if err != nil {
			l.t.Fatalf("%s: %v", m.body, err)
		}
		draft.Events, draft.DuplicateKeys = append(draft.Events, event), append(draft.DuplicateKeys, m.dup)
	}
	raw, _, err := l.codec.Sign(draft, secretOf(partner))
	if err != nil {
		l.t.Fatal(err)
	}
	signed, err := l.codec.Decode(raw)
	if err != nil {
		l.t.Fatal(err)
	}
	var digests [][32]byte
	for _, m := range signed.Messages {
		digests = append(digests, m.Digest)
	}
	for i, m := range messages {
		r := schemas.Record{Locator: schemas.Locator{Height: l.height, Position: position, Index: uint32(i)}, Partner: partner, KeyID: "k1",
			Kind: draft.Events[i].KindOf(), Result: m.result, DuplicateKey: m.dup, Skeleton: &draft.Events[i].Skeleton, Body: draft.Events[i].Body, Secret: schemas.EventSecret(draft.Secret, i)}
		r.Digest, r.SkeletonBytes, r.BodyRoot = digests[i], signed.Messages[i].Skeleton, signed.Messages[i].BodyRoot
		path, err := proof.Inclusion(digests, uint64(i))
		if err != nil {
			l.t.Fatal(err)
		}
		for _, key := range append(m.trails, partnerTrail(partner)) {
			l.records[key] = append(l.records[key], proof.Record{Record: r, Header: signed.Raw, Signature: signed.Signature, Inclusion: path})
			l.entries[key] = append(l.entries[key], schemas.Entry(key, digests[i], signed.ID, r.Locator, &r.Result))
		}
	}
}

func (l *ledger) head(key schemas.TrailKey) schemas.Head {
	entries := l.entries[key]
	if len(entries) == 0 {
		return schemas.Head{}
	}
	return schemas.Head{Root: proof.RootOf(entries), Count: uint64(len(entries))}
}

// put writes an item's leaf, with the heads of its trails.
func (l *ledger) put(id string, it schemas.Item) {
	it.Custody, it.Observations = l.head(custody(id)), l.head(observations(id))
	l.set(schemas.ItemKey(id), it.Append(nil))
}

// State, Records and Beside make the ledger a source of bundles.

func (l *ledger) State(key []byte) ([]byte, proof.Path, error) {
	path := referencePath(l.state, string(key))
	if value, ok := l.state[string(key)]; ok {
		return []byte(value), path, nil
	}
	return nil, path, nil
}

func (l *ledger) Records(key schemas.TrailKey, from uint64, limit int) ([]proof.Record, error) {
	all := l.records[key]
	return all[from:min(uint64(len(all)), from+uint64(limit))], nil
}

func (l *ledger) Beside(key schemas.TrailKey, count, first, behind uint64) ([][32]byte, error) {
	return proof.Range(l.entries[key][:count], first, behind)
}

// header is the next block's header, which carries the ledger's state.
func (l *ledger) header() proof.Header {
	for _, id := range []string{"acme-farms", "borg-foods", "carrier"} {
		if r := (schemas.Register{Trail: l.head(partnerTrail(id))}); r.Trail.Count > 0 {
			l.set(schemas.RegisterKey(id), r.Append(nil))
		}
	}
	root := ReferenceRoot(l.state)
	fill := func(b byte) []byte { h := proof.KeyHash([]byte{b}); return h[:] }
	set := proof.ValidatorSetHash(l.vals)
	return proof.Header{VersionBlock: 11, VersionApp: 1, ChainID: l.chain, Height: l.height + 1, Time: l.start.Add(time.Duration(l.height) * time.Second),
		LastBlock:  proof.BlockID{Hash: fill(1), Parts: proof.PartSet{Total: 1, Hash: fill(2)}},
		LastCommit: fill(3), Data: fill(4), NextValidators: set[:], Consensus: fill(5), App: root[:], LastResults: fill(6), Evidence: fill(7), Proposer: fill(8)[:20]}
}

// signed is a header with every validator's vote for it.
func (l *ledger) signed(h proof.Header) proof.Signed {
	hash := h.Hash(proof.ValidatorSetHash(l.vals))
	c := proof.Commit{Round: 1, Parts: proof.PartSet{Total: 1, Hash: hash[:]}}
	for i, key := range l.signers {
		at := h.Time.Add(time.Duration(i+1) * time.Millisecond)
		c.Votes = append(c.Votes, proof.Vote{Index: uint16(i), Time: at, Signature: ed25519.Sign(key, c.SignBytes(h.ChainID, h.Height, hash, at))})
	}
	return proof.Signed{Header: h, Commit: c, Validators: l.vals}
}

// everything is what is asked for unless a test asks for something else.
func (l *ledger) everything(subject proof.Subject, id string) proof.Material {
	return proof.Material{Asked: []proof.Thing{{Kind: subject, ID: id}}, Observations: true, Scope: proof.Scope{Names: true}, Source: l}
}

func (l *ledger) build(subject proof.Subject, id string) *proof.Bundle {
	l.t.Helper()
	return l.make(l.everything(subject, id))
}

func (l *ledger) make(m proof.Material) *proof.Bundle {
	l.t.Helper()
	header := l.header()
	b, err := proof.Assemble(m)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := b.Seal(l.signed(header)); err != nil {
		l.t.Fatal(err)
	}
	return b
}

// trust is what an auditor got at the ledger's begin.
func (l *ledger) trust() *proof.Trust {
	return &proof.Trust{ChainID: l.chain, Height: 1, Time: l.start, HeaderHash: schemas.Hash{1}, ValidatorSetHash: proof.ValidatorSetHash(l.vals)}
}

// newStory is a unit that was made, seen, and packed onto a pallet that the
// carrier holds; the second transaction has other messages beside it.
func newStory(t testing.TB) *ledger {
	l := newLedger(t)
	dup := make([]byte, 32)
	dup[0] = 1
	l.transact("acme-farms", message{body: eventJSON(unit, "ADD", "commissioning", `,"eventID":"urn:uuid:1"`), trails: []schemas.TrailKey{custody(unit)}, result: applied, dup: dup})
	seen := schemas.Result{Effect: schemas.Observation, Flags: []schemas.Code{schemas.FutureTime}}
	l.transact("borg-foods",
		message{body: eventJSON(other, "OBSERVE", "inspecting", ""), trails: []schemas.TrailKey{observations(other)}, result: seen},
		message{body: eventJSON(unit, "OBSERVE", "inspecting", `,"disposition":"in_transit"`), trails: []schemas.TrailKey{observations(unit)}, result: seen},
		message{body: eventJSON(unit, "OBSERVE", "storing", ""), trails: []schemas.TrailKey{observations(unit)}, result: seen})
	l.transact("acme-farms", message{body: eventJSON(unit, "OBSERVE", "packing", ""), trails: []schemas.TrailKey{custody(unit), custody(pallet)}, result: applied})
	l.transact("carrier", message{body: lotJSON("ADD"), trails: []schemas.TrailKey{class(lot)}, result: applied})
	l.transact("borg-foods", message{body: lotJSON("OBSERVE"), trails: []schemas.TrailKey{class(lot)}, result: seen})
	held := schemas.LotBalance{Amount: "5"}
	l.set(schemas.BalanceKey(lot, "", "carrier"), held.Append(nil))
	l.transact("acme-farms",
		message{body: eventJSON(priced, "ADD", "commissioning", `,"eventID":"ni:///sha-256;0b1c?ver=CBV2.0"`+price), trails: []schemas.TrailKey{custody(priced)}, result: applied},
		message{body: eventJSON(priced, "OBSERVE", "storing", price), trails: []schemas.TrailKey{custody(priced)}, result: applied})
	l.transact("carrier", message{body: eventJSON(private, "ADD", "commissioning", ""), trails: []schemas.TrailKey{custody(private)}, result: applied})
	l.transact("carrier", message{body: strings.ReplaceAll(lotJSON("ADD"), lot, private), trails: []schemas.TrailKey{class(private)}, result: applied})
	l.put(priced, schemas.Item{Custodian: "acme-farms"})
	l.put(private, schemas.Item{Custodian: "carrier"})
	l.set(schemas.ClassKey(private), schemas.SingleHead(l.head(class(private))))
	l.put(unit, schemas.Item{Custodian: "acme-farms", Parent: pallet, Disposition: "in_transit"})
	l.put(other, schemas.Item{Custodian: "borg-foods"})
	l.put(pallet, schemas.Item{Custodian: "carrier", Levels: 1})
	l.set(schemas.ClassKey(lot), schemas.SingleHead(l.head(class(lot))))
	return l
}

// price is members of an event that not everybody should see.
const price = `,"ex:price":{"amount":12.50,"currency":"EUR"},"ex:batch":"A7","readPoint":{"id":"https://id.gs1.org/414/9521234000006"}`

func lotJSON(action string) string {
	return fmt.Sprintf(`{"type":"ObjectEvent","eventTime":"2026-03-01T09:00:00.000Z","eventTimeZoneOffset":"+00:00","action":%q,`+
		`"quantityList":[{"epcClass":%q,"quantity":5}]}`, action, lot)
}

// report is what a bundle says, as JSON: the same text is the same meaning.
func report(t testing.TB, r *proof.Report) string {
	t.Helper()
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
