package network_test

import (
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/network"
)

func TestLink(t *testing.T) {
	l := network.Link{Node: "https://acme.example.com/", Partner: "tiny-farm", Host: "acme-farms", ChainID: "goods-2026", Key: "wbk_secret"}
	text := l.String()
	if strings.Contains(text[:strings.Index(text, "#")], "tiny") || !network.IsLink(text) {
		t.Errorf("the link is %s", text)
	}
	got, err := network.ParseLink(text + "\n")
	l.Node = "https://acme.example.com"
	if err != nil || *got != l {
		t.Fatalf("%+v, %v", got, err)
	}
	none := l
	none.Key = ""
	foreign := l
	foreign.Node = "file:///etc"
	for _, bad := range []string{"", "https://acme.example.com/", text[:len(text)-7], text + "!", none.String(), foreign.String()} {
		if got, err := network.ParseLink(bad); err == nil {
			t.Errorf("%q is the link %+v", bad, got)
		}
	}
}
