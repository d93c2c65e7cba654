package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/network"
)

// With a participant's link the keys that are meant are the participant's: of the node's
// own partner its API key may ask nothing.
func TestKeysOfALink(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"height":1,"partner":"tiny-farm","threshold":1,"keys":[],"changes":[]}`))
	}))
	defer server.Close()
	link := network.Link{Node: server.URL, Partner: "tiny-farm", Host: "acme-farms", ChainID: "x", Key: "wbk_x"}
	stdout, stderr, status := running(t, "keys", "--node", link.String())
	if status != 0 || !strings.Contains(stdout, "threshold 1") || strings.Join(asked, " ") != "/api/v1/partners/tiny-farm/keys" {
		t.Errorf("status %d, asked %q: %s%s", status, asked, stdout, stderr)
	}
}
