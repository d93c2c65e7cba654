package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// The stream tells every message that is committed, and what happens without one, in
// the ledger's order, as server-sent events (WHATWG HTML, 9.2). It is read from the
// ledger behind a cursor that the client keeps: nothing is kept for it, and what it did
// not take it asks for again. The next records are read only when its connection has
// taken the last.

const (
	typeStream  = "text/event-stream"
	streamStep  = 256              // records that are looked at at once
	streamAlive = 15 * time.Second // between signs of life
)

// endOf is the cursor behind all that a height has.
func endOf(height int64) schemas.Locator {
	return schemas.Locator{Height: height, Position: math.MaxUint32, Index: math.MaxUint32}
}

// streaming is an open stream.
type streaming struct {
	g      *Gateway
	key    string
	filter *local.Filter
	at     schemas.Locator // all up to it was told
	follow bool
	out    *http.ResponseController
	w      http.ResponseWriter
	buffer bytes.Buffer
}

// getStream tells until one of both has enough.
func (g *Gateway) getStream(w http.ResponseWriter, r *http.Request) {
	s := &streaming{g: g, key: keyOf(r).ID, out: http.NewResponseController(w), w: w}
	var err error
	s.filter, s.at, s.follow, err = g.askStream(r)
	var seat *socket
	var ctx context.Context
	if err == nil {
		seat, ctx, err = g.subs.open(&socketAsk{sub: local.Subscription{Owner: s.key}})
	}
	var told []byte
	begin := streamCursor(s.at)
	if err == nil {
		defer g.subs.leave(seat)
		defer context.AfterFunc(r.Context(), seat.stop)()
		told, _, err = s.next(ctx) // while what is wrong can still be answered
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", typeStream)
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return
	}
	// Neither bound of a request's time is one of a stream's; each write has its own.
	if err := s.out.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return // the connection is gone
	}
	defer context.AfterFunc(ctx, func() { // a write that waits for a slow client ends, too
		_ = s.out.SetWriteDeadline(time.Now()) // an error says that it is closed already
	})()
	if err := s.tell(ctx, fmt.Appendf(nil, "id: %s\n\n%s", begin, told)); err != nil && ctx.Err() == nil {
		g.log.Info("a stream was closed", slog.String("key", s.key), slog.Any("error", err))
	}
}

// tell writes what was read, and all that follows.
func (s *streaming) tell(ctx context.Context, told []byte) error {
	alive := time.NewTicker(streamAlive)
	defer alive.Stop()
	for {
		if err := s.write(ctx, told); err != nil {
			return err
		}
		var height int64
		var err error
		if told, height, err = s.next(ctx); err != nil {
			return err
		}
		if height == 0 {
			continue // others may be behind these
		}
		if !s.follow {
			return s.write(ctx, told)
		}
		if len(told) > 0 {
			if err := s.write(ctx, told); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.g.ledger.Watch(height):
			told = nil
		case <-alive.C:
			told = fmt.Appendf(nil, ": alive\nid: %s\n\n", streamCursor(s.at))
		}
	}
}

// next reads what is behind the cursor and moves it: at most streamStep records. The
// height is that up to which all was read, 0 where others may follow.
func (s *streaming) next(ctx context.Context) (told []byte, height int64, err error) {
	done, err := s.g.subs.readTurn(ctx, s.key)
	if err != nil {
		return nil, 0, err
	}
	defer done()
	key, ok := s.g.local.KeyByID(s.key)
	if !ok || !key.Has(local.Query) {
		return nil, 0, errRevoked
	}
	if err := s.g.hosts(&key); err != nil {
		return nil, 0, err
	}
	var records []schemas.Record
	var end schemas.Locator
	err = s.g.read(func(view View) error {
		all, others, err := view.Messages(s.at, streamStep)
		if err != nil {
			return err
		}
		height, end = 0, s.at
		if len(all) > 0 {
			end = all[len(all)-1].Locator // all are looked at, whatever is told
		}
		if !others {
			height = view.Height()
		}
		records, err = confined(view, &key, all)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	s.buffer.Reset()
	for i := range records {
		if one := streamed(s.filter, &records[i]); one != nil {
			body, err := json.Marshal(one)
			if err != nil {
				return nil, 0, fmt.Errorf("writing a record of the stream: %w", err)
			}
			fmt.Fprintf(&s.buffer, "id: %s\nevent: %s\ndata: %s\n\n", one.Cursor, one.Type, body) // a buffer takes everything
		}
	}
	if last := endOf(height); height > 0 && end.Compare(last) < 0 {
		end = last
	}
	s.at = end
	return s.buffer.Bytes(), height, nil
}

// write sends bytes, and waits until the connection has taken them.
func (s *streaming) write(ctx context.Context, b []byte) error {
	if err := s.out.SetWriteDeadline(time.Now().Add(s.g.limits.Receiver)); err != nil {
		return err
	}
	if ctx.Err() != nil { // looked at when the deadline is set: the end sets it as well
		return ctx.Err()
	}
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	return s.out.Flush()
}

// EndStreams ends the streams that are open, which a server's shutdown would wait
// for. Their clients go on from their cursors.
func (g *Gateway) EndStreams() {
	g.subs.mu.Lock()
	defer g.subs.mu.Unlock()
	for s := range g.subs.sockets {
		if s.query == "" {
			s.stop()
		}
	}
}
