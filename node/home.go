package node

import (
	"fmt"
	"path/filepath"

	"github.com/cometbft/cometbft/types"
)

// Where things are in a node's home. Everything under data is written by the
// running node alone; keys, genesis and settings are made once.
const (
	genesisFile = "genesis.json"
	keysDir     = "keys"
	dataDir     = "data"
)

// GenesisPath is the network's genesis document in a home.
func GenesisPath(home string) string { return filepath.Join(home, genesisFile) }

func validatorKeyPath(home string) string { return filepath.Join(home, keysDir, "validator.json") }
func nodeKeyPath(home string) string      { return filepath.Join(home, keysDir, "node.json") }
func partnerKeyPath(home string) string   { return filepath.Join(home, keysDir, "partner.json") }
func signStatePath(home string) string    { return filepath.Join(home, dataDir, "sign_state.json") }

// LedgerPath is the state machine's store in a home.
func LedgerPath(home string) string { return filepath.Join(home, dataDir, "ledger") }

// GatewayPath is the gateway's own database in a home.
func GatewayPath(home string) string { return filepath.Join(home, dataDir, "gateway") }

// genesisOf reads a home's genesis document.
func genesisOf(home string) (*types.GenesisDoc, error) {
	doc, err := types.GenesisDocFromFile(GenesisPath(home))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", GenesisPath(home), err)
	}
	return doc, nil
}
