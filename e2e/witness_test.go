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
	"strings"
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
	dir := t.TempDir()
	captureOne(t, x, 0)
	for i := range x.members { // what a block did is signed with the next one
		c := x.plain(t, i)
		eventually(t, "there is a checkpoint", func() bool {
			_, err := c.Checkpoint(t.Context())
			return err == nil
		})
	}
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
	for range 4 {
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

	x.vouched(t, dir, key.String())

	// A dead node is told of; the others suffice.
	x.kill(t, 3)
	captureOne(t, x, 1)
	s := x.round(t, dir, 0, 1, 2, 3)
	if s.Alarm || s.Size <= last || s.Nodes[3].Fault == "" || s.Nodes[0].Fault != "" {
		t.Errorf("with a dead node: %+v", s)
	}
}

// vouched: a bundle whose state the witness saw has its word, and verify demands it;
// that of an idle header, too. The second verifier agrees where it is compiled.
func (x *testNet) vouched(t *testing.T, dir, key string) {
	t.Helper()
	item := captureOne(t, x, 2)
	cmd := x.witness(t, dir, []int{0, 1, 2}, "--interval", "100ms", "--listen", x.lastPort())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	}()
	eventually(t, "the witness serves", func() bool { return shown(t, "http://"+x.lastPort()+"/key") != nil })
	run := func(fails string, args ...string) []byte {
		t.Helper()
		var out, said bytes.Buffer
		cmd := exec.Command(program, args...)
		cmd.Stdout, cmd.Stderr = &out, &said
		if err := cmd.Run(); (err != nil) != (fails != "") || !strings.Contains(said.String(), fails) {
			t.Fatalf("waybill %s: %v\n%s", strings.Join(args, " "), err, said.String())
		}
		return out.Bytes()
	}
	ask := []string{"bundle", item, "--node", x.members[2].REST, "--key", x.members[2].Key}
	trust := filepath.Join(dir, "root-of-trust.json")
	file := filepath.Join(dir, "item.bundle")
	for _, idle := range []bool{false, true} { // at once, and when empty blocks have followed
		if err := os.WriteFile(file, run("", append(ask, "--witness", "http://"+x.lastPort())...), 0o600); err != nil {
			t.Fatal(err)
		}
		var statement struct {
			Height    int64
			Witnessed []proof.Witnessed
		}
		if err := json.Unmarshal(run("", "verify", file, "--trust", trust, "--witness", key, "-o", "json"), &statement); err != nil {
			t.Fatal(err)
		}
		if len(statement.Witnessed) != 1 || statement.Witnessed[0].Name != "auditor.example/e2e" {
			t.Fatalf("the statement says %+v", statement)
		}
		if idle {
			break
		}
		c := x.client(t, 2)
		eventually(t, "an empty block follows", func() bool {
			n, err := c.Network(t.Context())
			return err == nil && n.Height > statement.Height+2
		})
	}
	run("", "verify", file, "--trust", trust)
	captureOne(t, x, 0)
	x.level(t)
	renewed := filepath.Join(dir, "renewed.bundle")
	if err := os.WriteFile(renewed, run("", "renew", file, "--node", x.members[1].REST, "--key", x.members[1].Key), 0o600); err != nil {
		t.Fatal(err)
	}
	run("", "verify", renewed, "--trust", trust, "--witness", key)
	run("too few witnesses", "verify", file, "--trust", trust, "--witness", key, "--witness", stranger(t), "--witnesses-needed", "2")
	run("", "verify", file, "--trust", trust, "--witness", key, "--witness", stranger(t), "--witnesses-needed", "1")
	if err := os.WriteFile(file, run("", ask...), 0o600); err != nil {
		t.Fatal(err)
	}
	run("says nothing here", "verify", file, "--trust", trust, "--witness", filepath.Join(dir, "witness", "key.pub"))
	run("no certificate", "verify", file, "--trust", trust, "--tsa", trust)
}

func stranger(t *testing.T) string {
	t.Helper()
	s, err := audit.NewWitnessSigner("stranger.example")
	if err != nil {
		t.Fatal(err)
	}
	return s.Key.String()
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
