package api_test

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api"
)

func TestSchedule(t *testing.T) {
	type fields = map[string]string
	for _, c := range []struct {
		fields      fields
		after, next string
	}{
		{fields{"hour": "1", "minute": "5"}, "2026-05-01T01:05:00Z", "2026-05-02T01:05:00Z"},
		{fields{"hour": "1", "minute": "5"}, "2026-05-01T01:04:59.9Z", "2026-05-01T01:05:00Z"},
		{fields{"hour": "1", "minute": "5"}, "2026-05-01T02:04:59+02:00", "2026-05-01T01:05:00Z"},
		{fields{"second": "0/30"}, "2026-05-01T00:00:00Z", "2026-05-01T00:00:30Z"},
		{fields{"second": "0/30"}, "2026-12-31T23:59:30.5Z", "2027-01-01T00:00:00Z"},
		{fields{"second": "[10-12],50"}, "2026-05-01T00:00:12Z", "2026-05-01T00:00:50Z"},
		{fields{"minute": "30"}, "2026-05-01T00:30:00Z", "2026-05-01T01:30:00Z"},
		{fields{"hour": "1", "second": "7"}, "2026-05-01T01:02:07Z", "2026-05-01T01:03:07Z"},
		{fields{"dayOfMonth": "31"}, "2026-05-31T00:00:00Z", "2026-07-31T00:00:00Z"},
		{fields{"month": "2", "dayOfMonth": "29"}, "2026-05-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{fields{"month": "3"}, "2026-05-01T00:00:00Z", "2027-03-01T00:00:00Z"},
		{fields{"dayOfWeek": "1", "hour": "6"}, "2026-05-01T00:00:00Z", "2026-05-04T06:00:00Z"},  // a Friday, and the Monday after
		{fields{"dayOfWeek": "7", "hour": "23"}, "2026-05-01T00:00:00Z", "2026-05-03T23:00:00Z"}, // Sunday
		{fields{"dayOfWeek": "5", "dayOfMonth": "13"}, "2026-05-01T00:00:00Z", "2026-11-13T00:00:00Z"},
		{fields{"dayOfWeek": "3", "dayOfMonth": "29", "month": "2"}, "2028-01-01T00:00:00Z", "2040-02-29T00:00:00Z"},
	} {
		after, err := time.Parse(time.RFC3339Nano, c.after)
		if err != nil {
			t.Fatal(err)
		}
		got, err := api.TestingOnlyNext(c.fields, after)
		if err != nil || got.Format(time.RFC3339Nano) != c.next {
			t.Errorf("%v after %s: %v %v, want %s", c.fields, c.after, got, err, c.next)
		}
	}
	for _, bad := range []fields{nil, {}, {"hour": ""}, {"hour": "24"}, {"second": "60"}, {"minute": "-1"}, {"month": "0"}, {"month": "13"}, {"dayOfMonth": "32"}, {"dayOfWeek": "0"}, {"dayOfWeek": "8"},
		{"hour": "[3-1]"}, {"hour": "[1-24]"}, {"hour": "[1"}, {"hour": "1-3"}, {"hour": "1,"}, {"hour": "0/0"}, {"hour": "*"}, {"hour": "001"}, {"year": "2026"}, {"month": "2,4", "dayOfMonth": "31"}} {
		if _, err := api.TestingOnlyNext(bad, time.Now()); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

func TestGuard(t *testing.T) {
	for _, address := range []string{"127.0.0.1:80", "127.9.9.9:443", "10.1.2.3:443", "172.16.0.1:443", "172.31.255.255:1", "192.168.1.1:443", "169.254.169.254:80", "168.63.129.16:80", "100.64.0.1:443", "100.127.255.254:443",
		"0.0.0.0:80", "0.1.2.3:80", "192.0.0.192:80", "192.0.2.1:80", "198.18.0.1:80", "198.51.100.1:80", "203.0.113.1:80", "224.0.0.1:80", "239.255.255.255:80", "240.0.0.1:80", "255.255.255.255:80",
		"[::1]:80", "[::]:80", "[fe80::1%eth0]:80", "[fe80::1]:80", "[fc00::1]:80", "[fd00:ec2::254]:80", "[ff02::1]:80", "[::ffff:127.0.0.1]:80", "[::ffff:10.0.0.1]:80", "[::127.0.0.1]:80",
		"[64:ff9b::7f00:1]:80", "[64:ff9b:1::1]:80", "[2002:7f00:1::]:80", "[2001::1]:80", "[2001:db8::1]:80", "[100::1]:80", "[fec0::1]:80", "localhost:80", "nonsense"} {
		if api.TestingOnlyGuard(nil, address) == nil {
			t.Errorf("%s may be called", address)
		}
	}
	for _, address := range []string{"1.1.1.1:443", "9.255.255.255:443", "11.0.0.1:80", "172.15.0.1:80", "172.32.0.1:80", "100.63.255.255:80", "100.128.0.1:80", "[2606:4700::1111]:443", "[::ffff:1.1.1.1]:443"} {
		if err := api.TestingOnlyGuard(nil, address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	allowed := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd12::/32")}
	for address, may := range map[string]bool{"10.1.2.3:80": true, "[::ffff:10.1.2.3]:80": true, "10.2.0.1:80": false, "[fd12:0:1::1]:80": true, "[fd13::1]:80": false, "127.0.0.1:80": false} {
		if err := api.TestingOnlyGuard(allowed, address); (err == nil) != may {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// The signatures were computed with OpenSSL (dgst -sha256 -hmac).
func TestSignatures(t *testing.T) {
	const id, body = "msg_0123456789abcdef", `{"type":"EPCISQueryDocument"}`
	at := time.Unix(1777636800, 0)
	for token, want := range map[string][2]string{
		"13df38d8275b13f05704629e5f1cf3d45d6132d5":                                              {"09ca68301cecd06e5ee6bdbc8d2f1ffc563608ef652fea647a9763ac96e06d5a", "v1,eE0yZSa4No4fbkHdKpmhSv5ZwkICXxzezKJOae8BASo="},
		"whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret of waybill's own tests")): {"ec4d26697dfc13086a271fd0d8d17faca0ad12ce031431a2d9202564522e6736", "v1,lSZqxqgKusiKyRETfGKLKMMg4vB1NkDv7b8lHkZgcP8="},
		"whsec_not base64!": {"47c2c95182e00fb8ff4dfb9fe6e15755963cd8e7097f8c39db6d7e46e4717860", "v1,dNwJpC4va/Oe72hrjoldxQ70DgDzFepSsZIjaaVEAQI="},
		"":                  {"", ""},
	} {
		h := http.Header{}
		api.TestingOnlySign(h, token, id, at, []byte(body))
		if h.Get("webhook-id") != id || h.Get("webhook-timestamp") != "1777636800" || h.Get("GS1-Signature") != want[0] || h.Get("webhook-signature") != want[1] {
			t.Errorf("%s: %v", token, h)
		}
	}
}
