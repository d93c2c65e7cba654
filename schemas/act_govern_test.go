package schemas_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

var (
	aKey      = `{"public":"` + strings.Repeat("0a", 32) + `","roles":["admin"],"held":"hardware"}`
	bKey      = `{"public":"` + strings.Repeat("0b", 32) + `","roles":["capture","device"],"held":"client"}`
	aNode     = `"nodeID":"` + strings.Repeat("0c", 20) + `"`
	aConsents = `"validator":"` + strings.Repeat("0c", 32) + `"`
	aLot      = "urn:epc:class:lgtin:9521234.054321.L"
	dock      = `{"kind":"admit","partner":"dock","name":"Dock BV","gln":"9521234000051",`
)

// proposals is one of each kind.
var proposals = []string{
	dock + `"standing":"member","keys":[` + aKey + `,` + bKey + `],` + aNode + `,` + aConsents + `}`,
	dock + `"standing":"participant","host":"farm","sponsor":"mill","lei":"5493001KJTIIGC8Y1R12","keys":[` + aKey + `]}`,
	dock + `"standing":"observer","registration":"NL 1"}`,
	`{"kind":"suspend","partner":"dock"}`,
	`{"kind":"resume","partner":"dock"}`,
	`{"kind":"remove","partner":"dock"}`,
	`{"kind":"validator","partner":"dock",` + aNode + `,` + aConsents + `}`,
	`{"kind":"remove-validator","partner":"dock"}`,
	`{"kind":"parameters","parameters":{"custody":"strict","acceptance":"client","votingSeconds":3600,"silentSeconds":86400,"retention":[{"name":"long","minSeconds":60,"maxSeconds":61},{"name":"none"}]}}`,
	`{"kind":"upgrade","height":120000,"rules":2}`,
	`{"kind":"cancel-upgrade"}`,
	`{"kind":"register-prefix","partner":"dock","prefix":"9521","strict":true}`,
	`{"kind":"withdraw-prefix","prefix":"952123400005"}`,
	`{"kind":"erase","partner":"dock","eventID":"urn:uuid:1"}`,
	`{"kind":"recover","partner":"dock","keys":[` + aKey + `],"threshold":1}`,
	`{"kind":"reassign","partner":"dock","to":"farm","items":["urn:epc:id:sgtin:9521234.054321.1001","urn:example:pallet:9"]}`,
	`{"kind":"close-recall","partner":"dock","recall":"listeria"}`,
	`{"kind":"reassign","partner":"dock","to":"farm","lots":[{"class":"urn:epc:class:lgtin:9521234.054321.L","quantity":7.25,"uom":"KGM"},{"class":"urn:epc:class:lgtin:9521234.054321.L"}]}`,
	`{"kind":"end-shipments","partner":"dock","shipments":["urn:example:shipment:1","urn:epc:id:gsin:9521234.054321001"]}`,
}

// What a proposal says it says again, from its fields and from the leaf that keeps it.
func TestProposals(t *testing.T) {
	kinds := map[schemas.ChangeKind]bool{}
	for _, body := range proposals {
		e, err := schemas.ReadAct("Propose", []byte(body), noon)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		change := e.Skeleton.Act.(*schemas.Propose).Change
		kinds[change.Kind] = true
		again, err := schemas.DecodeSkeleton(e.Skeleton.Append(nil))
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		made, err := schemas.MakeAct(again.Act, "", noon)
		if err != nil || !bytes.Equal(made.Skeleton.Append(nil), e.Skeleton.Append(nil)) {
			t.Errorf("%s is made again as %v, %v", body, made, err)
		}
		p := schemas.Proposal{Proposer: "farm", Time: 1, Ends: 2, Change: change, For: []string{"farm", "mill"}, Against: []string{"haul"}, Counts: []schemas.Count{{Member: "farm"}, {Member: "mill", Signed: 7}}}
		leaf := p.Append(nil)
		kept, err := schemas.DecodeProposal(leaf)
		if err != nil || !bytes.Equal(kept.Append(nil), leaf) {
			t.Errorf("%s is kept as %+v, %v", body, kept, err)
		}
		// What is told can be proposed again.
		told := kept.Tell(schemas.Locator{Height: 7}, 1, 4)
		if _, err := schemas.ReadAct("Propose", told.Change, noon); err != nil {
			t.Errorf("told as %s: %v", told.Change, err)
		}
	}
	for kind := schemas.Admit; kind <= schemas.EndShipments; kind++ {
		if !kinds[kind] {
			t.Errorf("no %s is tried", kind)
		}
	}
}

func TestBadProposals(t *testing.T) {
	admin := `"keys":[` + aKey + `]`
	for body, want := range map[string]string{
		`{}`:                                  "missing_field at /kind",
		`{"kind":"coup"}`:                     "bad_value at /kind",
		`{"kind":"remove"}`:                   "missing_field at /partner",
		`{"kind":"remove","partner":"A"}`:     "bad_value at /partner",
		`{"kind":"cancel-upgrade","rules":2}`: "bad_value at /rules",
		`{"kind":"register-prefix","partner":"dock","prefix":"952"}`:                                                         "bad_value at /prefix",
		`{"kind":"register-prefix","partner":"dock","prefix":"9521","strict":false}`:                                         "bad_value at /strict",
		`{"kind":"parameters","parameters":{}}`:                                                                              "bad_value at /parameters",
		`{"kind":"parameters","parameters":{"votingSeconds":60}}`:                                                            "bad_value at /parameters/votingSeconds",
		`{"kind":"parameters","parameters":{"retention":[{"name":"a"},{"name":"a"}]}}`:                                       "bad_value at /parameters/retention",
		`{"kind":"upgrade","height":-1,"rules":2}`:                                                                           "bad_value at /height",
		`{"kind":"erase","partner":"dock","eventID":"e1"}`:                                                                   "bad_identifier at /eventID",
		`{"kind":"reassign","partner":"a","to":"b","items":["urn:x:y:1","urn:x:y:1"]}`:                                       "bad_value at /items",
		`{"kind":"reassign","partner":"a","to":"b"}`:                                                                         "missing_field at /items",
		`{"kind":"reassign","partner":"a","to":"b","lots":[{"quantity":1}]}`:                                                 "missing_field at /lots/0/class",
		`{"kind":"reassign","partner":"a","to":"b","lots":[{"class":"` + aLot + `","quantity":0}]}`:                          "bad_value at /lots/0/quantity",
		`{"kind":"reassign","partner":"a","to":"b","lots":[{"class":"` + aLot + `"},{"class":"` + aLot + `","quantity":1}]}`: "bad_value at /lots",
		`{"kind":"reassign","partner":"a","to":"b","items":["urn:x:y:1"],"shipments":["urn:x:y:1"]}`:                         "bad_value at /shipments",
		`{"kind":"end-shipments","partner":"a"}`:                                                                             "missing_field at /shipments",
		`{"kind":"end-shipments","partner":"a","shipments":["urn:x:y:1","urn:x:y:1"]}`:                                       "bad_value at /shipments",
		`{"kind":"recover","partner":"dock","keys":[` + bKey + `]}`:                                                          "bad_value at /keys",
		`{"kind":"recover","partner":"dock","keys":[` + aKey + `,` + aKey + `]}`:                                             "bad_value at /keys",
		`{"kind":"recover","partner":"dock","threshold":2,` + admin + `}`:                                                    "bad_value at /threshold",
		dock + `"standing":"member"}`:                                                                                        "missing_field at /keys",
		dock + `"standing":"member","host":"farm",` + admin + `}`:                                                            "bad_value at /host",
		dock + `"standing":"participant","sponsor":"farm",` + admin + `}`:                                                    "bad_value at /host",
		dock + `"standing":"participant","host":"farm",` + admin + `}`:                                                       "bad_value at /sponsor",
		dock + `"standing":"member",` + admin + `,` + aNode + `}`:                                                            "bad_value at /nodeID",
		dock + `"standing":"observer",` + aNode + `,` + aConsents + `}`:                                                      "bad_value at /validator",
		dock + `"standing":"member","lei":"5493001KJTIIGC8Y1R13",` + admin + `}`:                                             "bad_identifier at /lei",
		`{"kind":"admit","gln":"9521234000052"}`:                                                                             "bad_identifier at /gln",
	} {
		if _, err := schemas.ReadAct("Propose", []byte(body), noon); err == nil || !strings.HasPrefix(err.Error(), want+":") {
			t.Errorf("%s: %v, not %s", body, err, want)
		}
	}
	for _, id := range []string{"1", "1-0", "01-0-0", "1-0-0-0", "0-0-0", "-1-0-0", "1-+0-0", "99999999999999999999-0-0", "1-4294967296-0"} {
		if at, ok := schemas.ParseProposalID(id); ok {
			t.Errorf("%q is the proposal at %v", id, at)
		}
	}
}

// Where a company prefix begins in an identifier.
func TestCompanyDigits(t *testing.T) {
	for id, want := range map[string]string{
		"urn:epc:id:sgtin:9521234.054321.1001": "952123454321",
		"urn:epc:id:sscc:9521234.0000000012":   "952123400000",
		"urn:epc:id:grai:9521234.05432.7":      "952123405432",
		"urn:epc:id:giai:9521234.98ab":         "952123498",
		"urn:epc:class:lgtin:9521234.054321.L": "952123454321",
		"urn:epc:id:sgln:9521234.05432.0":      "952123405432",
		"urn:example:pallet:9521234":           "",
	} {
		canonical, _, err := schemas.Canonical(id)
		if err != nil {
			t.Fatal(err)
		}
		if got := schemas.CompanyDigits(canonical); got != want {
			t.Errorf("%s, %s: %q, not %q", id, canonical, got, want)
		}
	}
}
