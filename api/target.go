package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// target checks the request target's length, and makes the router match it
// before percent-decoding: identifiers hold slashes, as %2F.
func (g *Gateway) target(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.RequestURI) > g.limits.URI || len(r.URL.Path) > g.limits.URI {
			g.fail(w, r, fault(schemas.URITooLong, fmt.Sprintf("the request target is longer than %d bytes", g.limits.URI)))
			return
		}
		raw := r.URL.EscapedPath()
		if meant := meantPath(raw); meant != raw {
			if path, err := url.PathUnescape(meant); err == nil {
				r.URL.Path, raw = path, meant
			}
		}
		r.URL.RawPath = raw
		next.ServeHTTP(w, r)
	})
}

const epcisRoot = "/epcis/v2"

// epcisResources are the names below the root, sorted.
var epcisResources = [...]string{"bizLocations", "bizSteps", "capture", "dispositions", "epcs", "eventTypes", "events", "nextPageToken", "queries", "readPoints"}

// meantPath writes the path of an EPCIS resource as routes have it, where a client wrote
// it in another way that can mean nothing else: with a slash behind it or two before it,
// as who joins a base and a resource does; with the resource in other letters, as servers
// take it that do not tell them apart; with a web URI, or an eventID that is an event's
// hash, whose slashes are not percent-encoded. Of a Digital Link to be resolved it leaves out the slash behind it.
func meantPath(path string) string {
	rest, ok := strings.CutPrefix(path, epcisRoot+"/")
	if !ok {
		if len(path) > 1 && path[1] >= '0' && path[1] <= '9' {
			return strings.TrimRight(path, "/")
		}
		return path
	}
	rest = strings.TrimLeft(rest, "/")
	name, value, more := strings.Cut(rest, "/")
	for _, known := range epcisResources {
		if strings.EqualFold(known, name) {
			name = known
		}
	}
	if !more {
		return epcisRoot + "/" + name
	}
	if hash, ok := strings.CutPrefix(value, "ni:/"); ok && name == "events" { // its question mark is encoded: it would begin the query
		if plain, err := url.PathUnescape(strings.TrimLeft(hash, "/")); err == nil {
			value = url.PathEscape("ni:///" + plain)
		}
	}
	if scheme, web := webURI(value); web && name != "capture" && name != "queries" && name != "eventTypes" {
		end := ""
		if name != "events" {
			value, end = strings.TrimSuffix(value, "/"), "/events"
			if value, ok = strings.CutSuffix(value, end); !ok {
				end = ""
			}
		}
		value = url.PathEscape(scheme+"//"+strings.TrimLeft(value[len(scheme):], "/")) + end
	}
	if value = strings.TrimRight(value, "/"); value == "" {
		return epcisRoot + "/" + name
	}
	return epcisRoot + "/" + name + "/" + value
}

// webURI reports whether a path goes on with a web URI whose slashes stand for
// themselves, and its scheme: proxies make one slash of two.
func webURI(path string) (scheme string, ok bool) {
	for _, scheme := range []string{"https:", "http:"} {
		if len(path) > len(scheme)+1 && strings.EqualFold(path[:len(scheme)], scheme) && path[len(scheme)] == '/' {
			return path[:len(scheme)], true
		}
	}
	return "", false
}
