package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"

	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

const (
	// CardFile is the name of a partner's card in its home.
	CardFile = "card.json"

	// blockOverhead is what a block takes beside its transactions: header, votes
	// of some hundred validators, evidence.
	blockOverhead = 512 << 10
	maxEvidence   = 64 << 10
	votingPower   = 1 // every member's
)

// Card is what a partner tells the others before a network begins.
type Card struct {
	schemas.Partner
	Key  schemas.Key `json:"key"`
	Peer string      `json:"peer"` // of its node, as ID@HOST:PORT; "" where nobody can connect to it
}

// MakeHome makes a partner's home: keys, settings, a first API key with all
// scopes, and the card. The API key is answered here and never again.
func MakeHome(s node.Settings, p schemas.Partner) (card Card, apiKey string, err error) {
	if err := s.Check(); err != nil {
		return card, "", err
	}
	if err := emptyDir(s.Home); err != nil {
		return card, "", err
	}
	keys, err := node.MakeKeys(s.Home)
	if err != nil {
		return card, "", err
	}
	if err := s.Save(); err != nil {
		return card, "", err
	}
	if s.Unlock != "" {
		if _, err := node.EncryptKeys(&s, s.Unlock); err != nil {
			return card, "", fmt.Errorf("encrypting the keys: %w", err)
		}
	}
	gateway, err := local.Open(node.GatewayPath(s.Home))
	if err != nil {
		return card, "", err
	}
	apiKey, _, err = gateway.CreateKey("operator", local.Scopes()...)
	if err := errors.Join(err, gateway.Close()); err != nil {
		return card, "", fmt.Errorf("making an API key: %w", err)
	}
	card = cardOf(s, p, keys)
	b, err := json.MarshalIndent(card, "", "  ")
	if err != nil {
		return card, "", fmt.Errorf("encoding the card: %w", err)
	}
	if err := os.WriteFile(filepath.Join(s.Home, CardFile), append(b, '\n'), 0o644); err != nil {
		return card, "", fmt.Errorf("writing the card: %w", err)
	}
	return card, apiKey, nil
}

func cardOf(s node.Settings, p schemas.Partner, keys *node.Keys) Card {
	p.ID, p.NodeID = s.Partner, string(keys.Node.ID())
	if p.Standing == 0 {
		p.Standing = schemas.StandingMember
	}
	if p.Standing == schemas.StandingMember {
		p.Validate = keys.Validator.Key.PubKey.Bytes()
	}
	key := schemas.Key{Partner: p.ID, ID: keys.KeyID(), Public: keys.Public(), Roles: schemas.RoleCapture | schemas.RoleAdmin, Held: schemas.HeldByGateway, From: 1}
	card := Card{Partner: p, Key: key}
	if address := reached(s); address != "" {
		card.Peer = p.NodeID + "@" + address
	}
	return card
}

// reached is where others can connect to a node, as far as its settings tell: nowhere, if it
// listens on all of its machine's addresses and no one of them is told.
func reached(s node.Settings) string {
	if s.Advertise != "" {
		return s.Advertise
	}
	host, _, err := net.SplitHostPort(s.P2P)
	if ip := net.ParseIP(host); err != nil || host == "" || ip != nil && ip.IsUnspecified() {
		return ""
	}
	return s.P2P
}

// emptyDir makes a directory, or takes one that is empty.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making %s: %w", dir, err)
		}
		return nil
	case err != nil:
		return fmt.Errorf("looking into %s: %w", dir, err)
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty (it has %s): choose another directory, or empty this one", dir, entries[0].Name())
	}
	return nil
}

// ReadCard reads a partner's card.
func ReadCard(path string) (c Card, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("reading a card: %w", err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("reading the card %s: %w", path, err)
	}
	return c, nil
}

// Genesis makes the genesis document of a network: the same cards, chain id and
// time give the same bytes, so that partners can compare them. classes say how long
// bodies are kept, if the network says that.
func Genesis(chainID string, at time.Time, cards []Card, classes ...schemas.RetentionClass) ([]byte, error) {
	cards = append([]Card(nil), cards...)
	sort.Slice(cards, func(i, j int) bool { return cards[i].ID < cards[j].ID })
	state := schemas.Genesis{Rules: schemas.RulesVersion, Retention: classes}
	doc := types.GenesisDoc{GenesisTime: at.UTC(), ChainID: chainID, InitialHeight: 1, ConsensusParams: consensusParams()}
	for _, c := range cards {
		state.Partners = append(state.Partners, c.Partner)
		state.Keys = append(state.Keys, c.Key)
		if c.Standing == schemas.StandingMember {
			doc.Validators = append(doc.Validators, types.GenesisValidator{PubKey: cmted25519.PubKey(c.Validate), Power: votingPower, Name: c.ID})
		}
	}
	if err := state.CheckKeys(); err != nil {
		return nil, err
	}
	var err error
	if doc.AppState, err = json.Marshal(state); err != nil {
		return nil, fmt.Errorf("encoding the genesis state: %w", err)
	}
	if _, err := schemas.DecodeGenesis(doc.AppState); err != nil {
		return nil, err
	}
	if len(doc.Validators) == 0 {
		return nil, errors.New("a network needs a member that validates")
	}
	if err := doc.ValidateAndComplete(); err != nil {
		return nil, fmt.Errorf("checking the genesis document: %w", err)
	}
	b, err := cmtjson.MarshalIndent(&doc, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the genesis document: %w", err)
	}
	return append(b, '\n'), nil
}

// consensusParams bound blocks as the ledger does. Vote extensions stay off.
func consensusParams() *types.ConsensusParams {
	p := types.DefaultConsensusParams()
	p.Block.MaxBytes = schemas.MaxBlock + blockOverhead
	p.Evidence.MaxBytes = maxEvidence
	p.Version.App = schemas.EngineVersion
	return p
}

// Join puts a network's genesis document into a partner's home, and the other
// partners' addresses into its settings. With a root of trust the node begins with
// a snapshot. Of several partners one at least must have an address.
func Join(home string, genesis []byte, cards []Card, trust *proof.Trust) error {
	s, err := node.LoadSettings(home, func(string) string { return "" })
	if err != nil {
		return err
	}
	s.Peers = nil
	if len(cards) > 1 && !slices.ContainsFunc(cards, func(c Card) bool { return c.Peer != "" }) {
		return errors.New("no card says where others can connect to its node: make one at least with --advertise HOST:PORT")
	}
	for _, c := range cards {
		if c.ID != s.Partner && c.Peer != "" {
			s.Peers = append(s.Peers, c.Peer)
		}
	}
	if err := s.Check(); err != nil {
		return err
	}
	if trust != nil {
		s.Trust = node.TrustFile
		b, err := json.MarshalIndent(trust, "", "  ")
		if err != nil {
			return fmt.Errorf("encoding the root of trust: %w", err)
		}
		if err := os.WriteFile(filepath.Join(home, node.TrustFile), append(b, '\n'), 0o644); err != nil {
			return fmt.Errorf("writing the root of trust: %w", err)
		}
	}
	if err := s.Save(); err != nil {
		return err
	}
	if err := os.WriteFile(node.GenesisPath(home), genesis, 0o644); err != nil {
		return fmt.Errorf("writing the genesis document: %w", err)
	}
	return nil
}
