package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/app/store"
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
func machineKeyPath(home string) string   { return filepath.Join(home, keysDir, "machine.json") }
func signStatePath(home string) string    { return filepath.Join(home, dataDir, "sign_state.json") }

// LedgerPath is the state machine's store in a home.
func LedgerPath(home string) string { return filepath.Join(home, dataDir, "ledger") }

// archivePath is the archive of a home's ledger.
func archivePath(home string) string { return store.ArchiveDir(LedgerPath(home)) }

// HistoryPath is where a node that joined by a snapshot computes the ledger from
// the first block on, until that takes the place of the one that it runs on.
func HistoryPath(home string) string { return filepath.Join(home, dataDir, "history") }

// PausePath is a file that, while it is there, pauses that.
func PausePath(home string) string { return filepath.Join(home, dataDir, "history.paused") }

// GatewayPath is the gateway's own database in a home.
func GatewayPath(home string) string { return filepath.Join(home, dataDir, "gateway") }

// ownPath is the database itself.
func ownPath(home string) string { return filepath.Join(GatewayPath(home), "gateway.db") }

// InvitePath is, in the home of a partner that the network began without, the invite
// that it joined by.
func InvitePath(home string) string { return filepath.Join(home, "invite.json") }

// genesisOf reads a home's genesis document.
func genesisOf(home string) (*types.GenesisDoc, error) {
	b, err := os.ReadFile(GenesisPath(home))
	if err != nil {
		return nil, err
	}
	doc, err := DecodeGenesis(b)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", GenesisPath(home), err)
	}
	return doc, nil
}

// DecodeGenesis reads a genesis document, which somebody else may have written: the
// engine's reader breaks down on a validator without a key.
func DecodeGenesis(b []byte) (doc *types.GenesisDoc, err error) {
	defer func() {
		if r := recover(); r != nil {
			doc, err = nil, errors.New("it is no genesis document: something is missing in it")
		}
	}()
	return types.GenesisDocFromJSON(b)
}
