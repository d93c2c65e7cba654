package node_test

import (
	"encoding/json"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/waybill-ledger/waybill/schemas"
)

// crafted are the codes that no line of a script provokes: forged transactions, and
// requests with other headers.
var crafted = map[schemas.Code]func(*testing.T, *town) *told{
	schemas.BadEncoding:    func(t *testing.T, x *town) *told { return x.post(t, []byte("waybill")) },
	schemas.WrongChain:     drafted(func(d *schemas.Draft) { d.ChainID = "another" }),
	schemas.WrongRules:     drafted(func(d *schemas.Draft) { d.Rules = schemas.RulesVersion + 1 }),
	schemas.UnknownPartner: drafted(func(d *schemas.Draft) { d.Partner = "nobody" }),
	schemas.UnknownKey:     drafted(func(d *schemas.Draft) { d.KeyID = "0123456789abcdef" }),
	schemas.Expired:        drafted(func(d *schemas.Draft) { d.Expiry = 1 }),
	schemas.ExpiryTooFar:   drafted(func(d *schemas.Draft) { d.Expiry = 1 << 20 }),
	schemas.KeyNotValid: func(t *testing.T, x *town) *told {
		s := &playing{town: x, t: t, tag: "205."}
		return s.line(t, `shop: Vote {"proposal":"1-0-7","approve":true}`)
	},
	schemas.BadSignature:        spoiled(func(e *schemas.Envelope) { e.Signature[7] ^= 1 }),
	schemas.RootMismatch:        spoiled(func(e *schemas.Envelope) { e.Bodies.Secret[0] ^= 1 }),
	schemas.TransactionTooLarge: spoiled(func(e *schemas.Envelope) { e.Bodies.Size = 1 << 31 }),
	schemas.BadCompression:      spoiled(func(e *schemas.Envelope) { e.Bodies.Frame = []byte("waybill") }),
	schemas.Unsupported:         spoiled(func(e *schemas.Envelope) { e.Payloads[0].Author = 1 }),

	schemas.BadXML:               requested("POST", "/epcis/v2/capture", "<epcis", "Content-Type", "application/xml"),
	schemas.BadSheet:             requested("POST", "/api/v1/imports", "--part\r\n", "Content-Type", "multipart/form-data; boundary=part"),
	schemas.Unauthorized:         requested("GET", "/api/v1/network", "", "Authorization", ""),
	schemas.NotAcceptable:        requested("GET", "/api/v1/network", "", "Accept", "image/png"),
	schemas.UnsupportedMediaType: requested("POST", "/epcis/v2/events", "{}", "Content-Type", "text/plain"),
	schemas.Forbidden: func(t *testing.T, x *town) *told {
		return x.ask(t, "POST", "/epcis/v2/events", "{}", "Authorization", "Bearer "+x.api["reader"])
	},
	schemas.NotHosted: func(t *testing.T, x *town) *told {
		made := x.ask(t, "POST", "/api/v1/guests", `{"partner":"early"}`)
		var guest struct{ Key string }
		if err := json.Unmarshal(made.body, &guest); err != nil || guest.Key == "" {
			t.Fatalf("%s: %v", made.body, err)
		}
		return x.ask(t, "GET", "/api/v1/exceptions?partner=early", "", "Authorization", "Bearer "+guest.Key)
	},
	schemas.IdempotencyConflict: func(t *testing.T, x *town) *told {
		s := &playing{town: x, t: t, tag: "507."}
		first := x.ask(t, "POST", "/epcis/v2/events", string(s.event(t, "add commissioning a")), "Idempotency-Key", "one")
		if !first.fine() {
			t.Fatalf("%s", first.body)
		}
		return x.ask(t, "POST", "/epcis/v2/events", string(s.event(t, "add commissioning b")), "Idempotency-Key", "one")
	},
	schemas.ViewExpired: func(t *testing.T, x *town) *told {
		s := &playing{town: x, t: t, tag: "512."}
		s.line(t, "acme-farms: observe storing a; observe holding a")
		list := "/epcis/v2/events?MATCH_epc=" + s.fill("%$a") + "&perPage=1"
		token := x.ask(t, "GET", list, "").header.Get("nextPageToken")
		if r := x.ask(t, "DELETE", "/epcis/v2/nextPageToken/"+token, ""); !r.fine() {
			t.Fatalf("%s", r.body)
		}
		return x.ask(t, "GET", list+"&nextPageToken="+token, "")
	},
}

func requested(method, path, body string, headers ...string) func(*testing.T, *town) *told {
	return func(t *testing.T, x *town) *told { return x.ask(t, method, path, body, headers...) }
}

// drafted posts a transaction whose draft is changed before it is signed.
func drafted(change func(*schemas.Draft)) func(*testing.T, *town) *told {
	return func(t *testing.T, x *town) *told {
		d := x.draft(ownPartner, event(t, 1))
		change(&d)
		raw, _, err := x.codec.Sign(d, x.keys[ownPartner])
		must(t, err)
		return x.post(t, raw)
	}
}

// spoiled posts a transaction that is changed after it was signed.
func spoiled(change func(*schemas.Envelope)) func(*testing.T, *town) *told {
	return func(t *testing.T, x *town) *told {
		raw, _, err := x.codec.Sign(x.draft(ownPartner, event(t, 1)), x.keys[ownPartner])
		must(t, err)
		e := &schemas.Envelope{}
		must(t, proto.Unmarshal(raw, e))
		change(e)
		raw, err = proto.MarshalOptions{Deterministic: true}.Marshal(e)
		must(t, err)
		return x.post(t, raw)
	}
}

// unprovoked are the codes that no request to such a node provokes, and why.
var unprovoked = map[schemas.Code]string{
	schemas.Replayed: "a transaction that is sent again is answered with its receipt; nodes tell one another this",

	schemas.RuleFailed:   "a fault of the rules, of which none is known",
	schemas.TooFarInside: "a hundred thousand containers in one block",

	schemas.ValidatorTaken: "a proposal is refused as partner_taken before; only what changed since meets it",
	schemas.UnsafeChange:   "another validator that was seen to sign, and then does not",
	schemas.LastValidator:  "a proposal is refused as breaks_quorum before; only what changed since meets it",
	schemas.NoValidator:    "a proposal is refused as nothing_to_change before; only what changed since meets it",
	schemas.NoMember:       "a proposal is refused as no_such_partner before; only what changed since meets it",
	schemas.TooManyMembers: "128 members",
	schemas.VotingOver:     "a vote at least a minute after the proposal",

	schemas.InProgress:     "a write without an outcome for ten seconds, while it is sent again",
	schemas.RateLimited:    "ten thousand requests at once",
	schemas.Overloaded:     "four thousand writes at once",
	schemas.Internal:       "a fault of the node, of which none is known",
	schemas.HistoryMissing: "a node that joined by a snapshot, while it fetches the rest",
	schemas.ArchiveAway:    "a node whose old bodies are in a store that is down",
}
