package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// TestSnapshotOfScripts: halfway through every script a node is restored. From there on
// it computes the same hashes and results, and what follows from the state it answers as
// the node does that has all blocks.
func TestSnapshotOfScripts(t *testing.T) {
	for file, text := range scripts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			s := &script{chain: newChain(t, store.Options{}), subjects: map[schemas.TrailKey]bool{}}
			s.keepSnapshots(filepath.Join(t.TempDir(), "snapshots"))
			s.init()
			half := int64(strings.Count(text, "\nblock")+1) / 2
			var joined *chain
			s.told = func(req *abci.RequestFinalizeBlock, hash []byte) {
				if joined == nil {
					if s.height >= half && len(req.Txs) > 0 {
						joined = joining(t, store.Options{})
						joined.restored(s.chain, s.take())
					}
					return
				}
				res, err := joined.app.FinalizeBlock(t.Context(), req)
				if err == nil {
					_, err = joined.app.Commit(context.Background(), &abci.RequestCommit{})
				}
				if err != nil || !bytes.Equal(res.AppHash, hash) {
					t.Fatalf("they part at height %d: %v", req.Height, err)
				}
			}
			s.play(text)
			if joined == nil {
				t.Fatal("no block asked for a snapshot")
			}
			if d := cmp.Diff(s.stateAnswers(), joined.stateAnswers()); d != "" {
				t.Errorf("the restored node answers otherwise (-replayed +restored):\n%s", d)
			}
			for _, kind := range "qQwvgiOs" {
				if d := cmp.Diff(s.rows(string(kind)), joined.rows(string(kind))); d != "" {
					t.Errorf("rows %c of the restored node (-replayed +restored):\n%s", kind, d)
				}
			}
		})
	}
}

// stateAnswers are answers that follow from the state, without anybody's records.
func (c *chain) stateAnswers() (out []string) {
	c.t.Helper()
	v := c.view()
	note := func(what string, answer any, err error) {
		if err != nil {
			c.t.Errorf("%s: %v", what, err)
		}
		out = append(out, fmt.Sprintf("%s: %+v", what, answer))
	}
	for _, party := range append([]string{""}, partners...) {
		list, after, err := v.Shipments(party, 0, "", 100)
		note("shipments of "+party+" behind "+after, list, err)
		for _, s := range list {
			one, err := v.Shipment(s.ID)
			for i := range one.Last {
				one.Last[i].Reason = "" // which the record tells
				if d := one.Last[i].Dispute; d != nil {
					note("dispute about "+s.ID, *d, nil)
				}
				one.Last[i].Dispute = nil
			}
			note("shipment", *one, err)
			measured, _, err := v.Conditions(s.ID, nil, 100)
			for i := range measured {
				measured[i].Events = nil // eventIDs, which records tell
			}
			note("conditions of "+s.ID, measured, err)
		}
	}
	recalls, _, err := v.Recalls(schemas.RecallRef{}, false, 100)
	note("recalls", recalls, err)
	for _, r := range recalls {
		one, err := v.Recall(r.RecallRef)
		note("recall", *one, err)
	}
	proposals, _, err := v.Proposals(nil, 100)
	encoded, bad := json.Marshal(proposals)
	note("proposals", string(encoded), errors.Join(err, bad))
	prefixes, err := v.Prefixes()
	note("prefixes", prefixes, err)
	list, err := v.Partners()
	note("partners", list, err)
	for _, p := range list {
		keys, err := v.Keys(p.ID)
		note("keys of "+p.ID, keys, err)
		open, err := v.KeyChanges(p.ID)
		note("changes of keys of "+p.ID, len(open), err)
		order, err := v.Order(p.ID)
		note("order for "+p.ID, order, err)
	}
	return out
}

// A node that was restored tells of hand-overs and recalls what the state says, and that
// it cannot tell where a recall reaches.
func TestSnapshotLacksReasons(t *testing.T) {
	s := newScript(t)
	s.keepSnapshots(filepath.Join(t.TempDir(), "snapshots"))
	s.init()
	s.sent("farm: obj add epc=a,b step=commissioning", `farm: act AnnounceShipment {"shipment":"urn:example:shipment:1","receiver":"shop","items":["`+full("a")+`"]}`,
		`farm: act OfferHandover {"shipment":"urn:example:shipment:1","to":"shop"}`, `shop: act RejectHandover {"shipment":"urn:example:shipment:1","handover":1,"reason":"warm"}`,
		"farm: obj obs epc=b step=shipping to=mill", "mill: obj obs epc=b step=receiving", "mill: xform epc=b out=c",
		`farm: act Recall {"recall":"r","instruction":"stop","items":["`+full("b")+`"]}`)
	joined := joining(t, store.Options{})
	joined.restored(s.chain, s.take())
	for _, c := range []*chain{s.chain, joined} {
		missing := c == joined
		info, err := c.view().Shipment("urn:example:shipment:1")
		if err != nil || info.State != schemas.Rejected || len(info.Last) != 1 || (info.Last[0].Reason == "warm") == missing {
			t.Errorf("lacking records %t, the shipment is %+v: %v", missing, info, err)
		}
		reach, err := c.view().RecallReach(t.Context(), schemas.RecallRef{Issuer: "farm", Recall: "r"})
		if err != nil || reach.Truncated != missing || len(reach.Holders) == 1 == missing {
			t.Errorf("lacking records %t, the recall reaches %+v: %v", missing, reach, err)
		}
	}
}
