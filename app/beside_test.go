package app_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// TestReadersBesideBlocks: queries, traces, dry runs and CheckTx run while blocks
// are executed and committed, and change nothing about them.
func TestReadersBesideBlocks(t *testing.T) {
	c, alone := newChain(t, store.Options{}), newChain(t, store.Options{})
	var txs [][]byte
	for i := range 40 {
		txs = append(txs, c.sign(c.draft("farm", false, c.event(fmt.Sprintf("obj add epc=a%d step=commissioning", i%5)), c.event(fmt.Sprintf("agg add parent=P-%d epc=a%d", i%3, i%5)))))
	}
	rehearsed := c.event("agg add parent=P-1 epc=a1,a2,new")
	done := make(chan struct{})
	var readers sync.WaitGroup
	for _, read := range []func(v ledgerView) error{
		func(v ledgerView) error {
			_, _, err := v.Events(context.Background(), schemas.EventQuery{Limit: 10, BizSteps: []string{"commissioning"}})
			return err
		},
		func(v ledgerView) error {
			_, err := v.Trace(context.Background(), schemas.TraceQuery{ID: full("a1"), Direction: schemas.Both, MaxDepth: 5, MaxEvents: 100})
			return err
		},
		func(v ledgerView) error { _, err := v.Item(full("a1")); return err },
		func(ledgerView) error {
			if v := c.view(); v.Height() > 0 {
				_, err := c.app.DryRun("test", "farm", false, []*schemas.Event{rehearsed})
				return err
			}
			return nil
		},
		func(ledgerView) error {
			_, err := c.app.CheckTx(context.Background(), &abci.RequestCheckTx{Tx: txs[len(txs)-1]})
			return err
		},
	} {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				v, err := c.app.View()
				if err == nil {
					err = read(v)
				}
				if err != nil && !isFault(err, schemas.ViewExpired) {
					t.Error(err)
					return
				}
			}
		})
	}
	for _, raw := range txs {
		c.block(raw)
		alone.time = c.time
		alone.finish(alone.request([][]byte{raw}))
		if string(c.hash) != string(alone.hash) {
			t.Fatalf("readers change block %d", c.height)
		}
	}
	close(done)
	readers.Wait()
}

type ledgerView interface {
	Events(context.Context, schemas.EventQuery) ([]schemas.Record, bool, error)
	Trace(context.Context, schemas.TraceQuery) (*schemas.Trace, error)
	Item(string) (*schemas.ItemState, error)
}
