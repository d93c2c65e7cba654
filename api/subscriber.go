package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// Subscriptions (EPCIS 2.0, 8.2.5 and 12.5) and webhooks are delivered from the committed
// ledger, in its order, and never from memory. Each has one goroutine and one cursor. A
// message is what its source finds behind the cursor; the receiver answers
// 2xx; the cursor is synced behind the message; only then comes the next. So a node
// that is killed in between sends that message again, under the same id, and skips
// none. A receiver that is away costs nothing but the cursor that waits for it.

// Bounds of subscriptions.
const (
	maxSubscriptions = 1000
	maxSockets       = 200      // each may hold a message that its client does not take
	maxSubscription  = 16 << 10 // bytes of a body that makes one
	slowReceiver     = 2 * time.Second
	cursorHeights    = 1000 // without an event, after which the cursor is written all the same
	maxReply         = 64 << 10
	longestSleep     = time.Hour // so that a clock that was set is noticed
	maxRetryAfter    = time.Hour // that a receiver can ask for
	slowShare        = 4         // a part of the deliveries that receivers may have that are slow or fail
	readShare        = 2         // a part of the processors that read for subscriptions
	readEffort       = 1 << 16   // of one read, so that one that looks at much lets others in between
	longestRest      = time.Second
)

// subscriptions are those of a gateway.
type subscriptions struct {
	g      *Gateway
	guard  guard
	client *http.Client
	most   int // of all keys together
	now    func() time.Time
	after  func(time.Duration) <-chan time.Time
	// Of messages that are being delivered. Receivers that are slow or fail have a lane
	// of their own, so that they hold up nobody else.
	fast, slow *lane
	// reading is of messages that are being read, and for as long behind it, so that
	// however many subscriptions there are, reading for them takes but a quarter of the
	// machine from whoever makes blocks.
	reading *lane

	mu      sync.Mutex      // guards what follows
	ctx     context.Context // of all work; nil before the start
	closed  bool
	byID    map[string]*subscriber
	sockets map[*socket]bool
	work    sync.WaitGroup
}

func newSubscriptions(g *Gateway) *subscriptions {
	allowed := guard{g.cfg.Destinations}
	return &subscriptions{g: g, guard: allowed, client: allowed.client(g.limits.Receiver), most: maxSubscriptions, now: time.Now, after: time.After,
		fast: newLane(g.limits.Deliveries), slow: newLane(max(1, g.limits.Deliveries/slowShare)), reading: newLane(max(1, runtime.GOMAXPROCS(0)/readShare)),
		byID: map[string]*subscriber{}, sockets: map[*socket]bool{}}
}

// subscriber is a subscription and the state of its delivery.
type subscriber struct {
	local.Subscription
	all      *subscriptions
	schedule *schedule // nil: stream
	wake     chan struct{}
	stop     context.CancelFunc

	// Only the goroutine of the subscription uses these.
	source source // of what it is told, nil before it is read
	upTo   int64  // height up to which the schedule's run goes, 0 between runs
	limit  int    // events or records a message
	slow   bool

	mu       sync.Mutex // guards what follows; held while the cursor is written
	gone     bool
	cursor   local.Cursor
	written  int64 // height of the cursor on the disk
	failures int
	failure  string
	next     time.Time // when it is tried again
}

// start goes on with the subscriptions of an earlier run.
func (a *subscriptions) start(ctx context.Context) error {
	kept, err := a.g.local.Subscriptions()
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ctx = ctx
	for _, sub := range kept {
		cursor, err := a.g.local.Cursor(sub.ID)
		if err != nil {
			return err
		}
		if cursor == nil {
			cursor = &local.Cursor{Since: &sub.Made}
		}
		if err := a.run(sub, cursor); err != nil {
			return fmt.Errorf("resuming subscription %s: %w", sub.ID, err)
		}
	}
	return nil
}

// run begins the delivery of a subscription; a.mu is held.
func (a *subscriptions) run(sub *local.Subscription, cursor *local.Cursor) error {
	s := &subscriber{Subscription: *sub, all: a, wake: make(chan struct{}, 1), cursor: *cursor, limit: a.g.limits.MessageEvents}
	if sub.Filter != nil {
		s.limit = max(1, sub.Batch)
	}
	if sub.Schedule != nil {
		at, err := parseSchedule(sub.Schedule)
		if err != nil {
			return err
		}
		s.schedule = &at
	}
	if cursor.After != nil {
		s.written = cursor.After.Height
	}
	ctx, stop := context.WithCancel(a.ctx)
	s.stop = stop
	a.byID[sub.ID] = s
	a.work.Go(func() {
		defer stop()
		s.run(ctx)
	})
	return nil
}

// close waits until everything has stopped; start's context has ended.
func (a *subscriptions) close() {
	a.mu.Lock()
	a.closed = true // nothing is entered from here on
	a.mu.Unlock()
	a.work.Wait()
	a.client.CloseIdleConnections()
}

// run delivers until the subscription or the gateway ends.
func (s *subscriber) run(ctx context.Context) {
	for ctx.Err() == nil {
		if key, ok := s.all.g.local.KeyByID(s.Owner); !ok || !key.Has(local.Query) {
			if err := s.all.drop(s); err != nil {
				s.all.g.log.Error("ending a subscription whose key was revoked", slog.String("subscription", s.ID), slog.Any("error", err))
			}
			return
		}
		until, err := s.step(ctx)
		if err != nil && ctx.Err() == nil {
			until = s.failed(err)
		}
		until.wait(ctx, s)
	}
}

// rest is what a subscription waits for before it goes on: a height or a time, or
// nothing.
type rest struct {
	above int64
	at    time.Time
}

func (p rest) wait(ctx context.Context, s *subscriber) {
	var committed <-chan struct{}
	var timer <-chan time.Time
	switch {
	case p.above > 0:
		committed = s.all.g.ledger.Watch(p.above)
	case !p.at.IsZero():
		timer = s.all.after(min(longestSleep, p.at.Sub(s.all.now())))
	default:
		return
	}
	select {
	case <-ctx.Done():
	case <-s.wake:
	case <-committed:
	case <-timer:
	}
}

// failed notes why a message was not delivered, and tells when to try again.
func (s *subscriber) failed(err error) rest {
	s.slow = true
	s.mu.Lock()
	defer s.mu.Unlock()
	limits := s.all.g.limits
	delay := limits.Backoff << min(s.failures, 20)
	if delay > limits.MaxBackoff || delay <= 0 {
		delay = limits.MaxBackoff
	}
	delay = delay/2 + rand.N(delay/2+1) // so that receivers that come back are not met by all at once
	var b *busy
	if errors.As(err, &b) {
		delay = max(delay, b.wait)
	}
	s.failures++
	s.failure, s.next = clip(shownFailure(err)), s.all.now().Add(delay)
	s.all.g.log.Info("a message to a subscriber waits", slog.String("subscription", s.ID), slog.Int("failures", s.failures), slog.Any("error", err))
	return rest{at: s.next}
}

// errReceiver is why a message was not taken, where the receiver is the reason.
var errReceiver = errors.New("the receiver")

// busy is a receiver that says when it wants to be asked again.
type busy struct {
	status int
	wait   time.Duration
}

func (b *busy) Error() string {
	return fmt.Sprintf("the receiver answered %d, and wants to be asked again in %v", b.status, b.wait)
}

func (b *busy) Unwrap() error { return errReceiver }

// shownFailure is what the owner of a subscription may read: of the node itself no
// more than other answers tell.
func shownFailure(err error) string {
	if errors.Is(err, errReceiver) {
		return err.Error()
	}
	return faultOf(err).Error()
}

// step delivers one message, if there is one, and tells what to wait for.
func (s *subscriber) step(ctx context.Context) (rest, error) {
	c := s.at()
	if c.Paused != "" {
		return rest{at: s.all.now().Add(longestSleep)}, nil // and then it is looked whether its key is still there
	}
	var due time.Time
	if s.schedule != nil {
		ran := c.Ran
		if ran.IsZero() {
			ran = s.Made
		}
		if due = s.schedule.next(ran); due.IsZero() || s.all.now().Before(due) {
			return rest{at: due}, nil
		}
	}
	leave, err := s.turn(ctx)
	if err != nil {
		return rest{}, err
	}
	defer leave()
	if s.source == nil {
		if s.source, err = s.all.g.source(&s.Subscription); err != nil {
			return rest{}, err
		}
	}
	m, err := s.all.behind(ctx, s.Owner, s.source, &c, s.upTo, s.limit)
	if err != nil {
		return rest{}, err
	}
	if s.schedule != nil && s.upTo == 0 {
		s.upTo = m.height
	}
	empty := m.ended && s.ReportIfEmpty && s.schedule != nil && c.Notified.Before(due)
	if m.given > 0 || empty {
		if err := s.deliver(ctx, &c, m, due); err != nil {
			return rest{}, err
		}
	} else if err := s.move(&c, m.end, false); err != nil {
		return rest{}, err
	}
	if !m.ended {
		return rest{}, nil
	}
	if s.schedule == nil {
		return rest{above: m.height}, nil
	}
	s.upTo, c.Ran = 0, s.all.now()
	return rest{}, s.move(&c, m.end, true)
}

// at is the cursor.
func (s *subscriber) at() local.Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursor
}

// turn waits until a message may be delivered.
func (s *subscriber) turn(ctx context.Context) (leave func(), err error) {
	if s.slow {
		return s.all.slow.enter(ctx, s.Owner)
	}
	return s.all.fast.enter(ctx, s.Owner)
}

// behind reads what is behind a cursor when it is the turn of an API key.
func (a *subscriptions) behind(ctx context.Context, key string, of source, c *local.Cursor, upTo int64, limit int) (*message, error) {
	done, err := a.readTurn(ctx, key)
	if err != nil {
		return nil, err
	}
	defer done()
	return of.behind(ctx, c, upTo, limit)
}

// readTurn waits until it may be read for a subscriber of an API key.
func (a *subscriptions) readTurn(ctx context.Context, key string) (done func(), err error) {
	leave, err := a.reading.enter(ctx, key)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	return func() { time.AfterFunc(min(longestRest, time.Since(began)), leave) }, nil
}

// move sets the cursor behind what was delivered, or looked at in vain: c is the
// cursor that was read, and moves too. What was delivered is on the disk when move
// returns; what was only looked at is looked at again after a kill.
func (s *subscriber) move(c *local.Cursor, end schemas.Locator, delivered bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone || s.cursor.Round != c.Round { // deleted, or set back meanwhile
		return nil
	}
	c.After, c.Until, c.Paused, c.Secrets = &end, nil, s.cursor.Paused, s.cursor.Secrets
	if delivered || end.Height >= s.written+cursorHeights {
		put, err := local.PutCursor(s.ID, c)
		if err == nil {
			err = s.all.g.local.Commit(put)
		}
		if err != nil {
			return err
		}
		s.written = end.Height
	}
	s.cursor, s.failures, s.failure, s.next = *c, 0, "", time.Time{}
	return nil
}

// deliver sends a message, and moves the cursor behind it.
func (s *subscriber) deliver(ctx context.Context, c *local.Cursor, m *message, due time.Time) error {
	if len(m.records) > 0 {
		if err := s.mark(c, m.end); err != nil {
			return err
		}
	}
	l, err := s.source.letter(m, c, due)
	if err != nil {
		return err
	}
	began := s.all.now()
	status, wait, err := s.post(ctx, l)
	if err != nil {
		return err
	}
	switch {
	case status == http.StatusRequestEntityTooLarge && len(m.records) > 1:
		s.limit = len(m.records) / 2 // as the standard wants it
		return fmt.Errorf("%w answered 413: it gets fewer events at a time", errReceiver)
	case status == http.StatusGone && s.Filter != nil:
		return s.set(func(c *local.Cursor) { c.Paused = "the receiver answered 410" })
	}
	if wait > 0 {
		return &busy{status, wait}
	}
	if status < 200 || status > 299 {
		return fmt.Errorf("%w answered %d", errReceiver, status)
	}
	c.Notified = s.all.now().UTC()
	s.slow = c.Notified.Sub(began) > slowReceiver
	s.all.g.metrics.messages.Inc()
	return s.move(c, m.end, true)
}

// mark notes where the message ends that is about to be sent.
func (s *subscriber) mark(c *local.Cursor, end schemas.Locator) error {
	if c.Until != nil && *c.Until == end {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone || s.cursor.Round != c.Round {
		return errors.New("the cursor was set back")
	}
	c.Until, c.Paused, c.Secrets = &end, s.cursor.Paused, s.cursor.Secrets
	put, err := local.PutCursor(s.ID, c)
	if err == nil {
		err = s.all.g.local.Apply(put)
	}
	if err == nil {
		s.cursor = *c
	}
	return err
}

// set changes the cursor, and commits other changes with it; what waits for a receiver
// waits no longer.
func (s *subscriber) set(change func(*local.Cursor), with ...local.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return fault(schemas.NotFound, "it was ended meanwhile: "+s.ID)
	}
	c := s.cursor
	change(&c)
	put, err := local.PutCursor(s.ID, &c)
	if err == nil {
		err = s.all.g.local.Commit(append(with, put)...)
	}
	if err != nil {
		return err
	}
	s.cursor, s.written = c, 0
	s.failures, s.failure, s.next = 0, "", time.Time{}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

// drop ends a subscription and forgets it.
func (a *subscriptions) drop(s *subscriber) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil
	}
	if err := a.g.local.Commit(local.DropSubscription(s.ID)...); err != nil {
		return err
	}
	s.end()
	return nil
}

// end ends a subscription that is forgotten; s.mu is held.
func (s *subscriber) end() {
	s.gone = true
	s.stop()
	s.all.mu.Lock()
	delete(s.all.byID, s.ID)
	s.all.mu.Unlock()
}
