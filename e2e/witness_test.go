package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/waybill-ledger/waybill/api/audit"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// witness runs the program as an outsider of the network.
func (x *testNet) witness(t *testing.T, dir string, nodes []int, more ...string) *exec.Cmd {
	t.Helper()
	trust := filepath.Join(dir, "root-of-trust.json")
	if _, err := os.Stat(trust); err != nil {
		if err := os.WriteFile(trust, mustJSON(t, x.trust(t)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := append([]string{"witness", "--trust", trust, "--dir", filepath.Join(dir, "witness"), "-o", "json"}, more...)
	for _, i := range nodes {
		args = append(args, "--node", x.members[i].REST)
	}
	return exec.Command(program, args...)
}

// round is one round of a witness that must succeed.
func (x *testNet) round(t *testing.T, dir string, nodes ...int) (s audit.WitnessStatus) {
	t.Helper()
	var out, said bytes.Buffer
	cmd := x.witness(t, dir, nodes, "--once", "--name", "auditor.example/e2e")
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("the witness: %v\n%s%s", err, out.String(), said.String())
	}
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		t.Fatalf("%v:\n%s", err, out.String())
	}
	return s
}

// TestWitness: a witness of a running network cosigns what grows, whichever nodes
// are there; killed at any moment it goes on, and never takes back a word.
func TestWitness(t *testing.T) {
	x := start(t, 4)
	x.close(t)
	dir := t.TempDir()
	captureOne(t, x, 0)
	x.level(t)
	first := x.round(t, dir, 0, 1, 2, 3)
	if first.Size == 0 {
		t.Fatalf("nothing is cosigned: %+v", first)
	}
	key, err := proof.ParseWitnessKey(first.Key)
	if err != nil {
		t.Fatal(err)
	}

	// Events come all the time, and the witness is killed all the time.
	ctx, stop := context.WithCancel(t.Context())
	loaded := make(chan error, 1)
	go func() { loaded <- x.load(ctx, t, random(t)) }()
	words := map[uint64]string{}
	last := first.Size
	for range 12 {
		cmd := x.witness(t, dir, []int{0, 1, 2}, "--interval", "100ms", "--listen", x.lastPort())
		said := &bytes.Buffer{}
		cmd.Stderr = said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the witness goes on", func() bool {
			note := shown(t, "http://"+x.lastPort()+"/checkpoint")
			if note == nil {
				return false
			}
			c, err := audit.OpenCheckpoint(note, key)
			if err != nil {
				t.Errorf("it shows %q: %v", note, err)
				return true
			}
			if had := words[c.Size]; had != "" && had != c.Root.String() || c.Size < last {
				t.Errorf("size %d has root %s and had %s, the last was %d", c.Size, c.Root, had, last)
				return true
			}
			grown := c.Size > last
			words[c.Size], last = c.Root.String(), c.Size
			return grown
		})
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil || t.Failed() {
			t.Fatalf("the witness ended by itself: %v\n%s", err, said.String())
		}
	}
	stop()
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}

	// A dead node is told of; the others suffice.
	x.kill(t, 3)
	captureOne(t, x, 1)
	s := x.round(t, dir, 0, 1, 2, 3)
	if s.Alarm || s.Size <= last || s.Nodes[3].Fault == "" || s.Nodes[0].Fault != "" {
		t.Errorf("with a dead node: %+v", s)
	}
}

// load captures events until the context ends.
func (x *testNet) load(ctx context.Context, t *testing.T, run string) error {
	c := x.plain(t, 0)
	for n := 1; ctx.Err() == nil; n++ {
		_, body := newEvent(0, "load"+run, n)
		if err := acknowledge(ctx, c, body); err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

// lastPort is an address that no node of the network takes.
func (x *testNet) lastPort() string { return fmt.Sprintf("127.0.0.1:%d", x.base+98) }

// shown fetches a page, nil where nobody answers it yet.
func shown(t *testing.T, url string) []byte {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return nil
	}
	return b
}
