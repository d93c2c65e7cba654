package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// shell runs commands of the documentation in a directory.
type shell struct {
	dir string
	env []string
}

func (s *shell) try(command string) (string, error) {
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir, cmd.Env = s.dir, s.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *shell) run(t *testing.T, command string) string {
	t.Helper()
	out, err := s.try(command)
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return out
}

// refused runs a command that must say why it does not do it.
func (s *shell) refused(t *testing.T, command, why string) {
	t.Helper()
	if out, err := s.try(command); err == nil || !strings.Contains(out, why) {
		t.Errorf("%s: %v, without %q\n%s", command, err, why, out)
	}
}

// rescueCommands are those of docs/operate.md.
func rescueCommands(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "operate.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Rescue: ")
	section, _, _ = strings.Cut(section, "\n## ")
	commands := commandsIn(section)
	if len(commands) < 9 {
		t.Fatalf("%d commands of a rescue in docs/operate.md", len(commands))
	}
	return commands
}

// killed runs a command, and kills it as soon as a file is there.
func (s *shell) killed(t *testing.T, command, file string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", "exec "+command)
	cmd.Dir, cmd.Env = s.dir, s.env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed, or was faster
		close(ended)
	}()
	eventually(t, file+" is there", func() bool {
		select {
		case <-ended:
			return true
		default:
		}
		_, err := os.Stat(file)
		return err == nil
	})
	_ = cmd.Process.Kill() // it may have ended
	<-ended
}

// Two of four partners are lost for ever. The two who are left restart the network
// by the steps of docs/operate.md: everything that was acknowledged is there, and
// every proof of later tells of it, to who holds a root of trust of before.
func TestRescue(t *testing.T) {
	x := start(t, 4)
	var acked []string
	for n := range 8 {
		id, body := newEvent(n%4, "before", n)
		if err := acknowledge(t.Context(), x.plain(t, n%4), body); err != nil {
			t.Fatal(err)
		}
		acked = append(acked, id)
	}
	x.level(t)
	item := captureOne(t, x, 0)
	x.level(t)
	dir, bin := t.TempDir(), t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "waybill")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "trust.json"), mustJSON(t, x.trust(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	all := x.members
	s := &shell{dir: dir, env: []string{"PATH=" + bin + ":/usr/bin:/bin", "MINE=" + all[0].Home, "THEIRS=" + all[1].Home, "LOST1=" + all[2].Partner, "LOST2=" + all[3].Partner,
		"NODE=" + all[0].REST, "KEY=" + all[0].Key, "ITEM=" + item}}
	s.run(t, "waybill bundle --node $NODE --key $KEY --trust trust.json $ITEM > before.bundle")

	x.round(t, dir, 0, 1, 2, 3)

	for _, i := range []int{2, 3} {
		x.kill(t, i)
		if err := os.RemoveAll(all[i].Home); err != nil {
			t.Fatal(err)
		}
	}
	x.members = all[:2]
	// What is accepted and cannot be decided is decided in the end.
	late, body := newEvent(0, "meanwhile", 0)
	decided := make(chan error, 1)
	go func() { decided <- acknowledge(t.Context(), x.client(t, 0), body) }()
	eventually(t, "the survivors stand at one height", func() bool {
		return x.network(t, 0).Height == x.network(t, 1).Height && !x.network(t, 0).Quorum
	})
	x.end(t, 0)
	x.end(t, 1)
	commands := rescueCommands(t)
	x.agreeOnRescue(t, s, commands)

	for i := range x.members {
		x.restart(t, i)
	}
	for i := range x.members {
		x.awaitReady(t, i)
	}
	if err := <-decided; err != nil {
		t.Fatalf("what was accepted before the rescue: %v", err)
	}
	acked = append(acked, late)
	for n := range 4 {
		id, body := newEvent(n%2, "after", n)
		if err := acknowledge(t.Context(), x.plain(t, n%2), body); err != nil {
			t.Fatal(err)
		}
		acked = append(acked, id)
	}
	x.level(t)
	x.onAllNodesOnce(t, acked)
	x.agree(t)
	x.proveAcrossRescue(t, s, commands)

	// A witness of before does not go on as if nothing had been.
	if out, err := x.witness(t, dir, []int{0, 1}, "--once").CombinedOutput(); err == nil || !strings.Contains(string(out), "the network was restarted") || !strings.Contains(string(out), all[3].Partner) {
		t.Errorf("the witness says at the rescue: %v\n%s", err, out)
	}

	// The ledger computes again across the rescue, in a check, in a repair and from
	// a backup.
	vault := filepath.Join(t.TempDir(), "backups")
	waybill(t, "backup", "--home", all[1].Home, "--to", vault)
	waybill(t, "restore", "--from", vault, "--dry-run")
	x.end(t, 0)
	x.end(t, 1)
	for i := range x.members {
		x.sound(t, i)
	}
	waybill(t, "check", "--home", all[0].Home, "--rebuild")
	for i := range x.members {
		x.restart(t, i)
	}
	for i := range x.members {
		x.awaitReady(t, i)
	}
	id, body := newEvent(0, "finally", 0)
	if err := acknowledge(t.Context(), x.plain(t, 0), body); err != nil {
		t.Fatal(err)
	}
	x.level(t)
	x.onAllNodesOnce(t, append(acked, id))
	x.agree(t)
}

// agreeOnRescue runs the page's steps up to the start of the nodes, and what must
// be refused in between.
func (x *testNet) agreeOnRescue(t *testing.T, s *shell, commands []string) {
	t.Helper()
	s.refused(t, "waybill rescue propose --home $MINE --lost nobody --reason fire", "no validator of this network")
	s.refused(t, "waybill rescue propose --home $MINE --lost $LOST1 --reason fire", "more than two thirds")
	for _, command := range commands {
		switch {
		case strings.HasPrefix(command, "waybill bundle"), strings.HasPrefix(command, "waybill verify"):
			continue // when the nodes run again
		case strings.HasPrefix(command, "waybill rescue join"):
			s.refused(t, "waybill rescue join mine.rescue", "not signed by "+x.members[1].Partner)
			s.refused(t, "waybill rescue start mine.rescue --home $MINE", "not signed by "+x.members[1].Partner)
			s.refused(t, `waybill rescue propose --home $MINE --lost $LOST1 --lost $LOST2 --reason "another"`, "signed another rescue already")
			s.refused(t, "waybill start --home $MINE", "signed a rescue")
			// As in a home that was restored since: the other may have voted.
			signed := filepath.Join(x.members[0].Home, "data", "rescue", "signed")
			s.run(t, "mv "+signed+" aside")
			s.refused(t, "waybill rescue sign mine.rescue --home $MINE", "in another home")
			s.run(t, "mv aside "+signed)
		case strings.HasPrefix(command, "waybill rescue start") && strings.Contains(command, "$THEIRS"):
			for _, file := range []string{"rescue/pending", "consensus.before-rescue-1"} {
				s.killed(t, command, filepath.Join(x.members[1].Home, "data", file))
			}
		}
		s.run(t, command)
	}
	s.run(t, "waybill rescue start whole.rescue --home $THEIRS") // again, without harm
	// Who may have voted by it signs nothing else behind that block.
	s.refused(t, `waybill rescue propose --home $MINE --lost $LOST1 --lost $LOST2 --reason "another"`, "was started in this home")
	s.refused(t, "waybill rescue sign whole.rescue --home $MINE", "was started in this home")
	x.checksRescue(t)
}

// checksRescue flips a bit of the document that a home keeps.
func (x *testNet) checksRescue(t *testing.T) {
	t.Helper()
	path := filepath.Join(x.members[0].Home, "data", "rescue", "1")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-1] ^= 1 // a partner's signature
	for _, content := range [][]byte{damaged, whole} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(program, "check", "--home", x.members[0].Home).CombinedOutput()
		if told := strings.Contains(string(out), "data/rescue/1"); told != (content[len(content)-1] != whole[len(whole)-1]) {
			t.Errorf("a check tells of the document: %v (%v)\n%s", told, err, out)
		}
	}
}

// proveAcrossRescue verifies bundles of before and after, under roots of trust of
// before and after.
func (x *testNet) proveAcrossRescue(t *testing.T, s *shell, commands []string) {
	t.Helper()
	document, err := os.ReadFile(filepath.Join(s.dir, "whole.rescue"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := proof.DecodeRescue(document)
	if err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "RESCUE="+r.ID().String(), "NODE2="+x.members[1].REST)
	says := "Lost for ever: "
	for _, command := range commands {
		switch {
		case strings.HasPrefix(command, "waybill bundle"):
			s.run(t, command)
			s.refused(t, "waybill verify item.bundle --trust trust.json", r.ID().String())
			s.refused(t, "waybill verify item.bundle --trust trust.json --accept-rescue "+r.Header.String(), r.ID().String())
		case strings.HasPrefix(command, "waybill verify"):
			statement := s.run(t, command+" 2>/dev/null")
			if first, _, _ := strings.Cut(statement, "\n"); !strings.Contains(first, says) || !strings.Contains(first, "two thirds of the old votes") {
				t.Errorf("the statement begins with %q", first)
			}
		}
	}
	if out := s.run(t, "waybill verify before.bundle --trust trust.json"); strings.Contains(out, says) {
		t.Errorf("a bundle of before tells of the rescue:\n%s", out)
	}
	s.run(t, "waybill trust --node $NODE --node $NODE2 > later.json")
	s.run(t, "waybill bundle --node $NODE --key $KEY --trust later.json $ITEM > later.bundle")
	if out := s.run(t, "waybill verify later.bundle --trust later.json"); !strings.Contains(out, "Before the root of trust: ") {
		t.Errorf("under a root of trust of after the rescue, nothing tells of it:\n%s", out)
	}
	s.run(t, "waybill renew before.bundle --node $NODE --key $KEY --trust trust.json > renewed.bundle")
	s.refused(t, "waybill verify renewed.bundle --trust trust.json", r.ID().String())
	s.run(t, "waybill verify renewed.bundle --trust trust.json --accept-rescue $RESCUE")
}

// After a rescue that leaves more validators than a quorum takes, a node that lost
// its data joins by a snapshot, fetches what came before, across the rescue, and
// proves it to who holds a root of trust of before.
func TestJoinAfterRescue(t *testing.T) {
	x := start(t, 6, "WAYBILL_SNAPSHOT_HEIGHTS=5")
	item := captureOne(t, x, 0)
	x.level(t)
	s := &shell{dir: t.TempDir(), env: []string{"PATH=/usr/bin:/bin"}}
	before := x.trustFile(t)
	lost := []string{x.members[4].Partner, x.members[5].Partner}
	for _, i := range []int{4, 5} {
		x.kill(t, i)
	}
	x.members = x.members[:4]
	eventually(t, "the survivors stand at one height", func() bool {
		for i := range x.members {
			if n := x.network(t, i); n.Quorum || n.Height != x.network(t, 0).Height {
				return false
			}
		}
		return true
	})
	for i := range x.members {
		x.end(t, i)
	}
	document := program + " rescue propose --home " + x.members[0].Home + " --lost " + lost[0] + " --lost " + lost[1] + " --reason fire > 0.rescue"
	s.run(t, document)
	for i, m := range x.members[1:] {
		s.run(t, fmt.Sprintf("%s rescue sign %d.rescue --home %s > %d.rescue", program, i, m.Home, i+1))
	}
	for i, m := range x.members {
		s.run(t, program+" rescue start 3.rescue --home "+m.Home)
		x.restart(t, i)
	}
	for i := range x.members {
		x.awaitReady(t, i)
	}
	const joins = 3
	var acked []string
	more := func(snapshotsAbove int64) (last int64) {
		for last <= snapshotsAbove {
			id, body := newEvent(0, "after", len(acked))
			if err := acknowledge(t.Context(), x.plain(t, 0), body); err != nil {
				t.Fatal(err)
			}
			acked = append(acked, id)
			for _, height := range x.network(t, 0).Snapshots {
				last = max(last, height)
			}
		}
		return last
	}
	first := more(x.network(t, 0).Height)
	after := x.trustFile(t)
	x.kill(t, joins)
	x.wipe(t, joins)
	more(first)
	x.restart(t, joins, "--trust", after)
	x.awaitReady(t, joins)
	eventually(t, "the history is complete", func() bool {
		n, err := x.plain(t, joins).Network(t.Context())
		return err == nil && n.Missing == nil
	})
	x.awaitReady(t, joins)
	x.level(t)
	x.onAllNodesOnce(t, acked)
	r, err := os.ReadFile(filepath.Join(s.dir, "3.rescue"))
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := proof.DecodeRescue(r)
	if err != nil {
		t.Fatal(err)
	}
	at := " --node " + x.members[joins].REST + " --key " + x.members[joins].Key + " --trust " + before
	s.run(t, program+" bundle --times "+item+at+" > item.bundle")
	s.refused(t, program+" verify item.bundle --trust "+before, decoded.ID().String())
	s.run(t, program+" verify item.bundle --trust "+before+" --accept-rescue "+decoded.ID().String())
	x.end(t, joins)
	x.sound(t, joins)

	// A node that fetches every block comes to the rescue's last one, says what it
	// needs, and goes on by the document. Its validator does not vote again where it
	// has voted.
	x.wipe(t, joins)
	signState := filepath.Join(x.members[joins].Home, "data", "sign_state.json")
	voted, err := os.ReadFile(signState)
	if err != nil {
		t.Fatal(err)
	}
	x.restart(t, joins)
	eventually(t, "the node says that there was a rescue", func() bool {
		log, err := os.ReadFile(filepath.Join(x.members[joins].Home, "node.log"))
		return err == nil && strings.Contains(string(log), "run waybill rescue start with its document")
	})
	x.end(t, joins)
	s.run(t, program+" rescue start 3.rescue --home "+x.members[joins].Home)
	if now, err := os.ReadFile(signState); err != nil || string(now) != string(voted) {
		t.Errorf("the sign state of a validator that comes back later is another: %v", err)
	}
	x.restart(t, joins)
	x.awaitReady(t, joins)
	x.level(t)
	x.onAllNodesOnce(t, acked)
	x.oneState(t)
}
