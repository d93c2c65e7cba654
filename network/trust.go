package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

const (
	trustTimeout = 20 * time.Second // in which nodes are seen at one height
	trustPause   = 20 * time.Millisecond
)

// AgreedTrust asks nodes for their root of trust until all have told of one
// height, and answers it if they agree. Nodes under load are rarely at one height
// at one moment, so that heights told earlier count.
func AgreedTrust(ctx context.Context, nodes []*client.Client) (*proof.Trust, error) {
	if len(nodes) == 0 {
		return nil, errors.New("no node to ask for a root of trust")
	}
	ctx, cancel := context.WithTimeout(ctx, trustTimeout)
	defer cancel()
	told := map[int64][]*api.Trust{} // by height, at most one a node
	for {
		answers, err := askTrust(ctx, nodes)
		if err != nil {
			return nil, err
		}
		for i, t := range answers {
			if told[t.Height] == nil {
				told[t.Height] = make([]*api.Trust, len(nodes))
			}
			told[t.Height][i] = t
			if complete(told[t.Height]) {
				return agree(told[t.Height])
			}
		}
		timer := time.NewTimer(trustPause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("the nodes were not seen at one height within %s: ask fewer, or when there is less load", trustTimeout)
		case <-timer.C:
		}
	}
}

func askTrust(ctx context.Context, nodes []*client.Client) ([]*api.Trust, error) {
	answers, errs := make([]*api.Trust, len(nodes)), make([]error, len(nodes))
	var asked sync.WaitGroup
	for i, n := range nodes {
		asked.Go(func() { answers[i], errs[i] = n.Trust(ctx) })
	}
	asked.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("asking node %d for its root of trust: %w", i+1, err)
		}
	}
	return answers, nil
}

func complete(answers []*api.Trust) bool {
	for _, a := range answers {
		if a == nil {
			return false
		}
	}
	return true
}

// agree answers the root of trust that all tell.
func agree(answers []*api.Trust) (*proof.Trust, error) {
	first := answers[0]
	for i, a := range answers {
		if a.ChainID != first.ChainID || a.HeaderHash != first.HeaderHash || a.ValidatorSetHash != first.ValidatorSetHash || !a.Time.Equal(first.Time) {
			return nil, fmt.Errorf("node 1 and node %d contradict each other at height %d: one of them lies, or they are of different networks", i+1, a.Height)
		}
	}
	t := &proof.Trust{ChainID: first.ChainID, Height: first.Height, Time: first.Time}
	for _, h := range []struct {
		into *schemas.Hash
		text string
	}{{&t.HeaderHash, first.HeaderHash}, {&t.ValidatorSetHash, first.ValidatorSetHash}} {
		if err := h.into.UnmarshalText([]byte(h.text)); err != nil {
			return nil, fmt.Errorf("reading a root of trust: %w", err)
		}
	}
	// What an auditor will read later must be readable: nodes may tell anything.
	text, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("writing a root of trust: %w", err)
	}
	return proof.DecodeTrust(text)
}
