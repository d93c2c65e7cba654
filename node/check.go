package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// A check reads everything that a home holds and believes none of it: files by
// their checksums, the archive by computing the whole ledger again from the
// genesis state, headers by the validators' signatures, the database by
// comparing it with what was computed. Nothing in the home is changed, unless a
// rebuild is asked for.

// maxFaults bounds what is reported one by one; more are counted.
const maxFaults = 50

// CheckOptions say what to check.
type CheckOptions struct {
	Home string
	// Scratch is where the ledger is computed again: it takes as much room as the
	// ledger's database. "" is the system's directory for temporary files.
	Scratch string
	// Rebuild replaces the ledger's database by the one that was computed, if the
	// archive is without fault.
	Rebuild bool
	Rules   uint32 // as of Settings
	Getenv  func(string) string
}

// Fault is something that does not hold.
type Fault struct {
	File   string `json:"file,omitempty"` // from the home
	Offset int64  `json:"offset,omitempty"`
	Height int64  `json:"height,omitempty"`
	Detail string `json:"detail"`
}

// String names file, offset and height where there are any.
func (f Fault) String() string {
	s := f.Detail
	if f.Height > 0 {
		s = fmt.Sprintf("height %d: %s", f.Height, s)
	}
	switch {
	case f.File != "" && f.Offset > 0:
		s = fmt.Sprintf("%s at %d: %s", f.File, f.Offset, s)
	case f.File != "":
		s = f.File + ": " + s
	}
	return s
}

// CheckReport is what a check found.
type CheckReport struct {
	Home         string   `json:"home"`
	ChainID      string   `json:"chain_id,omitempty"`
	Height       int64    `json:"height"`   // of the database
	Replayed     int64    `json:"replayed"` // last height that was computed again
	AppHash      string   `json:"app_hash,omitempty"`
	Transactions int      `json:"transactions"`
	Messages     int      `json:"messages"`
	Erased       int      `json:"erased,omitempty"`
	Unkept       int      `json:"unkept,omitempty"` // transactions of which the node did not keep every body
	Files        int      `json:"files"`            // read whole
	Rebuilt      bool     `json:"rebuilt,omitempty"`
	Faults       []Fault  `json:"faults"`
	Further      int      `json:"further,omitempty"` // faults beyond those listed
	Notes        []string `json:"notes,omitempty"`   // what is no fault and should be known
}

// checker is a check under way.
type checker struct {
	options CheckOptions
	CheckReport
	settings  Settings
	secrets   *secrets
	elsewhere store.Elsewhere
	genesis   *types.GenesisDoc
	have      *store.Store // the home's, nil if it cannot be opened
	again     *store.Store // what was computed
	chain     chainCheck
	roots     map[int64]schemas.Hash // that snapshots say, by height
	engine    *revival               // the engine's state, computed again for a rebuild
	stray     bool                   // the engine's state is not the archive's
	voted     map[string]int64       // the last height of which the engine has a validator's vote, by its address
}

func (c *checker) fault(f Fault) {
	if len(c.Faults) >= maxFaults {
		c.Further++
		return
	}
	c.Faults = append(c.Faults, f)
}

func (c *checker) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}

// name is a path within the home.
func (c *checker) name(path string) string {
	if short, err := filepath.Rel(c.Home, path); err == nil {
		return short
	}
	return path
}

// Check checks a home whose node does not run. The error tells why nothing could
// be checked; what is wrong is in the report.
func Check(ctx context.Context, o CheckOptions) (*CheckReport, error) {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	if _, err := os.Stat(o.Home); err != nil {
		return nil, fmt.Errorf("opening the home: %w", err)
	}
	c := &checker{options: o, CheckReport: CheckReport{Home: o.Home, Faults: []Fault{}}}
	c.checkSettings()
	if err := c.openLedger(); err != nil {
		return nil, err
	}
	defer c.close()
	c.checkGenesis()
	c.checkKeys()
	c.checkDatabases()
	c.distrust()
	c.checkLog()
	c.checkSnapshots()
	c.checkHistory(ctx)
	if c.genesis != nil {
		if err := c.checkLedger(ctx); err != nil {
			return nil, err
		}
		c.checkEngine(ctx)
		c.checkSignState()
		c.checkRescues()
	}
	if o.Rebuild && c.again != nil {
		if err := c.rebuild(); err != nil {
			return nil, err
		}
	}
	return &c.CheckReport, ctx.Err()
}

func (c *checker) close() {
	if c.have != nil {
		_ = c.have.Close() // it was only read
	}
	if c.again != nil {
		_ = c.again.Close()
	}
	if c.engine != nil {
		_ = c.engine.close() // what was wanted of it is in place by now
	}
}

// openLedger opens the ledger's store, and finds out whether a node has it open.
func (c *checker) openLedger() (err error) {
	options, err := c.settings.ledgerOptions()
	if err != nil {
		return err
	}
	c.elsewhere = options.Elsewhere
	c.have, err = store.OpenReadOnly(options)
	switch {
	case err == nil:
		height, root := c.have.Last()
		c.Height, c.AppHash = height, schemas.Hash(root).String()
	case errors.Is(err, syscall.EAGAIN):
		return fmt.Errorf("checking %s: %w", c.Home, err)
	case errors.Is(err, fs.ErrNotExist) && takingOver(c.Home):
		return fmt.Errorf("checking %s: the node was killed while its history took the ledger's place: start and stop it once, which ends that", c.Home)
	case errors.Is(err, fs.ErrNotExist):
		c.fault(Fault{File: c.name(LedgerPath(c.Home)), Detail: "the ledger's database is missing: waybill check --rebuild computes it again from the archive"})
	default:
		c.fault(Fault{File: c.name(LedgerPath(c.Home)), Detail: err.Error()})
	}
	return nil
}

// distrust leaves the ledger's database out where its files are damaged: what it
// still gives might be of any height.
func (c *checker) distrust() {
	dir := c.name(filepath.Join(LedgerPath(c.Home), store.DatabaseName(c.settings.Backend)))
	for _, f := range c.Faults {
		if c.have != nil && filepath.Dir(f.File) == dir {
			_ = c.have.Close() // it was only read
			c.have, c.Height, c.AppHash = nil, 0, ""
			c.note("the ledger's database was not compared with the archive: its files are damaged")
		}
	}
}

// checkLedger computes the ledger again and compares.
func (c *checker) checkLedger(ctx context.Context) error {
	if restored, err := c.restored(); err != nil || restored > 0 {
		return errors.Join(err, c.checkRestored(ctx, restored))
	}
	scratch, err := c.scratch()
	if err != nil {
		return err
	}
	defer func() {
		if !c.options.Rebuild {
			_ = os.RemoveAll(scratch) // it is the system's, or a leftover that the next run names anew
		}
	}()
	c.replay(ctx, scratch)
	c.checkSegments(ctx)
	if c.have == nil || c.again == nil {
		return nil
	}
	if c.Replayed != c.Height {
		c.fault(Fault{File: c.name(LedgerPath(c.Home)), Height: c.Replayed, Detail: fmt.Sprintf("the database has height %d, and could not be compared with what the archive comes to", c.Height)})
		return nil
	}
	n := 0
	for d, err := range store.Differences(c.have, c.again) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			c.fault(Fault{File: c.name(LedgerPath(c.Home)), Height: c.Height, Detail: err.Error()})
			break
		}
		if n++; n > maxFaults {
			c.Further++
			continue
		}
		c.fault(Fault{File: c.name(LedgerPath(c.Home)), Height: c.Height, Detail: describe(d)})
	}
	return nil
}

// restored is the height of the snapshot that the ledger began with, 0 where it
// has all blocks.
func (c *checker) restored() (int64, error) {
	if c.have == nil {
		return 0, nil
	}
	return app.RestoredAt(c.have)
}

// checkRestored checks a ledger that cannot be computed again, because its archive
// does not begin with the first block yet: its state by its root, and its files.
func (c *checker) checkRestored(ctx context.Context, height int64) error {
	c.note("the ledger was restored from a snapshot of height %d and does not have the blocks before yet: it could not be computed again, the state was compared with its root alone", height)
	if err := c.have.Verify(ctx); err != nil {
		c.fault(Fault{File: c.name(LedgerPath(c.Home)), Height: c.Height, Detail: err.Error()})
	}
	c.Replayed = c.Height
	c.checkSegments(ctx)
	return ctx.Err()
}

// scratch makes the directory in which the ledger is computed again. A rebuild's
// lies beside what it will replace, so that a renaming suffices.
func (c *checker) scratch() (string, error) {
	if c.options.Rebuild {
		dir := filepath.Join(LedgerPath(c.Home), "rebuild")
		if err := os.RemoveAll(dir); err != nil {
			return "", fmt.Errorf("removing what an earlier rebuild left: %w", err)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", fmt.Errorf("making room for a rebuild: %w", err)
		}
		return dir, nil
	}
	dir, err := os.MkdirTemp(c.options.Scratch, "waybill-check-")
	if err != nil {
		return "", fmt.Errorf("making room for computing the ledger again: %w", err)
	}
	return dir, nil
}

// describe tells a difference between the database and what it should hold.
func describe(d store.Difference) string {
	what := map[byte]string{'s': "state", 'r': "row", 't': "page of the state tree", 'm': "record of height, root and lengths"}[d.Space]
	if what == "" {
		what = fmt.Sprintf("space %q", d.Space)
	}
	how := "differs from what the archive comes to"
	switch {
	case d.Have == nil:
		how = "is missing"
	case d.Want == nil:
		how = "should not be there"
	}
	return fmt.Sprintf("%s %q %s (waybill check --rebuild repairs it)", what, d.Key, how)
}
