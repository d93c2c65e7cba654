package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/config"
	cmtstore "github.com/cometbft/cometbft/store"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// TrustFile is the name of the root of trust in a home that joins by a snapshot.
const TrustFile = "trust.json"

// trust reads the root of trust that an empty node joins by; nil where none is set.
func (s *Settings) trust() (*proof.Trust, error) {
	if s.Trust == "" {
		return nil, nil
	}
	path := s.Trust
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.Home, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("setting trust: %w", err)
	}
	t, err := proof.DecodeTrust(b)
	if err != nil {
		return nil, fmt.Errorf("setting trust: %s: %w", path, err)
	}
	return t, nil
}

// engineDatabases are what the engine keeps of blocks and of its own state.
func engineDatabases() []string { return []string{"blockstore", "state"} }

// settle looks for a restore that was cut off between ledger and engine: the
// ledger is complete, and the engine has not learned of it, or not all. Nothing is
// in either but what a snapshot has, so both begin again.
func settle(s *Settings, ledger *store.Store, restored int64) error {
	height, _ := ledger.Last()
	if height == 0 || height != restored {
		return nil
	}
	blocks, err := engineHeight(s)
	if err != nil || blocks > 0 {
		return err
	}
	if s.Trust == "" {
		return fmt.Errorf("the ledger was restored at height %d, but the engine does not know of it: set trust to a root of trust, to restore it again", height)
	}
	if err := ledger.Forget(); err != nil {
		return err
	}
	for _, name := range engineDatabases() {
		if err := os.RemoveAll(databasePath(s.Home, name)); err != nil {
			return fmt.Errorf("removing what an unfinished restore left: %w", err)
		}
	}
	return nil
}

func databasePath(home, name string) string { return filepath.Join(home, dataDir, name+".db") }

// engineHeight is the last block that the engine has; 0 where it has none. It
// leaves the databases closed, as they were.
func engineHeight(s *Settings) (height int64, err error) {
	err = withDatabase(s, "blockstore", func(db dbm.DB) error {
		height = cmtstore.NewBlockStore(db).Height()
		return nil
	})
	return height, err
}

func withDatabase(s *Settings, name string, f func(dbm.DB) error) error {
	if _, err := os.Stat(databasePath(s.Home, name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	db, err := config.DefaultDBProvider(&config.DBContext{ID: name, Config: engineConfig(s)})
	if err != nil {
		return fmt.Errorf("opening the engine's %s: %w (another node may run in this home)", name, err)
	}
	return errors.Join(caught(func() error { return f(db) }), db.Close())
}
