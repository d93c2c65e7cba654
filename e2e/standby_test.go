package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/network"
	"github.com/waybill-ledger/waybill/node"
)

// signerProcess is a waybill signer that the test runs.
type signerProcess struct {
	home, id string
	args     []string
	cmd      *exec.Cmd
}

// moveToSigner moves the validator's key of a stopped home to a new signer's home,
// as docs/operate.md says, and answers the machine id of the old.
func moveToSigner(t *testing.T, home string) (s *signerProcess, machine string) {
	t.Helper()
	s = &signerProcess{home: filepath.Join(t.TempDir(), "signer")}
	arrival, given := filepath.Join(t.TempDir(), "arrival"), filepath.Join(t.TempDir(), "handover")
	recipient := readJSON[map[string]string](t, waybill(t, "move", "ask", "-o", "json", arrival))["recipient"]
	out := readJSON[node.MoveReport](t, waybill(t, "move", "out", "-o", "json", "--home", home, "--recipient", recipient, given))
	in := readJSON[node.MoveReport](t, waybill(t, "move", "in", "-o", "json", "--home", s.home, "--signer", "--arrival", arrival, given))
	if in.ID != out.ID || in.Validator != out.Validator || in.Above {
		t.Fatalf("given up was %+v, taken %+v", out, in)
	}
	s.id = in.Machine
	return s, out.Machine
}

func (s *signerProcess) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(s.home, "signer.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command(program, append([]string{"signer", "--home", s.home}, s.args...)...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.kill()
		if b, err := os.ReadFile(filepath.Join(s.home, "signer.log")); err == nil && t.Failed() {
			t.Logf("log of the signer:\n%s", b)
		}
	})
}

func (s *signerProcess) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait() // it was killed
		s.cmd = nil
	}
}

// set changes a home's settings.
func set(t *testing.T, home string, change func(*node.Settings)) {
	t.Helper()
	s, err := node.LoadSettings(home, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	change(&s)
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
}

// port is the i-th of those in the network's range that no partner takes.
func (x *testNet) port(i int) string { return fmt.Sprintf("127.0.0.1:%d", x.base+10+i) }

// acknowledged captures an event at a partner's node and waits for its commit.
func (x *testNet) acknowledged(t *testing.T, i int, run string, n int) string {
	t.Helper()
	id, body := newEvent(i, run, n)
	if err := acknowledge(t.Context(), x.plain(t, i), body); err != nil {
		t.Fatalf("%s, %s %d: %v", x.members[i].Partner, run, n, err)
	}
	return id
}

// noEvidence looks at every block that a node has: in none somebody is convicted of
// having signed twice.
func (x *testNet) noEvidence(t *testing.T, i int) {
	t.Helper()
	n, err := x.client(t, i).Network(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for height := int64(1); height <= n.Height; height++ {
		res, err := http.Get(fmt.Sprintf("%s/block?height=%d", x.members[i].RPC, height))
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Result struct {
				Block struct {
					Evidence struct {
						Evidence []json.RawMessage `json:"evidence"`
					} `json:"evidence"`
				} `json:"block"`
			} `json:"result"`
		}
		err = json.NewDecoder(res.Body).Decode(&answer)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if e := answer.Result.Block.Evidence.Evidence; len(e) > 0 {
			t.Fatalf("block %d has evidence: %s", height, e)
		}
	}
}

// A validator whose key is with a signer votes, whatever of the two is killed and
// started again, and its home has no key.
func TestRemoteSigner(t *testing.T) {
	x := start(t, 4)
	const remote, down = 3, 2
	home := x.members[remote].Home
	first := x.acknowledged(t, remote, "signer", 0)
	x.end(t, remote)
	s, machine := moveToSigner(t, home)
	if out, err := tryWaybill("start", "--home", home); err == nil {
		t.Fatalf("a home that gave its key up started:\n%s", out)
	}
	set(t, home, func(c *node.Settings) { c.Signer = s.id + "@" + x.port(0) })
	s.args = []string{"--connect", machine + "@" + x.port(0)}
	s.start(t)
	x.restart(t, remote)
	x.awaitReady(t, remote)
	x.kill(t, down) // from now on no block comes without the vote of the signer
	ids := []string{first, x.acknowledged(t, 0, "signer", 1)}

	s.kill()
	s.start(t)
	ids = append(ids, x.acknowledged(t, remote, "signer", 2))
	x.kill(t, remote)
	x.restart(t, remote)
	ids = append(ids, x.acknowledged(t, 0, "signer", 3))

	// Away for long: the node follows without a vote, and votes when it is back.
	s.kill()
	log := filepath.Join(home, "node.log")
	eventually(t, "the node follows without its signer", func() bool { return logged(log, "the node follows and does not vote") })
	s.start(t)
	ids = append(ids, x.acknowledged(t, remote, "signer", 4))

	if _, err := os.Stat(filepath.Join(home, "keys", "validator.json")); err == nil {
		t.Error("the node's home has a validator's key")
	}
	x.restart(t, down)
	x.awaitReady(t, down)
	x.level(t)
	x.onAllNodesOnce(t, ids)
	x.agree(t)
	x.noEvidence(t, 0)
}

func logged(path, text string) bool { return mentions(path, text) > 0 }

// mentions is how often a log has a text.
func mentions(path, text string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	return strings.Count(string(b), text)
}

// A pair of one validator: the active node is killed, or hangs, and the standby takes
// over with the same key and the same node id. Nothing acknowledged is lost, nobody
// signs twice, and the old node comes back as the standby.
func TestStandbyTakesOver(t *testing.T) {
	x := start(t, 4)
	const pair, down = 3, 2
	home := x.members[pair].Home
	ids := []string{x.acknowledged(t, pair, "standby", 0)}
	x.end(t, pair)
	s, machine := moveToSigner(t, home)

	// The standby is a restored backup without a validator's key.
	recipient, key := identity(t)
	vault, other := filepath.Join(t.TempDir(), "backups"), filepath.Join(t.TempDir(), "standby")
	waybill(t, "backup", "--home", home, "--to", vault, "--recipient", recipient)
	restored := readJSON[node.RestoreReport](t, waybill(t, "restore", "-o", "json", "--from", vault, "--identity", key, "--home", other, "--no-validator-key"))
	if restored.Machine == "" || restored.Machine == machine {
		t.Fatalf("the restored home is machine %q, the old one %q", restored.Machine, machine)
	}
	var p2pOld string
	set(t, home, func(c *node.Settings) {
		p2pOld = c.P2P
		c.Signer, c.Standby = s.id+"@"+x.port(0), restored.Machine+"@"+x.port(2)
	})
	set(t, other, func(c *node.Settings) {
		c.Signer, c.Standby = s.id+"@"+x.port(1), machine+"@"+p2pOld
		c.P2P, c.REST, c.RPC = x.port(2), x.port(3), x.port(4)
	})
	s.args = []string{"--connect", machine + "@" + x.port(0), "--connect", restored.Machine + "@" + x.port(1), "--failover", "3s"}
	s.start(t)
	x.restart(t, pair)
	x.awaitReady(t, pair)
	standby := network.Member{Partner: "the standby of " + x.members[pair].Partner, REST: "http://" + x.port(3), RPC: "http://" + x.port(4), Key: x.members[pair].Key, Home: other}
	x.members = append(x.members, standby)
	if err := os.WriteFile(filepath.Join(other, "node.log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	x.restart(t, 4)
	ids = append(ids, x.acknowledged(t, pair, "standby", 1))
	x.level(t) // the standby follows

	x.kill(t, down) // from now on no block comes without the pair's vote
	ids = append(ids, x.acknowledged(t, pair, "standby", 2))
	x.kill(t, pair)
	ids = append(ids, x.acknowledged(t, 0, "standby", 3), x.acknowledged(t, 4, "standby", 4))
	x.awaitReady(t, 4)

	// The old node comes back, as the standby, and takes over when the other hangs.
	x.restart(t, pair)
	back := filepath.Join(home, "node.log")
	eventually(t, "the old node is the standby", func() bool { return logged(back, "the node follows behind the other of its pair") })
	ids = append(ids, x.acknowledged(t, 4, "standby", 5))
	x.level2(t, 0, pair)
	hung := x.again[standby.Home].Process
	if err := hung.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old node is served again", func() bool { return logged(back, "was=standby is=validating") })
	if err := hung.Signal(syscall.SIGKILL); err != nil { // its connections end, as a machine's do that is gone
		t.Fatal(err)
	}
	_ = x.again[standby.Home].Wait() // it was killed
	delete(x.again, standby.Home)
	ids = append(ids, x.acknowledged(t, 0, "standby", 6), x.acknowledged(t, pair, "standby", 7))

	x.restart(t, down)
	x.restart(t, 4)
	x.awaitReady(t, down)
	x.level(t)
	x.onAllNodesOnce(t, ids)
	x.agree(t)
	x.noEvidence(t, 0)
}

// level2 waits until one node has what another has now.
func (x *testNet) level2(t *testing.T, from, to int) {
	t.Helper()
	n, err := x.client(t, from).Network(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(x.members[to].REST, x.members[to].Key, client.WithAttempts(1, time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, fmt.Sprintf("%s reaches height %d", x.members[to].Partner, n.Height), func() bool {
		have, err := c.Network(t.Context())
		return err == nil && have.Height >= n.Height
	})
}
