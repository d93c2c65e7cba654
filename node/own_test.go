package node_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

// other is a partner without a node, whose transactions reach the ledger all the same.
type other struct {
	key   ed25519.PrivateKey
	codec *schemas.Codec
	drawn uint64
}

// withOther adds the partner brook to the genesis document of a home.
func withOther(t *testing.T, s node.Settings) *other {
	t.Helper()
	o := &other{key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))}
	var err error
	o.codec, err = schemas.NewCodec()
	must(t, err)
	public := o.key.Public().(ed25519.PublicKey)
	alterGenesis(t, s, func(g *schemas.Genesis) {
		g.Partners = append(g.Partners, schemas.Partner{ID: "brook", Name: "Brook", GLN: "9521234000013", Standing: schemas.StandingMember})
		g.Keys = append(g.Keys, schemas.Key{Partner: "brook", ID: schemas.KeyID(public), Public: public, Roles: schemas.RoleCapture, Held: schemas.HeldByGateway, From: 1})
	})
	return o
}

func (o *other) sign(t *testing.T, n *node.Node, events ...*schemas.Event) ([]byte, schemas.Hash, int64) {
	t.Helper()
	o.drawn++
	secret := schemas.Sum("waybill/test", binary.BigEndian.AppendUint64(nil, o.drawn))
	d := schemas.Draft{ChainID: "alone", Partner: "brook", KeyID: schemas.KeyID(o.key.Public().(ed25519.PublicKey)), Actor: "test", Expiry: uint64(height(t, n) + 1000),
		Nonce: secret[:schemas.NonceSize], Secret: secret[:], Events: events}
	for _, e := range events {
		d.DuplicateKeys = append(d.DuplicateKeys, schemas.DuplicateKeyOf(secret[:], e))
	}
	raw, id, err := o.codec.Sign(d, o.key)
	must(t, err)
	return raw, id, int64(d.Expiry)
}

func (o *other) commit(t *testing.T, n *node.Node, events ...*schemas.Event) *schemas.Receipt {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	raw, id, expiry := o.sign(t, n, events...)
	must(t, n.Ledger().Broadcast(ctx, raw))
	r, err := n.Ledger().Await(ctx, id, expiry)
	must(t, err)
	return r
}

// A node that keeps its own partner's bodies alone tells what it lacks, gives no
// history, is checked, rebuilt, backed up and restored like any other, also where
// the last block has bodies that are not kept.
func TestOwnBodies(t *testing.T) {
	s := alone(t)
	s.Bodies = "own"
	must(t, s.Save())
	o := withOther(t, s)
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	must(t, err)
	stop := func() {
		if n != nil {
			must(t, n.Stop())
		}
		n = nil
	}
	defer stop()
	mine := commit(t, n, event(t, 1))
	theirs := o.commit(t, n, event(t, 1000), event(t, 1001))
	view, err := n.Ledger().View()
	must(t, err)
	for at, want := range map[schemas.Locator]bool{{Height: mine.Height, Position: mine.Position}: true, {Height: theirs.Height, Position: theirs.Position, Index: 1}: false} {
		partner := map[bool]string{true: s.Partner, false: "brook"}[want]
		records, err := view.Trail(schemas.TrailKey{Kind: schemas.PartnerTrail, Subject: partner}, uint64(at.Index), 1)
		if err != nil || len(records) != 1 || (records[0].Body != nil) != want || records[0].Unkept == want {
			t.Errorf("of %s there is %+v, %v", partner, records, err)
		}
	}
	if answer, err := n.Archive(1); err == nil {
		t.Errorf("a peer is given %d bytes of history", len(answer))
	}

	// While the other goes on, most blocks have something of it, and a last one has.
	vault := filepath.Join(t.TempDir(), "vault")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var r *node.BackupReport
	for i := 2000; ; i++ {
		if ctx.Err() != nil {
			t.Fatal("no backup ended with a block of the other's")
		}
		o.commit(t, n, event(t, i))
		r = backup(t, s.Home, vault)
		if slices.ContainsFunc(filesOf(t, vault), func(path string) bool {
			b, err := os.ReadFile(path)
			must(t, err)
			return bytes.Contains(b, []byte("tip.block"))
		}) {
			break
		}
	}
	home := filepath.Join(t.TempDir(), "home")
	restored, err := node.Restore(t.Context(), node.RestoreOptions{From: vault, Home: home, Keys: filepath.Join(s.Home, "keys"), SignAfter: r.Height + 10})
	if err != nil || restored.AppHash != r.AppHash || restored.Blocks < 1 {
		t.Fatalf("restored %+v, %v", restored, err)
	}
	mustHold(t, check(t, home, false))
	stop()
	mustHold(t, check(t, s.Home, false))
	mustHold(t, check(t, s.Home, true))

	// What was not kept is not there again with another setting.
	s.Bodies = "all"
	n, err = node.Start(t.Context(), s, "test", io.Discard)
	must(t, err)
	o.commit(t, n, event(t, 1002))
	if answer, err := n.Archive(1); err == nil {
		t.Errorf("a peer is given %d bytes of history that lacks bodies", len(answer))
	}
	stop()
	mustHold(t, check(t, s.Home, false))
}
