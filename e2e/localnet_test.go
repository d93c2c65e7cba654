package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/network"
)

// What programs that use a local network rely on: partners.json, ports, that each
// partner is a process, that what was killed stays down until it is started by
// hand, and that all ends with the program that started it.
func TestLocalnetContract(t *testing.T) {
	x := start(t, 4)
	text, err := os.ReadFile(filepath.Join(x.dir, network.PartnersFile))
	if err != nil {
		t.Fatal(err)
	}
	var partners []map[string]any
	if err := json.Unmarshal(text, &partners); err != nil {
		t.Fatal(err)
	}
	if len(partners) != 4 {
		t.Fatalf("partners.json has %d entries", len(partners))
	}
	for i, p := range partners {
		for _, name := range []string{"partner", "rest", "rpc", "p2p", "key", "home", "pid", "gln"} {
			if p[name] == nil || p[name] == "" {
				t.Errorf("entry %d of partners.json has no %s", i, name)
			}
		}
		if want := fmt.Sprintf("http://127.0.0.1:%d", x.base+i); p["rest"] != want {
			t.Errorf("entry %d serves REST at %v, expected %s", i, p["rest"], want)
		}
		for _, name := range []string{"rest", "rpc", "p2p"} {
			address := fmt.Sprint(p[name])
			port, err := strconv.Atoi(address[strings.LastIndex(address, ":")+1:])
			if err != nil || port < x.base || port > x.base+99 {
				t.Errorf("entry %d has %s at %s, outside the hundred ports from %d", i, name, address, x.base)
			}
		}
		if home := filepath.Join(x.dir, fmt.Sprint(p["partner"])); p["home"] != home {
			t.Errorf("entry %d has its home at %v, expected %s", i, p["home"], home)
		}
	}
	pids := map[int]bool{}
	for i, m := range x.members {
		pids[m.PID] = true
		if !alive(m.PID) {
			t.Errorf("process %d of %s does not run", m.PID, m.Partner)
		}
		if n, err := x.client(t, i).Network(t.Context()); err != nil || n.Partner != m.Partner {
			t.Errorf("the node of %s says %+v, %v", m.Partner, n, err)
		}
	}
	if len(pids) != 4 {
		t.Errorf("four partners run in %d processes", len(pids))
	}
	x.kill(t, 3)
	x.restart(t, 3)
	x.awaitReady(t, 3)
	byHand := x.again[x.members[3].Home].Process.Pid
	if err := x.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-x.done
	if x.exit != nil {
		t.Errorf("after SIGTERM the program ended with %v:\n%s", x.exit, x.out.String())
	}
	for _, m := range x.members[:3] {
		if alive(m.PID) {
			t.Errorf("%s still runs", m.Partner)
		}
	}
	if !alive(byHand) {
		t.Error("the node that was started by hand was stopped by who did not start it")
	}
}

// A local network says what is in its way, and makes nothing.
func TestLocalnetRefusals(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("several processes: not with -short")
	}
	if err := build(); err != nil {
		t.Fatal(err)
	}
	x := &testNet{}
	if err := x.takePorts(); err != nil {
		t.Fatal(err)
	}
	defer x.lock.Close()
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", x.base+1))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--home", full}, 1, "not empty"},
		{[]string{"--home", filepath.Join(t.TempDir(), "net"), "--base-port", fmt.Sprint(x.base)}, 1, fmt.Sprintf("port %d", x.base+1)},
		{[]string{"--home", filepath.Join(t.TempDir(), "net"), "--base-port", "80"}, 2, "base port 80"},
		{[]string{"--home", filepath.Join(t.TempDir(), "net"), "--partners", "0"}, 2, "0 partners"},
		{[]string{"--home", filepath.Join(t.TempDir(), "net"), "--partners", "2", "--demo"}, 2, "4 partners"},
		{nil, 2, "--home"},
	} {
		cmd := exec.Command(program, append([]string{"localnet"}, test.args...)...)
		out, _ := cmd.CombinedOutput() // its status is looked at
		if code := cmd.ProcessState.ExitCode(); code != test.code || !bytes.Contains(out, []byte(test.says)) {
			t.Errorf("localnet %v ended with %d, expected %d and %q:\n%s", test.args, code, test.code, test.says, out)
		}
	}

	// Nodes that cannot start say why, and none is left.
	taken.Close()
	cmd := exec.Command(program, "localnet", "--home", filepath.Join(t.TempDir(), "net"), "--base-port", fmt.Sprint(x.base))
	cmd.Env = append(os.Environ(), "WAYBILL_BACKEND=parchment")
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 1 || !bytes.Contains(out, []byte("parchment")) || bytes.Contains(out, []byte("panic")) {
		t.Errorf("a network whose nodes cannot start ended with %d:\n%s", code, out)
	}
}

// The first thing that a newcomer runs: the story is played, the trace printed,
// found the same on all nodes, and its bundle verified.
func TestDemo(t *testing.T) {
	t.Parallel()
	out, _ := demo(t)
	for _, want := range []string{
		"commissioning", "packing", "shipping", "receiving", "retail_selling", "offer_rejected", "matched_receipt", "CEL",
		"acme-farms", "brook-foods", "coast-lines", "daily-market", "Acme field 12", "made from", "inside",
		"the same on all 4 nodes", "held by daily-market",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo's output has no %q:\n%s", want, out)
		}
	}
}

// A program is given the trace as JSON, and nothing else.
func TestDemoAsJSON(t *testing.T) {
	t.Parallel()
	out, log := demo(t, "-o", "json")
	var trace api.Trace
	if err := json.Unmarshal([]byte(out), &trace); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if trace.ID != network.DemoUnit || len(trace.Events) == 0 || !strings.Contains(log, "held by daily-market") {
		t.Errorf("a trace of %s with %d events:\n%s", trace.ID, len(trace.Events), log)
	}
}

// demo plays the story on a network of its own, which ends after it, and returns what
// was printed.
func demo(t *testing.T, flags ...string) (stdout, stderr string) {
	t.Helper()
	if testing.Short() {
		t.Skip("several processes: not with -short")
	}
	if err := build(); err != nil {
		t.Fatal(err)
	}
	x := &testNet{}
	if err := x.takePorts(); err != nil {
		t.Fatal(err)
	}
	defer x.lock.Close()
	dir := t.TempDir()
	cmd := exec.Command(program, append([]string{"localnet", "--home", dir, "--base-port", fmt.Sprint(x.base), "--demo", "--exit"}, flags...)...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("the demo ended with %v:\n%s%s", err, out.String(), log.String())
	}
	members, err := network.ReadMembers(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if alive(m.PID) {
			t.Errorf("after the demo the node of %s still runs", m.Partner)
		}
		if res, err := http.Get(m.REST + "/livez"); err == nil {
			res.Body.Close()
			t.Errorf("after the demo %s still answers", m.Partner)
		}
	}
	return out.String(), log.String()
}
