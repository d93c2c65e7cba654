package api

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// maxAct bounds the body of a request for an act.
const maxAct = schemas.MaxBody

// postAct answers a request that is an act: its body has the act's members, and the
// path some of them, named in turn as the path and as the act has them. The act is
// signed with the gateway's key, as an event is, and the answer is its receipt.
func (g *Gateway) postAct(name string, inPath ...string) http.HandlerFunc {
	return g.postNumbered(name, nil, inPath...)
}

// postNumbered is postAct of an act some of whose members are numbers in the path.
func (g *Gateway) postNumbered(name string, numbers []string, inPath ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		g.write(w, r, maxAct, func(body []byte, dry bool) (*answer, error) {
			return g.takeAct(r, body, dry, name, numbers, inPath...)
		})
	}
}

// takeAct reads an act from a request's body and path, and submits it.
func (g *Gateway) takeAct(r *http.Request, body []byte, dry bool, name string, numbers []string, inPath ...string) (*answer, error) {
	if len(body) == 0 {
		body = []byte("{}")
	}
	var given []string
	for i := 0; i+1 < len(inPath); i += 2 {
		value, err := segment(r, inPath[i])
		if err != nil {
			return nil, err
		}
		given = append(given, inPath[i+1], value)
	}
	request, err := numbered(r, body, numbers)
	if err != nil {
		return nil, err
	}
	act, err := schemas.ReadAct(name, request, time.Now(), given...)
	if err != nil {
		return nil, err
	}
	return g.submitAct(r, body, act, dry)
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

// numbered puts numbers of a request's path before the members of its body; 0 is left out.
func numbered(r *http.Request, body []byte, names []string) ([]byte, error) {
	if len(names) == 0 {
		return body, nil
	}
	rest, ok := bytes.CutPrefix(bytes.TrimSpace(body), []byte{'{'})
	if !ok {
		return nil, fault(schemas.BadJSON, "send an object")
	}
	rest = bytes.TrimLeft(rest, " \t\r\n")
	var members []byte
	for _, name := range names {
		text, err := segment(r, name)
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return nil, fault(schemas.BadParameter, name+" in the path is a number: "+clip(text))
		}
		if n == 0 && name == "handover" {
			return nil, fault(schemas.NoSuchHandover, "hand-overs are numbered from 1")
		}
		if n > 0 {
			members = fmt.Appendf(members, "%q:%d,", name, n)
		}
	}
	if bytes.HasPrefix(rest, []byte{'}'}) {
		members = bytes.TrimSuffix(members, []byte{','})
	}
	return append(append([]byte{'{'}, members...), rest...), nil
}
