package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cometbft/cometbft/p2p"
	gogotypes "github.com/cosmos/gogoproto/types"

	"github.com/waybill-ledger/waybill/schemas"
)

// Nodes ask each other for what the engine's own protocols do not give: signed
// headers, to a node that has none, so that joining needs no call that is open to
// anybody; the history before a snapshot; and where other nodes are. A question and its answer are one
// message each, under a number that the one who asks draws.
const (
	exchangeName   = "WAYBILL"
	headerChannel  = byte(0x70)
	historyChannel = byte(0x71)
	addressChannel = byte(0x73)

	maxHeaderAnswer  = 2 << 20 // bytes: a commit and a set of a thousand validators fit
	maxHistoryAnswer = 24 << 20
	maxQuestion      = 1 << 10
	maxAsked         = 1<<10 + 32 // bytes of a question's message
	maxQueued        = 16         // questions of one peer on a channel that wait to be answered; more are dropped
	askTimeout       = 10 * time.Second
)

// Faults of an answer.
var (
	errNoAnswer  = errors.New("the peer did not answer in time")
	errNotThere  = errors.New("the peer does not have it")
	errNotYet    = errors.New("the peer does not have it yet")
	errMalformed = errors.New("the peer's answer is malformed")
)

// answerer answers questions that arrive on a channel: errNotThere and errNotYet
// are told to the peer, other errors are this node's and told as errNotThere.
type answerer func(peer p2p.ID, question []byte) ([]byte, error)

// exchange is the reactor of questions and answers.
type exchange struct {
	p2p.BaseReactor
	answer map[byte]answerer
	turns  map[byte]*sync.Mutex // held while a question of the channel is answered

	mu      sync.Mutex           // guards what follows
	asked   map[asker][]question // that wait; an entry is there while one is served
	waiting map[uint64]waiter
	drawn   uint64
}

// asker is who asks on a channel. Each has a queue of its own, and is sent its answers
// beside the others: one that asks without end, or takes no answer, keeps nobody waiting.
type asker struct {
	peer    p2p.ID
	channel byte
}

type question struct {
	peer p2p.Peer
	id   uint64
	body []byte
}

type waiter struct {
	peer   p2p.ID
	answer chan reply
}

type reply struct {
	body []byte
	err  error
}

// message is what goes over the wire: 1 number, 2 true for a question, 3 body, 4
// fault of an answer (uint: 1 not there, 2 not yet).
type message struct {
	id       uint64
	question bool
	body     []byte
	fault    uint64
}

func (m *message) encode() []byte {
	b := schemas.AppendUint(nil, 1, m.id)
	if m.question {
		b = schemas.AppendUint(b, 2, 1)
	}
	b = schemas.AppendField(b, 3, m.body)
	return schemas.AppendUint(b, 4, m.fault)
}

func decodeMessage(b []byte) (m message, err error) {
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			m.id = f.Uint(n, v)
		case 2:
			m.question = f.Uint(n, v) == 1
		case 3:
			m.body = v
		case 4:
			m.fault = f.Uint(n, v)
		default:
			f.Fail(n, "unknown")
		}
	}
	return m, f.Err()
}

func newExchange(headers, history, addresses answerer) *exchange {
	e := &exchange{waiting: map[uint64]waiter{}, asked: map[asker][]question{}, turns: map[byte]*sync.Mutex{},
		answer: map[byte]answerer{headerChannel: headers, historyChannel: history, addressChannel: addresses}}
	for channel := range e.answer {
		e.turns[channel] = &sync.Mutex{}
	}
	e.BaseReactor = *p2p.NewBaseReactor(exchangeName, e)
	return e
}

// GetChannels implements p2p.Reactor: history is below everything else.
func (e *exchange) GetChannels() []*p2p.ChannelDescriptor {
	return []*p2p.ChannelDescriptor{
		{ID: headerChannel, Priority: 3, SendQueueCapacity: 16, RecvMessageCapacity: maxHeaderAnswer, MessageType: &gogotypes.BytesValue{}},
		{ID: addressChannel, Priority: 2, SendQueueCapacity: 4, RecvMessageCapacity: maxAddresses, MessageType: &gogotypes.BytesValue{}},
		{ID: historyChannel, Priority: 1, SendQueueCapacity: 4, RecvMessageCapacity: maxHistoryAnswer, MessageType: &gogotypes.BytesValue{}},
	}
}

// put queues a question, and has it served if none of the asker's is yet.
func (e *exchange) put(by asker, q question) {
	e.mu.Lock()
	defer e.mu.Unlock()
	waiting, served := e.asked[by]
	if len(waiting) < maxQueued { // who asks more asks again
		e.asked[by] = append(waiting, q)
	}
	if !served {
		go e.serve(by)
	}
}

// serve answers an asker's questions, one after the other, until none waits.
func (e *exchange) serve(by asker) {
	for q, ok := e.next(by); ok; q, ok = e.next(by) {
		m := message{id: q.id}
		turn := e.turns[by.channel]
		turn.Lock()
		body, err := e.answer[by.channel](by.peer, q.body)
		turn.Unlock()
		switch m.body = body; {
		case errors.Is(err, errNotYet):
			m.fault = 2
		case err != nil:
			m.fault = 1
			if !errors.Is(err, errNotThere) {
				e.Logger.Error("answering a peer", "peer", by.peer, "error", err)
			}
		}
		q.peer.Send(envelope(by.channel, &m)) // a peer that is gone asks again
	}
}

func (e *exchange) next(by asker) (q question, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	waiting := e.asked[by]
	if len(waiting) == 0 || !e.IsRunning() {
		delete(e.asked, by)
		return q, false
	}
	e.asked[by] = waiting[1:]
	return waiting[0], true
}

func envelope(channel byte, m *message) p2p.Envelope {
	return p2p.Envelope{ChannelID: channel, Message: &gogotypes.BytesValue{Value: m.encode()}}
}

// Receive implements p2p.Reactor. It runs on the peer's read loop, and never waits.
func (e *exchange) Receive(in p2p.Envelope) {
	value, ok := in.Message.(*gogotypes.BytesValue)
	if !ok {
		return
	}
	m, err := decodeMessage(value.Value)
	if err != nil || m.question && (len(m.body) > maxQuestion || len(value.Value) > maxAsked) { // a body shares its message's memory
		e.Switch.StopPeerForError(in.Src, fmt.Errorf("a malformed message: %v", err))
		return
	}
	if m.question {
		e.put(asker{in.Src.ID(), in.ChannelID}, question{in.Src, m.id, m.body})
		return
	}
	e.mu.Lock()
	w, ok := e.waiting[m.id]
	if ok = ok && w.peer == in.Src.ID(); ok {
		delete(e.waiting, m.id)
	}
	e.mu.Unlock()
	if !ok {
		return // nobody waits for it any more
	}
	r := reply{body: m.body}
	switch m.fault {
	case 0:
	case 2:
		r.err = errNotYet
	default:
		r.err = errNotThere
	}
	w.answer <- r
}

// ask asks a peer, and waits for the answer.
func (e *exchange) ask(ctx context.Context, peer p2p.Peer, channel byte, body []byte) ([]byte, error) {
	w := waiter{peer: peer.ID(), answer: make(chan reply, 1)}
	e.mu.Lock()
	e.drawn++
	id := e.drawn
	e.waiting[id] = w
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		delete(e.waiting, id)
		e.mu.Unlock()
	}()
	if !peer.Send(envelope(channel, &message{id: id, question: true, body: body})) {
		return nil, errNotThere // it runs a version without this, or is gone
	}
	timer := time.NewTimer(askTimeout)
	defer timer.Stop()
	select {
	case r := <-w.answer:
		return r.body, r.err
	case <-timer.C:
		return nil, errNoAnswer
	case <-e.Quit():
		return nil, errNoAnswer
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// peers are those that are connected, in the order of their ids.
func (e *exchange) peers() []p2p.Peer {
	if e.Switch == nil {
		return nil
	}
	peers := e.Switch.Peers().Copy()
	slices.SortFunc(peers, func(a, b p2p.Peer) int { return cmp.Compare(a.ID(), b.ID()) })
	return peers
}

// inTurn begins a list with another of its members at each turn: who answers late keeps
// the node waiting in its own turn, and not before each answer of the others.
func inTurn[T any](list []T, turn int) []T {
	if len(list) == 0 {
		return nil
	}
	first := turn % len(list)
	return slices.Concat(list[first:], list[:first])
}
