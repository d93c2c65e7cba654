package app_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// shed keeps moved segments, and may be shut.
type shed struct {
	mu      sync.Mutex // guards what follows
	shut    bool
	objects map[string][]byte
}

func (s *shed) Range(object string, offset, length int64) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.objects[object]
	if s.shut || !ok || offset+length > int64(len(b)) {
		return nil, errors.Join(store.ErrAway, errors.New("the shed is shut"))
	}
	return append([]byte(nil), b[offset:offset+length]...), nil
}

func (s *shed) close(shut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut = shut
}

// move moves every full segment of bodies that is local, and tells how many.
func (s *shed) move(t *testing.T, ledger *store.Store) (moved int) {
	t.Helper()
	segments, err := ledger.Segments(store.Bodies)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range segments {
		if !g.Local {
			continue
		}
		f, object, err := ledger.Content(g.Name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		s.objects[object] = b
		ok, err := ledger.Moved(g.Name, object)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			moved++
		}
	}
	return moved
}

// forget drops the objects of segments that came back.
func (s *shed) forget(t *testing.T, ledger *store.Store) {
	t.Helper()
	segments, err := ledger.Segments(store.Bodies)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range segments {
		if g.Local && g.Object != "" {
			delete(s.objects, g.Object)
			if err := ledger.ForgetMoved(g.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// moved is a chain like erasable's whose segments hold an entry each, and are all
// moved but the last.
func moved(t *testing.T) (*chain, *shed) {
	s := &shed{objects: map[string][]byte{}}
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger"), SegmentBytes: 64, Elsewhere: s})
	c.submit("farm", false, c.event("obj add epc=a step=commissioning id=x1 loc=hall note=first"),
		c.event("obj add epc=b step=commissioning id=x2 loc=hall read=door note=secret"),
		c.event("obj add epc=c step=commissioning id=x3 note=third"))
	for _, x := range []string{"d", "e"} {
		c.submit("farm", false, c.event("obj add epc="+x+" step=commissioning id=y"+x))
	}
	if n := s.move(t, c.store); n < 2 {
		t.Fatalf("%d segments were moved", n)
	}
	c.restart() // what the application remembered is forgotten
	return c, s
}

// bodiesHold compares the bodies of the first transaction with what they should be.
func bodiesHold(c *chain, erased string) {
	c.t.Helper()
	for _, id := range []string{"x1", "x2", "x3"} {
		r := c.record("urn:example:event:" + id)
		if id == erased {
			if r.Body != nil || !r.Secret.IsZero() {
				c.t.Errorf("%s is shown", id)
			}
			continue
		}
		e, err := schemas.DecodeEvent(r.Body)
		if err != nil || e.BodyRoot(r.Secret) != r.BodyRoot {
			c.t.Errorf("%s: its body does not come to its root: %v", id, err)
		}
	}
}

// What was moved is read from there; what cannot be read is told with a code, and
// comes again; an object that is not what was moved is never believed.
func TestMovedBodiesAreRead(t *testing.T) {
	c, s := moved(t)
	bodiesHold(c, "")
	c.mustReplay()
	c.restart()
	s.close(true)
	query := func() error {
		_, _, err := c.view().Events(t.Context(), schemas.EventQuery{EventIDs: []string{"urn:example:event:x2"}, Limit: 10})
		return err
	}
	var fault *schemas.Fault
	if err := query(); !errors.As(err, &fault) || fault.Code != schemas.ArchiveAway {
		t.Errorf("while the store is away: %v", err)
	}
	if got := c.submit("farm", false, c.event("obj add epc=f step=commissioning id=yf")); got[0].Code != schemas.OK {
		t.Errorf("while the store is away: %v", got[0])
	}
	s.close(false)
	c.checkTrails(schemas.TrailKey{Kind: schemas.PartnerTrail, Subject: "farm"})
	bodiesHold(c, "")
	c.restart()
	for object, b := range s.objects {
		altered := append([]byte(nil), b...)
		altered[len(b)/2] ^= 1
		s.objects[object] = altered
	}
	if err := query(); err == nil || errors.Is(err, store.ErrAway) {
		t.Errorf("an altered object is read: %v", err)
	}
}

// An erasure whose bodies are away is decided as on every node, shown to nobody
// from then on, and made good when the segment is back.
func TestErasureOfMovedBodies(t *testing.T) {
	c, s := moved(t)
	twin := newChain(t, store.Options{})
	twin.submit("farm", false, twin.event("obj add epc=a step=commissioning id=x1 loc=hall note=first"),
		twin.event("obj add epc=b step=commissioning id=x2 loc=hall read=door note=secret"),
		twin.event("obj add epc=c step=commissioning id=x3 note=third"))
	for _, x := range []string{"d", "e"} {
		twin.submit("farm", false, twin.event("obj add epc="+x+" step=commissioning id=y"+x))
	}
	bodiesHold(c, "") // what is remembered must be forgotten
	s.close(true)
	order := func(c *chain, id string) {
		t.Helper()
		mustBe(t, id, c.give("farm", false, c.order(schemas.OrderErase, "urn:example:event:"+id))[0], schemas.OK)
	}
	order(c, "x2")
	order(twin, "x2")
	same := func() {
		t.Helper()
		if string(c.hash) != string(twin.hash) {
			t.Fatal("the app hash depends on where bodies are")
		}
	}
	same()
	segments, err := c.app.AwaitedSegments()
	if err != nil || len(segments) != 1 || segments[0] != "bodies-0000000000.seg" {
		t.Fatalf("awaited are %v, %v", segments, err)
	}
	held := func() bool {
		t.Helper()
		e, err := c.view().Erasure("farm", "urn:example:event:x2")
		held := e != nil && e.Held
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	if !held() {
		t.Error("the node says that it has not what is in the store")
	}
	s.close(false)
	bodiesHold(c, "x2")
	c.mustReplay()
	c.restart()
	bodiesHold(c, "x2")
	c.block() // nothing to make good yet
	twin.block()
	if err := c.store.Recall(segments[0]); err != nil {
		t.Fatal(err)
	}
	c.block()
	twin.block()
	same()
	if segments, err := c.app.AwaitedSegments(); err != nil || len(segments) > 0 {
		t.Fatalf("awaited are %v, %v", segments, err)
	}
	if !held() {
		t.Error("the node says that it has not what is in the store still")
	}
	s.forget(t, c.store)
	if held() {
		t.Error("the node says that it has what is gone")
	}
	if s.move(t, c.store) == 0 {
		t.Error("what came back does not go again")
	}
	for range 2 {
		bodiesHold(c, "x2")
		if c.holds("secret") {
			t.Error("the archive still has the body")
		}
		hall, _, err := c.view().Events(t.Context(), schemas.EventQuery{BizLocations: []string{c.event("obj add epc=z step=commissioning loc=hall").BizLocation}, Limit: 10})
		if err != nil || len(hall) != 1 || hall[0].EventID != "urn:example:event:x1" {
			t.Errorf("in the hall were %v, %v", hall, err)
		}
		c.mustReplay()
		c.restart()
	}
	order(c, "x3")
	order(twin, "x3")
	same()
	if r := c.record("urn:example:event:x3"); r.Body != nil {
		t.Error("x3 is shown")
	}
	c.mustReplay()
}

// However many erasures are put off, that one comes to its turn whose segment is
// back.
func TestErasureOfManyMovedBodies(t *testing.T) {
	const many = 150
	s := &shed{objects: map[string][]byte{}, shut: true}
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger"), SegmentBytes: 64, Elsewhere: s})
	id := func(n int) string { return fmt.Sprintf("urn:example:event:m%d", n) }
	for n := range many {
		c.submit("farm", false, c.event(fmt.Sprintf("obj add epc=m%d step=commissioning id=m%d", n, n)))
	}
	c.submit("farm", false, c.event("obj add epc=z step=commissioning id=z"))
	s.move(t, c.store)
	var orders []*schemas.Event
	for n := range many {
		if orders = append(orders, c.order(schemas.OrderErase, id(n))); len(orders) == 15 {
			c.give("farm", false, orders...)
			orders = nil
		}
	}
	segments, err := c.app.AwaitedSegments()
	if err != nil || len(segments) != many {
		t.Fatalf("%d segments are awaited: %v", len(segments), err)
	}
	for _, back := range []int{many - 1, 3} {
		s.close(false)
		if err := c.store.Recall(segments[back]); err != nil {
			t.Fatal(err)
		}
		s.close(true)
		for range 3 {
			c.block()
		}
		if now, err := c.app.AwaitedSegments(); err != nil || slices.Contains(now, segments[back]) {
			t.Errorf("the erasure in %s waits: %v", segments[back], err)
		}
	}
	s.close(false)
	c.mustReplay()
}

// A stub with a flipped bit is never taken for one that names another object: what
// no stub names is removed from the store.
func TestDamagedStub(t *testing.T) {
	c, _ := moved(t)
	path := filepath.Join(c.options.Dir, "archive", "bodies-0000000000.moved")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 * len(whole) {
		damaged := bytes.Clone(whole)
		damaged[i/8] ^= 1 << (i % 8)
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := c.store.Segments(store.Bodies); err == nil {
			t.Fatalf("with bit %d flipped it is read: %s", i, damaged)
		}
	}
}

// While a copy waits in a segment that was moved, no node says that it holds the
// body no more.
func TestErasureOfMovedCopies(t *testing.T) {
	c, s := moved(t)
	event := c.event("obj add epc=k step=commissioning id=k note=hidden")
	c.submit("farm", false, event)
	c.submit("farm", false, event)
	c.submit("farm", false, c.event("obj add epc=z step=commissioning id=z"))
	s.move(t, c.store)
	s.close(true)
	mustBe(t, "the order", c.give("farm", false, c.order(schemas.OrderErase, "urn:example:event:k"))[0], schemas.OK)
	s.close(false)
	held := func() bool {
		t.Helper()
		e, err := c.view().Erasure("farm", "urn:example:event:k")
		if err != nil {
			t.Fatal(err)
		}
		return e.Held
	}
	segments, err := c.app.AwaitedSegments()
	if err != nil || len(segments) != 2 {
		t.Fatalf("awaited are %v, %v", segments, err)
	}
	for i, segment := range segments {
		if err := c.store.Recall(segment); err != nil {
			t.Fatal(err)
		}
		c.block()
		if !held() {
			t.Errorf("after %d of 2: the node says that it has not what is in the store", i)
		}
		if i == 1 && c.holds("hidden") {
			t.Error("a copy is in the archive")
		}
		s.forget(t, c.store)
		if last := i == 1; held() == last {
			t.Errorf("after %d of 2 the node says that it holds a copy: %v", i+1, !last)
		}
	}
	c.mustReplay()
}
