package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Where the disk fails under the gateway's store, the node ends and says so: what it would
// accept after that could be lost. Started again it has everything that it acknowledged.
func TestGatewayStopsWhenItsDiskFails(t *testing.T) {
	needStrace(t)
	x := start(t, 1)
	x.end(t, 0)
	var journals []string
	for n := range 100 {
		journals = append(journals, filepath.Join(x.members[0].Home, "data", "gateway", "gateway.db", fmt.Sprintf("%06d.log", n)))
	}
	var kept []string
	n := 0
	for _, fault := range []injection{{"fsync", "error=EIO", 1}, {"write", "error=ENOSPC", 1}} {
		logged := len(nodeLog(t, x.members[0]))
		cmd := x.startTraced(t, 0, journals, fault.call, fault.String())
		end := make(chan error, 1)
		go func() { end <- cmd.Wait() }()
		ctx, cancel := context.WithCancel(t.Context())
		written := make(chan struct{})
		go func() {
			defer close(written)
			for ctx.Err() == nil {
				n++
				id, body := newEvent(0, "gateway", n)
				if acknowledge(ctx, x.plain(t, 0), body) == nil {
					kept = append(kept, id)
				}
			}
		}()
		eventually(t, fmt.Sprintf("the node ends at %s", fault), func() bool { return len(end) > 0 })
		cancel()
		<-written
		var exit *exec.ExitError
		if err := <-end; !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("%s: the node ends with %v", fault, err)
		}
		if said := nodeLog(t, x.members[0])[logged:]; !strings.Contains(said, "the disk fails") || !strings.Contains(said, "writing the gateway's records") {
			t.Errorf("%s: the node says\n%s", fault, said)
		}
	}
	x.restart(t, 0)
	x.awaitReady(t, 0)
	x.onAllNodesOnce(t, kept)
	x.end(t, 0)
	x.sound(t, 0)
}
