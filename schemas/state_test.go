package schemas_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/waybill-ledger/waybill/schemas"
)

// values has one reader for each kind of value that is hashed after decoding: it
// decodes and appends again.
var values = []struct {
	name string
	read func(b []byte) ([]byte, error)
}{
	{"item", func(b []byte) ([]byte, error) { v, err := schemas.DecodeItem(b); return v.Append(nil), err }},
	{"waiting", func(b []byte) ([]byte, error) { v, err := schemas.DecodeWaiting(b); return v.Append(nil), err }},
	{"contents", func(b []byte) ([]byte, error) {
		v, err := schemas.DecodeContents(b)
		return schemas.AppendContents(nil, v), err
	}},
	{"register", func(b []byte) ([]byte, error) { v, err := schemas.DecodeRegister(b); return v.Append(nil), err }},
	{"balance", func(b []byte) ([]byte, error) { v, err := schemas.DecodeLotBalance(b); return v.Append(nil), err }},
	{"offers", func(b []byte) ([]byte, error) {
		v, err := schemas.DecodeOffers(b)
		return schemas.AppendOffers(nil, v), err
	}},
	{"validator order", func(b []byte) ([]byte, error) {
		v, err := schemas.DecodeValidatorOrder(b)
		return v.Append(nil), err
	}},
	{"signing", func(b []byte) ([]byte, error) {
		v, err := schemas.DecodeSeen(b)
		return schemas.AppendSeen(nil, v), err
	}},
	{"head", func(b []byte) ([]byte, error) {
		v, err := schemas.DecodeSingleHead(b)
		return schemas.SingleHead(v), err
	}},
	{"release", func(b []byte) ([]byte, error) {
		v, err := schemas.DecodeRelease(b)
		return schemas.AppendRelease(nil, v), err
	}},
	{"partner", func(b []byte) ([]byte, error) { v, err := schemas.DecodePartner("acme", b); return v.Append(nil), err }},
	{"key", func(b []byte) ([]byte, error) { v, err := schemas.DecodeKey("acme", "k", b); return v.Append(nil), err }},
	{"result", func(b []byte) ([]byte, error) { v, err := schemas.DecodeResult(b); return v.Append(nil), err }},
	{"results", func(b []byte) ([]byte, error) {
		v, err := schemas.DecodeResults(b)
		return schemas.AppendResults(nil, v), err
	}},
	{"shipment", func(b []byte) ([]byte, error) { v, err := schemas.DecodeShipment(b); return v.Append(nil), err }},
	{"handover", func(b []byte) ([]byte, error) { v, err := schemas.DecodeHandover(b); return v.Append(nil), err }},
	{"dispute", func(b []byte) ([]byte, error) { v, err := schemas.DecodeDispute(b); return v.Append(nil), err }},
	{"measured", func(b []byte) ([]byte, error) { v, err := schemas.DecodeMeasured(b); return v.Append(nil), err }},
	{"units", func(b []byte) ([]byte, error) {
		v, err := schemas.DecodeUnits(b)
		return schemas.AppendUnits(nil, v), err
	}},
	{"locator", func(b []byte) ([]byte, error) { v, err := schemas.DecodeLocator(b); return v.Append(nil), err }},
}

func head(n byte) schemas.Head {
	return schemas.Head{Root: schemas.Sum("head", []byte{n}), Count: uint64(n)}
}

// samples has full and empty values of every kind.
func samples() map[string][][]byte {
	at := schemas.Locator{Height: 7, Position: 1, Index: 2}
	offer := schemas.Offer{Party: "acme", EventTime: -1, Time: 1 << 60, From: "other", Quantity: "1.5", Locator: at}
	shipped := offer
	shipped.Shipment, shipped.Handover, shipped.Until = "urn:example:shipment:1", 3, 1<<60
	signing := schemas.Signing{Partner: "acme", KeyID: "k", Held: schemas.HeldByClient, Author: "d", Time: 1, EventTime: 2, At: at}
	parties := schemas.ShipmentParties{Carriers: []string{"haul", "sail"}, Receiver: "shop", Inspectors: []string{"lab"}, Arbiter: "judge"}
	terms := schemas.ShipmentTerms{Deadline: 5, Bands: []schemas.Band{{Of: schemas.Humidity, Max: "60.5"}}, Documents: []schemas.Document{{Kind: "invoice"}, {Hash: schemas.Hash{2}}}}
	lots := []schemas.ShipmentLot{{Class: "urn:example:lot", Quantity: "0.5", UOM: "KGM"}}
	shipment := schemas.Shipment{Shipper: "acme", ShipmentParties: parties, ShipmentTerms: terms, Lots: lots, Items: 3, Units: 2, State: schemas.Disputed, Holder: "haul", HeldBy: "lab",
		Handovers: 2, Disputed: 1, Announced: 7, At: at, Trail: head(6), Attached: []schemas.Attachment{{Term: 2, Document: schemas.Hash{2}, Partner: "lab", Time: 8, At: at}}}
	handover := schemas.Handover{To: "haul", Offered: signing, Until: 9, Units: 3, Open: 1, Took: 1, Refused: 1, State: schemas.HandoverOpen, Answered: signing,
		Discrepancies: []schemas.Discrepancy{{ID: "urn:example:lot", What: schemas.Over, Quantity: "1", UOM: "KGM"}}, Lots: lots}
	dispute := schemas.Dispute{Opened: signing, Evidence: []schemas.Evidence{{Document: schemas.Hash{3}, Event: "urn:example:e", Partner: "haul"}}, From: schemas.GoOn, To: schemas.ComeBack, Outcome: schemas.Settled, Resolved: signing}
	extreme := schemas.Extreme{Amount: "-0.5", Time: 8, At: at}
	measured := schemas.Measured{Readings: 300, Late: 1, From: 3, Until: 9, Least: extreme, Greatest: extreme, Outside: 2, First: extreme, Last: extreme, Lasted: 1 << 40, Open: true}
	item := schemas.Item{
		Custodian: "acme", Parent: "https://id.gs1.org/00/095212312345678905", ParentEpoch: 3, Epoch: 1 << 40, Levels: 2, Disposition: "in_transit",
		Ended: true, Offer: &shipped, Waiting: 2, Turn: 300, Lots: 64, Shipment: "urn:example:shipment:1", Custody: head(1), Observations: head(2),
	}
	waiting := schemas.Waiting{Receipt: offer, Turn: 300}
	contents := []schemas.HeldLot{{Class: "a", UOM: "KGM", Amount: "0.5"}, {Class: "b", Unknown: true}}
	result := schemas.Result{Code: schemas.EventIDConflict, Effect: schemas.Duplicate, First: &at}
	result.Flag(schemas.FutureTime)
	result.Flag(schemas.NotCustodian)
	result.Flag(schemas.FutureTime)
	register := schemas.Register{Trail: head(3), Events: head(4)}
	balance := schemas.LotBalance{Amount: "-12.5", Unknown: true}
	partner := schemas.Partner{Name: "Acme Farms", GLN: "9521234000013", Standing: schemas.StandingMember, NodeID: "abc", Validate: make([]byte, 32)}
	key := schemas.Key{Public: bytes.Repeat([]byte{9}, 32), Roles: schemas.RoleCapture, Held: schemas.HeldByClient, From: 1, Until: 9}
	order := schemas.ValidatorOrder{NodeID: "abc", Key: bytes.Repeat([]byte{3}, 32), Height: 8, Ready: 300}
	return map[string][][]byte{
		"validator order": {order.Append(nil)},
		"signing":         {nil, schemas.AppendSeen(nil, []schemas.Seen{{Address: schemas.ValidatorAddress{1}, Height: 300}, {Address: schemas.ValidatorAddress{2}}})},
		"item":            {nil, item.Append(nil)},
		"waiting":         {waiting.Append(nil)},
		"contents":        {nil, schemas.AppendContents(nil, contents)},
		"register":        {nil, register.Append(nil)},
		"balance":         {nil, balance.Append(nil)},
		"offers":          {nil, schemas.AppendOffers(nil, []schemas.Offer{offer, {Locator: at}})},
		"head":            {nil, schemas.SingleHead(head(5))},
		"release":         {nil, schemas.AppendRelease(nil, "acme")},
		"partner":         {nil, partner.Append(nil)},
		"key":             {key.Append(nil)},
		"result":          {nil, result.Append(nil)},
		"results":         {nil, schemas.AppendResults(nil, []schemas.Result{{}, result})},
		"locator":         {at.Append(nil)},
		"shipment":        {nil, shipment.Append(nil)},
		"handover":        {nil, handover.Append(nil)},
		"dispute":         {nil, dispute.Append(nil)},
		"measured":        {nil, measured.Append(nil)},
		"units":           {nil, schemas.AppendUnits(nil, []string{"urn:example:1", "urn:example:2"})},
	}
}

func TestValuesComeBack(t *testing.T) {
	all := samples()
	for _, v := range values {
		if len(all[v.name]) == 0 {
			t.Errorf("%s: no samples", v.name)
		}
		for _, want := range all[v.name] {
			if got, err := v.read(want); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %x comes back as %x, %v", v.name, want, got, err)
			}
		}
	}
}

// Whatever byte of a value is changed, put in or left out, it is refused or is
// the one encoding of something else.
func TestValuesAreStrict(t *testing.T) {
	all := samples()
	for _, v := range values {
		for _, good := range all[v.name] {
			for i := range len(good) + 1 {
				for b := range 256 {
					put := append(append(append([]byte{}, good[:i]...), byte(b)), good[i:]...)
					checkStrict(t, v.name, put, v.read)
					if i < len(good) {
						changed := bytes.Clone(good)
						changed[i] = byte(b)
						checkStrict(t, v.name, changed, v.read)
					}
				}
				if i < len(good) {
					checkStrict(t, v.name, append(append([]byte{}, good[:i]...), good[i+1:]...), v.read)
				}
			}
		}
	}
}

func checkStrict(t *testing.T, name string, b []byte, read func([]byte) ([]byte, error)) {
	t.Helper()
	if got, err := read(b); err == nil && !bytes.Equal(got, b) {
		t.Fatalf("%s: %x is read as what %x says", name, b, got)
	}
}

func TestValuesRefuse(t *testing.T) {
	for _, v := range []struct{ name, value, why string }{
		{"item", "060102", "a flag of 2"},
		{"item", "0100", "an empty text"},
		{"item", "010161010161", "a field twice"},
		{"item", "020161010161", "fields in descending order"},
		{"item", "110161", "an unknown field"},
		{"item", "030100", "a zero written out"},
		{"item", "03028100", "a varint in more bytes"},
		{"item", "0180016100", "a length in more bytes"},
		{"item", "0105616263", "a field that is cut short"},
		{"item", "070401026162", "an offer without times and place"},
		{"item", "0806" + "010161020101", "a receipt for a count"},
		{"waiting", "0201" + "01", "no receipt"},
		{"contents", "0203" + "010161", "an unknown field"},
		{"contents", "0103" + "040102", "a flag of 2"},
		{"result", "0106ffffffffff01", "a code beyond 32 bits"},
		{"result", "03029a0303029903", "flags in descending order"},
		{"result", "030299030302" + "9903", "a flag twice"},
		{"result", "0401" + "00", "a short locator"},
		{"key", "", "no key"},
		{"key", "010100", "a short key"},
		{"head", "01" + "28" + fmt.Sprintf("%080d", 0), "a head of no entries"},
		{"locator", "00", "a short locator"},
	} {
		b, err := hex.DecodeString(v.value)
		if err != nil {
			t.Fatal(err)
		}
		for _, reader := range values {
			if reader.name != v.name {
				continue
			}
			if got, err := reader.read(b); err == nil {
				t.Errorf("%s: %s is accepted as %x", v.name, v.why, got)
			}
		}
	}
}

func FuzzValues(f *testing.F) {
	for name, list := range samples() {
		for i, v := range values {
			if v.name == name {
				for _, b := range list {
					f.Add(uint8(i), b)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		v := values[int(kind)%len(values)]
		checkStrict(t, v.name, b, v.read)
	})
}

func FuzzFields(f *testing.F) {
	for _, list := range samples() {
		for _, b := range list {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		var last uint64
		f := schemas.ReadFields(b)
		for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
			if n < last {
				t.Fatalf("field %d after %d", n, last)
			}
			last = n
			if len(v) == 0 {
				return // only lists may hold these, and only their user can write them
			}
			again = schemas.AppendField(again, n, v)
		}
		if f.Err() == nil && !bytes.Equal(again, b) {
			t.Fatalf("%x is written again as %x", b, again)
		}
	})
}

// Keys of different things never meet: kinds differ, and no part holds the zero
// byte that separates them.
func TestStateKeys(t *testing.T) {
	keys := map[string]string{}
	for name, key := range map[string][]byte{
		"accumulator": schemas.AccumulatorKey(), "changed": schemas.ChangedKey(), "parameters": schemas.ParametersKey(),
		"item a": schemas.ItemKey("a"), "class a": schemas.ClassKey("a"), "partner a": schemas.PartnerKey("a"), "register a": schemas.RegisterKey("a"),
		"key a b": schemas.KeyKey("a", "b"), "balance a,,b": schemas.BalanceKey("a", "", "b"), "balance a,b,": schemas.BalanceKey("a", "b", ""),
		"offers a,,b": schemas.LotOffersKey("a", "", "b"), "nonces 1": schemas.NoncesKey(1), "nonces 256": schemas.NoncesKey(256),
		"release a,1": schemas.ReleaseKey("a", 1), "release a,256": schemas.ReleaseKey("a", 256),
		"contents a,1": schemas.ContentsKey("a", 1), "contents a,256": schemas.ContentsKey("a", 256),
		"waiting a,b": schemas.WaitingKey("a", "b"), "waiting b,a": schemas.WaitingKey("b", "a"), "passed": schemas.LotPassedKey(schemas.Locator{Height: 1}),
		"recalled a": schemas.RecalledKey("a"), "recalled inside a": schemas.RecalledInsideKey("a"),
	} {
		if other, ok := keys[string(key)]; ok {
			t.Errorf("%s and %s have one key", name, other)
		}
		keys[string(key)] = name
	}
}

func TestLocatorOrder(t *testing.T) {
	ordered := []schemas.Locator{{}, {Index: 1}, {Position: 1}, {Position: 1, Index: 1}, {Height: 1}, {Height: 256}}
	for i, a := range ordered {
		for j, b := range ordered {
			want := cmpInt(i, j)
			if got := a.Compare(b); got != want || bytes.Compare(a.Append(nil), b.Append(nil)) != want {
				t.Errorf("%v and %v: %d, want %d", a, b, got, want)
			}
		}
	}
}

func cmpInt(i, j int) int {
	switch {
	case i < j:
		return -1
	case i > j:
		return 1
	}
	return 0
}

func TestResultFlags(t *testing.T) {
	var r schemas.Result
	for _, c := range []schemas.Code{schemas.FutureTime, schemas.NotCustodian, schemas.FutureTime, schemas.TooManyOpen, schemas.ClaimedUnseen} {
		r.Flag(c)
	}
	want := []schemas.Code{schemas.NotCustodian, schemas.ClaimedUnseen, schemas.FutureTime, schemas.TooManyOpen}
	if diff := cmp.Diff(want, r.Flags); diff != "" {
		t.Error(diff)
	}
	if !r.Has(schemas.FutureTime) || r.Has(schemas.FromExternal) {
		t.Error("the wrong flags are set")
	}
}

// What the doctor shows names every kind of leaves that there is.
func TestStateKindsAreNamed(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "state_kind.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	letters := map[byte]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		c, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(c.Names[0].Name, "kind") {
			return true
		}
		letter := c.Values[0].(*ast.BasicLit).Value[1]
		if other := letters[letter]; other != "" {
			t.Errorf("%s and %s are both %q", other, c.Names[0].Name, letter)
		}
		letters[letter] = c.Names[0].Name
		return true
	})
	if len(letters) == 0 {
		t.Fatal("no kinds: has the file moved?")
	}
	constants := map[string]string{} // by name
	for letter, constant := range letters {
		name, _ := schemas.DescribeKey([]byte{letter})
		if name == "" || strings.HasPrefix(name, "unknown") {
			t.Errorf("%s has no name: give it one in stateKinds", constant)
		} else if other := constants[name]; other != "" {
			t.Errorf("%s and %s are both called %q", constant, other, name)
		}
		constants[name] = constant
	}
}

func TestDescribeKey(t *testing.T) {
	at := schemas.Locator{Height: 7, Position: 1, Index: 2}
	for want, key := range map[string][]byte{
		"parameters: ":                          schemas.ParametersKey(),
		"item: urn:example:item":                schemas.ItemKey("urn:example:item"),
		"balance: urn:example:lot, KGM, acme":   schemas.BalanceKey("urn:example:lot", "KGM", "acme"),
		"emptied container: urn:example:box, 3": schemas.ReleaseKey("urn:example:box", 3),
		"hand-over: urn:example:shipment, 258":  schemas.HandoverKey("urn:example:shipment", 258),
		"transactions by expiry: 70000":         schemas.NoncesKey(70000),
		"proposal: 7-1-2":                       schemas.ProposalKey(at),
		"dispute: cut":                          []byte("Dcut"), // as no rule makes it
		"unknown kind '!': a, b":                []byte("!a\x00b"),
	} {
		if kind, name := schemas.DescribeKey(key); kind+": "+name != want {
			t.Errorf("%q is %q, want %q", key, kind+": "+name, want)
		}
	}
}
