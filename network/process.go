package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	stopTimeout = 30 * time.Second      // a node drains open requests first
	readyPoll   = 50 * time.Millisecond // between questions whether a node is ready
	logTail     = 2000                  // bytes of a dead node's log that an error shows
)

// process is a node that this program started. It is ended by its handle only:
// a node that was started again by hand belongs to whoever did that.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when the process has ended
	err  error         // how, once done is closed
}

// startProcess runs `program start --home home`, with its log in the home.
func startProcess(program, home string) (*process, error) {
	logPath := filepath.Join(home, "node.log")
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of a node: %w", err)
	}
	cmd := exec.Command(program, "start", "--home", home)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	// A group of its own: an interrupt at the terminal goes to the program that
	// started the nodes, which then stops them in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	if err := errors.Join(err, logFile.Close()); err != nil {
		return nil, fmt.Errorf("starting the node in %s: %w", home, err)
	}
	p := &process{cmd: cmd, log: logPath, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// tail is the end of the node's log.
func (p *process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	if len(b) > logTail {
		b = b[len(b)-logTail:]
	}
	return strings.TrimSpace(string(b))
}

// awaitReady waits until every node answers that it is ready.
func (l *Local) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	client := &http.Client{Timeout: 2 * time.Second}
	for i, p := range l.nodes {
		if err := p.awaitReady(ctx, client, l.Members[i].REST); err != nil {
			return fmt.Errorf("node %s: %w", l.Members[i].Partner, err)
		}
	}
	return nil
}

func (p *process) awaitReady(ctx context.Context, client *http.Client, rest string) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	said := "it does not answer"
	for {
		ready, status := askReady(ctx, client, rest)
		if ready {
			return nil
		}
		if status != "" {
			said = status
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended before it was ready (%v); its log ends:\n%s", p.err, p.tail())
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("not ready after %s: %s; its log ends:\n%s", readyTimeout, said, p.tail())
			}
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// askReady asks a node whether it is ready, and what it says otherwise.
func askReady(ctx context.Context, client *http.Client, rest string) (ready bool, said string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rest+"/readyz", nil)
	if err != nil {
		return false, err.Error()
	}
	res, err := client.Do(req)
	if err != nil {
		return false, ""
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 512))
	return res.StatusCode == http.StatusOK, strings.TrimSpace(string(body))
}

// Stop stops the nodes that this program started and that still run, and waits
// for them. Nodes that were killed from outside are left alone.
func (l *Local) Stop() error {
	var errs []error
	for _, p := range l.nodes {
		if !p.ended() {
			// An error means that it has just ended by itself.
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	deadline := time.After(stopTimeout)
	for i, p := range l.nodes {
		select {
		case <-p.done:
			continue
		case <-deadline:
			errs = append(errs, fmt.Errorf("node %s did not stop within %s and was killed", l.Members[i].Partner, stopTimeout))
		}
		_ = p.cmd.Process.Kill()
		<-p.done
		deadline = time.After(time.Second)
	}
	return errors.Join(errs...)
}
