package audit_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/audit"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

const unseenItem = "https://id.gs1.org/01/09521234543213/21/1001"

// bundle proves that the state which the header of a height carries knows nothing
// of an item.
func (h *history) bundle(t *testing.T, height int64) []byte {
	t.Helper()
	s := h.state(0, 0)
	for i, a := range h.anchors {
		if a.at <= height {
			s = h.state(i, a.at-1)
		}
	}
	item, class := s.leaf(schemas.ItemKey(unseenItem)), s.leaf(schemas.ClassKey(unseenItem))
	b := &proof.Bundle{Subjects: []proof.SubjectPart{{Kind: proof.Unknown, ID: unseenItem, Path: item.Path, Other: class.Path}}}
	if err := b.Seal(votesFor(h.blocks[height-1], h.vals[height-1])); err != nil {
		t.Fatal(err)
	}
	encoded := b.Encode()
	if _, err := proof.Verify(encoded, h.trust(1)); err != nil {
		t.Fatal(err)
	}
	return encoded
}

// vouching is a witness that serves, with the node that it follows.
type vouching struct {
	*watch
	url string
}

func newVouching(t *testing.T, h *history, name, tsa string) *vouching {
	t.Helper()
	w := newWatch(t, h.trust(1), h)
	w.cfg.Name, w.cfg.TSA, w.cfg.Dir = name, tsa, t.TempDir()
	w.reopen()
	s := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) { w.Handler(time.Minute).ServeHTTP(out, r) }))
	t.Cleanup(s.Close)
	return &vouching{w, s.URL}
}

func (v *vouching) vouch(t *testing.T, bundle []byte) []byte {
	t.Helper()
	out, err := audit.Vouch(context.Background(), bundle, v.nodes[0], http.DefaultClient, v.url)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestVouch(t *testing.T) {
	h := newHistory(5, four)
	a := newAuthority(t, x509.ExtKeyUsageTimeStamping)
	first, second := newVouching(t, h, "first.example", a.URL), newVouching(t, h, "second.example", "")
	first.signs(h, 5)
	second.signs(h, 5)
	third := newVouching(t, h, "third.example", "")
	third.nodes[0].set(func(n *simNode) { n.anchors = 4 })
	third.signs(h, 4)
	keys := []proof.WitnessKey{first.Key(), second.Key(), third.Key()}
	for _, height := range []int64{h.anchors[2].at, h.anchors[2].at + 1, h.anchors[2].at + 2} { // the anchor, an idle header, that of the next change
		bundle := h.bundle(t, height)
		for _, w := range []*vouching{third, second, first, second} {
			bundle = w.vouch(t, bundle)
		}
		s, err := audit.VerifyDemanding(bundle, h.trust(1), audit.Demands{Witnesses: keys, Needed: 3, Authorities: poolOf(a.root)})
		if err != nil {
			t.Fatalf("height %d: %v", height, err)
		}
		var said []string
		for _, w := range s.Witnessed {
			said = append(said, w.Name)
			if w.Height != h.anchors[2].at {
				t.Errorf("height %d: the header seen is that of height %d", height, w.Height)
			}
		}
		if !slices.Equal(said, []string{"first.example", "second.example", "third.example"}) || s.Stamped == nil || !s.Stamped.Time.Equal(a.at) || s.Stamped.Height != h.anchors[2].at {
			t.Errorf("height %d: %v, %+v", height, said, s.Stamped)
		}
		if _, err := audit.VerifyDemanding(bundle, h.trust(1), audit.Demands{Authorities: poolOf(newAuthority(t, x509.ExtKeyUsageTimeStamping).root)}); err == nil {
			t.Error("another authority's stamp is taken")
		}
		text, err := proof.AppendJSON(nil, bundle)
		if err != nil {
			t.Fatal(err)
		}
		again, err := audit.VerifyDemanding(text, h.trust(1), audit.Demands{Witnesses: keys, Needed: 3, Authorities: poolOf(a.root)})
		if err != nil || mustJSON(t, again) != mustJSON(t, s) {
			t.Errorf("as JSON: %v", err)
		}
	}
	if _, err := audit.VerifyDemanding(h.bundle(t, 3), h.trust(1), audit.Demands{Authorities: poolOf(a.root)}); err == nil || !strings.Contains(err.Error(), "time stamp") {
		t.Errorf("a bundle without a stamp: %v", err)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Until a witness has seen a bundle's state, it is waited for.
func TestVouchWaits(t *testing.T) {
	h := newHistory(3, four)
	v := newVouching(t, h, "first.example", "")
	bundle := h.bundle(t, h.anchors[2].at)
	for _, seen := range []int{0, 2} { // nothing, and what was before
		if seen > 0 {
			v.nodes[0].set(func(n *simNode) { n.anchors = seen })
			v.signs(h, seen)
			v.nodes[0].set(func(n *simNode) { n.anchors = 0 })
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		if _, err := audit.Vouch(ctx, bundle, v.nodes[0], http.DefaultClient, v.url); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with %d headers seen: %v", seen, err)
		}
		cancel()
	}
	done := make(chan []byte)
	go func() {
		out, err := audit.Vouch(context.Background(), bundle, v.nodes[0], http.DefaultClient, v.url)
		if err != nil {
			t.Error(err)
		}
		done <- out
	}()
	v.signs(h, 3)
	if _, err := audit.VerifyDemanding(<-done, h.trust(1), audit.Demands{Witnesses: []proof.WitnessKey{v.Key()}, Needed: 1}); err != nil {
		t.Error(err)
	}
}

// What does not fit together is told, and put into no bundle.
func TestVouchOfSomethingElse(t *testing.T) {
	h := newHistory(4, four)
	v := newVouching(t, h, "first.example", "")
	v.signs(h, 4)
	height := h.anchors[1].at
	bundle := h.bundle(t, height)
	fork := h.fork(2, 2, "other")
	for name, c := range map[string]struct {
		node api.History
		url  string
	}{
		"another history than the witness's": {&simNode{history: fork}, v.url},
		"a dead node":                        {&simNode{history: h, dead: errors.New("connection refused")}, v.url},
		"a lying node": {&simNode{history: h, lie: func(_ string, answer any) {
			if a, ok := answer.(*api.AnchorProof); ok {
				a.Path[0][0] ^= 1
			}
		}}, v.url},
		"no witness": {&simNode{history: h}, "http://127.0.0.1:1"},
	} {
		if _, err := audit.Vouch(context.Background(), bundle, c.node, http.DefaultClient, c.url); err == nil {
			t.Errorf("%s: it is put into the bundle", name)
		}
	}
	for name, text := range map[string]string{
		"no checkpoint":  "nothing",
		"another ledger": "",
		"endless":        strings.Repeat("x", 1<<20),
	} {
		if text == "" {
			s, err := audit.NewWitnessSigner("first.example")
			if err != nil {
				t.Fatal(err)
			}
			msg, err := s.Cosign(&proof.Checkpoint{ChainID: "other", Size: 4}, simStart)
			if err != nil {
				t.Fatal(err)
			}
			text = string(msg)
		}
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) }))
		if _, err := audit.Vouch(context.Background(), bundle, &simNode{history: h}, http.DefaultClient, s.URL); err == nil {
			t.Errorf("%s: it is put into the bundle", name)
		}
		s.Close()
	}
	if _, err := audit.Vouch(context.Background(), bytes.Repeat([]byte{1}, 9), &simNode{history: h}, http.DefaultClient, v.url); err == nil {
		t.Error("a witness vouches for nothing")
	}
}
