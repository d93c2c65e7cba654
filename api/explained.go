package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Explained wraps the listener of a server, so that its refusals of what is no request
// for a handler are problem documents, too: the standard library writes them itself,
// as text, where the head of a request is too large or malformed.
func Explained(l net.Listener) net.Listener { return explained{l} }

type explained struct{ net.Listener }

func (l explained) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return explainedConn{c}, nil
}

type explainedConn struct{ net.Conn }

// The standard library writes a refusal in one piece: a status line with a text, this
// head, and the text again.
const (
	refusalStart = "HTTP/1.1 4"
	refusalHead  = "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
	longRefusal  = 512 // bytes; no refusal is as long
)

// Write writes what the server writes, and a problem document instead of a refusal.
func (c explainedConn) Write(b []byte) (int, error) {
	if len(b) > longRefusal || !bytes.HasPrefix(b, []byte(refusalStart)) {
		return c.Conn.Write(b)
	}
	line, rest, _ := strings.Cut(string(b), "\r\n")
	status := strings.TrimPrefix(line, "HTTP/1.1 ")
	p := refusalOf(status)
	if p == nil || rest != refusalHead+status {
		return c.Conn.Write(b)
	}
	body, err := json.Marshal(p)
	if err != nil { // cannot be: a problem holds nothing that JSON lacks
		return c.Conn.Write(b)
	}
	if _, err := fmt.Fprintf(c.Conn, "%s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", line, typeProblem, len(body), body); err != nil {
		return 0, err
	}
	return len(b), nil
}

// refusalOf is the problem that a refusal with this status is, nil for none.
func refusalOf(status string) *Problem {
	code, detail, _ := strings.Cut(status, ": ")
	switch code {
	case "431 Request Header Fields Too Large":
		p := Problem{Code: schemas.URITooLong, Status: http.StatusRequestHeaderFieldsTooLarge,
			Detail: fmt.Sprintf("the request target and the headers are longer than %d bytes together", maxHead)}
		return p.in(true, http.MethodGet, "")
	case "400 Bad Request":
		if detail == "" {
			detail = "the request line or a header is malformed"
		}
		p := Problem{Code: schemas.BadParameter, Detail: detail}
		return p.in(true, http.MethodPost, "")
	}
	return nil
}

// CloseWrite ends the sending half, so that a client that still sends can read what it
// was answered.
func (c explainedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
