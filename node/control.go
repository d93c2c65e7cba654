package node

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
)

// A running node holds its databases alone, so that what must be asked of them
// from outside is asked of the node, over a socket in its home. Who may use the
// home may use the socket: no key is needed, and no network reaches it.

// controlTimeout bounds a request's head; what follows may take its time.
const controlTimeout = 10 * time.Second

// controlPath is the socket. Its name is short, but a home's may not be: see
// shortened.
func controlPath(home string) string { return filepath.Join(home, dataDir, "control.sock") }

// maxSocketPath is what every system allows a socket's path to be.
const maxSocketPath = 100

// shortened calls use with a path that leads to a socket in dir, however long the
// directory's own name is: a socket's address has about a hundred bytes.
func shortened(path string, use func(path string) error) error {
	if len(path) <= maxSocketPath {
		return use(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

// cut is the moment that a backup keeps: the archive at a height, and the votes
// that decided the last block, which no later block carries yet.
type cut struct {
	Height     int64           `json:"height"`
	AppHash    []byte          `json:"app_hash"`
	HeaderHash []byte          `json:"header_hash"`
	Commit     []byte          `json:"commit"` // the engine's encoding
	Files      []store.CutFile `json:"files"`
	Block      []byte          `json:"block,omitempty"` // the engine's encoding of the last, where the archive cannot give it back
}

// control answers on the socket of a node that runs.
type control struct {
	node  *Node
	store *store.Store
	own   *local.Store
}

// serveControl opens the socket. A stale one is of a node that was killed: the
// ledger's lock is held, so no other runs.
func serveControl(c *control) (io.Closer, error) {
	path := controlPath(c.node.settings.Home)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("removing the socket of an earlier run: %w", err)
	}
	var l net.Listener
	err := shortened(path, func(short string) (err error) {
		l, err = net.Listen("unix", short)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // by a name that may not stand any more
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("closing %s to others: %w", path, err), l.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /cut", c.cut)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: controlTimeout}
	go func() { _ = server.Serve(l) }() // ends when the node closes it
	return closing(func() error { return errors.Join(server.Close(), os.Remove(path)) }), nil
}

type closing func() error

func (f closing) Close() error { return f() }

// cut answers a line of JSON, and behind it the dump of the gateway's store. That
// is taken first: what leaves the outbox in between is on the ledger then.
func (c *control) cut(w http.ResponseWriter, _ *http.Request) {
	dump, err := c.own.Dump()
	if err != nil {
		c.fail(w, err)
		return
	}
	defer func() { _ = dump.Close() }() // its rows were read, or will not be
	line, err := cutOf(c.store, c.node.engine.blocks)
	if err != nil {
		c.fail(w, err)
		return
	}
	b, err := json.Marshal(line)
	if err != nil {
		c.fail(w, err)
		return
	}
	_, err = w.Write(append(b, '\n'))
	if err == nil {
		err = dump.Write(w)
	}
	if err != nil {
		c.node.log.Error("answering a backup", "error", err)
		panic(http.ErrAbortHandler) // so that the other side sees that it has not all
	}
}

func (c *control) fail(w http.ResponseWriter, err error) {
	c.node.log.Error("answering a backup", "error", err)
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

// cutOf is the ledger's last height with its votes.
func cutOf(s *store.Store, blocks *headers) (*cut, error) {
	at := s.Cut()
	if joined, err := app.Joined(s); err != nil || joined {
		return nil, errors.Join(errors.New("the node joined by a snapshot and does not have the blocks before it, from which a restore begins: back up another node, or this one when it has fetched them"), err)
	}
	if at.Height == 0 {
		return nil, errors.New("the ledger has no block yet: there is nothing to back up but the home's own files")
	}
	engine, err := blocks.of()
	if err != nil {
		return nil, err
	}
	meta, commit := engine.LoadBlockMeta(at.Height), engine.LoadSeenCommit(at.Height)
	if meta == nil || commit == nil {
		return nil, fmt.Errorf("the engine has no block %d, or not the votes for it", at.Height)
	}
	encoded, err := commit.ToProto().Marshal()
	if err != nil {
		return nil, fmt.Errorf("encoding the votes for block %d: %w", at.Height, err)
	}
	out := &cut{Height: at.Height, AppHash: at.Root[:], HeaderHash: meta.BlockID.Hash, Commit: encoded, Files: at.Files}
	out.Block, err = blockToKeep(s, engine, at.Height)
	return out, err
}

// errNotRunning says that no node answers in a home.
var errNotRunning = errors.New("no node runs in this home")

// ask sends a request to the node that runs in a home. When it answers, stop ends what
// is left of the answer.
func ask(ctx context.Context, home, method, target string) (res *http.Response, stop func(), err error) {
	path := controlPath(home)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (conn net.Conn, err error) {
		err = shortened(path, func(short string) (err error) {
			conn, err = (&net.Dialer{}).DialContext(ctx, "unix", short)
			return err
		})
		return conn, err
	}}}
	req, err := http.NewRequestWithContext(ctx, method, "http://node"+target, nil)
	if err != nil {
		return nil, nil, err
	}
	if res, err = client.Do(req); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errNotRunning, err)
	}
	stop = func() { _ = res.Body.Close(); client.CloseIdleConnections() }
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<12))
		stop()
		return nil, nil, fmt.Errorf("the node answers: %s", strings.TrimSpace(string(text)))
	}
	return res, stop, nil
}

// Profile writes to w what the node that runs in a home does with the processors for
// so many seconds, as go tool pprof reads it.
func Profile(ctx context.Context, home string, seconds int, w io.Writer) error {
	res, stop, err := ask(ctx, home, http.MethodGet, fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds))
	if err != nil {
		return err
	}
	defer stop()
	_, err = io.Copy(w, res.Body)
	return err
}

// askCut asks the node that runs in a home for a cut; the reader goes on with the
// gateway's dump.
func askCut(ctx context.Context, home string) (*cut, io.Reader, func(), error) {
	res, stop, err := ask(ctx, home, http.MethodPost, "/cut")
	if err != nil {
		return nil, nil, nil, err
	}
	r := bufio.NewReader(res.Body)
	line, err := r.ReadBytes('\n')
	at := &cut{}
	if err == nil {
		err = json.Unmarshal(line, at)
	}
	if err != nil {
		stop()
		return nil, nil, nil, fmt.Errorf("reading the node's answer: %w", err)
	}
	return at, r, stop, nil
}
