package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// A WebSocket at a stored query's events is a subscription that lasts as long as
// the connection (EPCIS 2.0, 12.5): the same messages, from the ledger, one at a
// time. The next is read only when the client's connection has taken the last, so
// that a slow client takes no memory; one that takes none for a while is cut off.
// It goes on from the cursor that it was told, or from a record time.

// Bounds of a WebSocket.
const (
	socketWrite = 10 * time.Second // how long a handshake and a ping may take
	socketPing  = 30 * time.Second
	socketDead  = 75 * time.Second // without a word from the client
)

// socket is an open WebSocket.
type socket struct {
	owner, query string
	stop         context.CancelFunc
}

// socketAsk is what a handshake asks for.
type socketAsk struct {
	query  *StoredQuery
	sub    local.Subscription
	cursor *local.Cursor
	tell   bool // tells cursors
}

// askSocket reads the parameters of a handshake.
func (g *Gateway) askSocket(r *http.Request) (*socketAsk, error) {
	known := []string{"stream", "reportIfEmpty", "initialRecordTime", "cursors", "after"}
	for _, f := range scheduleFields {
		known = append(known, f.name)
	}
	q, err := parameters(r, known...)
	if err != nil {
		return nil, err
	}
	name, err := queryName(r)
	if err != nil {
		return nil, err
	}
	a := &socketAsk{sub: local.Subscription{Query: name, Owner: keyOf(r).ID, Made: g.subs.now().UTC(), Format: formatOf(r)}}
	if a.query, err = g.storedQuery(name); err != nil {
		return nil, err
	}
	for _, f := range scheduleFields {
		if text, ok := q[f.name]; ok {
			if a.sub.Schedule == nil {
				a.sub.Schedule = map[string]string{}
			}
			a.sub.Schedule[f.name] = text
		}
	}
	for _, flag := range []string{"stream", "reportIfEmpty", "cursors"} {
		if text, ok := q[flag]; ok && text != "true" && text != "false" {
			return nil, fault(schemas.BadSubscription, flag+" is true or false: "+clip(text))
		}
	}
	a.sub.ReportIfEmpty, a.tell = q["reportIfEmpty"] == "true", q["cursors"] == "true"
	if err := controls(&a.sub, q["stream"] == "true", q["initialRecordTime"]); err != nil {
		return nil, err
	}
	if a.cursor, err = g.begin(a.sub.Initial); err != nil {
		return nil, err
	}
	if text, ok := q["after"]; ok {
		at, err := parseLocatorToken(text)
		if err != nil || a.sub.Initial != nil {
			return nil, fault(schemas.BadSubscription, "after is a cursor that was told, without initialRecordTime")
		}
		a.cursor, a.tell = &local.Cursor{After: at}, true
	}
	return a, nil
}

// hijacker gives a WebSocket the connection below what notes the answer.
type hijacker struct{ http.ResponseWriter }

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if noted, ok := h.ResponseWriter.(*response); ok {
		noted.status = http.StatusSwitchingProtocols
	}
	return http.NewResponseController(h.ResponseWriter).Hijack()
}

// getQuerySocket answers a handshake, and then tells the client until one of both
// has enough.
func (g *Gateway) getQuerySocket(w http.ResponseWriter, r *http.Request) {
	a, err := g.askSocket(r)
	var s *socket
	var ctx context.Context
	if err == nil {
		s, ctx, err = g.subs.open(a)
	}
	if err == nil {
		defer g.subs.leave(s)
		_, err = g.keptQuery(a.sub.Query) // it may have been deleted before this one was there to be ended
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	up := websocket.Upgrader{HandshakeTimeout: socketWrite, WriteBufferSize: 16 << 10, ReadBufferSize: 1 << 10,
		CheckOrigin: func(*http.Request) bool { return true }, // a page of another origin has no API key to show
		Error: func(w http.ResponseWriter, r *http.Request, _ int, reason error) {
			g.fail(w, r, fault(schemas.BadSubscription, reason.Error()))
		}}
	told := http.Header{"GS1-EPCIS-Version": {epcisVersion}, "GS1-CBV-Version": {cbvVersion}}
	if a.sub.Format != "" {
		told[http.CanonicalHeaderKey(epcFormat)] = []string{a.sub.Format}
	}
	if a.cursor.Since != nil {
		told[minRecordTime] = []string{a.cursor.Since.UTC().Format(timeFormat)}
	} else if q, _ := queryValues(r); !q.Has("after") { // whose record time only the ledger knows
		told[minRecordTime] = []string{a.sub.Made.Format(timeFormat)}
	}
	conn, err := up.Upgrade(hijacker{w}, r, told)
	if err != nil {
		return // it was answered
	}
	defer conn.Close() // an error says that it is closed already
	go s.listen(conn)
	defer context.AfterFunc(ctx, func() { // a write that waits for a slow client ends, too
		_ = conn.NetConn().SetWriteDeadline(time.Now()) // an error says that it is closed already
	})()
	code := g.tell(ctx, a, conn)
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), g.subs.now().Add(time.Second)) // a courtesy
}

// open counts a WebSocket in.
func (a *subscriptions) open(ask *socketAsk) (*socket, context.Context, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.room(ask.sub.Owner); err != nil {
		return nil, nil, err
	}
	if len(a.sockets) >= maxSockets {
		return nil, nil, fault(schemas.Overloaded, fmt.Sprintf("%d WebSockets are open", len(a.sockets)))
	}
	ctx, stop := context.WithCancel(a.ctx)
	s := &socket{owner: ask.sub.Owner, query: ask.sub.Query, stop: stop}
	a.sockets[s] = true
	a.work.Add(1)
	return s, ctx, nil
}

func (a *subscriptions) leave(s *socket) {
	s.stop()
	a.mu.Lock()
	delete(a.sockets, s)
	a.mu.Unlock()
	a.work.Done()
}

// listen notices that the client is there, and that it has gone. What it says is
// thrown away.
func (s *socket) listen(conn *websocket.Conn) {
	defer s.stop()
	alive := func(string) error { return conn.SetReadDeadline(time.Now().Add(socketDead)) }
	conn.SetReadLimit(4 << 10)
	conn.SetPongHandler(alive)
	for err := alive(""); err == nil; {
		if _, _, err = conn.NextReader(); err == nil {
			err = alive("")
		}
	}
}

// tell sends messages until the context ends or something fails, and answers why as
// WebSockets say it.
func (g *Gateway) tell(ctx context.Context, a *socketAsk, conn *websocket.Conn) int {
	var at *schedule
	if a.sub.Schedule != nil {
		parsed, err := parseSchedule(a.sub.Schedule)
		if err != nil {
			return websocket.CloseInternalServerErr // it was read before
		}
		at = &parsed
	}
	ping := time.NewTicker(socketPing)
	defer ping.Stop()
	last := a.sub.Made
	for {
		var due time.Time
		if at != nil {
			due = at.next(last)
			for wait := due.Sub(g.subs.now()); wait > 0; wait = due.Sub(g.subs.now()) {
				if !g.awaitSocket(ctx, conn, ping, nil, g.subs.after(min(wait, longestSleep))) {
					return websocket.CloseGoingAway
				}
			}
		}
		height, err := g.tellAll(ctx, a, conn, due)
		switch {
		case ctx.Err() != nil:
			return websocket.CloseGoingAway
		case errors.Is(err, errRevoked):
			return websocket.ClosePolicyViolation
		case err != nil:
			g.log.Info("a WebSocket was closed", slog.String("query", a.sub.Query), slog.Any("error", err))
			return websocket.CloseTryAgainLater
		}
		last = g.subs.now()
		if at == nil && !g.awaitSocket(ctx, conn, ping, g.ledger.Watch(height), nil) {
			return websocket.CloseGoingAway
		}
	}
}

var errRevoked = errors.New("the API key was revoked")

// tellAll sends all that was recorded behind the cursor, and answers up to which
// height that is.
func (g *Gateway) tellAll(ctx context.Context, a *socketAsk, conn *websocket.Conn, due time.Time) (height int64, err error) {
	for sent := false; ; {
		if key, ok := g.local.KeyByID(a.sub.Owner); !ok || !key.Has(local.Query) {
			return 0, errRevoked
		}
		m, body, err := g.nextMessage(ctx, a, height, due, sent)
		if err != nil {
			return 0, err
		}
		if height == 0 && !due.IsZero() {
			height = m.height // what comes later is for the next time
		}
		a.cursor.After = &m.end
		if body != nil {
			if err := g.writeSocket(conn, body); err != nil {
				return 0, err
			}
			sent = true
		}
		if m.ended {
			return m.height, nil
		}
	}
}

// nextMessage reads what is behind the cursor, and makes the message of it, nil where
// nothing is to be told. Few do so at once.
func (g *Gateway) nextMessage(ctx context.Context, a *socketAsk, upTo int64, due time.Time, sent bool) (*message, []byte, error) {
	leave, err := g.subs.fast.enter(ctx, a.sub.Owner)
	if err != nil {
		return nil, nil, err
	}
	defer leave()
	m, err := g.subs.behind(ctx, a.sub.Owner, &found{g, a.query, &a.sub}, a.cursor, upTo, g.limits.MessageEvents)
	empty := err == nil && m.ended && !sent && a.sub.ReportIfEmpty && !due.IsZero()
	if err != nil || m.given == 0 && !empty {
		return m, nil, err
	}
	cursor := ""
	if a.tell {
		cursor = locatorToken(m.end)
	}
	body, err := m.document(results{name: a.sub.Query, cursor: cursor}, a.sub.Format, due)
	return m, body, err
}

// writeSocket sends one message, and waits until the connection has taken it.
func (g *Gateway) writeSocket(conn *websocket.Conn, body []byte) error {
	if err := conn.SetWriteDeadline(time.Now().Add(g.limits.Receiver)); err != nil {
		return err
	}
	if err := conn.WriteMessage(websocket.TextMessage, body); err != nil {
		return err
	}
	g.metrics.messages.Inc()
	return nil
}

// awaitSocket waits for the ledger or a time, and pings the client meanwhile. It
// reports whether the WebSocket goes on.
func (g *Gateway) awaitSocket(ctx context.Context, conn *websocket.Conn, ping *time.Ticker, committed <-chan struct{}, timer <-chan time.Time) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-committed:
			return true
		case <-timer:
			return true
		case <-ping.C:
			if conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(socketWrite)) != nil {
				return false
			}
		}
	}
}
