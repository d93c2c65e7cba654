package node

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// The gateway's own key is changed while the node runs, and no event is lost: the
// home has the next key beside the present one, the present one adds it on the
// ledger, and from the height on at which it is valid the gateway signs with it. When
// nothing waits any more that the old key signed, the next one revokes it, and its
// file takes the place of the old one's. The ledger says how far this is, so that it
// goes on after any stop.

// nextKeyPath is the key that is to follow the gateway's.
func nextKeyPath(home string) string { return filepath.Join(home, keysDir, "partner-next.json") }

// RotateKey makes the key that is to follow the gateway's own, and answers its id.
// The node adds it when it is started.
func RotateKey(s *Settings) (id string, err error) {
	from := s.secrets()
	own, err := from.partner(partnerKeyPath(s.Home))
	if err != nil {
		return "", err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", fmt.Errorf("making a key: %w", err)
	}
	own.KeyID, own.Public, own.Seed = schemas.KeyID(public), public, private.Seed()
	b, err := json.MarshalIndent(own, "", "  ")
	if err == nil {
		b, err = from.seal(b)
	}
	if err != nil {
		return "", fmt.Errorf("encoding a key: %w", err)
	}
	if _, err := os.Stat(nextKeyPath(s.Home)); !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s exists: a rotation is under way, start the node to finish it", nextKeyPath(s.Home))
	}
	if err := writeSecret(nextKeyPath(s.Home), b); err != nil {
		return "", err
	}
	return own.KeyID, store.SyncPath(filepath.Dir(nextKeyPath(s.Home)))
}

// nextKey reads the next key, nil where there is none.
func (s *secrets) nextKey() (ed25519.PrivateKey, error) {
	next, err := s.partner(nextKeyPath(s.home))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return ed25519.NewKeyFromSeed(next.Seed), nil
}

// signingKey is the key with which the gateway signs now.
type signingKey struct {
	id  string
	key ed25519.PrivateKey
	err error // why it signs nothing
}

// signing chooses the gateway's key at each height.
type signing struct {
	app     *app.App
	partner string
	log     *slog.Logger

	own, next signingKey // next without key: there is none
	current   atomic.Pointer[signingKey]
	ends      atomic.Uint64 // last height of the current key, 0 for no end
}

func newSigning(a *app.App, partner string, keys *Keys, registry *prometheus.Registry, log *slog.Logger) *signing {
	of := func(k ed25519.PrivateKey) signingKey {
		if k == nil {
			return signingKey{}
		}
		return signingKey{id: schemas.KeyID(k.Public().(ed25519.PublicKey)), key: k}
	}
	s := &signing{app: a, partner: partner, log: log, own: of(keys.Partner), next: of(keys.Next)}
	s.choose()
	registry.MustRegister(
		gauge("key_valid", "1 while the gateway has a key that is valid on the ledger.", func() float64 { return bit(s.current.Load().err == nil) }),
		gauge("key_ends_height", "Last height at which the gateway's key is valid, 0 for no end.", func() float64 { return float64(s.ends.Load()) }))
	return s
}

// choose takes the next key once it is valid, else the own one. An ended key ends no
// node: it serves reads and votes, and says why it signs nothing.
func (s *signing) choose() {
	chosen := s.own
	view, err := s.app.View()
	if err == nil && view.Height() > 0 {
		chosen.err = s.usable(view, &s.own)
		if s.next.key != nil && s.usable(view, &s.next) == nil {
			if k, err := view.Key(s.partner, s.next.id); err == nil && k != nil {
				chosen = s.next
			}
		}
		if k, err := view.Key(s.partner, chosen.id); err == nil && k != nil {
			s.ends.Store(k.Until)
		}
	}
	last := s.current.Swap(&chosen)
	switch {
	case chosen.err != nil && (last == nil || last.err == nil):
		s.log.Error("the gateway's key is not valid: nothing is signed", "key", chosen.id, "error", chosen.err)
	case last != nil && last.id != chosen.id:
		s.log.Info("the gateway signs with another key", "key", chosen.id)
	}
}

// usable tells why a key may sign nothing in the next block. Of one that the ledger
// does not have, it is the ledger that tells.
func (s *signing) usable(view *app.View, of *signingKey) error {
	k, err := view.Key(s.partner, of.id)
	at := uint64(view.Height() + 1)
	switch {
	case err != nil || k == nil || k.ValidAt(at):
		return err
	case at < k.From:
		return api.Unavailable(fmt.Sprintf("the gateway's key %s is valid from height %d on", k.ID, k.From))
	}
	return api.Unavailable(fmt.Sprintf("the gateway's key %s ended at height %d: another admin key of %s must add one (docs/keys.md)", k.ID, k.Until, s.partner))
}

// rotation carries a next key through.
type rotation struct {
	ledger *ledger
	own    *local.Store
	log    *slog.Logger
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// beginRotation goes on with a rotation that was begun, if one was.
func beginRotation(l *ledger, own *local.Store, log *slog.Logger) *rotation {
	ctx, cancel := context.WithCancel(context.Background())
	r := &rotation{ledger: l, own: own, log: log, cancel: cancel}
	if l.signing.next.key != nil {
		r.work.Go(func() { r.run(ctx) })
	}
	return r
}

func (r *rotation) close() error {
	r.cancel()
	r.work.Wait()
	return nil
}

// rotateRetry is between two tries of a step that failed.
const rotateRetry = 10 * time.Second

func (r *rotation) run(ctx context.Context) {
	said := ""
	for ctx.Err() == nil {
		height, _, _ := r.ledger.waits.last()
		done, err := r.step(ctx)
		if done {
			return
		}
		wait := r.ledger.Watch(height)
		if err != nil && ctx.Err() == nil {
			if said != err.Error() {
				said = err.Error()
				r.log.Warn("rotating the gateway's key, this is tried again", "error", err)
			}
			wait = nil
		}
		select {
		case <-ctx.Done():
		case <-wait:
		case <-time.After(rotateRetry):
		}
	}
}

// step does what the ledger says is next.
func (r *rotation) step(ctx context.Context) (done bool, err error) {
	s, view := r.ledger.signing, (*app.View)(nil)
	if view, err = r.ledger.app.View(); err != nil || view.Height() == 0 {
		return false, err
	}
	own, err := view.Key(s.partner, s.own.id)
	if err != nil {
		return false, err
	}
	next, err := view.Key(s.partner, s.next.id)
	height := uint64(view.Height())
	switch {
	case err != nil || own == nil:
		return false, err
	case next == nil:
		return false, r.submit(ctx, view, &schemas.AddKey{Public: s.next.key.Public().(ed25519.PublicKey), Roles: own.Roles, Held: own.Held})
	case !next.ValidAt(height + 1):
		return false, nil
	case own.Until != 0 && own.Until <= height:
		return true, r.finish()
	}
	if waiting, err := r.signedBefore(next.From); waiting || err != nil {
		return false, err
	}
	return false, r.submit(ctx, view, &schemas.RevokeKey{Key: own.ID})
}

// signedBefore reports whether something waits that was signed before the next key
// was valid: its expiry tells.
func (r *rotation) signedBefore(from uint64) (bool, error) {
	entries, err := r.own.Entries()
	return slices.ContainsFunc(entries, func(e *local.Entry) bool {
		return !e.Client && uint64(e.Expiry) < from+uint64(r.ledger.settings.ExpiryHeights)
	}), err
}

// submit signs a change of keys, unless it waits for other admin keys already.
func (r *rotation) submit(ctx context.Context, view *app.View, change schemas.Act) error {
	open, err := view.KeyChanges(r.ledger.settings.Partner)
	if err != nil || slices.ContainsFunc(open, func(c schemas.OpenChange) bool {
		return string(schemas.ActJSON(c.Act)) == string(schemas.ActJSON(change))
	}) {
		return err
	}
	act, err := schemas.MakeAct(change, "the gateway's key is rotated", time.Now())
	if err != nil {
		return err
	}
	signed, err := r.ledger.Sign("rotation", false, []*schemas.Event{act})
	if err != nil {
		return err
	}
	if err := r.ledger.Broadcast(ctx, signed.Raw); err != nil {
		return fmt.Errorf("%s: %w (where the gateway's key is no admin key, one of the partner's must do this: docs/keys.md)", change.Name(), err)
	}
	receipt, err := r.ledger.Await(ctx, signed.ID, signed.Expiry)
	if err != nil {
		return err
	}
	if code := receipt.Events[0].Code; code != schemas.OK {
		return fmt.Errorf("%s is refused: %s: %s", change.Name(), code, code.Hint())
	}
	return nil
}

// finish lets the next key's file take the place of the old one's.
func (r *rotation) finish() error {
	home := r.ledger.settings.Home
	if err := os.Rename(nextKeyPath(home), partnerKeyPath(home)); err != nil {
		return fmt.Errorf("putting the new key's file in place: %w", err)
	}
	r.log.Info("the gateway's key was rotated", "key", r.ledger.signing.next.id)
	return store.SyncPath(filepath.Dir(partnerKeyPath(home)))
}
