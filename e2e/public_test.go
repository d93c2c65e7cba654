package e2e_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api"
)

// What a partner publishes is told at its own door to whoever asks: its own events
// alone. At another's nothing is, though that one publishes the same and its node
// has the same ledger.
func TestPublicAtOneDoor(t *testing.T) {
	x := shared.get(t)
	_, body := newEvent(0, "public", 1)
	if err := acknowledge(t.Context(), x.plain(t, 0), body); err != nil {
		t.Fatal(err)
	}
	x.level(t)
	const path = "/01/09521234123453/21/public-1"
	stranger := func(i int) (int, api.PublicItem) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, x.members[i].REST+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var item api.PublicItem
		if err := json.NewDecoder(res.Body).Decode(&item); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, item
	}
	at := func(i int) []string { return []string{"--node", x.members[i].REST, "--key", x.members[i].Key} }
	if status, _ := stranger(0); status != http.StatusNotFound {
		t.Fatalf("before anything is published: %d", status)
	}
	for i := range 2 {
		out := waybill(t, append([]string{"publish", "https://id.gs1.org/01/09521234123453", "--title", "Tomatoes", "--custody"}, at(i)...)...)
		if !strings.Contains(out, "09521234123453") || !strings.Contains(waybill(t, append([]string{"publish"}, at(i)...)...), out) {
			t.Errorf("published: %s", out)
		}
	}
	status, item := stranger(0)
	if status != http.StatusOK || item.Title != "Tomatoes" || item.Publisher.Partner != x.members[0].Partner || item.Custodian != x.members[0].Partner || len(item.Events) != 1 {
		t.Errorf("at its own door: %d %+v", status, item)
	}
	if status, _ := stranger(1); status != http.StatusNotFound {
		t.Errorf("at another's: %d", status)
	}
	for i := range 2 {
		waybill(t, append([]string{"unpublish", "https://id.gs1.org/01/09521234123453"}, at(i)...)...)
	}
	if status, _ := stranger(0); status != http.StatusNotFound {
		t.Errorf("afterwards: %d", status)
	}
}
