package network

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Link invites a participant to work through a member's node. Its text is the URL of
// the node's gateway, with the rest behind the #, which no browser sends. It has an
// API key, which opens what concerns the participant, and nothing that signs for it.
type Link struct {
	Node    string `json:"-"` // URL of the gateway
	Partner string `json:"partner"`
	Host    string `json:"host"`
	ChainID string `json:"chain_id"`
	Key     string `json:"key"`
}

const linkMark = "#waybill-invite="

// IsLink reports whether a text looks like a participant's link.
func IsLink(text string) bool { return strings.Contains(text, linkMark) }

// String is the link's text.
func (l *Link) String() string {
	b, err := json.Marshal(l)
	if err != nil {
		return "" // texts alone: they have an encoding
	}
	return strings.TrimRight(l.Node, "/") + "/" + linkMark + base64.RawURLEncoding.EncodeToString(b)
}

// ParseLink reads a link, which anybody may have written.
func ParseLink(text string) (*Link, error) {
	node, rest, ok := strings.Cut(strings.TrimSpace(text), linkMark)
	if !ok {
		return nil, errors.New("this is no participant's link: ask the host for the line that waybill invite participant printed")
	}
	b, err := base64.RawURLEncoding.DecodeString(rest)
	if err != nil {
		return nil, fmt.Errorf("reading a participant's link, which may be cut short: %w", err)
	}
	l := &Link{Node: strings.TrimRight(node, "/")}
	if err := json.Unmarshal(b, l); err != nil {
		return nil, fmt.Errorf("reading a participant's link, which may be cut short: %w", err)
	}
	u, err := url.Parse(l.Node)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, fmt.Errorf("the link leads to %q, which is no address of a gateway", l.Node)
	case !schemas.IsPartnerID(l.Partner) || !schemas.IsPartnerID(l.Host) || l.Key == "" || l.ChainID == "":
		return nil, errors.New("the link lacks a partner, host, chain or key: ask the host for another")
	}
	return l, nil
}

// Request is a participant's request to be admitted with a key of its own, sponsored
// by its host.
func (l *Link) Request(p schemas.Partner, public []byte) *Request {
	return &Request{Kind: "admit", Partner: l.Partner, Name: p.Name, GLN: p.GLN, Standing: schemas.StandingParticipant, LEI: p.LEI, Registration: p.Registration,
		Host: l.Host, Sponsor: l.Host,
		Keys: []RequestKey{{hex.EncodeToString(public), strings.Split(schemas.RoleNames(schemas.RoleCapture|schemas.RoleAdmin), ","), schemas.HeldByClient}}}
}
