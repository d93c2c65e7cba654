package node

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"

	cmtlog "github.com/cometbft/cometbft/libs/log"
)

// engineLogger lets CometBFT log through slog. Its informational lines tell of
// every step of every block, so they are this node's debug lines.
type engineLogger struct {
	to       *slog.Logger
	with     []any            // attributes of every line
	stopping *atomic.Bool     // the node is being stopped
	network  bool             // lines of the parts that talk to peers
	alarm    func(msg string) // told of errors, if set
}

var _ cmtlog.Logger = engineLogger{}

func (l engineLogger) Debug(string, ...any)       {}
func (l engineLogger) Info(msg string, kv ...any) { l.log(slog.LevelDebug, msg, kv) }
func (l engineLogger) Warn(msg string, kv ...any) { l.log(slog.LevelWarn, msg, kv) }
func (l engineLogger) Error(msg string, kv ...any) {
	l.log(l.severity(msg), msg, kv)
	if l.alarm != nil {
		l.alarm(msg)
	}
}

// lostPeer is what the engine says of every connection that ends, also of one to a
// peer that stops in good order.
const lostPeer = "Stopping peer for error"

// severity is that of what the engine calls an error. A peer that goes is a warning,
// and what its network says when it is stopped, of connections that it closed itself,
// is no news.
func (l engineLogger) severity(msg string) slog.Level {
	switch {
	case l.network && l.stopping.Load():
		return slog.LevelDebug
	case msg == lostPeer:
		return slog.LevelWarn
	}
	return slog.LevelError
}

// With adds attributes, and notes whose lines they mark.
func (l engineLogger) With(kv ...any) cmtlog.Logger {
	for i := 0; i+1 < len(kv); i += 2 {
		if kv[i] == "module" {
			l.network = kv[i+1] == "p2p" || kv[i+1] == "blocksync" || kv[i+1] == "pex"
		}
	}
	// Not to.With, which encodes them at once: the engine adds some for every step, and
	// then has nothing to say.
	l.with = append(slices.Clip(l.with), kv...)
	return l
}

func (l engineLogger) log(level slog.Level, msg string, kv []any) {
	if l.to.Enabled(context.Background(), level) {
		l.to.Log(context.Background(), level, msg, append(slices.Clip(l.with), kv...)...)
	}
}

func newLogger(s *Settings, w interface{ Write([]byte) (int, error) }) (*slog.Logger, error) {
	level, err := s.level()
	if err != nil {
		return nil, err
	}
	options := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(w, options)
	if s.LogJSON {
		h = slog.NewJSONHandler(w, options)
	}
	return slog.New(h).With("node", s.Partner), nil
}
