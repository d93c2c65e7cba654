package node

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	dbm "github.com/cometbft/cometbft-db"
	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/libs/protoio"
	"github.com/cometbft/cometbft/privval"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/state"
	cmtstore "github.com/cometbft/cometbft/store"
	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// A rescue restarts a network of which a third of the votes or more is lost for
// ever. Its survivors stop, agree on a document (schemas/proof), and each starts
// it: docs/operate.md has the steps, docs/decisions/0033-rescue.md the reasons.

// RescueOptions say whose home, and what to propose.
type RescueOptions struct {
	Home   string
	Lost   []string // partners whose validators are lost for ever
	Aside  []string // partners who are not lost, and take no part
	Reason string
	Getenv func(string) string
}

// Files of a rescue in a home.
const (
	rescueDir     = "rescue"
	signedRescue  = "signed"  // what this partner signed
	pendingRescue = "pending" // what a start is at
)

func rescuePath(home, name string) string { return filepath.Join(home, dataDir, rescueDir, name) }

func epochName(r *proof.Rescue) string { return strconv.FormatUint(r.Epoch, 10) }

// refuseRescuing keeps a node from deciding blocks with the old validators while
// its partner has agreed that there are none.
func refuseRescuing(home string) error {
	if _, err := os.Stat(rescuePath(home, pendingRescue)); err == nil {
		return errors.New("a rescue was begun here and cut short: run waybill rescue start again, with the same document")
	}
	if _, err := os.Stat(rescuePath(home, signedRescue)); err == nil {
		return fmt.Errorf("this partner signed a rescue of the network, so its node may not go on with the old validators: run waybill rescue start with the whole document; only if all who signed call it off, each removes %s", rescuePath(home, signedRescue))
	}
	return nil
}

// dueRescue is the rescue with which the next block must begin; nil, with none.
func dueRescue(s *Settings, ledger *store.Store) (*proof.Rescue, error) {
	height, _ := ledger.Last()
	files, err := os.ReadDir(filepath.Dir(rescuePath(s.Home, signedRescue)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading rescues: %w", err)
	}
	for _, f := range files {
		if _, err := strconv.ParseUint(f.Name(), 10, 64); err != nil {
			continue
		}
		b, err := os.ReadFile(rescuePath(s.Home, f.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading rescues: %w", err)
		}
		r, err := proof.DecodeRescue(b)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", rescuePath(s.Home, f.Name()), err)
		}
		if r.Height != height {
			continue
		}
		current, err := engineState(s)
		if err == nil && !bytes.Equal(current.Validators.Hash(), setOfEngine(r.After()).Hash()) {
			err = errors.New("the engine's state is not that of the rescue: run waybill rescue start again, with the same document")
		}
		return r, err
	}
	return nil, nil
}

func engineState(s *Settings) (current state.State, err error) {
	err = withDatabase(s, "state", func(db dbm.DB) error {
		current, err = state.NewStore(db, state.StoreOptions{}).Load()
		return err
	})
	if err == nil && current.Validators == nil {
		err = errors.New("the engine has no state yet: start the node once, so that it has the network's blocks")
	}
	return current, err
}

// setOfEngine is a validator set as the engine has it, every turn to propose anew.
func setOfEngine(set []proof.Validator) *types.ValidatorSet {
	list := make([]*types.Validator, len(set))
	for i, v := range set {
		list[i] = types.NewValidator(cmted25519.PubKey(v.Public), v.Power)
	}
	return types.NewValidatorSet(list)
}

// restarted is the engine's state behind a rescue's last block: who signed that
// block stays who they were, and from the next on those who stay decide.
func restarted(s state.State, r *proof.Rescue) state.State {
	s.Validators = setOfEngine(r.After())
	s.NextValidators = s.Validators.CopyIncrementProposerPriority(1)
	s.LastHeightValidatorsChanged = s.LastBlockHeight + 2
	return s
}

// ProposeRescue makes the statement of a rescue of the network behind the last
// block of a stopped node, signed by its partner. The warnings are for people.
func ProposeRescue(o RescueOptions) (r *proof.Rescue, warnings []string, err error) {
	at, err := stand(o.Home, o.Getenv, false)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, at.close()) }()
	if r, err = at.propose(&o); err != nil {
		return nil, nil, err
	}
	return at.sign(r)
}

// SignRescue adds the signatures of a stopped node's partner to a document, if its
// node stands where the document says.
func SignRescue(home string, getenv func(string) string, r *proof.Rescue) (_ *proof.Rescue, warnings []string, err error) {
	at, err := stand(home, getenv, false)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, at.close()) }()
	return at.sign(r)
}

// standpoint is where a stopped node stands.
type standpoint struct {
	home     string
	settings Settings
	keys     *Keys
	ledger   *store.Store // open, so that no node runs
	engine   state.State
	header   types.Header // of the last block
	set      *types.ValidatorSet
	last     privval.FilePVLastSignState
}

func stand(home string, getenv func(string) string, write bool) (at *standpoint, err error) {
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	at = &standpoint{home: home}
	if at.settings, err = LoadSettings(home, getenv); err != nil {
		return nil, err
	}
	if at.keys, err = at.settings.Keys(); err != nil {
		return nil, err
	}
	if at.keys.Validator == nil {
		return nil, errors.New("the validator's key is with a remote signer: for a rescue it must be here, move it (waybill move) and unset signer")
	}
	open := store.OpenReadOnly
	if write {
		open = store.Open
	}
	if at.ledger, err = open(store.Options{Dir: LedgerPath(home), Backend: at.settings.Backend}); err != nil {
		return nil, fmt.Errorf("opening the ledger of a node that must be stopped: %w", err)
	}
	if err := at.read(); err != nil {
		return nil, errors.Join(err, at.close())
	}
	return at, nil
}

func (at *standpoint) close() error { return at.ledger.Close() }

func (at *standpoint) height() int64 {
	height, _ := at.ledger.Last()
	return height
}

// read reads the engine's last block, and checks that ledger and engine agree.
func (at *standpoint) read() (err error) {
	if at.engine, err = engineState(&at.settings); err != nil {
		return err
	}
	at.last = at.keys.Validator.LastSignState
	height := at.height()
	blocks := int64(0)
	err = withDatabase(&at.settings, "blockstore", func(db dbm.DB) error {
		s := cmtstore.NewBlockStore(db)
		if blocks = s.Height(); blocks == height && height > 0 {
			if meta := s.LoadBlockMeta(height); meta != nil && s.LoadSeenCommit(height) != nil {
				at.header = meta.Header
				return nil
			}
			return fmt.Errorf("the engine lacks block %d or the votes for it: restore the node from a backup", height)
		}
		return nil
	})
	if err == nil && (blocks != height || at.engine.LastBlockHeight != height || height == 0) {
		err = fmt.Errorf("ledger, engine and blocks stand at %d, %d and %d: start and stop the node once, so that they agree", height, at.engine.LastBlockHeight, blocks)
	}
	if err != nil {
		return err
	}
	return withDatabase(&at.settings, "state", func(db dbm.DB) error {
		at.set, err = state.NewStore(db, state.StoreOptions{}).LoadValidators(height)
		return err
	})
}

// propose makes a statement of who is lost, and that all others stay.
func (at *standpoint) propose(o *RescueOptions) (*proof.Rescue, error) {
	partners, err := app.Partners(at.ledger)
	if err != nil {
		return nil, err
	}
	rescues, err := app.Rescues(at.ledger)
	if err != nil {
		return nil, err
	}
	_, root := at.ledger.Last()
	r := &proof.Rescue{RescueStatement: proof.RescueStatement{ChainID: at.engine.ChainID, Epoch: uint64(len(rescues)) + 1, Height: at.height(),
		Header: schemas.Hash(at.header.Hash()), App: schemas.Hash(root), Reason: o.Reason}}
	named := map[string]proof.Fate{}
	for _, p := range o.Aside {
		named[p] = proof.Aside
	}
	for _, p := range o.Lost {
		named[p] = proof.Lost
	}
	for _, v := range setOf(at.set) {
		out := proof.RescueValidator{Validator: v, Fate: proof.Stays}
		i := slices.IndexFunc(partners, func(p schemas.Partner) bool { return bytes.Equal(p.Validate, v.Public) })
		if i < 0 {
			return nil, fmt.Errorf("the ledger knows no partner with the validator %x", v.Public)
		}
		out.Partner = partners[i].ID
		if fate := named[out.Partner]; fate != 0 {
			out.Fate = fate
			delete(named, out.Partner)
		} else if out.Signing, err = app.SigningKey(at.ledger, out.Partner); err != nil {
			return nil, err
		}
		r.Validators = append(r.Validators, out)
	}
	for p := range named {
		return nil, fmt.Errorf("no validator of this network is of a partner %q", p)
	}
	return r, nil
}

// sign signs what fits, and remembers it: who agreed that the old validators are
// at their end may not vote with them any more, nor agree to something else.
func (at *standpoint) sign(r *proof.Rescue) (*proof.Rescue, []string, error) {
	if err := at.fits(r); err != nil {
		return nil, nil, err
	}
	if height := at.height(); at.last.Height > height+1 && len(at.last.SignBytes) > 0 {
		return nil, nil, fmt.Errorf("this validator voted at height %d, so that block %d was decided: this node lacks it, and a rescue behind block %d would lose it", at.last.Height, at.last.Height-1, height)
	}
	if err := at.signsNoOther(r); err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(rescuePath(at.home, signedRescue)); err != nil && r.SignedBy(at.settings.Partner) {
		// That home may have voted with the new set by now: this one must not begin anew.
		return nil, nil, fmt.Errorf("%s signed this rescue already, in another home: a home that was restored since goes on by waybill rescue start, without signing", at.settings.Partner)
	}
	if err := r.Sign(at.keys.Validator.Key.PrivKey.Bytes(), at.keys.Partner); err != nil {
		return nil, nil, fmt.Errorf("signing for %s: %w", at.settings.Partner, err)
	}
	if err := at.keep(signedRescue, r); err != nil {
		return nil, nil, err
	}
	return r, at.warn(), nil
}

// keep writes a document into the home, durably, whole or not at all.
func (at *standpoint) keep(name string, r *proof.Rescue) error {
	dir := filepath.Dir(rescuePath(at.home, name))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keeping a rescue: %w", err)
	}
	if err := errors.Join(replaceFile(rescuePath(at.home, name), r.Encode()), store.SyncPath(filepath.Dir(dir))); err != nil {
		return fmt.Errorf("keeping a rescue: %w", err)
	}
	return nil
}

// fits checks that a document is of this node's very block and validators.
func (at *standpoint) fits(r *proof.Rescue) error {
	if err := r.Check(); err != nil {
		return err
	}
	if err := r.CheckSignatures(); err != nil {
		return err
	}
	height := at.height()
	switch {
	case r.ChainID != at.engine.ChainID:
		return fmt.Errorf("the rescue is of the chain %q, this node of %q", r.ChainID, at.engine.ChainID)
	case r.Height < height:
		return fmt.Errorf("the rescue restarts the network behind block %d, this node has block %d: what was acknowledged in between would be lost; start all survivors' nodes until they show the same height (waybill status), stop them, and propose a rescue of that", r.Height, height)
	case r.Height > height:
		return fmt.Errorf("the rescue restarts the network behind block %d, this node has block %d only: start it together with another survivor's until both show the same height (waybill status), then stop both", r.Height, height)
	case r.Header != schemas.Hash(at.header.Hash()):
		return fmt.Errorf("the rescue's block %d is %s, this node's %x: they are of two histories, and one of the nodes is at fault (waybill check)", height, r.Header, at.header.Hash())
	case !slices.EqualFunc(r.Before(), setOf(at.set), func(a, b proof.Validator) bool { return a.Power == b.Power && a.Public.Equal(b.Public) }):
		return fmt.Errorf("the validators of block %d are others than those of the rescue", height)
	}
	return app.CheckRescue(at.ledger, at.engine.ChainID, &r.RescueStatement)
}

// warn tells of a block that this validator voted for and does not have: the lost
// may have decided and acknowledged it.
func (at *standpoint) warn() []string {
	vote := &cmtproto.CanonicalVote{}
	next := at.height() + 1
	if at.last.Height != next || protoio.UnmarshalDelimited(at.last.SignBytes, vote) != nil || vote.Type != cmtproto.PrecommitType || vote.BlockID == nil {
		return nil
	}
	return []string{fmt.Sprintf("this validator had voted to decide a block %d, which no survivor has: if a node that is lost had it decided, what that node alone acknowledged in it is gone, and must be submitted again", next)}
}

// ErrRescued says that a rescue was started in a home before.
var ErrRescued = errors.New("the rescue was started in this home before")

// StartRescue makes a stopped node go on by a whole document. It may be killed at
// any moment and run again; until it has ended, the node does not start.
func StartRescue(home string, getenv func(string) string, r *proof.Rescue) (err error) {
	at, err := stand(home, getenv, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, at.close()) }()
	for _, step := range at.starting(r) {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// starting are the steps of a start, each of which may be done again until the last
// is done: nothing has been signed as one of the new set before.
func (at *standpoint) starting(r *proof.Rescue) []func() error {
	return []func() error{
		func() error { return at.begin(r) },
		func() error { return at.keep(pendingRescue, r) },
		func() error { return at.free(r) },
		func() error { return at.dropLog(r) },
		func() error { return at.succeed(r) },
		func() error { return at.settle(r) },
	}
}

func (at *standpoint) begin(r *proof.Rescue) error {
	if err := r.Complete(); err != nil {
		return err
	}
	if pending, err := os.ReadFile(rescuePath(at.home, pendingRescue)); err == nil && !bytes.Equal(pending, r.Encode()) {
		return fmt.Errorf("another rescue was begun here and cut short (%s): go on with that one", rescuePath(at.home, pendingRescue))
	}
	done, err := os.ReadFile(rescuePath(at.home, epochName(r)))
	if errors.Is(err, fs.ErrNotExist) {
		return at.fits(r)
	}
	if err != nil {
		return fmt.Errorf("reading rescues: %w", err)
	}
	if !bytes.Equal(done, r.Encode()) {
		return fmt.Errorf("another rescue number %d was started in this home", r.Epoch)
	}
	if at.height() == r.Height {
		// A repair may have computed the engine's state anew. The validator may have
		// voted since, so that nothing else is touched.
		if err := at.succeed(r); err != nil {
			return err
		}
	}
	return ErrRescued
}

// free lets the validator vote again at the height at which the old set came to
// no end. What it signed there counts for nobody who goes on. Only a home in which
// the rescue was signed has voted for nothing since: another, which comes back later,
// may have voted with the new set.
func (at *standpoint) free(r *proof.Rescue) error {
	if _, err := os.Stat(rescuePath(at.home, signedRescue)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := writeSignState(signStatePath(at.home), lastOf(r.Height)); err != nil {
		return fmt.Errorf("writing the sign state: %w", err)
	}
	return nil
}

// dropLog puts the engine's log of the height that came to no end aside: votes of
// the old set are in it.
func (at *standpoint) dropLog(r *proof.Rescue) error {
	from := filepath.Join(at.home, dataDir, "consensus")
	err := os.Rename(from, from+".before-rescue-"+epochName(r))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("putting the engine's log aside: %w", err)
	}
	return store.SyncPath(filepath.Join(at.home, dataDir))
}

// succeed makes those who stay the engine's validators from the next block on, in
// one synced batch.
func (at *standpoint) succeed(r *proof.Rescue) error {
	return withDatabase(&at.settings, "state", func(db dbm.DB) error {
		states := state.NewStore(db, state.StoreOptions{})
		current, err := states.Load()
		if err != nil {
			return fmt.Errorf("reading the engine's state: %w", err)
		}
		next := restarted(current, r)
		if after := proof.ValidatorSetHash(r.After()); !bytes.Equal(next.Validators.Hash(), after[:]) {
			return errors.New("those who stay are not in the engine's order")
		}
		return states.Bootstrap(next)
	})
}

// settle ends a start: the node may run.
func (at *standpoint) settle(r *proof.Rescue) error {
	dir := filepath.Dir(rescuePath(at.home, signedRescue))
	err := os.Remove(rescuePath(at.home, signedRescue))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // of a node that follows, or that was killed here
	}
	if err == nil {
		err = errors.Join(store.SyncPath(dir), os.Rename(rescuePath(at.home, pendingRescue), rescuePath(at.home, epochName(r))), store.SyncPath(dir))
	}
	if err != nil {
		return fmt.Errorf("ending a rescue's start: %w", err)
	}
	return nil
}

// DescribeRescue tells in words what a document says, line by line.
func DescribeRescue(r *proof.Rescue) []string {
	set := func(fate proof.Fate) string {
		return fmt.Sprintf("%s (%d votes)", strings.Join(r.Partners(fate), ", "), r.Power(fate))
	}
	said := []string{"rescue    " + r.ID().String(), fmt.Sprintf("chain     %s, number %d", r.ChainID, r.Epoch),
		fmt.Sprintf("behind    block %d, header %s, state %s", r.Height, r.Header, r.App), "lost      " + set(proof.Lost), "stay      " + set(proof.Stays)}
	if len(r.Partners(proof.Aside)) > 0 {
		said = append(said, "aside     "+set(proof.Aside))
	}
	said = append(said, "reason    "+r.Reason)
	if missing := r.Missing(); len(missing) > 0 {
		return append(said, "unsigned  "+strings.Join(missing, ", "))
	}
	return append(said, "signed by all who stay")
}
