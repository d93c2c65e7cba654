package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/cometbft/cometbft/crypto"
	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	cmtlog "github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
)

const (
	linkTimeout = 3 * time.Second        // of one question to the signer
	linkPoll    = time.Second            // between questions whether it serves this node
	linkRetry   = 100 * time.Millisecond // between attempts to get a signature
	// linkSilence is how long a node waits for its signer before it goes on without a
	// vote: while consensus waits for a signature, it follows nothing.
	linkSilence = 5 * time.Second
	linkProofs  = 8 // callers that prove who they are, at once
)

// standing is what a remote signer makes of this node.
type standing int

const (
	standingSilent  standing = iota // it does not answer: the node follows, and does not vote
	standingStandby                 // it serves another node of this validator
	standingServed                  // this node votes
)

func (s standing) String() string {
	return [...]string{"without a signer", "standby", "validating"}[s]
}

// errStanding says that the signer made something else of the node, which therefore
// begins anew, within its process.
var errStanding = errors.New("the signer serves this node otherwise than before")

// signer reads the setting of that name, nil where there is none.
func (s *Settings) signer() (*p2p.NetAddress, error) { return address(s.Signer) }

// twin reads the setting standby, nil where there is none.
func (s *Settings) twin() (*p2p.NetAddress, error) {
	if s.Standby != "" && s.Signer == "" {
		return nil, errors.New("two nodes of one validator share a signer: set signer, too")
	}
	return address(s.Standby)
}

func address(text string) (*p2p.NetAddress, error) {
	if text == "" {
		return nil, nil
	}
	a, err := p2p.NewNetAddressString(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not ID@HOST:PORT: %w", text, err)
	}
	return a, nil
}

// link is the connection of a node to its remote signer. It outlives the node that
// runs over it, which begins anew when its standing changes.
type link struct {
	client   *privval.SignerClient
	endpoint *privval.SignerListenerEndpoint
	log      *slog.Logger

	mu      sync.Mutex // guards what follows
	is      standing
	key     crypto.PubKey // the validator's, once known
	heard   time.Time
	changed chan struct{} // closed when is becomes another
	stop    context.CancelFunc
	polled  chan struct{} // closed when polling ended
}

// openLink listens for the signer, and begins to ask it.
func openLink(s *Settings, machine *p2p.NodeKey, chainID string, log *slog.Logger, engine cmtlog.Logger) (*link, error) {
	at, err := s.signer()
	if err != nil {
		return nil, fmt.Errorf("setting signer: %w", err)
	}
	l, err := net.Listen("tcp", at.DialString())
	if err != nil {
		return nil, fmt.Errorf("listening for the signer: %w", err)
	}
	callers := newCallers(l, machine.PrivKey, at.ID, log)
	endpoint := privval.NewSignerListenerEndpoint(engine, callers, privval.SignerListenerEndpointTimeoutReadWrite(linkTimeout))
	client, err := privval.NewSignerClient(endpoint, chainID)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listening for the signer: %w", err), callers.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	k := &link{client: client, endpoint: endpoint, log: log, heard: time.Now(), changed: make(chan struct{}), stop: stop, polled: make(chan struct{})}
	go k.poll(ctx)
	return k, nil
}

func (k *link) close() error {
	k.stop()
	err := k.endpoint.Stop()
	<-k.polled
	return err
}

// poll asks the signer whether it serves this node, again and again.
func (k *link) poll(ctx context.Context) {
	defer close(k.polled)
	tick := time.NewTicker(linkPoll)
	defer tick.Stop()
	for {
		key, err := k.client.GetPubKey()
		k.note(key, err)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (k *link) note(key crypto.PubKey, err error) {
	var refused *privval.RemoteSignerError
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.is
	switch {
	case err == nil:
		now, k.key, k.heard = standingServed, key, time.Now()
	case errors.As(err, &refused) && refused.Code == standbyCode:
		now, k.heard = standingStandby, time.Now()
	case errors.As(err, &refused):
		k.log.Error("the signer refuses: is it of this chain?", "error", err)
	case time.Since(k.heard) > linkSilence:
		now = standingSilent
	}
	if now != k.is {
		k.log.Warn("the signer serves this node otherwise", "was", k.is.String(), "is", now.String())
		k.is = now
		close(k.changed)
		k.changed = make(chan struct{})
	}
}

// now is what the signer makes of this node, and what closes when that changes.
func (k *link) now() (standing, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.is, k.changed
}

// await waits for the signer's first word, for a while.
func (k *link) await(ctx context.Context) (standing, <-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, linkSilence)
	defer cancel()
	for {
		is, changed := k.now()
		if is != standingSilent {
			return is, changed
		}
		select {
		case <-ctx.Done():
			return is, changed
		case <-changed:
		}
	}
}

// voter is the validator while the signer serves this node.
type voter struct {
	link *link
	key  crypto.PubKey
	quit chan struct{}
	once sync.Once
}

func (k *link) voter() *voter {
	k.mu.Lock()
	defer k.mu.Unlock()
	return &voter{link: k, key: k.key, quit: make(chan struct{})}
}

// GetPubKey is the validator's key.
func (v *voter) GetPubKey() (crypto.PubKey, error) { return v.key, nil }

// SignVote asks the signer until it answers: a vote that is left out might be the one
// that the others wait for, and the engine asks once.
func (v *voter) SignVote(chainID string, vote *cmtproto.Vote) error {
	return v.insist(func() error { return v.link.client.SignVote(chainID, vote) })
}

// SignProposal asks the signer until it answers.
func (v *voter) SignProposal(chainID string, proposal *cmtproto.Proposal) error {
	return v.insist(func() error { return v.link.client.SignProposal(chainID, proposal) })
}

func (v *voter) insist(ask func() error) error {
	for {
		err := ask()
		var refused *privval.RemoteSignerError
		if err == nil || errors.As(err, &refused) {
			return err
		}
		select {
		case <-v.quit:
			return err
		case <-time.After(linkRetry):
		}
	}
}

// Close ends the asking: the engine calls it before it waits for consensus.
func (v *voter) Close() error {
	v.once.Do(func() { close(v.quit) })
	return nil
}

// nobody is the validator of a node that only follows: a key that no set has.
type nobody struct{ key cmted25519.PrivKey }

var errNobody = errors.New("this node does not validate")

func newNobody() nobody { return nobody{cmted25519.GenPrivKey()} }

// GetPubKey is a key that is no validator's.
func (n nobody) GetPubKey() (crypto.PubKey, error) { return n.key.PubKey(), nil }

// SignVote refuses.
func (nobody) SignVote(string, *cmtproto.Vote) error { return errNobody }

// SignProposal refuses.
func (nobody) SignProposal(string, *cmtproto.Proposal) error { return errNobody }

// callers accepts the signer's connections, and nobody else's. Who stalls while it
// should prove who it is keeps nobody out.
type callers struct {
	net.Listener
	proved chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newCallers(l net.Listener, key crypto.PrivKey, peer p2p.ID, log *slog.Logger) *callers {
	c := &callers{Listener: l, proved: make(chan net.Conn), closed: make(chan struct{})}
	go c.receive(key, peer, log)
	return c
}

func (c *callers) receive(key crypto.PrivKey, peer p2p.ID, log *slog.Logger) {
	room := make(chan struct{}, linkProofs)
	for {
		select {
		case room <- struct{}{}:
		case <-c.closed:
			return
		}
		raw, err := c.Listener.Accept()
		if err != nil {
			<-room
			select {
			case <-c.closed:
				return
			case <-time.After(linkRetry): // of files that are lacking, say
				continue
			}
		}
		go func() {
			conn, err := proveTo(raw, key, peer)
			<-room
			if err != nil {
				log.Warn("who called is not the signer", "from", raw.RemoteAddr().String(), "error", err)
				return
			}
			select {
			case c.proved <- conn:
			case <-time.After(signerIdle): // the signer gave it up
				_ = conn.Close()
			case <-c.closed:
				_ = conn.Close()
			}
		}()
	}
}

// Accept waits for the signer.
func (c *callers) Accept() (net.Conn, error) {
	select {
	case conn := <-c.proved:
		return conn, nil
	case <-c.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the listening.
func (c *callers) Close() (err error) {
	c.once.Do(func() {
		close(c.closed)
		err = c.Listener.Close()
	})
	return err
}
