package node_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// headers is a chain whose validators change: sets are the keys of each height.
type headers struct {
	sets   [][]int // of height i+1
	absent map[int]bool
	asked  int
}

func (c *headers) Validators(height int64) (set []proof.Validator, err error) {
	for _, k := range c.sets[height-1] {
		set = append(set, proof.Validator{Public: keyOf(k).Public().(ed25519.PublicKey), Power: 10})
	}
	return set, nil
}

func (c *headers) Signed(height int64) (*proof.Signed, error) {
	c.asked++
	set, _ := c.Validators(height)
	following, _ := c.Validators(min(height+1, int64(len(c.sets))))
	next := proof.ValidatorSetHash(following)
	s := &proof.Signed{Validators: set, Header: proof.BlockHeader{ChainID: "c", Height: height, Time: time.Unix(height, 0).UTC(), App: make([]byte, 32), NextValidators: next[:]}}
	hash := s.Header.Hash(proof.ValidatorSetHash(set))
	s.Commit.Parts = proof.PartSet{Total: 1, Hash: hash[:]}
	for i, k := range c.sets[height-1] {
		if c.absent[k] {
			continue
		}
		s.Commit.Votes = append(s.Commit.Votes, proof.Vote{Index: uint16(i), Time: s.Header.Time, Signature: ed25519.Sign(keyOf(k), s.Commit.SignBytes("c", height, hash, s.Header.Time))})
	}
	return s, nil
}

func (c *headers) trust(height int64) *proof.Trust {
	s, _ := c.Signed(height)
	set := proof.ValidatorSetHash(s.Validators)
	return &proof.Trust{ChainID: "c", Height: height, Time: s.Header.Time, HeaderHash: s.Header.Hash(set), ValidatorSetHash: set}
}

// noState is the state of a ledger that knows nothing.
type noState struct{}

func (noState) State([]byte) ([]byte, proof.Path, error) { return nil, proof.Path{}, nil }
func (noState) Records(schemas.TrailKey, uint64, int) ([]proof.Record, error) {
	return nil, errors.New("no records")
}
func (noState) Beside(schemas.TrailKey, uint64, uint64, uint64) ([][32]byte, error) {
	return nil, errors.New("no records")
}

// led is a bundle of the height that leads there from the root of trust.
func (c *headers) led(since, past, to int64) (*proof.Bundle, error) {
	b, err := proof.Assemble(proof.Material{Asked: []proof.Thing{{Kind: proof.AnItem, ID: "urn:example:none"}}, Source: noState{}})
	if err == nil {
		err = node.Lead(c, b, since, past, to)
	}
	return b, err
}

// However validators change, from any root of trust there is a way to any later
// header, over as few as it takes.
func TestSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &headers{}
		set, last := []int{1, 2, 3, 4}, 4 // no key ever comes back, so that none is there twice
		for range rapid.IntRange(2, 60).Draw(t, "heights") {
			c.sets = append(c.sets, append([]int(nil), set...))
			switch rapid.IntRange(0, 9).Draw(t, "change") {
			case 0: // all others
				for i := range set {
					last++
					set[i] = last
				}
			case 1: // one other
				set[rapid.IntRange(0, len(set)-1).Draw(t, "who")] = last + 1
				last++
			case 2: // one more
				last++
				set = append(set, last)
			}
		}
		top := int64(len(c.sets))
		since := rapid.Int64Range(1, top).Draw(t, "since")
		to := rapid.Int64Range(since, top).Draw(t, "to")
		past := int64(0)
		if rapid.Bool().Draw(t, "past") {
			past = rapid.Int64Range(since, to).Draw(t, "at")
		}
		b, err := c.led(since, past, to)
		if err != nil {
			t.Fatalf("from %d over %d to %d: %v", since, past, to, err)
		}
		r, err := proof.Verify(b.Encode(), c.trust(since))
		if err != nil {
			t.Fatalf("from %d over %d to %d: %v", since, past, to, err)
		}
		met := past == 0 || past == to
		for _, h := range r.Steps {
			met = met || h == past
		}
		if r.SignedHeight != to || !met {
			t.Fatalf("from %d over %d to %d: %v", since, past, to, r.Steps)
		}
	})
}

// Where nothing changed, no step is needed, and a reader need not tell its root of
// trust; where one of four changed, none but the trusted set itself.
func TestStepsAreFew(t *testing.T) {
	same, one, all := []int{1, 2, 3, 4}, []int{1, 2, 3, 5}, []int{6, 7, 8, 9}
	for name, c := range map[string]struct {
		chain     headers
		since, to int64
		steps     int
		parts     int
		refused   string
	}{
		"nothing changed":                {headers{sets: [][]int{same, same, same, same}}, 1, 4, 0, 0, ""},
		"nothing changed, root untold":   {headers{sets: [][]int{same, same, same, same}}, 0, 4, 0, 0, ""},
		"one changed":                    {headers{sets: [][]int{same, same, one, one, one}}, 1, 5, 0, 1, ""},
		"one changed, another is absent": {headers{sets: [][]int{same, same, one, one, one}, absent: map[int]bool{2: true}}, 1, 5, 1, 1, ""},
		"all changed":                    {headers{sets: [][]int{same, same, all, all, all}}, 1, 5, 1, 1, ""},
		"all changed at once":            {headers{sets: [][]int{same, all, all, all, all}}, 1, 5, 1, 1, ""},
		"a root from the future":         {headers{sets: [][]int{same, same}}, 2, 1, 0, 0, "the root of trust is of height 2"},
	} {
		b, err := c.chain.led(c.since, 0, c.to)
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r, err := proof.Verify(b.Encode(), c.chain.trust(max(c.since, 1)))
		if err != nil || len(r.Steps) != c.steps || len(b.Steps) != c.parts {
			t.Errorf("%s: %d steps, %v, %v", name, len(b.Steps), r, err)
		}
	}
}

// A thousand headers with few changes are halved, not walked.
func TestStepsHalve(t *testing.T) {
	c := &headers{}
	for i := range 1000 {
		k := i / 300 * 10
		c.sets = append(c.sets, []int{k + 1, k + 2, k + 3, k + 4})
	}
	b, err := c.led(1, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := proof.Verify(b.Encode(), c.trust(1)); err != nil || c.asked > 60 {
		t.Errorf("%v, %v, after %d headers", fmt.Sprint(r), err, c.asked)
	}
}
