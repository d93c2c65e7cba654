package api

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// maxHead bounds the bytes of a request's target and headers: beyond the longest target,
// so that its own limit answers.
const maxHead = 96 << 10

// maxConnections is how many connections a server holds unless told less.
const maxConnections = 4096

// Server returns an HTTP server with the limits that protect a gateway from slow
// and large requests and from too many connections; 0 means the default number.
// The caller listens, at best with Explained, and shuts down.
func Server(handler http.Handler, logger *slog.Logger, connections int) *http.Server {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	if connections <= 0 {
		connections = maxConnections
	}
	open := &connectionCount{most: connections, idle: map[net.Conn]bool{}, from: map[string]map[net.Conn]bool{}}
	return &http.Server{
		Handler:           handler,
		ConnState:         open.changed,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHead,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// connectionCount bounds the open connections. Connections need no API key, and
// the files that they take are those that the ledger writes to. A new one takes
// the place of one that does nothing; where all do something, of one whose address has
// more than its own. Where none has, it is closed.
type connectionCount struct {
	most int

	mu   sync.Mutex // guards what follows
	open int
	idle map[net.Conn]bool            // between requests, or before the first
	from map[string]map[net.Conn]bool // by address, but those that were ended for others
}

func (c *connectionCount) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	address := addressOf(conn)
	switch state {
	case http.StateNew:
		if c.from[address] == nil {
			c.from[address] = map[net.Conn]bool{}
		}
		c.from[address][conn] = true
		if c.open++; c.open > c.most && !c.makeRoom(address) {
			c.end(conn)
			return
		}
		c.idle[conn] = true
	case http.StateIdle:
		if c.from[address][conn] {
			c.idle[conn] = true
		}
	case http.StateActive:
		delete(c.idle, conn)
	case http.StateClosed, http.StateHijacked:
		c.forget(conn)
		c.open--
	}
}

// makeRoom ends a connection for a new one of an address, if there is one that should give
// way; c.mu is held.
func (c *connectionCount) makeRoom(address string) bool {
	for conn := range c.idle {
		c.end(conn)
		return true
	}
	most := address
	for other, conns := range c.from {
		if len(conns) > len(c.from[most]) {
			most = other
		}
	}
	if most == address {
		return false
	}
	for conn := range c.from[most] {
		c.end(conn)
		break
	}
	return true
}

// end closes a connection; the server notices, and tells when it is closed. c.mu is held.
func (c *connectionCount) end(conn net.Conn) {
	c.forget(conn)
	conn.Close() // an error says that it is closed already
}

// forget takes a connection out of those that may have to give way; c.mu is held.
func (c *connectionCount) forget(conn net.Conn) {
	delete(c.idle, conn)
	address := addressOf(conn)
	if delete(c.from[address], conn); len(c.from[address]) == 0 {
		delete(c.from, address)
	}
}

// addressOf is whom a connection is from, as far as its address tells.
func addressOf(conn net.Conn) string {
	host, _, _ := net.SplitHostPort(conn.RemoteAddr().String()) // "" where it has none
	return host
}
