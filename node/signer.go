package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"filippo.io/age"
	"github.com/cometbft/cometbft/crypto"
	"github.com/cometbft/cometbft/libs/protoio"
	"github.com/cometbft/cometbft/p2p"
	p2pconn "github.com/cometbft/cometbft/p2p/conn"
	"github.com/cometbft/cometbft/privval"
	privvalproto "github.com/cometbft/cometbft/proto/tendermint/privval"
)

// A signer holds a validator's key and what it signed last, in a process and mostly
// on a machine of its own, and signs for a node, or for one of a pair. It speaks the
// engine's protocol for that over connections that it opens itself, so that nothing
// on its machine listens. Both ends prove who they are by their machines' keys.

const (
	signerFile = "signer.json"

	signerDial  = 3 * time.Second        // to connect and prove who one is
	signerIdle  = 10 * time.Second       // a node asks every second
	signerPause = 500 * time.Millisecond // between attempts to connect
	signerBytes = 64 << 10               // of a question

	// standbyCode is the engine protocol's error that says: another node is served.
	standbyCode = 1
)

// SignerOptions say for whom to sign.
type SignerOptions struct {
	Home   string
	Nodes  []string // ID@HOST:PORT, machine ids and the addresses of their setting signer
	Unlock string   // as the setting
	Getenv func(string) string
	// Failover is after how long without a question from the node that is served
	// another may be.
	Failover time.Duration
}

// signerHome is signer.json.
type signerHome struct {
	ChainID string `json:"chain_id"`
	Partner string `json:"partner"`
}

func readSignerHome(home string) (*signerHome, error) {
	b, err := os.ReadFile(filepath.Join(home, signerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no signer's home: waybill move in --signer makes one", home)
	}
	h := &signerHome{}
	if err == nil {
		err = json.Unmarshal(b, h)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(home, signerFile), err)
	}
	return h, nil
}

// lockSigner keeps a second process out of a signer's home.
func lockSigner(home string) (io.Closer, error) {
	f, err := lockPath(filepath.Join(home, dataDir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w (a signer runs in it already?)", home, err)
	}
	return f, nil
}

// MoveToSigner takes a handover into a new signer's home and destroys the arrival.
// The node that gave the key up goes on where it was; another signs above that
// height, or for what is bound there.
func MoveToSigner(o SignerOptions, arrival, from string) (r *MoveReport, err error) {
	s := &Settings{Home: o.Home, Unlock: o.Unlock, Getenv: o.Getenv}
	for _, dir := range []string{filepath.Join(o.Home, keysDir), filepath.Join(o.Home, dataDir)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("making the signer's home: %w", err)
		}
	}
	if _, err := os.Stat(filepath.Join(o.Home, SettingsFile)); err == nil {
		return nil, fmt.Errorf("%s is a node's home: choose another for the signer, on another machine", o.Home)
	}
	lock, err := lockSigner(o.Home)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	h, key, state, err := openHandover(arrival, o.Home, from)
	if err != nil {
		return nil, err
	}
	if h.Next != nil {
		return nil, errors.New("the handover has the key that is to follow the validator's, too, and a signer has one key: take it into a node's home (waybill move in --home, with this arrival), and move it when the new key is in force")
	}
	r = &MoveReport{ID: h.ID, ChainID: h.ChainID, Partner: h.Partner, Validator: key.Address.String(), Height: state.Height}
	if r.Machine, err = MakeMachineKey(s); err != nil {
		return nil, err
	}
	if _, err := os.Stat(validatorKeyPath(o.Home)); errors.Is(err, fs.ErrNotExist) {
		if r.Above = h.Machine == "" && state.Height > 0; r.Above {
			state = lastOf(state.Height)
		}
		b, err := json.Marshal(signerHome{h.ChainID, h.Partner})
		if err == nil {
			err = replaceFile(filepath.Join(o.Home, signerFile), append(b, '\n'))
		}
		if err = errors.Join(err, writeFence(o.Home, fenceState{Holder: h.Machine, Height: state.Height})); err != nil {
			return nil, err
		}
	}
	if err := place(s.secrets(), key, state, func() error { return claim(arrival, o.Home) }); err != nil {
		return nil, err
	}
	return r, destroy(claimed(arrival, o.Home), arrival, from, movedPath(o.Home))
}

// MoveFromSigner gives the key of a signer's home up, as MoveOut does that of a node.
func MoveFromSigner(o SignerOptions, arrival, to string) (r *MoveReport, err error) {
	recipient, err := age.ParseX25519Recipient(arrival)
	if err != nil {
		return nil, fmt.Errorf("reading the arrival's recipient %q: %w", arrival, err)
	}
	h, err := readSignerHome(o.Home)
	if err != nil {
		return nil, err
	}
	lock, err := lockSigner(o.Home)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	from := &secrets{home: o.Home, unlock: o.Unlock, getenv: o.Getenv}
	return giveUp(from, handover{ChainID: h.ChainID, Partner: h.Partner}, recipient, to)
}

// arbiter says which of a signer's nodes is served: the one that is, as long as it
// asks. It is about who does the work; that nothing is signed twice is the fence's.
type arbiter struct {
	mu      sync.Mutex // guards what follows
	serving string
	heard   time.Time
	after   time.Duration
	log     *slog.Logger
}

func (a *arbiter) serves(node string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if node != a.serving {
		if now.Sub(a.heard) < a.after {
			return false
		}
		a.log.Warn("the node that was served asks no more: another one is served", "was", a.serving, "is", node)
		a.serving = node
	}
	a.heard = now
	return true
}

// signer serves a validator's nodes.
type signer struct {
	fence   *fence
	arbiter *arbiter
	key     crypto.PrivKey
	chainID string
	log     *slog.Logger
}

// RunSigner signs until the context ends, or what was signed cannot be written.
func RunSigner(ctx context.Context, o SignerOptions, logTo io.Writer) (err error) {
	h, err := readSignerHome(o.Home)
	if err != nil {
		return err
	}
	lock, err := lockSigner(o.Home)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	from := &secrets{home: o.Home, unlock: o.Unlock, getenv: o.Getenv}
	pv, err := from.validator()
	if err != nil {
		return err
	}
	machine, err := from.nodeKey(machineKeyPath(o.Home))
	if err != nil {
		return err
	}
	fence, err := openFence(o.Home, pv)
	if err != nil {
		return err
	}
	nodes := make([]*p2p.NetAddress, len(o.Nodes))
	first := ""
	for i, name := range o.Nodes {
		if nodes[i], err = p2p.NewNetAddressString(name); err != nil {
			return fmt.Errorf("the node %q is not ID@HOST:PORT: %w", name, err)
		}
		if id := string(nodes[i].ID); first == "" || id == fence.kept.Holder {
			first = id
		}
	}
	log := slog.New(slog.NewTextHandler(logTo, nil)).With("signer", h.Partner)
	s := &signer{fence: fence, key: machine.PrivKey, chainID: h.ChainID, log: log,
		arbiter: &arbiter{serving: first, heard: time.Now(), after: o.Failover, log: log}}
	log.Info("the signer signs", "validator", pv.Key.Address.String(), "id", string(machine.ID()), "height", pv.LastSignState.Height)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	for _, node := range nodes {
		all.Go(func() { s.attend(ctx, stop, node) })
	}
	all.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// attend keeps a connection to a node and answers it.
func (s *signer) attend(ctx context.Context, stop context.CancelCauseFunc, node *p2p.NetAddress) {
	reached := true // so that what fails first is told
	for ctx.Err() == nil {
		conn, err := dialNode(ctx, node, s.key)
		if err == nil {
			s.log.Info("connected", "node", string(node.ID), "address", node.DialString())
			reached = true
			err = s.serve(ctx, string(node.ID), conn)
		}
		if s.fence.failure() != nil {
			stop(s.fence.failure())
			return
		}
		if reached && ctx.Err() == nil {
			s.log.Warn("a node is not reached", "node", string(node.ID), "address", node.DialString(), "error", err)
			reached = false
		}
		select {
		case <-ctx.Done():
		case <-time.After(signerPause):
		}
	}
}

// dialNode connects to a node that proves to be it.
func dialNode(ctx context.Context, node *p2p.NetAddress, key crypto.PrivKey) (net.Conn, error) {
	raw, err := (&net.Dialer{Timeout: signerDial}).DialContext(ctx, "tcp", node.DialString())
	if err != nil {
		return nil, err
	}
	return proveTo(raw, key, node.ID)
}

// proveTo makes both ends prove who they are, and takes one peer only.
func proveTo(raw net.Conn, key crypto.PrivKey, peer p2p.ID) (net.Conn, error) {
	err := raw.SetDeadline(time.Now().Add(signerDial))
	if err == nil {
		var conn *p2pconn.SecretConnection
		if conn, err = p2pconn.MakeSecretConnection(raw, key); err == nil {
			if id := p2p.PubKeyToID(conn.RemotePubKey()); id != peer {
				err = fmt.Errorf("it proves to be %s, expected is %s", id, peer)
			} else if err = raw.SetDeadline(time.Time{}); err == nil {
				return conn, nil
			}
		}
	}
	return nil, errors.Join(err, raw.Close())
}

// serve answers a node until its connection ends.
func (s *signer) serve(ctx context.Context, node string, conn net.Conn) error {
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // it ends the reading below
	defer conn.Close()
	from, to := protoio.NewDelimitedReader(conn, signerBytes), protoio.NewDelimitedWriter(conn)
	for {
		if err := conn.SetDeadline(time.Now().Add(signerIdle)); err != nil {
			return err
		}
		var question privvalproto.Message
		if _, err := from.ReadMsg(&question); err != nil {
			return fmt.Errorf("reading: %w", err)
		}
		answer := s.answer(node, question)
		if _, err := to.WriteMsg(&answer); err != nil {
			return fmt.Errorf("answering: %w", err)
		}
	}
}

func (s *signer) answer(node string, question privvalproto.Message) privvalproto.Message {
	refused := &privvalproto.RemoteSignerError{Code: standbyCode, Description: "another node of this validator is served"}
	switch question.Sum.(type) {
	case *privvalproto.Message_PingRequest:
	case *privvalproto.Message_PubKeyRequest:
		if !s.arbiter.serves(node) {
			return privvalproto.Message{Sum: &privvalproto.Message_PubKeyResponse{PubKeyResponse: &privvalproto.PubKeyResponse{Error: refused}}}
		}
	case *privvalproto.Message_SignVoteRequest:
		if !s.arbiter.serves(node) {
			return privvalproto.Message{Sum: &privvalproto.Message_SignedVoteResponse{SignedVoteResponse: &privvalproto.SignedVoteResponse{Error: refused}}}
		}
	case *privvalproto.Message_SignProposalRequest:
		if !s.arbiter.serves(node) {
			return privvalproto.Message{Sum: &privvalproto.Message_SignedProposalResponse{SignedProposalResponse: &privvalproto.SignedProposalResponse{Error: refused}}}
		}
	}
	answer, err := privval.DefaultValidationRequestHandler(s.fence.by(node), question, s.chainID)
	if err != nil {
		s.log.Warn("nothing was signed", "node", node, "error", err)
	}
	return answer
}
