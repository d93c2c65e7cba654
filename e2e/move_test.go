package e2e_test

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/node"
)

// A validator moves to a new machine with its key, by the commands of docs/operate.md
// as they stand: the old home starts no more, the key is taken once, and the new home
// votes.
func TestMoveOfAValidator(t *testing.T) {
	x := start(t, 4)
	const moved, down = 3, 2
	old := x.members[moved].Home
	dir := t.TempDir()
	fresh := filepath.Join(dir, "new")
	ids := []string{x.acknowledged(t, moved, "move", 0)}
	x.end(t, moved)

	bin := t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "waybill")); err != nil {
		t.Fatal(err)
	}
	sh := &shell{dir: dir, env: []string{"PATH=" + bin + ":/usr/bin:/bin", "OLD=" + old, "NEW=" + fresh}}
	for _, command := range section(t, "## A validator on a new machine") {
		if strings.HasPrefix(command, "waybill start") { // it would not end
			x.members[moved].Home = fresh
			x.restart(t, moved)
			continue
		}
		if strings.HasPrefix(command, "cp ") {
			sh.refused(t, "waybill start --home $OLD", "gave its validator's key up")
		}
		out := sh.run(t, command)
		if strings.HasPrefix(command, "waybill move in") && strings.Contains(out, "above height") {
			t.Errorf("in a copy the validator does not go on where it was: %s", out)
		}
	}
	if x.members[moved].Home != fresh {
		t.Fatal("docs/operate.md does not start the new home")
	}
	x.awaitReady(t, moved)
	x.kill(t, down) // from now on no block comes without the moved validator
	ids = append(ids, x.acknowledged(t, 0, "move", 1), x.acknowledged(t, moved, "move", 2))
	sh.refused(t, "waybill start --home $OLD", "gave its validator's key up")
	x.restart(t, down)
	x.awaitReady(t, down)
	x.level(t)
	x.onAllNodesOnce(t, ids)
	x.agree(t)
	x.noEvidence(t, 0)
}

// section is the commands of a section of docs/operate.md.
func section(t *testing.T, heading string) (commands []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "docs", "operate.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(b), "\n"+heading+"\n")
	if !found {
		t.Fatalf("docs/operate.md has no section %q", heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	for line := range strings.Lines(text) {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			commands = append(commands, strings.TrimSpace(command))
		}
	}
	return commands
}

// A validator that nobody can connect to, behind a firewall that lets connections out
// alone, takes part: it dials all others, and again when they were away.
func TestValidatorBehindAFirewall(t *testing.T) {
	x := start(t, 4)
	const hidden, down = 3, 2
	x.end(t, hidden)
	var address string
	set(t, x.members[hidden].Home, func(s *node.Settings) { address, s.P2P = s.P2P, "" })
	x.restart(t, hidden)
	x.awaitReady(t, hidden)
	if c, err := net.Dial("tcp", address); err == nil {
		c.Close()
		t.Errorf("the node listens at %s", address)
	}
	x.kill(t, down) // from now on no block comes without the hidden validator
	ids := []string{x.acknowledged(t, 0, "hidden", 0), x.acknowledged(t, hidden, "hidden", 1)}
	for i := range 2 {
		x.kill(t, i)
		x.restart(t, i)
		x.awaitReady(t, i)
	}
	ids = append(ids, x.acknowledged(t, 1, "hidden", 2))
	res, err := http.Get(x.members[hidden].RPC + "/net_info")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Result struct {
			Peers []struct {
				Outbound bool `json:"is_outbound"`
			} `json:"peers"`
		} `json:"result"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Result.Peers) != 2 {
		t.Errorf("the hidden node has %d peers", len(answer.Result.Peers))
	}
	for i, p := range answer.Result.Peers {
		if !p.Outbound {
			t.Errorf("peer %d connected to the hidden node", i)
		}
	}
	x.restart(t, down)
	x.awaitReady(t, down)
	x.level(t)
	x.onAllNodesOnce(t, ids)
	x.agree(t)
}
