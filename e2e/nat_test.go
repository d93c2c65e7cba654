package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/waybill-ledger/waybill/network"
)

// insideProgram names the program to a run of a test inside a network of its own.
const insideProgram = "WAYBILL_E2E_INSIDE"

// isolated runs the test that calls it again in a network namespace of its own, and
// reports whether this is that run. Where the system allows none, the test is skipped.
func isolated(t *testing.T, tools ...string) bool {
	t.Helper()
	if os.Getenv(insideProgram) != "" {
		return true
	}
	if testing.Short() {
		t.Skip("several processes: not with -short")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("it takes %s to make networks: %v", tool, err)
		}
	}
	t.Parallel()
	if err := build(); err != nil {
		t.Fatalf("building the program: %v", err)
	}
	namespaced := func(name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
			Pdeathsig: syscall.SIGKILL,
		}
		return cmd
	}
	if out, err := namespaced("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Skipf("the system allows no network namespaces: %v\n%s", err, out)
	}
	cmd := namespaced(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), insideProgram+"="+program)
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Fatalf("inside: %v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("inside:\n%s", out)
	case !strings.Contains(string(out), "--- PASS"):
		t.Fatalf("inside nothing ran:\n%s", out)
	}
	return false
}

// Addresses of the networks: the world, in which two nodes can be reached, and a house
// behind a router with NAT, which lets connections out alone. The test asks the nodes in
// the house by a cable of its own.
const (
	worldIP = "10.77.0.1"
	cableIP = "10.79.0.2"
	house   = "house"

	natRules = `table ip home {
	chain out { type nat hook postrouting priority 100; oifname "out" masquerade; }
	chain pass { type filter hook forward priority 0; policy drop; ct state established,related accept; iifname "in" accept; }
}`
)

// wire makes those networks.
func wire(t *testing.T) {
	t.Helper()
	sh(t, `mount -t tmpfs run /run && mkdir -p /run/netns
ip link set lo up && ip netns add router && ip netns add house
ip link add world type veth peer name out netns router
ip link add cable type veth peer name test netns house
ip -n router link add in type veth peer name out netns house
ip addr add 10.77.0.1/24 dev world && ip link set world up
ip addr add 10.79.0.1/24 dev cable && ip link set cable up
ip -n router addr add 10.77.0.2/24 dev out && ip -n router link set out up
ip -n router addr add 10.78.0.1/24 dev in && ip -n router link set in up
ip -n house addr add 10.78.0.2/24 dev out && ip -n house link set out up && ip -n house link set lo up
ip -n house addr add 10.79.0.2/24 dev test && ip -n house link set test up
ip -n house route add default via 10.78.0.1
nsenter --net=/run/netns/router sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'`)
	if out, err := exec.Command("nsenter", "--net=/run/netns/router", "nft", natRules).CombinedOutput(); err != nil {
		t.Skipf("the system allows no NAT in a namespace: %v\n%s", err, out)
	}
}

// moveRouter gives the router another address and makes it forget its connections, as
// a provider does by night: nobody at either end is told.
func moveRouter(t *testing.T) {
	t.Helper()
	sh(t, `nsenter --net=/run/netns/router nft delete table ip home
ip -n router addr del 10.77.0.2/24 dev out && ip -n router addr add 10.77.0.3/24 dev out`)
	sh(t, "nsenter --net=/run/netns/router nft '"+natRules+"'")
}

func sh(t *testing.T, script string) {
	t.Helper()
	if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// Two of four validators are behind one NAT that lets connections out alone: they vote,
// reach each other through the others, also through one alone, and are there again when
// the NAT forgot them and has another address.
func TestValidatorsBehindNAT(t *testing.T) {
	if !isolated(t, "ip", "nft", "nsenter", "mount") {
		return
	}
	wire(t)
	x := &testNet{dir: t.TempDir(), again: map[string]*exec.Cmd{}, env: []string{"WAYBILL_IDLE_INTERVAL=1s"}}
	t.Cleanup(func() {
		if t.Failed() {
			x.showLogs(t)
		}
		for _, cmd := range x.again {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed
		}
	})
	const first, second, open, down = 0, 1, 2, 3 // the first two are behind the NAT
	places := []string{"9521234000006", "9521234009009", "9521234009016", "9521234009023"}
	var cards []string
	for i := range 4 {
		m := network.Member{Partner: fmt.Sprintf("partner-%d", i), Home: filepath.Join(x.dir, fmt.Sprint("home-", i))}
		rest, p2p := fmt.Sprintf("%s:%d", cableIP, 8080+i), ""
		if i >= open {
			rest, p2p = fmt.Sprintf("%s:%d", worldIP, 8080+i), fmt.Sprintf("%s:%d", worldIP, 26656+i)
		}
		out := waybill(t, "init", "--home", m.Home, "--partner", m.Partner, "--gln", places[i], "--rest", rest, "--p2p", p2p, "--rpc", "")
		_, key, _ := strings.Cut(out, "API key   ")
		m.Key, _, _ = strings.Cut(key, "\n")
		m.REST = "http://" + rest
		x.members = append(x.members, m)
		cards = append(cards, filepath.Join(m.Home, network.CardFile))
	}
	genesis := filepath.Join(x.dir, "genesis.json")
	doc := waybill(t, append([]string{"genesis", "--chain-id", "behind-nat", "--time", "2026-01-31T12:00:00Z"}, cards...)...)
	if err := os.WriteFile(genesis, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, m := range x.members {
		waybill(t, append([]string{"join", "--home", m.Home, "--genesis", genesis}, cards...)...)
		if err := os.WriteFile(filepath.Join(m.Home, "node.log"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		x.beginAt(t, i, i < open)
	}
	for i := range x.members {
		x.awaitReady(t, i)
	}
	var ids []string
	for i := range x.members {
		ids = append(ids, x.acknowledged(t, i, "nat", i))
	}
	// From now on both votes from behind the NAT are needed, and both go through one node.
	x.kill(t, down)
	ids = append(ids, x.acknowledged(t, first, "nat", 4), x.acknowledged(t, second, "nat", 5), x.acknowledged(t, open, "nat", 6))
	for _, i := range []int{first, second} {
		if n := x.network(t, i); n.Peers != 1 {
			t.Errorf("%s has %d peers: it shall reach the other through one", x.members[i].Partner, n.Peers)
		}
		x.awaitReady(t, i)
	}
	moveRouter(t)
	ids = append(ids, x.acknowledged(t, first, "nat", 7), x.acknowledged(t, second, "nat", 8))
	x.beginAt(t, down, false)
	x.awaitReady(t, down)
	ids = append(ids, x.acknowledged(t, down, "nat", 9))
	x.level(t)
	x.onAllNodesOnce(t, ids)
	x.oneState(t)
}

// beginAt starts a node, in the house or in the world.
func (x *testNet) beginAt(t *testing.T, i int, inside bool) {
	t.Helper()
	m := x.members[i]
	log, err := os.OpenFile(filepath.Join(m.Home, "node.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program, "start", "--home", m.Home)
	if inside {
		cmd = exec.Command("nsenter", "--net=/run/netns/"+house, program, "start", "--home", m.Home)
	}
	cmd.Env = append(os.Environ(), x.env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	x.again[m.Home] = cmd
}
