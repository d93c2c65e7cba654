package app_test

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// Whatever changes of partners, prefixes and parameters blocks carry, the directory
// that they leave is the one read whole: chain compares the two behind each.
func TestDirectory(t *testing.T) {
	governed := 0
	rapid.Check(t, func(rt *rapid.T) {
		c := council(t, 1)
		for range rapid.IntRange(1, 6).Draw(rt, "blocks") {
			var lines [][3]string
			for range rapid.IntRange(1, 4).Draw(rt, "acts") {
				n := rapid.IntRange(2, 9).Draw(rt, "n")
				id := rapid.SampledFrom([]string{"guest", fmt.Sprintf("p%d", n)}).Draw(rt, "partner")
				text := rapid.SampledFrom([]string{
					fmt.Sprintf(`{"kind":"admit","partner":"p%d","name":"p","gln":%q,"standing":"participant","host":"m1","sponsor":"m1","keys":[{"public":%q,"roles":["capture","admin"],"held":"client"}]}`,
						n, gln(n), hex.EncodeToString(memberOf(n, fmt.Sprint(n)).key.Public().(ed25519.PublicKey))),
					fmt.Sprintf(`{"kind":"suspend","partner":%q}`, id), fmt.Sprintf(`{"kind":"resume","partner":%q}`, id), fmt.Sprintf(`{"kind":"remove","partner":%q}`, id),
					fmt.Sprintf(`{"kind":"register-prefix","partner":"m1","prefix":"952123%d"}`, n), fmt.Sprintf(`{"kind":"withdraw-prefix","prefix":"952123%d"}`, n),
					`{"kind":"parameters","parameters":{"custody":"strict"}}`,
				}).Draw(rt, "act")
				lines = append(lines, [3]string{"m1", "Propose", text})
			}
			c.acts(lines...)
			if c.last.Governed {
				governed++
			}
		}
	})
	if governed < 20 {
		t.Errorf("%d blocks changed the directory", governed)
	}
}

// BenchmarkParticipants runs the same blocks of four members' events with so many
// participants on the ledger, and what changes a partner, in processor time.
func BenchmarkParticipants(b *testing.B) {
	for _, count := range []int{0, 500, 5000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			c := newChain(b, store.Options{})
			var g schemas.Genesis
			if err := json.Unmarshal(c.genesis, &g); err != nil {
				b.Fatal(err)
			}
			for i := range count {
				id := fmt.Sprintf("part-%d", i)
				m := memberOf(100+i, id)
				g.Partners = append(g.Partners, schemas.Partner{ID: id, Name: id, GLN: m.gln, Standing: schemas.StandingParticipant, Host: "farm", Sponsor: "farm"})
				g.Keys = append(g.Keys, schemas.Key{Partner: id, ID: m.keyID(), Public: m.key.Public().(ed25519.PublicKey), Roles: schemas.RoleCapture | schemas.RoleAdmin, Held: schemas.HeldByGateway, From: 1})
			}
			var err error
			if c.genesis, err = json.Marshal(g); err != nil {
				b.Fatal(err)
			}
			c.options.Dir = filepath.Join(b.TempDir(), "ledger")
			c.open()
			c.init()
			c.block()
			ctx := context.Background()
			var events, checks, acts, peers, n int64
			run := func(txs [][]byte) int64 {
				c.time = c.time.Add(1e9)
				at := cpuTime()
				c.prepare(txs)
				checks += int64(cpuTime()-at) / int64(len(txs))
				req := c.request(txs)
				at = cpuTime()
				res, err := c.app.FinalizeBlock(ctx, req)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := c.app.Commit(ctx, &abci.RequestCommit{}); err != nil {
					b.Fatal(err)
				}
				took := int64(cpuTime() - at)
				for _, r := range c.last.Receipts {
					if code := r.Events[0].Code; code != schemas.OK {
						b.Fatal(code)
					}
				}
				c.height, c.hash = req.Height, res.AppHash
				return took
			}
			for b.Loop() {
				var txs [][]byte
				for _, id := range partners[:4] {
					var list []*schemas.Event
					for i := range 100 {
						list = append(list, c.event(fmt.Sprintf("obj add epc=%s%d-%d step=commissioning", id, n, i)))
					}
					txs = append(txs, c.sign(c.draft(id, false, list...)))
				}
				events += run(txs) / 400
				key := memberOf(1, fmt.Sprint("key", n)).key.Public().(ed25519.PublicKey)
				act, err := schemas.ReadAct("AddKey", fmt.Appendf(nil, `{"public":%q,"roles":["capture"],"held":"client"}`, hex.EncodeToString(key)), c.time)
				if err != nil {
					b.Fatal(err)
				}
				d := c.draft("farm", false, act)
				d.DuplicateKeys = nil
				acts += run([][]byte{c.sign(d)})
				at := cpuTime()
				for range 1000 {
					c.app.AdmitsPeer("node-farm")
				}
				peers += int64(cpuTime()-at) / 1000
				n++
			}
			b.ReportMetric(float64(events)/float64(n)/1e3, "cpu-µs/event")
			b.ReportMetric(float64(checks)/float64(2*n)/1e3, "cpu-µs/check")
			b.ReportMetric(float64(acts)/float64(n)/1e3, "cpu-µs/act-block")
			b.ReportMetric(float64(peers)/float64(n), "cpu-ns/peer")
		})
	}
}
