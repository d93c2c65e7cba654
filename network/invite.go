package network

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// RequestFile is the name of a newcomer's request in its home: a proposal that a member
// makes for it.
const RequestFile = "request.json"

// Request is a proposal to admit a partner, with its keys, and its validator or host.
type Request struct {
	Kind         string           `json:"kind"` // "admit"
	Partner      string           `json:"partner"`
	Name         string           `json:"name"`
	GLN          string           `json:"gln"`
	Standing     schemas.Standing `json:"standing"`
	LEI          string           `json:"lei,omitempty"`
	Registration string           `json:"registration,omitempty"`
	Host         string           `json:"host,omitempty"`    // of a participant: whose node it works through
	Sponsor      string           `json:"sponsor,omitempty"` // of a participant
	Keys         []RequestKey     `json:"keys"`
	NodeID       string           `json:"nodeID,omitempty"`
	Validator    string           `json:"validator,omitempty"` // hexadecimal
}

// RequestKey is a key that the partner signs with.
type RequestKey struct {
	Public string          `json:"public"` // hexadecimal
	Roles  []string        `json:"roles"`
	Held   schemas.Holding `json:"held"`
}

// Request is the request of the partner of a card.
func (c *Card) Request() *Request {
	return &Request{Kind: "admit", Partner: c.ID, Name: c.Name, GLN: c.GLN, Standing: c.Standing, LEI: c.LEI, Registration: c.Registration,
		Keys:   []RequestKey{{hex.EncodeToString(c.Key.Public), strings.Split(schemas.RoleNames(c.Key.Roles), ","), c.Key.Held}},
		NodeID: c.NodeID, Validator: hex.EncodeToString(c.Validate)}
}

const maxInvite = 64 << 20 // bytes of a file

// Invite is what a newcomer needs to know of a network. Its genesis document is in it;
// the hash is for people, who compare it by another way than the file came.
type Invite struct {
	Partner     string          `json:"partner"`
	ChainID     string          `json:"chain_id"`
	GenesisHash schemas.Hash    `json:"genesis_hash"` // SHA-256
	Genesis     []byte          `json:"genesis"`
	Peers       []string        `json:"peers"` // as ID@HOST:PORT
	Trust       json.RawMessage `json:"trust"` // a header that the newcomer may believe
	Snapshots   bool            `json:"snapshots,omitempty"`
}

// MakeInvite makes an invite to the network of a member's node, for the partner of a
// name. trust is a root of trust of that network.
func MakeInvite(s node.Settings, partner string, trust *proof.Trust) (*Invite, error) {
	if !schemas.IsPartnerID(partner) {
		return nil, fmt.Errorf("partner %q: names are 1 to 32 of a-z, 0-9 and inner hyphens", partner)
	}
	keys, err := node.LoadKeys(s.Home)
	if err != nil {
		return nil, err
	}
	known, err := node.KnownPeers(s.Home)
	if err != nil {
		return nil, err
	}
	i := &Invite{Partner: partner, ChainID: trust.ChainID}
	for _, peer := range slices.Concat([]string{cardOf(s, schemas.Partner{}, keys).Peer}, s.Peers, known) {
		if peer != "" && !slices.Contains(i.Peers, peer) {
			i.Peers = append(i.Peers, peer)
		}
	}
	if i.Genesis, err = os.ReadFile(node.GenesisPath(s.Home)); err != nil {
		return nil, fmt.Errorf("reading the genesis document: %w", err)
	}
	i.GenesisHash = sha256.Sum256(i.Genesis)
	if i.Trust, err = json.Marshal(trust); err != nil {
		return nil, fmt.Errorf("encoding the root of trust: %w", err)
	}
	if i.Snapshots, err = hasSnapshot(s.Home); err != nil {
		return nil, err
	}
	return i, i.check()
}

// hasSnapshot reports whether a node has a snapshot that others can begin with.
func hasSnapshot(home string) (bool, error) {
	entries, err := os.ReadDir(node.SnapshotsPath(home))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return e.IsDir() && e.Name()[0] >= '1' && e.Name()[0] <= '9'
	}), err
}

// ReadInvite reads an invite, which anybody may have written.
func ReadInvite(path string) (*Invite, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading an invite: %w", err)
	}
	if info.Size() > maxInvite {
		return nil, fmt.Errorf("the invite %s has %d bytes, %d are read", path, info.Size(), maxInvite)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading an invite: %w", err)
	}
	i := &Invite{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(i); err != nil {
		return nil, fmt.Errorf("reading the invite %s: %w", path, err)
	}
	if err := i.check(); err != nil {
		return nil, fmt.Errorf("reading the invite %s: %w", path, err)
	}
	return i, nil
}

func (i *Invite) check() error {
	if sum := schemas.Hash(sha256.Sum256(i.Genesis)); sum != i.GenesisHash {
		return fmt.Errorf("its genesis document has the hash %s, not %s: ask for another invite", sum, i.GenesisHash)
	}
	doc, err := node.DecodeGenesis(i.Genesis)
	if err != nil {
		return fmt.Errorf("its genesis document: %w", err)
	}
	trust, err := proof.DecodeTrust(i.Trust)
	switch {
	case err != nil:
		return fmt.Errorf("its root of trust: %w", err)
	case doc.ChainID != i.ChainID || trust.ChainID != i.ChainID:
		return fmt.Errorf("it is to the chain %q, its genesis document is of %q, its root of trust of %q", i.ChainID, doc.ChainID, trust.ChainID)
	case !schemas.IsPartnerID(i.Partner):
		return fmt.Errorf("it is for the partner %q, which is no name", i.Partner)
	case len(i.Peers) == 0:
		return errors.New("it names no peer: nobody can connect to the member's node (its setting advertise says where they can), and it was told of no other yet")
	}
	return nil
}

// Accept makes the home of a newcomer from an invite, with keys of its own unless it
// has them, and the request that it sends to a member. The API key is "" of a home that
// was there already.
func (i *Invite) Accept(s node.Settings, p schemas.Partner) (card Card, apiKey string, err error) {
	s.Partner, s.Peers = i.Partner, i.Peers
	if i.Snapshots {
		s.Trust = node.TrustFile
	}
	if have, err := node.LoadSettings(s.Home, func(string) string { return "" }); err == nil {
		if have.Partner != i.Partner {
			return card, "", fmt.Errorf("%s is the home of %s, the invite is for %s: choose another directory", s.Home, have.Partner, i.Partner)
		}
		keys, err := node.LoadKeys(s.Home)
		if err != nil {
			return card, "", err
		}
		if err := s.Check(); err != nil {
			return card, "", err
		}
		card = cardOf(s, p, keys)
	} else if card, apiKey, err = MakeHome(s, p); err != nil {
		return card, "", err
	}
	request, err := json.MarshalIndent(card.Request(), "", "  ")
	if err != nil {
		return card, "", fmt.Errorf("encoding the request: %w", err)
	}
	own, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return card, "", fmt.Errorf("encoding the invite: %w", err)
	}
	if have, err := os.ReadFile(node.GenesisPath(s.Home)); err == nil && !bytes.Equal(have, i.Genesis) {
		return card, "", fmt.Errorf("%s is of another network than the invite", node.GenesisPath(s.Home))
	}
	for path, content := range map[string][]byte{
		filepath.Join(s.Home, RequestFile): append(request, '\n'), node.InvitePath(s.Home): append(own, '\n'),
		filepath.Join(s.Home, node.TrustFile): append(bytes.Clone(i.Trust), '\n'), node.GenesisPath(s.Home): i.Genesis,
	} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return card, "", fmt.Errorf("writing %s: %w", path, err)
		}
	}
	return card, apiKey, s.Save()
}
