package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/network"
)

// program is the waybill program that every test runs, built once.
var program string

// patience is how long a test waits for what must come: far longer than it takes,
// so that a loaded machine fails no test.
const patience = 3 * time.Minute

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "waybill-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if program = os.Getenv(insideProgram); program == "" {
		program = filepath.Join(dir, "waybill")
	}
	code := m.Run()
	shared.stop()
	return code
}

// build makes the program once, and only when a test wants it.
var build = sync.OnceValue(func() error {
	cmd := exec.Command("go", "build", "-o", program, "../node/waybill")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
})

// network of processes under test.
type testNet struct {
	dir     string
	env     []string // settings of the nodes
	base    int
	lock    net.Listener // holds the range of ports against other runs
	cmd     *exec.Cmd    // waybill localnet
	out     bytes.Buffer
	done    chan struct{}
	exit    error
	members []network.Member
	again   map[string]*exec.Cmd // nodes that the test started again, by home
}

// start makes a network of n partners that is ready, for one test, which runs beside
// others that have a network of their own.
func start(t *testing.T, n int, env ...string) *testNet {
	t.Helper()
	t.Parallel()
	shared.stop() // the tests that use it are not parallel: they have ended
	x := begin(t, n, env...)
	t.Cleanup(func() {
		if t.Failed() {
			x.showLogs(t)
		}
		x.stop()
	})
	return x
}

func begin(t *testing.T, n int, env ...string) *testNet {
	t.Helper()
	if testing.Short() {
		t.Skip("several processes: not with -short")
	}
	if err := build(); err != nil {
		t.Fatalf("building the program: %v", err)
	}
	dir, err := os.MkdirTemp("", "waybill-net-")
	if err != nil {
		t.Fatal(err)
	}
	x, err := launch(dir, n, env)
	if err != nil {
		os.RemoveAll(dir)
		t.Fatal(err)
	}
	return x
}

func launch(dir string, n int, env []string) (*testNet, error) {
	x := &testNet{dir: dir, env: env, again: map[string]*exec.Cmd{}, done: make(chan struct{})}
	if err := x.takePorts(); err != nil {
		return nil, err
	}
	x.cmd = exec.Command(program, "localnet", "--partners", fmt.Sprint(n), "--home", dir, "--base-port", fmt.Sprint(x.base))
	x.cmd.Stdout, x.cmd.Stderr = &x.out, &x.out
	x.cmd.Env = append(os.Environ(), env...)
	if err := x.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting a local network: %w", err)
	}
	go func() {
		x.exit = x.cmd.Wait()
		close(x.done)
	}()
	err := poll(context.Background(), func() (bool, error) {
		select {
		case <-x.done:
			return false, fmt.Errorf("the local network ended: %v\n%s", x.exit, x.out.String())
		default:
		}
		_, err := os.Stat(filepath.Join(dir, network.PartnersFile))
		return err == nil, nil
	})
	if err == nil {
		x.members, err = network.ReadMembers(dir)
	}
	if err != nil {
		x.stop()
	}
	return x, err
}

// takePorts finds a hundred free ports. The last of them stays open as a lock, so
// that two runs of these tests take different ones.
func (x *testNet) takePorts() error {
	for range 200 {
		base := 100 * (110 + rand.IntN(200)) // below what systems give to clients
		lock, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+99))
		if err != nil {
			continue
		}
		if free(base) {
			x.base, x.lock = base, lock
			return nil
		}
		lock.Close()
	}
	return errors.New("no hundred free ports were found")
}

func free(base int) bool {
	for port := base; port < base+99; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// poll asks until the answer is yes, an error, or patience ends.
func poll(ctx context.Context, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := ask()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it did not come about within %s", patience)
		case <-tick.C:
		}
	}
}

// eventually fails the test unless the condition comes about.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	if err := poll(t.Context(), func() (bool, error) { return ask(), nil }); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (x *testNet) client(t *testing.T, i int) *client.Client {
	t.Helper()
	c, err := client.New(x.members[i].REST, x.members[i].Key, client.WithAttempts(100, 100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// plain is a client that asks once.
func (x *testNet) plain(t *testing.T, i int) *client.Client {
	t.Helper()
	c, err := client.New(x.members[i].REST, x.members[i].Key, client.WithAttempts(1, time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// kill ends a node at once, as a power cut does.
func (x *testNet) kill(t *testing.T, i int) {
	t.Helper()
	m := x.members[i]
	if cmd := x.again[m.Home]; cmd != nil {
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		delete(x.again, m.Home)
		return
	}
	if err := syscall.Kill(m.PID, syscall.SIGKILL); err != nil {
		t.Fatalf("killing %s: %v", m.Partner, err)
	}
	eventually(t, m.Partner+" ends", func() bool { return !alive(m.PID) })
}

// alive reports whether a process runs: one that ended and was reaped does not.
func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// restart starts a killed node by hand.
func (x *testNet) restart(t *testing.T, i int, flags ...string) {
	t.Helper()
	x.begin(t, i, program, flags...)
}

// begin starts a node by hand, with a program.
func (x *testNet) begin(t *testing.T, i int, program string, flags ...string) {
	t.Helper()
	m := x.members[i]
	log, err := os.OpenFile(filepath.Join(m.Home, "node.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program, append([]string{"start", "--home", m.Home}, flags...)...)
	cmd.Env = append(os.Environ(), x.env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	x.again[m.Home] = cmd
}

func (x *testNet) awaitReady(t *testing.T, i int) {
	t.Helper()
	c := x.plain(t, i)
	eventually(t, x.members[i].Partner+" is ready", func() bool { return c.Ready(t.Context()) == nil })
}

// awaitNoQuorum waits until a node that runs says that no block can be decided.
func (x *testNet) awaitNoQuorum(t *testing.T, i int) {
	t.Helper()
	eventually(t, "the node notices that there is no quorum", func() bool {
		res, err := http.Get(x.members[i].REST + "/readyz")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusServiceUnavailable
	})
}

// stop ends everything that the test started, each by its own process.
func (x *testNet) stop() {
	if x == nil || x.cmd == nil {
		return
	}
	for _, cmd := range x.again {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	select {
	case <-x.done:
	default:
		_ = x.cmd.Process.Signal(syscall.SIGTERM)
		<-x.done
	}
	x.lock.Close()
	os.RemoveAll(x.dir)
}

func (x *testNet) showLogs(t *testing.T) {
	t.Helper()
	for _, m := range x.members {
		b, err := os.ReadFile(filepath.Join(m.Home, "node.log"))
		if err != nil {
			t.Log(err)
			continue
		}
		if len(b) > 3000 {
			b = b[len(b)-3000:]
		}
		t.Logf("log of %s ends:\n%s", m.Partner, b)
	}
}

// shared is the network of the tests that leave a network as they found it.
var shared sharedNet

type sharedNet struct {
	mu  sync.Mutex // guards net
	net *testNet
}

func (s *sharedNet) get(t *testing.T) *testNet {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.net == nil {
		s.net = begin(t, 4)
	}
	x := s.net
	t.Cleanup(func() {
		if t.Failed() {
			x.showLogs(t)
		}
	})
	return x
}

func (s *sharedNet) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.net.stop()
	s.net = nil
}
