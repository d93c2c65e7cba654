package app_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// In scripts PARTNER/NAME is the partner with a further key, <public NAME> and <key
// NAME> are that key's public half and id, <change> is the partner's last open change.
var placeholder = regexp.MustCompile(`<(public|key|change) ?([a-z0-9]*)>`)

func (s *script) further(name string) *member { return memberOf(0, name) }

// as is the id of a further key, which is remembered.
func (s *script) as(name string) string {
	m := s.further(name)
	if s.keys == nil {
		s.keys = map[string]ed25519.PrivateKey{}
	}
	s.keys[m.keyID()] = m.key
	return m.keyID()
}

// expand answers who signs, and what is signed with its placeholders filled in.
func (s *script) expand(who, what string) (partner, out string) {
	partner, _, _ = strings.Cut(who, "/")
	return partner, placeholder.ReplaceAllStringFunc(what, func(found string) string {
		p := placeholder.FindStringSubmatch(found)
		m := s.further(partner + "/" + p[2])
		if p[2] == "own" {
			m = s.members[partner]
		}
		switch p[1] {
		case "public":
			return hex.EncodeToString(m.key.Public().(ed25519.PublicKey))
		case "key":
			return m.keyID()
		}
		open, err := s.view().KeyChanges(partner)
		if err != nil || len(open) == 0 {
			s.t.Fatalf("%s has no open change: %v", partner, err)
		}
		return open[len(open)-1].ID
	})
}

func (s *script) keyList(partner string) {
	v := s.view()
	keys, err := v.Keys(partner)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, k := range keys {
		line := fmt.Sprintf("%s %s %s from %d", k.ID, schemas.RoleNames(k.Roles), k.Held, k.From)
		if k.Until > 0 {
			line += fmt.Sprintf(" until %d", k.Until)
		}
		s.print("%s", line)
	}
	open, err := v.KeyChanges(partner)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range open {
		s.print("open %s: %s by %d until %s", c.ID, c.Act.Name(), len(c.By), time.Unix(0, c.Expires).UTC().Format("02T15:04"))
	}
	all, err := v.Partners()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range all {
		if p.ID == partner {
			s.print("threshold %d host %q state %s", p.Threshold, p.Host, p.State)
		}
	}
}

// check tells whether a transaction would be admitted.
func (s *script) check(line string) {
	raw := s.sign(s.transaction(line, s.time.Add(time.Minute)))
	res, err := s.app.CheckTx(context.Background(), &abci.RequestCheckTx{Tx: raw})
	if err != nil {
		s.t.Fatal(err)
	}
	s.print("%s", schemas.Code(res.Code))
}

// sent commits acts in a block of their own, signed by keys by turns, and answers
// the codes of the first message of each.
func (s *script) sent(lines ...string) (codes []schemas.Code) {
	s.t.Helper()
	var txs [][]byte
	for _, line := range lines {
		txs = append(txs, s.sign(s.transaction(line, s.time.Add(time.Minute))))
	}
	s.block(txs...)
	for _, r := range s.last.Receipts {
		codes = append(codes, r.Events[0].Code)
	}
	return codes
}

// pass commits the proposal of a change by farm, which others vote for.
func (s *script) pass(change string, others ...string) {
	s.t.Helper()
	lines := []string{"farm: act Propose {" + change + "}"}
	for _, other := range others {
		lines = append(lines, fmt.Sprintf(`%s: act Vote {"proposal":"%d-0-0","approve":true}`, other, s.height+1))
	}
	for i, code := range s.sent(lines...) {
		if code != schemas.OK {
			s.t.Fatalf("%s: message %d: %s", change, i, code)
		}
	}
}

func newScript(t *testing.T) *script {
	return &script{chain: newChain(t, store.Options{}), subjects: map[schemas.TrailKey]bool{}}
}

// A partner has a bounded number of admin keys that count, and none of them is the
// last to go.
func TestTooManyAdminKeys(t *testing.T) {
	s := newScript(t)
	var lines []string
	for i := range schemas.MaxThreshold {
		lines = append(lines, fmt.Sprintf(`farm: act AddKey {"public":"<public k%d>","roles":["admin"],"held":"client"}`, i))
	}
	codes := s.sent(lines...)
	for i, c := range codes {
		want := schemas.OK
		if i == schemas.MaxThreshold-1 { // with that of genesis it is one too many
			want = schemas.TooManyKeys
		}
		if c != want {
			t.Errorf("key %d: %s", i, c)
		}
	}
}

// What a vote replaces the keys of a partner with is all that it has from the next
// block on; a key that was added in the very block ends, too.
func TestReplacedKeys(t *testing.T) {
	s := newScript(t)
	s.sent(`farm: act AddKey {"public":"<public two>","roles":["admin"],"held":"client"}`)
	fresh := func(name string, roles uint32) []schemas.Key {
		return []schemas.Key{{Public: s.further("farm/" + name).key.Public().(ed25519.PublicKey), Roles: roles, Held: schemas.HeldByClient}}
	}
	for id, bad := range map[string]struct {
		keys      []schemas.Key
		threshold uint32
		code      schemas.Code
	}{
		"known":   {fresh("two", schemas.RoleAdmin), 1, schemas.KeyKnown},
		"noadmin": {fresh("new", schemas.RoleCapture), 1, schemas.LastAdminKey},
		"high":    {fresh("new", schemas.RoleAdmin), 2, schemas.ThresholdTooHigh},
		"nokey":   {nil, 1, schemas.LastAdminKey},
		"strange": {fresh("new", schemas.RoleAdmin), 1, schemas.UnknownPartner},
	} {
		partner := "farm"
		if bad.code == schemas.UnknownPartner {
			partner = "nobody"
		}
		code := s.app.TestingOnlyReplaceKeys("urn:example:event:"+id, partner, bad.keys, bad.threshold)
		if s.sent("mill: obj add epc=x id=" + id); *code != bad.code {
			t.Errorf("%s: %s", id, *code)
		}
	}
	code := s.app.TestingOnlyReplaceKeys("urn:example:event:passed", "farm", fresh("new", schemas.RoleAdmin), 1)
	s.sent(`farm: act AddKey {"public":"<public thief>","roles":["admin"],"held":"client"}`, `mill: obj add epc=a id=passed`)
	if *code != schemas.OK {
		t.Fatal(*code)
	}
	s.check(`farm: act SetThreshold {"threshold":1}`)
	s.check(`farm/two: act SetThreshold {"threshold":1}`)
	s.check(`farm/thief: act SetThreshold {"threshold":1}`)
	s.check(`farm/new: act SetThreshold {"threshold":1}`)
	if got, want := s.out.String(), "key_not_valid\nkey_not_valid\nkey_not_valid\nok\n"; got != want {
		t.Errorf("admitted are %q, not %q", got, want)
	}
	v := s.view()
	if keys, err := v.Keys("farm"); err != nil || len(keys) != 5 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

// TestMoveHost: a participant moves to another member's node by an act that it
// signed itself, and its host has no say.
func TestMoveHost(t *testing.T) {
	s := newScript(t)
	guest := memberOf(5, "guest")
	s.members["guest"] = guest
	var g schemas.Genesis
	if err := json.Unmarshal(s.genesis, &g); err != nil {
		t.Fatal(err)
	}
	g.Partners = append(g.Partners, schemas.Partner{ID: "guest", Name: "guest", GLN: guest.gln, Standing: schemas.StandingParticipant, Host: "farm", Sponsor: "farm"})
	g.Keys = append(g.Keys, schemas.Key{Partner: "guest", ID: guest.keyID(), Public: guest.key.Public().(ed25519.PublicKey), Roles: schemas.RoleCapture | schemas.RoleAdmin, Held: schemas.HeldByClient, From: 1})
	var err error
	if s.genesis, err = json.Marshal(g); err != nil {
		t.Fatal(err)
	}
	s.open()
	s.init()
	codes := s.sent(`guest: act MoveHost {"host":"watch"}`, `guest: act MoveHost {"host":"nobody"}`, `guest: act MoveHost {"host":"guest"}`, `farm: act MoveHost {"host":"mill"}`, `guest: act MoveHost {"host":"mill"}`)
	if want := []schemas.Code{schemas.NoSuchHost, schemas.NoSuchHost, schemas.NoSuchHost, schemas.NotParticipant, schemas.OK}; !slices.Equal(codes, want) {
		t.Errorf("%v, not %v", codes, want)
	}
	if p, err := s.view().Partner("guest"); err != nil || p.Host != "mill" || p.Sponsor != "farm" {
		t.Errorf("%+v %v", p, err)
	}
	// A host cannot sign for its guest: its key is not the guest's.
	d := s.draft("guest", false, s.event("obj add epc=a"))
	d.KeyID = s.members["farm"].keyID()
	raw, _, err := s.codec.Sign(d, s.members["farm"].key)
	if err != nil {
		t.Fatal(err)
	}
	if res, _ := s.app.CheckTx(context.Background(), &abci.RequestCheckTx{Tx: raw}); schemas.Code(res.Code) != schemas.UnknownKey {
		t.Errorf("what a host signs for its guest is %s", schemas.Code(res.Code))
	}
}

func (s *script) event(text string) *schemas.Event {
	s.t.Helper()
	e, err := s.notation().event(text, s.time)
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

// authored is an event that a further key of the partner signed by itself.
func (s *script) authored(who, text string) *schemas.Event {
	s.t.Helper()
	partner, _, _ := strings.Cut(who, "/")
	m := s.further(who)
	body, err := schemas.Author(chainID, partner, m.keyID(), s.event(text), m.key)
	if err != nil {
		s.t.Fatal(err)
	}
	e, err := schemas.DecodeEvent(body)
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

// TestAuthors: the signature of a message's author is judged before it is in a block,
// and what was admitted is computed again from the archive, erased or not.
func TestAuthors(t *testing.T) {
	s := newScript(t)
	s.chain = newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	s.sent(`farm: act AddKey {"public":"<public phone>","roles":["device"],"held":"hardware"}`, `farm: act AddKey {"public":"<public desk>","roles":["auditor"],"held":"client"}`)
	code := func(e *schemas.Event, alter func(d *schemas.Draft)) schemas.Code {
		d := s.draft("farm", false, e)
		alter(&d)
		res, err := s.app.CheckTx(context.Background(), &abci.RequestCheckTx{Tx: s.sign(d)})
		if err != nil {
			t.Fatal(err)
		}
		return schemas.Code(res.Code)
	}
	plain := func(*schemas.Draft) {}
	other := s.authored("farm/phone", "obj add epc=a id=a")
	forged, err := schemas.DecodeEvent(bytes.Replace(other.Body, []byte("event:a"), []byte("event:b"), 1))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		event *schemas.Event
		want  schemas.Code
	}{
		"signed":              {other, schemas.OK},
		"of another event":    {forged, schemas.BadSignature},
		"a key without role":  {s.authored("farm/desk", "obj add epc=a"), schemas.KeyNotValid},
		"a key there is not":  {s.authored("farm/nobody", "obj add epc=a"), schemas.UnknownKey},
		"a key of mill's own": {s.authored("mill/phone", "obj add epc=a"), schemas.UnknownKey},
	} {
		if got := code(tc.event, plain); got != tc.want {
			t.Errorf("%s: %s, not %s", name, got, tc.want)
		}
	}
	if got := s.submit("farm", false, other)[0]; got.Code != schemas.OK {
		t.Fatal(got)
	}
	s.submit("farm", false, s.authored("farm/phone", "obj obs epc=a id=seen"))
	records, err := s.view().Trail(schemas.TrailKey{Kind: schemas.CustodyTrail, Subject: full("a")}, 0, 10)
	if err != nil || len(records) != 1 || records[0].Skeleton.Author != s.further("farm/phone").keyID() {
		t.Fatalf("%v %v", records, err)
	}
	// The same, sent again by the gateway alone, is the same event: who signed it is no part of that.
	if got := s.submit("farm", false, s.event("obj add epc=a id=a t=-1m"))[0]; got.Code == schemas.OK && got.Effect != schemas.Duplicate {
		t.Errorf("%+v", got)
	}
	s.sent(`farm: act RevokeKey {"key":"<key phone>"}`)
	if got := code(s.authored("farm/phone", "obj obs epc=a"), plain); got != schemas.KeyNotValid {
		t.Errorf("a revoked author's is %s", got)
	}
	s.sent("farm: order erase a")
	_, blocks, err := replay(t, s.chain)
	if err != nil || !bytes.Equal(blocks[len(blocks)-1].Root[:], s.hash) {
		t.Errorf("computed again it comes to another state: %v", err)
	}
}
