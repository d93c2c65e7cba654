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
	open := &connectionCount{most: connections, idle: map[net.Conn]bool{}}
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
// the place of one that does nothing; where all do something it is closed.
type connectionCount struct {
	most int

	mu   sync.Mutex // guards what follows
	open int
	idle map[net.Conn]bool // between requests, or before the first
}

func (c *connectionCount) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		if c.open++; c.open > c.most && !c.makeRoom() {
			conn.Close() // an error says that it is closed already
			return
		}
		c.idle[conn] = true
	case http.StateIdle:
		c.idle[conn] = true
	case http.StateActive:
		delete(c.idle, conn)
	case http.StateClosed, http.StateHijacked:
		delete(c.idle, conn)
		c.open--
	}
}

// makeRoom ends a connection that does nothing; c.mu is held. The server notices,
// and tells when it is closed.
func (c *connectionCount) makeRoom() bool {
	for conn := range c.idle {
		delete(c.idle, conn)
		conn.Close() // an error says that it is closed already
		return true
	}
	return false
}
