package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"filippo.io/age"
	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/privval"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"
	"github.com/cosmos/gogoproto/proto"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// RestoreOptions say what to restore, and where to.
type RestoreOptions struct {
	From     string // a directory, or s3://BUCKET/PREFIX
	S3       S3     // how the store is reached
	Manifest string // "" for the newest
	Home     string
	Identity string // file of age identities
	Keys     string // directory with keys that are not in the backup
	// NewValidatorKey makes a validator's key that has never signed, and is not yet
	// in the network's set of validators.
	NewValidatorKey bool
	// NoValidatorKey makes a home without one: for a node with a remote signer, or one
	// that the key is moved to.
	NoValidatorKey bool
	// SignAfter lets the validator's old key sign above this height only: beyond
	// whatever it may have signed before.
	SignAfter int64
	DryRun    bool
}

// RestoreReport is what was restored.
type RestoreReport struct {
	Manifest     string   `json:"manifest"`
	Home         string   `json:"home,omitempty"`
	ChainID      string   `json:"chain_id"`
	Partner      string   `json:"partner"`
	Height       int64    `json:"height"`
	AppHash      string   `json:"app_hash"`
	Transactions int      `json:"transactions"`
	Messages     int      `json:"messages"`
	DryRun       bool     `json:"dry_run"`
	Blocks       int64    `json:"blocks"`               // that the engine begins with
	SignAfter    int64    `json:"sign_after,omitempty"` // the validator signs above this height
	NewKey       bool     `json:"new_validator_key,omitempty"`
	NoKey        bool     `json:"no_validator_key,omitempty"`
	Machine      string   `json:"machine,omitempty"` // the new home's id for a signer
	Excluded     []string `json:"excluded"`
}

// restoring marks a directory as one that a restore makes and may throw away.
const restoring = ".waybill-restoring"

// Restore makes a home of a backup, and verifies all of it: chunks by their
// hashes, and the ledger by computing it again. The home appears when everything
// holds, or not at all.
func Restore(ctx context.Context, o RestoreOptions) (report *RestoreReport, err error) {
	identities, err := readIdentities(o.Identity)
	if err != nil {
		return nil, err
	}
	from, err := openDepot(o.From, o.S3)
	if err != nil {
		return nil, err
	}
	v, err := readVault(ctx, from, identities)
	if err != nil {
		return nil, err
	}
	name, m, err := v.manifest(ctx, o.Manifest)
	if err != nil {
		return nil, err
	}
	r := &restore{RestoreOptions: o, vault: v, manifest: m, encrypted: encrypted(name)}
	r.report = RestoreReport{Manifest: name, ChainID: m.ChainID, Partner: m.Partner, Height: m.Height, AppHash: fmt.Sprintf("%x", m.AppHash), DryRun: o.DryRun, Excluded: m.Excluded}
	if err := r.prepare(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil || o.DryRun {
			err = errors.Join(err, os.RemoveAll(r.work))
		}
		if r.lock != nil {
			_ = r.lock.Close() // which unlocks it
		}
	}()
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	return &r.report, nil
}

func readIdentities(path string) ([]age.Identity, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the identity: %w", err)
	}
	defer f.Close()
	identities, err := age.ParseIdentities(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("reading the identity %s: %w", path, err)
	}
	return identities, nil
}

// restore is a restore under way.
type restore struct {
	RestoreOptions
	vault     *vault
	manifest  *manifest
	encrypted bool
	work      string   // where the home is made
	lock      *os.File // of the mark in it, against another restore; nil in a dry run
	genesis   *types.GenesisDoc
	last      *types.Block // the engine's own, where the backup has it
	chain     chainCheck
	report    RestoreReport
}

// prepare finds what would be wrong only at the end, and makes room.
func (r *restore) prepare() (err error) {
	if r.DryRun {
		r.work, err = os.MkdirTemp("", "waybill-restore-")
		return err
	}
	if err := r.checkKeys(); err != nil {
		return err
	}
	entries, err := os.ReadDir(r.Home)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("looking at the home: %w", err)
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty (it has %s): restore into a new directory", r.Home, entries[0].Name())
	case mounted(r.Home):
		return fmt.Errorf("%s is a mount point, which the finished home cannot be renamed to: restore into a directory below it", r.Home)
	}
	r.work = strings.TrimRight(r.Home, "/") + ".restoring"
	if err := r.known(); err != nil {
		return err
	}
	if err := os.MkdirAll(r.work, 0o700); err != nil {
		return fmt.Errorf("making a directory to restore into: %w", err)
	}
	r.lock, err = lockPath(filepath.Join(r.work, restoring))
	if err != nil {
		return fmt.Errorf("another restore into %s is under way, or it cannot be locked: %w", r.Home, err)
	}
	return r.clear()
}

// mounted reports whether another file system begins at a directory.
func mounted(dir string) bool {
	var own, above syscall.Stat_t
	if syscall.Stat(dir, &own) != nil || syscall.Stat(filepath.Join(dir, ".."), &above) != nil {
		return false
	}
	return own.Dev != above.Dev
}

func marked(e fs.DirEntry) bool { return e.Name() == restoring }

// known refuses a directory in the way that no restore made.
func (r *restore) known() error {
	entries, err := os.ReadDir(r.work)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("looking for what an earlier restore left: %w", err)
	case len(entries) > 0 && !slices.ContainsFunc(entries, marked):
		return fmt.Errorf("%s is in the way, and no restore made it: move it", r.work)
	}
	return nil
}

// clear removes what an earlier restore left. The mark goes first into the directory and
// is left in it, so that one that is killed at any time is known again.
func (r *restore) clear() error {
	entries, err := os.ReadDir(r.work)
	if err != nil {
		return fmt.Errorf("looking for what an earlier restore left: %w", err)
	}
	for _, e := range slices.DeleteFunc(entries, marked) {
		if err := os.RemoveAll(filepath.Join(r.work, e.Name())); err != nil {
			return fmt.Errorf("removing what an earlier restore left: %w", err)
		}
	}
	return nil
}

// checkKeys finds out whether the restored node will have its keys, and may sign.
func (r *restore) checkKeys() error {
	for _, path := range []string{partnerKeyPath(""), nodeKeyPath("")} {
		if !r.hasKey(path) {
			return fmt.Errorf("%s is not in this backup: --keys DIR must name the directory of a copy", path)
		}
	}
	switch {
	case r.NewValidatorKey && (r.SignAfter != 0 || r.NoValidatorKey), r.NoValidatorKey && r.SignAfter != 0:
		return errors.New("--new-validator-key, --no-validator-key and --sign-after exclude each other: a new key has signed nothing, and without one nothing is signed")
	case r.NewValidatorKey || r.NoValidatorKey:
		return nil
	case r.SignAfter == 0:
		return errors.New(`what the validator signed since the backup is not known, and to sign again would be double signing:
  either --new-validator-key: the node follows the network and does not vote, until the partners admit the new key;
  or --no-validator-key: for a node with a remote signer, or one that the key is moved to;
  or --sign-after HEIGHT: the old key votes above HEIGHT. The old node must be off for ever, and HEIGHT be what another partner's node shows now, or more`)
	case r.SignAfter < r.manifest.Height:
		return fmt.Errorf("--sign-after %d lies below the backup's own height %d", r.SignAfter, r.manifest.Height)
	case !r.hasKey(validatorKeyPath("")):
		return errors.New("keys/validator.json is not in this backup: --keys DIR must name the directory of a copy, or --new-validator-key makes another")
	}
	return nil
}

func (r *restore) hasKey(path string) bool {
	if r.manifest.has(path) {
		return true
	}
	_, err := os.Stat(filepath.Join(r.Keys, filepath.Base(path)))
	return r.Keys != "" && err == nil
}

func (r *restore) run(ctx context.Context) error {
	for _, dir := range []string{filepath.Join(r.work, keysDir), archivePath(r.work)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making the home: %w", err)
		}
	}
	for _, f := range r.manifest.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.extract(ctx, f); err != nil {
			return err
		}
	}
	if err := r.compute(ctx); err != nil {
		return fmt.Errorf("computing the ledger again from the backup: %w", err)
	}
	if r.DryRun {
		return nil
	}
	if err := r.placeKeys(); err != nil {
		return err
	}
	return r.finish()
}

// extract writes one file of the backup to its place.
func (r *restore) extract(ctx context.Context, f manifestFile) error {
	from := r.vault.open(ctx, f, r.encrypted)
	if f.Path == dumpFile {
		if err := local.Load(GatewayPath(r.work), from); err != nil {
			return fmt.Errorf("restoring the gateway's store: %w", err)
		}
		return nil
	}
	if f.Path == tipFile {
		var err error
		if r.last, err = readBlock(from); err != nil {
			return fmt.Errorf("restoring the last block: %w", err)
		}
		return nil
	}
	if r.DryRun && strings.HasPrefix(f.Path, keysDir+"/") { // a killed one would leave them in clear
		if _, err := io.Copy(io.Discard, from); err != nil {
			return fmt.Errorf("reading %s: %w", f.Path, err)
		}
		return nil
	}
	to := filepath.Join(r.work, filepath.FromSlash(f.Path))
	if name, ok := strings.CutPrefix(f.Path, archiveDir+"/"); ok {
		to = filepath.Join(archivePath(r.work), name)
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("restoring %s: %w", f.Path, err)
	}
	_, err = io.Copy(out, from)
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("restoring %s: %w", f.Path, err)
	}
	return nil
}

// compute replays the archive into the ledger's database and the engine's.
func (r *restore) compute(ctx context.Context) (err error) {
	if r.genesis, err = genesisOf(r.work); err != nil {
		return err
	}
	if r.genesis.ChainID != r.manifest.ChainID {
		return fmt.Errorf("the genesis document is of chain %q", r.genesis.ChainID)
	}
	codec, err := schemas.NewCodec()
	if err != nil {
		return err
	}
	s, err := store.OpenReplay(store.Options{Dir: LedgerPath(r.work), Backend: r.manifest.Backend}, archivePath(r.work), app.SameEntry(codec))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	replay, root, err := app.NewReplay(s, r.genesis.ChainID, r.genesis.InitialHeight, r.genesis.AppState)
	if err != nil {
		return err
	}
	engine, err := newRevival(filepath.Join(r.work, dataDir), r.genesis, r.manifest.Height)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.close()) }()
	engine.last = r.last
	r.chain.chainID, r.chain.appHash = r.genesis.ChainID, root[:]
	for height := int64(0); height < r.manifest.Height; {
		b, err := replay.Next()
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = r.chain.follow(b, r.genesis)
		}
		if err == nil {
			err = engine.next(&r.chain, b)
		}
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("the archive ends here, the backup has height %d", r.manifest.Height)
		}
		if err != nil {
			return fmt.Errorf("block %d: %w", height+1, err)
		}
		height = b.Height
		r.report.Transactions += len(b.Raw)
		r.report.Messages += b.Messages
	}
	// A body may have been erased while it was copied: the order came after the cut.
	if err := replay.Settled(); err != nil {
		return fmt.Errorf("the backup is not whole, take another one: %w", err)
	}
	return r.checkTip(engine)
}

// checkTip holds the last block against the votes that the backup has for it.
func (r *restore) checkTip(engine *revival) error {
	pb := &cmtproto.Commit{}
	if err := proto.Unmarshal(r.manifest.Commit, pb); err != nil {
		return fmt.Errorf("reading the votes for block %d: %w", r.manifest.Height, err)
	}
	votes, err := types.CommitFromProto(pb)
	if err != nil {
		return fmt.Errorf("reading the votes for block %d: %w", r.manifest.Height, err)
	}
	hash := r.chain.before.Hash()
	if !bytes.Equal(hash, r.manifest.HeaderHash) || !bytes.Equal(hash, votes.BlockID.Hash) || !bytes.Equal(r.chain.appHash, r.manifest.AppHash) {
		return fmt.Errorf("block %d comes to header %x and app hash %x, the backup says %x and %x", r.manifest.Height, hash, r.chain.appHash, r.manifest.HeaderHash, r.manifest.AppHash)
	}
	if err := r.chain.set.VerifyCommit(r.genesis.ChainID, votes.BlockID, r.manifest.Height, votes); err != nil {
		return fmt.Errorf("the votes for block %d do not hold: %w", r.manifest.Height, err)
	}
	if err := engine.finish(votes); err != nil {
		return err
	}
	r.report.Blocks = engine.blocks.Size()
	return nil
}

// placeKeys brings keys that the backup lacks, and makes the sign state.
func (r *restore) placeKeys() error {
	s, err := LoadSettings(r.work, r.getenv)
	if err != nil {
		return err
	}
	from := s.secrets()
	for _, path := range []string{partnerKeyPath(""), nodeKeyPath(""), validatorKeyPath(""), nextValidatorPath("")} {
		if path == nextValidatorPath("") && !r.hasKey(path) {
			continue
		}
		if (path == validatorKeyPath("") || path == nextValidatorPath("")) && (r.NewValidatorKey || r.NoValidatorKey) {
			if err := os.RemoveAll(filepath.Join(r.work, path)); err != nil {
				return fmt.Errorf("leaving the validator's key out: %w", err)
			}
			continue
		}
		if r.manifest.has(path) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(r.Keys, filepath.Base(path)))
		if err != nil {
			return fmt.Errorf("reading a key: %w", err)
		}
		if err := writeSecret(filepath.Join(r.work, path), b); err != nil {
			return err
		}
	}
	if r.report.Machine, err = MakeMachineKey(&s); err != nil {
		return err
	}
	r.report.NewKey, r.report.NoKey, r.report.SignAfter = r.NewValidatorKey, r.NoValidatorKey, r.SignAfter
	if r.NoValidatorKey {
		_, err := from.own()
		return err
	}
	if r.NewValidatorKey {
		if err := from.newValidatorKey(); err != nil {
			return err
		}
	}
	// No round of that height is above this one, so that the engine signs nothing
	// at it or below.
	last := lastOf(r.SignAfter)
	if r.NewValidatorKey {
		last = privval.FilePVLastSignState{}
	}
	b, err := cmtjson.MarshalIndent(last, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the sign state: %w", err)
	}
	if err := writeSecret(signStatePath(r.work), b); err != nil {
		return err
	}
	if _, err := os.Stat(nextValidatorPath(r.work)); err == nil { // it may have been in force before the backup's node was lost
		if err := writeSecret(nextSignStatePath(r.work), b); err != nil {
			return err
		}
	}
	if _, err = from.own(); err == nil {
		_, err = from.validator()
	}
	return err
}

func (r *restore) getenv(name string) string {
	if r.S3.Getenv == nil {
		return ""
	}
	return r.S3.Getenv(name)
}

// lastStep is the engine's number of the last thing that a validator signs in a round.
const lastStep = 3

func (s *secrets) newValidatorKey() error {
	validator := privval.NewFilePV(cmted25519.GenPrivKey(), "", "")
	b, err := cmtjson.MarshalIndent(validator.Key, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the validator's key: %w", err)
	}
	if b, err = s.seal(b); err != nil {
		return err
	}
	return writeSecret(validatorKeyPath(s.home), b)
}

// finish makes everything durable and gives the home its name.
func (r *restore) finish() error {
	if err := store.SyncTree(r.work); err != nil {
		return fmt.Errorf("syncing the home: %w", err)
	}
	if err := os.Rename(r.work, r.Home); err != nil {
		return fmt.Errorf("giving the home its name: %w (the home must not be a mount point: restore into a directory below it)", err)
	}
	r.report.Home = r.Home
	// The mark goes last: a restore that is killed before may be run again.
	return errors.Join(store.SyncPath(filepath.Dir(r.Home)), os.Remove(filepath.Join(r.Home, restoring)))
}
