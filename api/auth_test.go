package api_test

import (
	"encoding/base64"
	"testing"

	"github.com/waybill-ledger/waybill/api/local"
)

// EPCIS clients of other repositories show a user and a password: the key is the latter,
// with all that holds of it, and of nothing but EPCIS resources.
func TestKeyAsPassword(t *testing.T) {
	h := newHarness(t, defaults())
	key, _, err := h.store.CreateKey("reader", local.Query)
	if err != nil {
		t.Fatal(err)
	}
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	h.do("GET", "/epcis/v2/events", "", "Authorization", basic("erp", key)).want(t, 200)
	h.do("GET", "/epcis/v2/events", "", "Authorization", basic("", key)).want(t, 200)
	h.do("POST", "/epcis/v2/events", event(1), "Authorization", basic("erp", key)).problem(t, 403, "forbidden")
	for _, wrong := range []string{basic("erp", "wrong"), basic(key, ""), basic("erp", ""), "Basic " + key, "Basic", "Digest " + key} {
		h.do("GET", "/epcis/v2/events", "", "Authorization", wrong).problem(t, 401, "unauthorized")
	}
	if r := h.do("GET", "/epcis/v2/events", "", "Authorization", basic("erp", key), "Origin", "https://elsewhere.example"); r.status != 401 || r.header.Get("WWW-Authenticate") != `Bearer realm="waybill"` {
		t.Errorf("from a page: %d %v", r.status, r.header)
	}
	h.do("GET", "/api/v1/network", "", "Authorization", basic("erp", key)).problem(t, 401, "unauthorized")
	h.do("GET", itemPath, "", "Authorization", basic("erp", key)).problem(t, 401, "unauthorized")
}
