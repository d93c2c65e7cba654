package local_test

import (
	"fmt"
	"testing"
	"time"
)

// A page token that was released stays so until it expired, behind a restart too, and
// no more are remembered than there is room for: those that expire first are not.
func TestReleasedTokens(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	start := time.Unix(1_800_000_000, 0)
	expires := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	const count, remembered = 1030, 1024
	for n := range count {
		if err := s.ReleaseToken(sum(fmt.Sprint(n)), expires(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if n, err := s.Prune(expires(count - 10)); n != remembered-10 || err != nil {
		t.Errorf("%d pruned, %v", n, err)
	}
	for n := count - 20; n < count; n++ {
		if ok, err := s.TokenReleased(sum(fmt.Sprint(n)), expires(n)); ok != (n >= count-10) || err != nil {
			t.Errorf("token %d: %v, %v", n, ok, err)
		}
	}
}
