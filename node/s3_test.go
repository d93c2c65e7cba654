package node_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/node"
)

// s3Program names a versitygw, an S3-compatible store over a directory, that tests
// run against. Where it is named, it must work.
const s3Program = "WAYBILL_S3_SERVER"

const (
	testAccess = "waybill-test"
	testSecret = "a secret that no log has"
)

// s3Store is a store, behind a door that tests can shut.
type s3Store struct {
	t       *testing.T
	address string
	dir     string // bucket below it, as files
	small   bool   // it is the tests' own, and not a program
	server  *exec.Cmd
	own     *http.Server // where it is small
	door    *http.Server
	open    string // URL of the door

	mu     sync.Mutex // guards what follows
	meddle meddling
}

// newS3 is a real store, which knows wrong secrets.
func newS3(t *testing.T) *s3Store {
	t.Helper()
	if os.Getenv(s3Program) == "" {
		t.Skipf("%s names no S3-compatible store", s3Program)
	}
	return anyS3(t)
}

// anyS3 is a real store where there is one, else one of the tests' own.
func anyS3(t *testing.T) *s3Store {
	t.Helper()
	s := &s3Store{t: t, address: freeAddress(t), dir: t.TempDir(), small: os.Getenv(s3Program) == ""}
	must(t, os.Mkdir(filepath.Join(s.dir, "goods"), 0o700))
	s.start()
	t.Cleanup(s.stop)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s.open = "http://" + l.Addr().String()
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: s.address})
	s.door = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		meddle := s.meddle
		s.mu.Unlock()
		if meddle == nil {
			behind.ServeHTTP(w, r)
			return
		}
		meddle(w, r, behind)
	})}
	behind.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	go func() { _ = s.door.Serve(l) }()
	t.Cleanup(func() { _ = s.door.Close() })
	return s
}

// start runs the store until it answers.
func (s *s3Store) start() {
	s.t.Helper()
	if s.small {
		l, err := net.Listen("tcp", s.address)
		must(s.t, err)
		s.own = &http.Server{Handler: smallS3(s.dir)}
		go func() { _ = s.own.Serve(l) }()
		return
	}
	s.server = exec.Command(os.Getenv(s3Program), "--port", s.address, "--quiet", "posix", s.dir)
	s.server.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+testAccess, "ROOT_SECRET_KEY="+testSecret)
	must(s.t, s.server.Start())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		c, err := net.Dial("tcp", s.address)
		if err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("the store does not start: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *s3Store) stop() {
	if s.own != nil {
		_ = s.own.Close()
		s.own = nil
	}
	if s.server != nil {
		_ = s.server.Process.Kill()
		_ = s.server.Wait()
		s.server = nil
	}
}

// meddling is what comes between a node and its store.
type meddling func(w http.ResponseWriter, r *http.Request, behind http.Handler)

// meddling has requests go through m, or, if it is nil, straight to the store.
func (s *s3Store) meddling(m meddling) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meddle = m
}

// refusing answers requests itself with the status that f tells, unless that is 0.
func (s *s3Store) refusing(f func(*http.Request) int) {
	if f == nil {
		s.meddling(nil)
		return
	}
	s.meddling(func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		if status := f(r); status != 0 {
			w.WriteHeader(status)
			return
		}
		behind.ServeHTTP(w, r)
	})
}

// access is how the store is reached, by a file of keys.
func (s *s3Store) access() node.S3 {
	file := filepath.Join(s.t.TempDir(), "s3.json")
	must(s.t, os.WriteFile(file, fmt.Appendf(nil, `{"access_key":%q,"secret_key":%q}`, testAccess, testSecret), 0o600))
	return node.S3{Endpoint: s.open, Credentials: file, Getenv: nothing}
}

func (s *s3Store) name(prefix string) string { return "s3://goods/" + prefix }

// files are the objects under a prefix, where the store keeps them.
func (s *s3Store) files(prefix string) []string {
	return filesOf(s.t, filepath.Join(s.dir, "goods", prefix))
}
