package e2e_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/waybill-ledger/waybill/network"
)

// glns are of partners that no local network begins with.
var glns = []string{"9521234009009", "9521234009016", "9521234009023"}

// invite makes a home for a newcomer, as docs/joining.md tells, and answers the file
// of its request.
func (x *testNet) invite(t *testing.T, partner, gln string) (request string) {
	t.Helper()
	return x.join(t, partner, gln, filepath.Join(x.dir, partner))
}

// join is invite into a home.
func (x *testNet) join(t *testing.T, partner, gln, dir string) (request string) {
	t.Helper()
	n := len(x.members)
	file := filepath.Join(x.dir, partner+"-invite.json")
	if err := os.WriteFile(file, []byte(waybill(t, "invite", "--home", x.members[0].Home, "--partner", partner)), 0o600); err != nil {
		t.Fatal(err)
	}
	rest := x.port(50 + n)
	out := waybill(t, "join", "--invite", file, "--home", dir, "--gln", gln, "--name", "The "+partner, "--p2p", x.port(70+n), "--rest", rest, "--rpc", "")
	_, key, _ := strings.Cut(out, "API key   ")
	key, _, _ = strings.Cut(key, "\n")
	if err := os.WriteFile(filepath.Join(dir, "node.log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	x.members = append(x.members, network.Member{Partner: partner, REST: "http://" + rest, Key: key, Home: dir, GLN: gln})
	return filepath.Join(dir, network.RequestFile)
}

// at are the flags that ask a member's node.
func (x *testNet) at(i int) []string {
	return []string{"--node", x.members[i].REST, "--key", x.members[i].Key}
}

// passes proposes something at the first member, and votes for it at others until it
// has passed.
func (x *testNet) passes(t *testing.T, voters int, propose ...string) {
	t.Helper()
	id, _, _ := strings.Cut(waybill(t, append(append([]string{"propose"}, propose...), x.at(0)...)...), " ")
	for i := 1; i < voters; i++ {
		waybill(t, append([]string{"vote", id, "--approve"}, x.at(i)...)...)
	}
}

// validates waits until a node's ledger names so many validators, whose votes are
// there.
func (x *testNet) validates(t *testing.T, i, want int) {
	t.Helper()
	eventually(t, "the validators are as they should be", func() bool {
		n, err := x.plain(t, i).Network(t.Context())
		if err != nil {
			return false
		}
		have := 0
		for _, p := range n.Partners {
			if len(p.Validate) > 0 {
				have++
			}
		}
		return have == want && n.Quorum
	})
}

// joiningCommands are those of docs/joining.md.
func joiningCommands(t *testing.T) []string { return sectionCommands(t, "Joining", 4) }

// sectionCommands are so many of a section of docs/joining.md.
func sectionCommands(t *testing.T, section string, count int) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "joining.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(text), "\n## "+section+"\n")
	part, _, _ = strings.Cut(part, "\n## ")
	commands := commandsIn(part)
	if len(commands) != count {
		t.Fatalf("%d commands of %s in docs/joining.md: %q", len(commands), section, commands)
	}
	return commands
}

// A network that begins with one validator grows to two, by the commands of the
// documentation, and then needs both; and to four, of whom any may fail.
func TestNetworkGrowsFromOne(t *testing.T) {
	x := start(t, 1)
	for n := range 5 {
		x.acknowledged(t, 0, "one", n)
	}
	home, rest := filepath.Join(x.dir, "newcomer"), x.port(50)
	s := &shell{dir: x.dir, env: []string{"PATH=" + filepath.Dir(program) + ":/usr/bin:/bin", "MEMBER=" + x.members[0].Home, "NEWCOMER=" + home,
		"REST=" + rest, "P2P=" + x.port(70), "WAYBILL_NODE=" + x.members[0].REST, "WAYBILL_KEY=" + x.members[0].Key}}
	commands := joiningCommands(t)
	s.run(t, commands[0])
	_, key, _ := strings.Cut(s.run(t, commands[1]), "API key   ")
	key, _, _ = strings.Cut(key, "\n")
	var r network.Request
	b, err := os.ReadFile(filepath.Join(x.dir, "request.json"))
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil || r.Kind != "admit" || r.Partner != "newcomer" || len(r.Validator) != 64 || len(r.NodeID) != 40 {
		t.Fatalf("the request is %s, %v", b, err)
	}
	s.run(t, commands[2])
	if commands[3] != "waybill start --home $NEWCOMER" {
		t.Fatalf("the last command is %s", commands[3])
	}
	if err := os.WriteFile(filepath.Join(home, "node.log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	x.members = append(x.members, network.Member{Partner: "newcomer", REST: "http://" + rest, Key: key, Home: home})
	x.restart(t, 1)
	x.awaitReady(t, 1)
	x.validates(t, 0, 2)
	ids := []string{}
	for n := range 5 {
		ids = append(ids, x.acknowledged(t, n%2, "two", n))
	}
	x.level(t)
	x.onAllNodesOnce(t, ids)
	x.oneState(t)
	x.kill(t, 1)
	eventually(t, "one of two decides nothing", func() bool {
		n, err := x.plain(t, 0).Network(t.Context())
		return err == nil && !n.Quorum
	})
	x.restart(t, 1)
	x.awaitReady(t, 1)
	ids = append(ids, x.acknowledged(t, 1, "two", 5))

	// All came by the invites of the first, whose address alone was in them. When its node
	// is gone, the others have found each other.
	for n, partner := range []string{"third", "fourth"} {
		x.passes(t, 2+n, "--file", x.invite(t, partner, glns[n+1]))
		x.restart(t, 2+n)
		x.awaitReady(t, 2+n)
		x.validates(t, 0, 3+n)
	}
	for _, i := range []int{1, 2, 3} {
		eventually(t, x.members[i].Partner+" is connected to all others", func() bool {
			n, err := x.plain(t, i).Network(t.Context())
			return err == nil && n.Peers == 3
		})
	}
	x.kill(t, 0)
	x.kill(t, 3) // it remembers where the others are
	x.restart(t, 3)
	x.awaitReady(t, 3)
	ids = append(ids, x.acknowledged(t, 3, "four", 0), x.acknowledged(t, 1, "four", 1))
	x.restart(t, 0)
	x.awaitReady(t, 0)
	x.level(t)
	x.onAllNodesOnce(t, ids)
	x.oneState(t)
}

// writing captures events at members, one after the other at each, until the answer is
// called, which tells what was acknowledged.
func (x *testNet) writing(t *testing.T, run string, at ...int) (stop func() []string) {
	t.Helper()
	var (
		mu      sync.Mutex // guards ids
		ids     []string
		quit    = make(chan struct{})
		writers sync.WaitGroup
	)
	for _, i := range at {
		c := x.plain(t, i)
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-quit:
					return
				default:
				}
				id, body := newEvent(i, run, n)
				if err := acknowledge(t.Context(), c, body); err != nil {
					t.Errorf("%s, event %d: %v", x.members[i].Partner, n, err)
					return
				}
				mu.Lock()
				ids = append(ids, id)
				mu.Unlock()
			}
		})
	}
	return sync.OnceValue(func() []string {
		close(quit)
		writers.Wait()
		return ids
	})
}

// validator is the consensus key that a node's ledger has of a partner.
func (x *testNet) validator(t *testing.T, i int, partner string) string {
	t.Helper()
	n, err := x.plain(t, i).Network(t.Context())
	if err != nil {
		return ""
	}
	for _, p := range n.Partners {
		if p.ID == partner {
			return hex.EncodeToString(p.Validate)
		}
	}
	return ""
}

// Four members under load become five, one of them takes another key, and one of the
// first leaves with all that the ledger has. Nothing that was acknowledged is lost,
// nothing is signed twice, and who trusted the first four can check what the last ones
// decided.
func TestValidatorsChangeUnderLoad(t *testing.T) {
	x := start(t, 4, "WAYBILL_SNAPSHOT_HEIGHTS=300")
	trust := x.trustFile(t)
	stop := x.writing(t, "load", 0, 2)
	defer stop()
	eventually(t, "a snapshot is taken", func() bool {
		n, err := x.plain(t, 0).Network(t.Context())
		return err == nil && len(n.Snapshots) > 0
	})
	x.passes(t, 3, "--file", x.invite(t, "fifth", glns[0]))
	x.restart(t, 4)
	x.validates(t, 0, 5)
	x.awaitReady(t, 4)

	// The second takes another key.
	old := x.validator(t, 0, x.members[1].Partner)
	x.kill(t, 1)
	next := strings.TrimSpace(waybill(t, "key", "validator", "--home", x.members[1].Home))
	x.restart(t, 1)
	x.awaitReady(t, 1)
	id, err := os.ReadFile(filepath.Join(x.members[1].Home, network.CardFile))
	if err != nil {
		t.Fatal(err)
	}
	var card network.Card
	if err := json.Unmarshal(id, &card); err != nil {
		t.Fatal(err)
	}
	x.passes(t, 4, "validator", "--partner", x.members[1].Partner, "--node-id", card.NodeID, "--validator", next)
	eventually(t, "the new key is in force", func() bool { return x.validator(t, 0, x.members[1].Partner) == next })
	if old == next {
		t.Fatal("the next key is the old one")
	}
	// Without another one its votes are needed.
	x.kill(t, 0)
	x.acknowledged(t, 2, "needed", 0)
	x.restart(t, 0)
	x.awaitReady(t, 0)
	x.kill(t, 1)
	x.restart(t, 1)
	x.awaitReady(t, 1)
	if _, err := os.Stat(filepath.Join(x.members[1].Home, "keys", "validator-next.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the new key is not in the place of the old one: %v", err)
	}

	// The fourth leaves, by the commands of the documentation.
	leaver, commands := x.members[3], sectionCommands(t, "Leaving", 2)
	out := &shell{dir: x.dir, env: []string{"PATH=" + filepath.Dir(program) + ":/usr/bin:/bin", "HOME_DIR=" + leaver.Home, "WAYBILL_NODE=" + leaver.REST, "WAYBILL_KEY=" + leaver.Key}}
	proposal, _, _ := strings.Cut(out.run(t, commands[0]), " ")
	if said := out.run(t, "waybill leave"); !strings.Contains(said, "waybill vote "+proposal+" --approve") {
		t.Errorf("asked again it says %q", said)
	}
	for i := range 3 {
		waybill(t, append([]string{"vote", proposal, "--approve"}, x.at(i)...)...)
	}
	x.validates(t, 0, 4)
	eventually(t, "who was removed has no peers", func() bool {
		n, err := x.plain(t, 3).Network(t.Context())
		return err == nil && n.Peers == 0
	})
	if said := out.run(t, "waybill leave"); !strings.Contains(said, "waybill export") || strings.Contains(said, "keep the node") {
		t.Errorf("without peers it says %q", said)
	}
	x.kill(t, 3)
	if said := out.run(t, commands[1]); !strings.Contains(said, " records") {
		t.Errorf("the export says %q", said)
	}
	x.members = append(x.members[:3:3], x.members[4])
	ids := stop()
	ids = append(ids, x.acknowledged(t, 3, "after", 0))
	x.level(t)
	x.onAllNodesOnce(t, ids)
	x.oneState(t)
	x.noEvidence(t, 0)
	bundle := filepath.Join(x.dir, "bundle")
	text, said, code := x.waybill(t, "bundle", "urn:epc:id:sgtin:9521237.012345.after-0", "--trust", trust)
	if code != 0 {
		t.Fatalf("making a bundle: %s", said)
	}
	if err := os.WriteFile(bundle, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, said, code := x.waybill(t, "verify", bundle, "--trust", trust); code != 0 {
		t.Fatalf("a bundle does not lead from the first validators to the last: %s", said)
	}
	for i := range x.members {
		x.kill(t, i)
		x.sound(t, i)
	}
	if out, said, code := x.waybill(t, "check", "--home", x.members[1].Home, "--rebuild"); code != 0 {
		t.Fatalf("rebuilding: %s%s", out, said)
	}
	for i := range x.members {
		x.restart(t, i)
	}
	for i := range x.members {
		x.awaitReady(t, i)
	}
	x.acknowledged(t, 1, "rebuilt", 0)
}
