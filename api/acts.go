package api

import (
	"net/http"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// maxAct bounds the body of a request for an act.
const maxAct = schemas.MaxBody

// postAct answers a request that is an act: its body has the act's members, and the
// path some of them, named in turn as the path and as the act has them. The act is
// signed with the gateway's key, as an event is, and the answer is its receipt.
func (g *Gateway) postAct(name string, inPath ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		g.write(w, r, maxAct, func(body []byte, dry bool) (*answer, error) {
			var given []string
			for i := 0; i+1 < len(inPath); i += 2 {
				value, err := segment(r, inPath[i])
				if err != nil {
					return nil, err
				}
				given = append(given, inPath[i+1], value)
			}
			if len(body) == 0 {
				body = []byte("{}")
			}
			act, err := schemas.ReadAct(name, body, time.Now(), given...)
			if err != nil {
				return nil, err
			}
			return g.submitAct(r, body, act, dry)
		})
	}
}

// submitAct rehearses an act, or signs it and waits for its commit.
func (g *Gateway) submitAct(r *http.Request, body []byte, act *schemas.Event, dry bool) (*answer, error) {
	if dry {
		return g.dryRun(r, false, []*schemas.Event{act})
	}
	return g.once(r, body, func(res *reservation) (*answer, error) {
		s := newSubmission(res, time.Now())
		g.gather.add(keyOf(r).ID, act, s)
		return g.await(r, s)
	})
}
