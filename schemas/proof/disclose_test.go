package proof_test

import (
	"bytes"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// What is withheld is not in the bundle, nor what would let a reader guess it: the
// event's secret, or an identifier that is a hash of the content.
func TestDisclosure(t *testing.T) {
	const hashed, uuid5 = `,"eventID":"ni:///sha-256;0b1c?ver=CBV2.0"`, `,"eventID":"urn:uuid:74738ff5-5367-5958-9aee-98fffdcd1876"`
	const plain = `,"eventID":"urn:uuid:74738ff5-5367-4958-9aee-98fffdcd1876"`
	const corrects = `,"eventID":"urn:example:1","errorDeclaration":{"declarationTime":"2026-03-02T09:00:00.000Z","correctiveEventIDs":["ni:///sha-256;77?ver=CBV2.0"]}`
	none := proof.Disclosure{}
	unpriced := proof.Disclosure{Withhold: []string{"ex:price"}}
	for name, c := range map[string]struct {
		extra  string
		choose proof.Disclosure
		form   string
		hidden []string // texts that must not be in the bundle
	}{
		"all is shown":                              {price + hashed, none, "whole", nil},
		"nothing of it is there":                    {"", unpriced, "whole", nil},
		"a member":                                  {price, unpriced, "partial", []string{"12.50", "ex:price"}},
		"a member beside a plain eventID":           {price + plain, unpriced, "partial", []string{"12.50"}},
		"a member beside a hash":                    {price + hashed, unpriced, "withheld", []string{"12.50", "sha-256;0b1c", "readPoint"}},
		"a member beside a hashed UUID":             {price + uuid5, unpriced, "withheld", []string{"12.50", "74738ff5"}},
		"a member beside a hash that was chosen":    {price + hashed, proof.Disclosure{Withhold: []string{"ex:price"}, HashIDs: true}, "partial", []string{"12.50"}},
		"the hash of another event":                 {corrects, unpriced, "withheld", []string{"sha-256;77"}},
		"the hash of another event that was chosen": {corrects, proof.Disclosure{Withhold: []string{"ex:price"}, HashIDs: true}, "whole", nil},
		"all but one":                               {price, proof.Disclosure{Only: []string{"readPoint"}}, "partial", []string{"12.50", "ex:batch", "A7"}},
		"none but what rules read":                  {price, proof.Disclosure{Only: []string{}}, "partial", []string{"12.50", "A7", "9521234000006"}},
		"what rules read":                           {price, proof.Disclosure{Withhold: []string{"bizStep"}}, "withheld", []string{"12.50", "commissioning"}},
		"what makes it an event":                    {price, proof.Disclosure{Withhold: []string{"eventTimeZoneOffset"}}, "withheld", []string{"12.50"}},
		"the context of what is shown":              {price, proof.Disclosure{Withhold: []string{"@context"}}, "withheld", []string{"12.50"}},
		"another partner's":                         {price, proof.Disclosure{Partner: "borg-foods"}, "withheld", []string{"12.50"}},
		"its own partner's":                         {price, proof.Disclosure{Partner: "acme-farms"}, "whole", nil},
	} {
		l := newLedger(t)
		l.transact("acme-farms", message{body: eventJSON(unit, "ADD", "commissioning", c.extra), trails: []schemas.TrailKey{custody(unit)}, result: applied})
		l.put(unit, schemas.Item{Custodian: "acme-farms"})
		m := l.everything(proof.AnItem, unit)
		m.Disclosure = c.choose
		encoded := l.make(m).Encode()
		r, err := proof.Verify(encoded, l.trust())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.Events[0].Form != c.form {
			t.Errorf("%s: the event is %s, not %s", name, r.Events[0].Form, c.form)
		}
		for _, text := range c.hidden {
			if bytes.Contains(encoded, []byte(text)) {
				t.Errorf("%s: %q is in the bundle", name, text)
			}
		}
		if secret := l.records[custody(unit)][0].Secret; c.form != "whole" && bytes.Contains(encoded, secret[:]) {
			t.Errorf("%s: the secret is in the bundle", name)
		}
	}
}
