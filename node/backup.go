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
	"time"

	"filippo.io/age"
	cmtstore "github.com/cometbft/cometbft/store"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// A backup holds what cannot be computed again: the archive up to a height, the
// votes for that height, the gateway's store, genesis document and settings, and,
// where it is encrypted, keys. State, tree, index and the engine's databases come
// out of the archive again when it is restored, which is how a restore proves
// that the backup is whole.

// BackupOptions say what to back up, and where to.
type BackupOptions struct {
	Home       string
	To         string   // a directory, or s3://BUCKET/PREFIX
	S3         S3       // how the store is reached; the home's settings say what this does not
	Recipients []string // age1...
	// ValidatorKey puts the validator's key into the backup, which must be encrypted.
	ValidatorKey bool
	Keep         int // backups to keep, 0: all
	Program      string
	Getenv       func(string) string
}

// BackupReport is what a backup holds.
type BackupReport struct {
	Manifest  string   `json:"manifest"`
	Height    int64    `json:"height"`
	AppHash   string   `json:"app_hash"`
	Running   bool     `json:"running"` // the node ran meanwhile
	Files     int      `json:"files"`
	Bytes     int64    `json:"bytes"`
	Chunks    int      `json:"chunks"`
	NewChunks int      `json:"new_chunks"`
	NewBytes  int64    `json:"new_bytes"`
	Encrypted bool     `json:"encrypted"`
	Excluded  []string `json:"excluded"`
}

// manifest is what one backup holds.
type manifest struct {
	Format     int            `json:"format"`
	ChainID    string         `json:"chain_id"`
	Partner    string         `json:"partner"`
	Backend    string         `json:"backend"`
	Height     int64          `json:"height"`
	AppHash    []byte         `json:"app_hash"`
	HeaderHash []byte         `json:"header_hash"`
	Commit     []byte         `json:"commit"`
	Made       time.Time      `json:"made"`
	Program    string         `json:"program"`
	Files      []manifestFile `json:"files"`
	Excluded   []string       `json:"excluded"`
}

const (
	manifestFormat = 1
	dumpFile       = "gateway.dump"
	tipFile        = "tip.block" // the engine's encoding, where the archive cannot give it back
	archiveDir     = "archive"   // of segments, in a manifest's paths
)

// manifestFile is one file's content.
type manifestFile struct {
	Path   string   `json:"path"`
	Size   int64    `json:"size"`
	SHA256 []byte   `json:"sha256"`
	Chunks []string `json:"chunks"`
}

// source is where a cut comes from: a node that runs, or the home of one that does not.
type source struct {
	*cut
	gateway func(to io.Writer) error
	running bool
	close   func()
}

// Backup adds a backup of a home to those in a directory or a bucket. The node may run.
func Backup(ctx context.Context, o BackupOptions) (report *BackupReport, err error) {
	settings, err := LoadSettings(o.Home, o.Getenv)
	if err != nil {
		return nil, err
	}
	var recipients []age.Recipient
	for _, r := range o.Recipients {
		recipient, err := age.ParseX25519Recipient(r)
		if err != nil {
			return nil, fmt.Errorf("reading the recipient %q: %w", r, err)
		}
		recipients = append(recipients, recipient)
	}
	if o.ValidatorKey && len(recipients) == 0 {
		return nil, errors.New("the validator's key goes into an encrypted backup only: give --recipient")
	}
	own, err := settings.secrets().partner(partnerKeyPath(settings.Home))
	if err != nil {
		return nil, err
	}
	to, err := openDepot(o.To, o.S3.over(settings.s3()))
	if err != nil {
		return nil, err
	}
	v, err := openVault(ctx, to, o.Home, own, recipients, o.Recipients)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.close()) }()
	from, err := openSource(ctx, o.Home, settings)
	if err != nil {
		return nil, err
	}
	defer from.close()
	m := &manifest{Format: manifestFormat, Partner: settings.Partner, Backend: settings.Backend, Height: from.Height, AppHash: from.AppHash,
		HeaderHash: from.HeaderHash, Commit: from.Commit, Made: time.Now().UTC(), Program: o.Program}
	b := &backup{BackupOptions: o, vault: v, manifest: m}
	if b.elsewhere, err = settings.elsewhere(); err != nil {
		return nil, err
	}
	if err := b.fill(ctx, from); err != nil {
		return nil, err
	}
	report = &BackupReport{Height: m.Height, AppHash: fmt.Sprintf("%x", m.AppHash), Running: from.running, Files: len(m.Files),
		NewChunks: v.added, NewBytes: v.written, Encrypted: len(recipients) > 0, Excluded: m.Excluded}
	for _, f := range m.Files {
		report.Bytes += f.Size
		report.Chunks += len(f.Chunks)
	}
	if report.Manifest, err = v.finish(ctx, m); err != nil {
		return nil, err
	}
	if o.Keep > 0 {
		err = v.keep(ctx, o.Keep, report.Manifest)
	}
	return report, err
}

// vaultName keys the names of chunks with a secret of the home's, and with the
// recipients: what only others can read is no part of a backup.
func vaultName(own *partnerKeyFile, recipients []string) schemas.Hash {
	sorted := slices.Sorted(slices.Values(recipients))
	return schemas.Sum("waybill/backup", own.Duplicates, []byte(strings.Join(sorted, " ")))
}

// homeName tells a home from others, and nothing of it.
func homeName(own *partnerKeyFile) string {
	return schemas.Sum("waybill/backup-home", own.Duplicates).String()
}

// openSource takes a cut: of the node that runs, or else of the home itself.
func openSource(ctx context.Context, home string, s Settings) (*source, error) {
	at, r, stop, err := askCut(ctx, home)
	if err == nil {
		return &source{cut: at, running: true, close: stop, gateway: func(to io.Writer) error {
			_, err := io.Copy(to, r)
			return err
		}}, nil
	}
	if !errors.Is(err, errNotRunning) {
		return nil, err
	}
	options, err := s.ledgerOptions()
	if err != nil {
		return nil, err
	}
	ledger, err := store.OpenReadOnly(options)
	if err != nil {
		return nil, fmt.Errorf("no node answers in %s, and its ledger cannot be read: %w", home, err)
	}
	defer func() { _ = ledger.Close() }() // it was only read
	db, done, err := readOnlyDB("blockstore", filepath.Join(home, dataDir))
	if err != nil {
		return nil, fmt.Errorf("reading the engine's blocks: %w", err)
	}
	defer done()
	blocks := &headers{}
	blocks.attach(cmtstore.NewBlockStore(db))
	if at, err = cutOf(ledger, blocks); err != nil {
		return nil, err
	}
	own, err := openOwn(home, true)
	if err != nil {
		return nil, err
	}
	return &source{cut: at, close: func() { _ = own.Close() }, gateway: func(to io.Writer) error {
		dump, err := own.Dump()
		if err != nil {
			return err
		}
		return errors.Join(dump.Write(to), dump.Close())
	}}, nil
}

// backup is a backup under way.
type backup struct {
	BackupOptions
	vault     *vault
	manifest  *manifest
	elsewhere store.Elsewhere
}

func (b *backup) fill(ctx context.Context, from *source) error {
	// The gateway's rows were taken before the cut: they come first, too.
	if err := b.addGateway(ctx, from); err != nil {
		return fmt.Errorf("backing up the gateway's store: %w", err)
	}
	for _, f := range from.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.addSegment(ctx, f); err != nil {
			return err
		}
	}
	if len(from.Block) > 0 {
		if err := b.add(ctx, tipFile, bytes.NewReader(from.Block)); err != nil {
			return fmt.Errorf("backing up the last block: %w", err)
		}
	}
	for _, name := range []string{genesisFile, SettingsFile, "card.json"} {
		err := b.addFile(ctx, name, filepath.Join(b.Home, name), -1)
		if errors.Is(err, fs.ErrNotExist) && name == "card.json" {
			continue
		}
		if err != nil {
			return err
		}
	}
	return b.addKeys(ctx)
}

// addGateway copies the gateway's rows as they come, and reads them meanwhile:
// their own end tells whether they came whole.
func (b *backup) addGateway(ctx context.Context, from *source) error {
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(from.gateway(w)) }() // always nil
	again, copied := io.Pipe()
	whole := make(chan error, 1)
	go func() {
		err := local.ReadDump(again, func(_, _ []byte) error { return nil })
		_, _ = io.Copy(io.Discard, again) // whatever follows, so that the copy goes on
		whole <- err
	}()
	err := b.add(ctx, dumpFile, io.TeeReader(r, copied))
	return errors.Join(err, r.Close(), copied.Close(), <-whole)
}

// addFile adds size bytes of a file, or all of it.
func (b *backup) addFile(ctx context.Context, name, path string, size int64) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("backing up %s: %w", name, err)
	}
	defer f.Close()
	return b.addPart(ctx, name, f, size)
}

// addSegment adds what a cut has of a segment, wherever that is.
func (b *backup) addSegment(ctx context.Context, f store.CutFile) error {
	name := filepath.Join(archiveDir, f.Name)
	from, _, closing, err := store.SegmentReader(archivePath(b.Home), f.Name, b.elsewhere)
	if err != nil {
		return fmt.Errorf("backing up %s: %w", name, err)
	}
	return errors.Join(b.addPart(ctx, name, from, f.Size), closing())
}

// addPart adds size bytes, or all if that is negative.
func (b *backup) addPart(ctx context.Context, name string, from io.Reader, size int64) error {
	if size >= 0 {
		from = io.LimitReader(from, size)
	}
	if err := b.add(ctx, name, from); err != nil {
		return fmt.Errorf("backing up %s: %w", name, err)
	}
	if got := b.manifest.Files[len(b.manifest.Files)-1].Size; size >= 0 && got != size {
		return fmt.Errorf("backing up %s: it has %d bytes where %d are recorded: waybill check tells more", name, got, size)
	}
	return nil
}

func (b *backup) add(ctx context.Context, name string, from io.Reader) error {
	chunks, size, sum, err := b.vault.put(ctx, from)
	if err != nil {
		return err
	}
	b.manifest.Files = append(b.manifest.Files, manifestFile{Path: filepath.ToSlash(name), Size: size, SHA256: sum, Chunks: chunks})
	return nil
}

// addKeys adds what may be added, and says what is not there.
func (b *backup) addKeys(ctx context.Context) error {
	doc, err := genesisOf(b.Home)
	if err != nil {
		return err
	}
	b.manifest.ChainID = doc.ChainID
	exclude := func(what string) { b.manifest.Excluded = append(b.manifest.Excluded, what) }
	exclude("data/sign_state.json: a stale one would sign twice; a restore makes one that does not")
	exclude("state, tree, index and the engine's databases: a restore computes them from the archive")
	exclude("data/consensus, data/evidence.db, data/addresses.json, data/peers.json, logs: nothing is lost with them")
	exclude("access keys of an S3-compatible store: whoever restores has them, or nothing to restore from")
	for _, k := range []struct {
		path string
		in   bool
		why  string
	}{
		{partnerKeyPath(""), len(b.vault.recipients) > 0, "the backup is not encrypted: keep a copy of keys apart"},
		{nextKeyPath(""), len(b.vault.recipients) > 0, "the backup is not encrypted: keep a copy of keys apart"},
		{nodeKeyPath(""), len(b.vault.recipients) > 0, "the backup is not encrypted: keep a copy of keys apart"},
		{identityPath(""), len(b.vault.recipients) > 0, "the backup is not encrypted: keep a copy of keys apart"},
		{validatorKeyPath(""), b.ValidatorKey, "not asked for (--validator-key): a restored node can take a new one"},
		{nextValidatorPath(""), b.ValidatorKey, "not asked for (--validator-key): a restored node can take a new one"},
	} {
		if _, err := os.Stat(filepath.Join(b.Home, k.path)); k.path != partnerKeyPath("") && errors.Is(err, fs.ErrNotExist) {
			if k.path == validatorKeyPath("") {
				exclude(k.path + ": it is not in this home: a signer has it, or it was moved")
			}
			continue
		}
		if !k.in {
			exclude(k.path + ": " + k.why)
			continue
		}
		if err := b.addFile(ctx, k.path, filepath.Join(b.Home, k.path), -1); err != nil {
			return err
		}
	}
	return nil
}
