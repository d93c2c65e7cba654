package app_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/app/store"
)

// TestDryRunOfScripts: of what begins a block of a script, whosever things it is about, a
// dry run tells what then becomes of it, no more and no less, and leaves nothing behind.
func TestDryRunOfScripts(t *testing.T) {
	for file, text := range scripts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			s := &script{chain: newChain(t, store.Options{}), rehearses: true}
			s.play(text)
		})
	}
}

// rehearse answers what a dry run tells of a transaction of a partner's first key.
func (s *script) rehearse(line string) (told []string) {
	s.t.Helper()
	if who, _, _ := strings.Cut(line, ":"); strings.Contains(who, "/") {
		return nil
	}
	d := s.transaction(line, s.time.Add(time.Minute))
	before := s.view().Root()
	r, err := s.app.DryRun("test", d.Partner, d.Atomic, d.Events, d.DuplicateKeys...)
	if err != nil {
		s.t.Fatalf("height %d, %s: %v", s.height+1, line, err)
	}
	if s.view().Root() != before {
		s.t.Errorf("height %d, %s: the dry run left something behind", s.height+1, line)
	}
	for _, e := range r.Events {
		told = append(told, answer(e))
	}
	return told
}
