package proof_test

import (
	"bytes"
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// forgery is what somebody does who has the whole ledger, and every bundle of
// it, but no key of others: it alters a bundle of the unit, or the trust.
type forgery struct {
	name   string
	forge  func(l *ledger, b *proof.Bundle, trust *proof.Trust)
	refuse string // what the error must say
}

func TestForgeries(t *testing.T) {
	eachForgery(t, func(f *forgery, b *proof.Bundle, trust *proof.Trust) { f.mustBeRefused(t, b, trust) })
}

// eachForgery makes every forgery of a bundle that holds.
func eachForgery(t *testing.T, do func(f *forgery, b *proof.Bundle, trust *proof.Trust)) {
	t.Helper()
	for _, list := range []struct {
		subject   proof.Subject
		id        string
		forgeries []forgery
	}{{proof.AnItem, unit, forgedHeaders}, {proof.AnItem, unit, forgedState}, {proof.AnItem, unit, forgedRecords}, {proof.AClass, lot, forgedClass}, {proof.APartner, "nobody", forgedPartner}} {
		for _, f := range list.forgeries {
			l := newStory(t)
			b, trust := l.build(list.subject, list.id), l.trust()
			if _, err := proof.Verify(b.Encode(), trust); err != nil {
				t.Fatal(err)
			}
			f.forge(l, b, trust)
			do(&f, b, trust)
		}
	}
}

// What sent nothing has no leaf, so that nothing but its form vouches for the name.
var forgedPartner = []forgery{
	{"a sentence as a partner's id", silent("x had then sent nothing. The custodian of the item urn:x:1 was then the partner acme-farms. The partner y"), "none that a partner can have"},
	{"an item's identifier as a partner's id", silent(unit), "none that a partner can have"},
	{"orders to a terminal as a partner's id", silent("x\x1b[2Jy"), "none that a partner can have"},
	{"two parts of a state key as a partner's id", silent("carrier\x00k1"), "none that a partner can have"},
	{"a partner's id in capitals", silent("Carrier"), "none that a partner can have"},
	{"a partner that sent something", silent("carrier"), "absence of a register"},
}

// silent says that somebody of this id sent nothing.
func silent(id string) func(l *ledger, b *proof.Bundle, trust *proof.Trust) {
	return func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		_, path, _ := l.State(schemas.RegisterKey(id))
		b.Subjects[0].ID, b.Subjects[0].Path = id, path.Append(nil)
	}
}

// mustBeRefused fails unless what was forged is refused, for its reason.
func (f *forgery) mustBeRefused(t *testing.T, b *proof.Bundle, trust *proof.Trust) {
	t.Helper()
	r, err := proof.Verify(b.Encode(), trust)
	switch {
	case err == nil:
		t.Errorf("%s: verified: %s", f.name, report(t, r))
	case !strings.Contains(err.Error(), f.refuse):
		t.Errorf("%s: refused with %q, not for %q", f.name, err, f.refuse)
	}
}

var forgedHeaders = []forgery{
	{"another chain", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.ChainID = "other" }, "chain: the bundle is of"},
	{"trust of another chain", func(l *ledger, b *proof.Bundle, trust *proof.Trust) { trust.ChainID = "other" }, "chain: the bundle is of"},
	{"validators of the forger's own", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		for i := range l.vals {
			l.signers[i] = keyOf(100 + i)
			l.vals[i].Public = l.signers[i].Public().(ed25519.PublicKey)
		}
		*b = *l.build(proof.AnItem, unit)
	}, "no step leads there"},
	{"one validator more", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Validators = append(slices.Clone(b.Validators), proof.Validator{Public: keyOf(9).Public().(ed25519.PublicKey), Power: 1})
	}, "no step leads there"},
	{"one validator weightier", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Validators = slices.Clone(b.Validators)
		b.Validators[0].Power = 1000
	}, "no step leads there"},
	{"half of the votes", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Commit.Votes = b.Commit.Votes[:2] }, "more than two thirds"},
	{"no vote", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Commit.Votes = nil }, "more than two thirds"},
	{"one vote thrice", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Commit.Votes[1], b.Commit.Votes[2] = b.Commit.Votes[0], b.Commit.Votes[0]
	}, "behind that of"},
	{"a vote of no validator", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Commit.Votes[2].Index = 4 }, "vote of validator 4"},
	{"a false vote beyond two thirds", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Commit.Votes[2].Signature = bytes.Clone(b.Commit.Votes[1].Signature)
	}, "signature of validator 2"},
	{"votes of another round", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Commit.Round++ }, "signature of validator 0"},
	{"another app hash", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Header.App = schemas.Hash{1} }, "signature of validator 0"},
	{"a later height", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Header.Height++ }, "signature of validator 0"},
	{"a later time", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Header.Time = b.Header.Time.Add(time.Hour) }, "signature of validator 0"},
	{"no app hash", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Header.App = schemas.Hash{} }, "signature of validator 0"},
	{"height zero", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Header.Height = 0 }, "height 0"},
	{"another header at the trusted height", func(l *ledger, b *proof.Bundle, trust *proof.Trust) { trust.Height = b.Header.Height }, "at the trusted height"},
	{"a time that the trusted header has not", func(l *ledger, b *proof.Bundle, trust *proof.Trust) {
		trust.Height, trust.HeaderHash = b.Header.Height, b.Header.Hash(b.ChainID, trust.ValidatorSetHash)
	}, "not that of its header"},
	{"an older height of a later time", func(l *ledger, b *proof.Bundle, trust *proof.Trust) { trust.Height = 1000 }, "contradict"},
	{"header and commit of an earlier height", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		early := newLedger(l.t).build(proof.AnItem, unit)
		b.Header, b.Commit = early.Header, early.Commit
	}, "item " + unit + ": leaf: path of a member"},
	{"next validators that are its own", func(_ *ledger, b *proof.Bundle, trust *proof.Trust) { b.Header.NextValidators = trust.ValidatorSetHash }, "although they are its own"},
	{"next validators of the forger's own", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) { b.Header.NextValidators = schemas.Hash{1} }, "signature of validator 0"},
	{"a hash beside the header's fields", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) { b.Header.Beside[3][0] ^= 1 }, "signature of validator 0"},
}

var forgedState = []forgery{
	{"another item's identifier", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Subjects[0].ID = other }, "item " + other + ": leaf: path"},
	{"another item's leaf", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Subjects[0].Value, b.Subjects[0].Path = l.build(proof.AnItem, other).Subjects[0].Value, l.build(proof.AnItem, other).Subjects[0].Path
	}, "item " + unit + ": leaf: path"},
	{"an identifier in another form", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Subjects[0].ID = "urn:epc:id:sgtin:9521234.054321.1001"
	}, "not in canonical form"},
	{"an item called a class", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Subjects[0].Kind = proof.AClass }, "class " + unit + ": leaf: path"},
	{"an item called unknown", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Subjects[0].Kind = proof.Unknown }, "or there is one of what is unknown"},
	{"an item called a partner", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Subjects[0].Kind = proof.APartner }, "none that a partner can have"},
	{"an absence beside the leaf", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Subjects[0].Other = b.Subjects[0].Path }, "a path too many"},
	{"an item denied by its own path", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		deny(b, b.Subjects[0].Path, b.Subjects[0].Path)
	}, "absence as item"},
	{"an item denied as class only", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		_, path, _ := l.State(schemas.ClassKey(unit))
		deny(b, path.Append(nil), path.Append(nil))
	}, "absence as item"},
	{"an item denied without a class's absence", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		*b = *l.build(proof.AnItem, "https://id.gs1.org/01/09521234543213/21/none")
		b.Subjects[0].Other = nil
	}, "absence as class"},
	{"records of an unknown item", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		absent := l.build(proof.AnItem, "https://id.gs1.org/01/09521234543213/21/none")
		absent.Partners, absent.Transactions = b.Partners, b.Transactions
		*b = *absent
	}, "of which the bundle has no records"},
	{"another custodian", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		it := schemas.Item{Custodian: "borg-foods", Custody: l.head(custody(unit)), Observations: l.head(observations(unit))}
		b.Subjects[0].Value, b.Subjects = it.Append(nil), b.Subjects[:1]
	}, "item " + unit + ": leaf: path"},
	{"no container", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Subjects = b.Subjects[:1] }, "its leaf is missing"},
	{"another container", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Subjects[1].ID = other }, "item " + other + ": leaf: path"},
	{"a container too many", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Subjects = append(b.Subjects, b.Subjects[1]) }, "twice"},
	{"a thing that nothing needs", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Subjects = append(b.Subjects, l.build(proof.AnItem, other).Subjects[0])
		b.Subjects[2].Trails = nil
	}, "nothing needs it"},
	{"a partner beside an item", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Subjects = append(b.Subjects, l.build(proof.APartner, "carrier").Subjects[0])
	}, "nobody asked for it"},
	{"a release that is none", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Releases = []proof.ReleasePart{{Container: pallet, Leaf: proof.StateLeaf{Value: b.Subjects[0].Value, Path: b.Subjects[0].Path}}}
	}, "nothing needs it"},
	{"no trail", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) { b.Subjects[0].Trails = nil }, "custody trail is missing"},
	{"a trail from its second record on", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) { b.Subjects[0].Trails[0].First = 1 }, "begins with record 1"},
	{"trails out of order", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) { slices.Reverse(b.Subjects[0].Trails) }, "custody trail is missing"},
	{"a class's trail of an item", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Subjects[0].Trails = append(b.Subjects[0].Trails[:1], proof.TrailPart{Kind: schemas.ClassTrail})
	}, "such a subject has not"},
	{"hashes beside a whole trail", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Subjects[0].Trails[0].Beside = make([][32]byte, 1)
	}, "not those that the ledger has"},
	{"a path of a malformed kind", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Subjects[0].Path = []byte{2, 0, 0} }, "malformed"},
	{"no custodian's leaf", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Partners = b.Partners[:2] }, "custodian \"carrier\""},
	{"a partner without its leaf", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Partners[0].Leaf = nil }, "its leaf is missing"},
	{"times that are not there", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Scope.Times = true }, "0 blocks are proven of 3"},
	{"a partner too many", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		l.put(unit, schemas.Item{Custodian: "acme-farms"})
		*b = *l.build(proof.AnItem, unit)
		value, path, _ := l.State(schemas.PartnerKey("carrier"))
		b.Partners = append(b.Partners, proof.PartnerPart{ID: "carrier", Leaf: &proof.StateLeaf{Value: value, Path: path.Append(nil)}})
	}, "no record and no item needs it"},
	{"a key too many", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		value, path, _ := l.State(schemas.KeyKey("carrier", "k1"))
		b.Partners[2].Keys = []proof.KeyPart{{ID: "k1", Leaf: proof.StateLeaf{Value: value, Path: path.Append(nil)}}}
	}, "no record needs it"},
	{"partners out of order", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Partners[0], b.Partners[1] = b.Partners[1], b.Partners[0]
	}, "ids ascend"},
	{"a partner under another's name", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Partners[0].ID = "acme" }, "partner \"acme\": path"},
	{"another key's leaf", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Partners[0].Keys[0].Leaf = b.Partners[1].Keys[0].Leaf
	}, "key \"k1\" of partner \"acme-farms\": path"},
	{"a key held otherwise", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		k := schemas.Key{Public: secretOf("acme-farms").Public().(ed25519.PublicKey), Roles: schemas.RoleCapture, Held: schemas.HeldInHardware, From: 1}
		b.Partners[0].Keys[0].Leaf.Value = k.Append(nil)
	}, "key \"k1\" of partner \"acme-farms\": path"},
	{"a key that begins later", keyWas(schemas.Key{Roles: schemas.RoleCapture, Held: schemas.HeldByClient, From: 3}), "not valid at this height"},
	{"a key that ended before", keyWas(schemas.Key{Roles: schemas.RoleCapture, Held: schemas.HeldByClient, From: 1, Until: 3}), "not valid at this height"},
	{"a key of another role", keyWas(schemas.Key{Roles: schemas.RoleAdmin, Held: schemas.HeldByClient, From: 1}), "may not sign it"},
}

// keyWas is a ledger that recorded what this key must not sign.
func keyWas(k schemas.Key) func(l *ledger, b *proof.Bundle, trust *proof.Trust) {
	return func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		l.setKey("acme-farms", k)
		*b = *l.build(proof.AnItem, unit)
	}
}

var forgedRecords = []forgery{
	{"the last record left out", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Transactions = b.Transactions[:2] }, "custody trail of " + unit + ": it has 2 records, the bundle 1"},
	{"an observation left out", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions[1].Messages = b.Transactions[1].Messages[:1]
	}, "observation trail of " + unit + ": it has 2 records, the bundle 1"},
	{"a record left out and the count lowered", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		it, _ := schemas.DecodeItem(b.Subjects[0].Value)
		it.Custody = schemas.Head{Root: proof.RootOf(l.entries[custody(unit)][:1]), Count: 1}
		b.Subjects[0].Value, b.Transactions = it.Append(nil), b.Transactions[:2]
	}, "item " + unit + ": leaf: path"},
	{"an observation called custody, and the reverse", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions[0].Messages[0].Trails[0].Kind, b.Transactions[1].Messages[0].Trails[0].Kind = schemas.ObservationTrail, schemas.CustodyTrail
	}, "not those that the ledger has"},
	{"a record of a class's trail", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions[0].Messages[0].Trails[0].Kind = schemas.ClassTrail
	}, "of which the bundle has no records"},
	{"a record twice", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions = append(b.Transactions, b.Transactions[2])
	}, "or twice"},
	{"a message twice", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		m := &b.Transactions[1].Messages
		*m = append((*m)[:1:1], (*m)[0])
	}, "stands behind"},
	{"records out of order", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions[0], b.Transactions[1] = b.Transactions[1], b.Transactions[0]
	}, "behind a later one"},
	{"records at each other's places", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions[0].Height, b.Transactions[2].Height = b.Transactions[2].Height, b.Transactions[0].Height
		b.Transactions[0], b.Transactions[2] = b.Transactions[2], b.Transactions[0]
	}, "not those that the ledger has"},
	{"a record at another height", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Transactions[0].Height-- }, "not those that the ledger has"},
	{"a record later than the state", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Transactions[2].Height = 97 }, "later than the state"},
	{"a record at another position", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Transactions[0].Position = 7 }, "not those that the ledger has"},
	{"a neighbour's index", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Transactions[1].Messages[0].Index = 0 }, "not in the signed header"},
	{"an index beyond the transaction", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Transactions[1].Messages[1].Index = 9 }, "not in the signed header"},
	{"another item's record of the same transaction", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		theirs := l.build(proof.AnItem, other).Transactions[0].Messages
		b.Transactions[1].Messages = append(theirs, b.Transactions[1].Messages...)
	}, "it has 2 records, the bundle 3"},
	{"another item's record instead", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		theirs := l.build(proof.AnItem, other).Transactions[0].Messages
		b.Transactions[1].Messages = append(theirs, b.Transactions[1].Messages[0])
	}, "not those that the ledger has"},
	{"another effect", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions[0].Messages[0].Result.Effect = schemas.Claim
	}, "not those that the ledger has"},
	{"a flag dropped", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Transactions[1].Messages[0].Result.Flags = nil }, "not those that the ledger has"},
	{"a flag added", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions[0].Messages[0].Result.Flags = []schemas.Code{schemas.NotCustodian}
	}, "not those that the ledger has"},
	{"a refused message", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions[0].Messages[0].Result.Code = schemas.Undone
	}, "none that this trail has"},
	{"a first that nothing commits to", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions[0].Messages[0].Result.First = &schemas.Locator{Height: 1}
	}, "none that this trail has"},
	{"an event as an order", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Transactions[0].Messages[0].Kind = 2 }, "body:"},
	{"another kind", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Transactions[0].Messages[0].Kind = 4 }, "of kind 4"},
	{"another secret", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Transactions[0].Messages[0].Secret[0] ^= 1 }, "not in the signed header"},
	{"another duplicate key", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions[0].Messages[0].DuplicateKey = make([]byte, 32)
	}, "not in the signed header"},
	{"no duplicate key", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Transactions[0].Messages[0].DuplicateKey = nil }, "not in the signed header"},
	{"a body of another place and the same skeleton", withMember(`"readPoint"`, `{"id":"https://id.gs1.org/414/9521234000006"}`), "not in the signed header"},
	{"a body of another step", withMember("bizStep", `"shipping"`), "not in the signed header"},
	{"a member smuggled in", withMember("bizStep", `"commissioning","disposition":"active"`), "not those that it was made of"},
	{"a member that is no JSON", withMember("bizStep", `"commissioning`), "body:"},
	{"a member with blanks", withMember("bizStep", ` "commissioning"`), "body:"},
	{"a member that is not text", withMember("\xff", `1`), "body:"},
	{"members out of order", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		m := b.Transactions[0].Messages[0].Members
		m[0], m[1] = m[1], m[0]
	}, "stands behind"},
	{"a member twice", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		m := &b.Transactions[0].Messages[0]
		m.Members = append(m.Members, m.Members[len(m.Members)-1])
	}, "body:"},
	{"a longer path", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		m := &b.Transactions[0].Messages[0]
		m.Inclusion = append(m.Inclusion, [32]byte{1})
	}, "not in the signed header"},
	{"another's signature", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions[0].Signature = b.Transactions[2].Signature
	}, "signature by key"},
	{"another's header", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions[0].Header, b.Transactions[0].Signature = b.Transactions[2].Header, b.Transactions[2].Signature
	}, "not in the signed header"},
	{"a header with a byte behind it", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions[0].Header = append(bytes.Clone(b.Transactions[0].Header), 0)
	}, "header:"},
	{"a transaction of another chain", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		far := newLedger(l.t)
		far.chain = "other"
		far.transact("acme-farms", message{body: eventJSON(unit, "ADD", "commissioning", ""), trails: []schemas.TrailKey{custody(unit)}, result: applied})
		l.records[custody(unit)][0], l.entries[custody(unit)][0] = far.records[custody(unit)][0], far.entries[custody(unit)][0]
		l.put(unit, schemas.Item{Custodian: "acme-farms"})
		*b = *l.build(proof.AnItem, unit)
	}, "signed for the chain"},
}

// withMember gives the first event another member, in its place.
func withMember(name, value string) func(l *ledger, b *proof.Bundle, trust *proof.Trust) {
	name = strings.Trim(name, `"`)
	return func(_ *ledger, b *proof.Bundle, _ *proof.Trust) {
		m := &b.Transactions[0].Messages[0]
		m.Members = slices.DeleteFunc(slices.Clone(m.Members), func(m schemas.Member) bool { return m.Name == name })
		m.Members = append(m.Members, schemas.Member{Name: name, Value: []byte(value)})
		slices.SortFunc(m.Members, func(a, b schemas.Member) int { return strings.Compare(a.Name, b.Name) })
	}
}

var forgedClass = []forgery{
	{"another balance", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		more := schemas.LotBalance{Amount: "50"}
		b.Balances[1].Value = more.Append(nil)
	}, "balance of \"carrier\" in unit \"\": path"},
	{"a balance denied", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Balances[1].Value = nil }, "balance of \"carrier\" in unit \"\": path"},
	{"a balance made up", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Balances[0].Value = b.Balances[1].Value }, "balance of \"borg-foods\" in unit \"\": path"},
	{"a balance left out", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Balances = b.Balances[1:] }, "1 are there, the records name 2"},
	{"a balance too many", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Balances = append(b.Balances, b.Balances[1]) }, "1 are there that no record names"},
	{"balances exchanged", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Balances[0], b.Balances[1] = b.Balances[1], b.Balances[0]
	}, "balance of \"borg-foods\""},
	{"a record left out with its balance", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions, b.Balances, b.Partners = b.Transactions[:1], b.Balances[1:], b.Partners[1:]
	}, "class trail of " + lot + ": the records are not those that the ledger has"},
	{"a part of a lot's records with ancestors", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions, b.Balances, b.Partners, b.Scope.Ancestors = b.Transactions[:1], b.Balances[1:], b.Partners[1:], 1
		b.Subjects[0].Trails[0].Beside, _ = l.Beside(class(lot), 2, 0, 1)
	}, "class trail of " + lot + ": it has 2 records, the bundle 1"},
	{"a class called an item", func(l *ledger, b *proof.Bundle, _ *proof.Trust) { b.Subjects[0].Kind = proof.AnItem }, "item " + lot + ": leaf: path"},
	{"a record of custody", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions[0].Messages[0].Trails[0].Kind = schemas.CustodyTrail
	}, "of which the bundle has no records"},
	{"balances of an item", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		balances := b.Balances
		*b = *l.build(proof.AnItem, unit)
		b.Balances = balances
	}, "2 are there that no record names"},
}

// deny makes a bundle of an item one that says that there is none.
func deny(b *proof.Bundle, item, class []byte) {
	*b = proof.Bundle{ChainID: b.ChainID, Header: b.Header, Commit: b.Commit, Validators: b.Validators,
		Subjects: []proof.SubjectPart{{Kind: proof.Unknown, ID: b.Subjects[0].ID, Path: item, Other: class}}}
}
