package node

import (
	"context"
	"log/slog"

	cmtlog "github.com/cometbft/cometbft/libs/log"
)

// engineLogger lets CometBFT log through slog. Its informational lines tell of
// every step of every block, so they are this node's debug lines.
type engineLogger struct {
	to    *slog.Logger
	alarm func(msg string) // told of errors, if set
}

var _ cmtlog.Logger = engineLogger{}

func (l engineLogger) Debug(string, ...any)       {}
func (l engineLogger) Info(msg string, kv ...any) { l.log(slog.LevelDebug, msg, kv) }
func (l engineLogger) Warn(msg string, kv ...any) { l.log(slog.LevelWarn, msg, kv) }
func (l engineLogger) Error(msg string, kv ...any) {
	l.log(slog.LevelError, msg, kv)
	if l.alarm != nil {
		l.alarm(msg)
	}
}

func (l engineLogger) With(kv ...any) cmtlog.Logger { return engineLogger{l.to.With(kv...), l.alarm} }

func (l engineLogger) log(level slog.Level, msg string, kv []any) {
	if l.to.Enabled(context.Background(), level) {
		l.to.Log(context.Background(), level, msg, kv...)
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
