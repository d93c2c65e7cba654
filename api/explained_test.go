package api_test

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api"
)

// What the standard library refuses before any handler sees it is told as a problem
// document; what handlers answer passes as it is.
func TestExplained(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := api.Server(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "400 Bad Request", http.StatusBadRequest) }), nil, 0)
	go server.Serve(api.Explained(listener)) // ends when the server is closed
	t.Cleanup(func() { server.Close() })
	long := strings.Repeat("a=1&", 40_000)
	for _, c := range []struct {
		head              string
		status            int
		exception, detail string // "": the handler's
	}{
		{"GET /epcis/v2/events?" + long + " HTTP/1.1\r\nHost: a\r\n\r\n", 431, "URITooLongException", "98304"},
		{"GET / HTTP/1.1\r\nHost: a\r\nX: " + long + "\r\n\r\n", 431, "URITooLongException", "98304"},
		{"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "ValidationException", "malformed"},
		{"GET / HTTP/1.1\r\nHost: a\r\na b\r\n\r\n", 400, "ValidationException", "malformed"},
		{"GET / HTTP/1.1\r\n\r\n", 400, "ValidationException", "missing required Host header"},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 400, "", ""},
	} {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		go conn.Write([]byte(c.head)) // the server may stop reading, and close, before it has all
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%.40q: %v", c.head, err)
		}
		var p api.Problem
		err = json.NewDecoder(res.Body).Decode(&p)
		res.Body.Close()
		conn.Close()
		if c.exception == "" {
			if res.StatusCode != c.status || err == nil {
				t.Errorf("%.40q: %d %+v, want what the handler answered", c.head, res.StatusCode, p)
			}
			continue
		}
		if err != nil || res.StatusCode != c.status || p.Status != c.status || res.Header.Get("Content-Type") != "application/problem+json" ||
			p.Type != "epcisException:"+c.exception || !strings.Contains(p.Detail, c.detail) || p.Hint == "" {
			t.Errorf("%.40q: %d %+v, %v", c.head, res.StatusCode, p, err)
		}
	}
}
