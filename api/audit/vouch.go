package audit

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/digitorus/timestamp"
	"golang.org/x/mod/sumdb/note"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// Demands are what a reader demands of a bundle beyond that it holds.
type Demands struct {
	Witnesses []proof.WitnessKey
	Needed    int // of the witnesses
	// Authorities are those whose time stamp is demanded, nil for none.
	Authorities *x509.CertPool
	// Accepted are the ids of rescues across which the bundle is believed.
	Accepted []schemas.Hash
}

// Stamp is a time stamp authority's word on the state of a bundle.
type Stamp struct {
	Time   time.Time `json:"time"`
	Size   uint64    `json:"size"`   // of the checkpoint that was stamped
	Height int64     `json:"height"` // of the header in it that first carried the state
}

// VerifyDemanding checks a bundle as Verify does, and that it has what is demanded.
func VerifyDemanding(bundle []byte, trust *proof.Trust, d Demands) (*Statement, error) {
	binary, err := Binary(bundle)
	if err != nil {
		return nil, err
	}
	r, err := proof.Verify(binary, trust, d.Accepted...)
	if err != nil {
		return nil, err
	}
	if err := r.Witness(d.Witnesses, d.Needed); err != nil {
		return nil, err
	}
	s := &Statement{Report: r, Proven: r.Proven(), NotProven: r.NotProven()}
	if d.Authorities == nil {
		return s, nil
	}
	if s.Stamped, err = stampOf(r, d.Authorities); err != nil {
		return nil, err
	}
	s.Proven = append(s.Proven, fmt.Sprintf("A time stamp authority says that a history with this state was there at %s.", s.Stamped.Time.Format(time.RFC3339)))
	return s, nil
}

// stampOf is the earliest time stamp that holds.
func stampOf(r *proof.Report, authorities *x509.CertPool) (first *Stamp, err error) {
	why := errors.New("the bundle has none")
	for i := range r.Seen {
		s := &r.Seen[i]
		if len(s.Token) == 0 {
			continue
		}
		at, err := VerifyTimestamp(s.Token, &s.Checkpoint, authorities)
		if err != nil {
			why = err
		} else if first == nil || at.Before(first.Time) {
			first = &Stamp{Time: at, Size: s.Checkpoint.Size, Height: s.Height}
		}
	}
	if first == nil {
		return nil, fmt.Errorf("a time stamp is demanded: %w", why)
	}
	return first, nil
}

// errUnseen says that a witness has not seen a bundle's state yet.
var errUnseen = errors.New("the witness has not seen the bundle's state yet")

const vouchPause = 500 * time.Millisecond

// Vouch puts the last checkpoint of a witness, who shows it at the URL, into a
// bundle, with the way that leads to it from the bundle's state, as the node tells
// it. It waits until the witness has seen that state, or the context ends. Whether
// the cosignatures hold, their reader finds out.
func Vouch(ctx context.Context, bundle []byte, node api.History, client *http.Client, url string) ([]byte, error) {
	b, err := proof.DecodeBundle(bundle)
	if err != nil {
		return nil, err
	}
	for {
		err := vouch(ctx, b, node, client, url)
		if err == nil {
			return b.Encode(), nil
		}
		if !errors.Is(err, errUnseen) {
			return nil, fmt.Errorf("witness %s: %w", url, err)
		}
		timer := time.NewTimer(vouchPause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("witness %s: %w: %w", url, err, ctx.Err())
		case <-timer.C:
		}
	}
}

func vouch(ctx context.Context, b *proof.Bundle, node api.History, client *http.Client, url string) error {
	c, cosignatures, err := shownBy(ctx, client, url)
	if err != nil {
		return err
	}
	if c.ChainID != b.ChainID {
		return fmt.Errorf("it follows the ledger %q, the bundle is of %q", c.ChainID, b.ChainID)
	}
	state := b.State()
	at, err := node.Carrying(ctx, state.Height, c.Size)
	var problem *api.Problem
	switch {
	case errors.As(err, &problem) && problem.Code == schemas.NotFound:
		return fmt.Errorf("%w: %w", errUnseen, err)
	case err != nil:
		return err
	}
	h, err := proof.DecodeSignedHeader(at.Signed)
	if err != nil {
		return err
	}
	if h.Header.App != state.App {
		return errUnseen
	}
	hash := h.Hash()
	if err := proof.VerifyInclusion(c.Head(), at.Index, schemas.AnchorEntry(h.Header.Height, hash[:]), raw(at.Path)); err != nil {
		return fmt.Errorf("the node's history is not the one that the witness saw: %w", err)
	}
	p := proof.WitnessedPart{Size: c.Size, Index: at.Index, Inclusion: raw(at.Path), Cosignatures: cosignatures}
	if h.Header.Height != state.Height {
		p.Header, p.Validators = &h.Header, proof.ValidatorSetHash(h.Validators)
	}
	if token, err := fetch(ctx, client, url, "/timestamp", MaxTimestamp); err == nil && stamps(token, c) {
		p.Token = token
	}
	merge(b, &p)
	b.Attach(p)
	return nil
}

// merge takes over what other witnesses said of the same checkpoint.
func merge(b *proof.Bundle, p *proof.WitnessedPart) {
	for _, other := range b.Witnessed {
		if other.Size != p.Size {
			continue
		}
		for _, c := range other.Cosignatures {
			if !slices.ContainsFunc(p.Cosignatures, func(own proof.Cosignature) bool { return own.Name == c.Name }) {
				p.Cosignatures = append(p.Cosignatures, c)
			}
		}
		if p.Token == nil {
			p.Token = other.Token
		}
	}
	slices.SortFunc(p.Cosignatures, func(a, b proof.Cosignature) int { return strings.Compare(a.Name, b.Name) })
}

// shownBy is the checkpoint that a witness shows, with its cosignatures, unchecked.
func shownBy(ctx context.Context, client *http.Client, url string) (*proof.Checkpoint, []proof.Cosignature, error) {
	msg, err := fetch(ctx, client, url, "/checkpoint", maxNote)
	if err != nil {
		return nil, nil, err
	}
	_, err = note.Open(msg, note.VerifierList())
	var unverified *note.UnverifiedNoteError
	if !errors.As(err, &unverified) {
		return nil, nil, fmt.Errorf("its checkpoint cannot be read: %w", err)
	}
	c, err := parseBody(unverified.Note.Text)
	if err != nil {
		return nil, nil, err
	}
	var out []proof.Cosignature
	for _, s := range unverified.Note.UnverifiedSigs {
		raw, err := base64.StdEncoding.DecodeString(s.Base64)
		if err != nil || len(raw) < 4 || !proof.ValidWitnessName(s.Name) {
			continue
		}
		if sig, err := proof.ParseNoteSignature(s.Name, raw[4:]); err == nil && !slices.ContainsFunc(out, func(o proof.Cosignature) bool { return o.Name == s.Name }) {
			out = append(out, sig)
		}
	}
	if len(out) == 0 {
		return nil, nil, errors.New("its checkpoint has no cosignature")
	}
	return c, out, nil
}

// stamps reports whether a token is of this checkpoint; by whom, its reader finds out.
func stamps(token []byte, c *proof.Checkpoint) bool {
	var ts *timestamp.Timestamp
	var err error
	func() {
		defer recoverASN1(&err)
		ts, err = timestamp.Parse(token)
	}()
	imprint := sha256.Sum256(c.Body())
	return err == nil && ts.HashAlgorithm == crypto.SHA256 && bytes.Equal(ts.HashedMessage, imprint[:])
}

func fetch(ctx context.Context, client *http.Client, url, path string, most int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(url, "/")+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	switch {
	case err != nil:
		return nil, err
	case res.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%w: %s", errUnseen, bytes.TrimSpace(b))
	case res.StatusCode != http.StatusOK || int64(len(b)) > most:
		return nil, fmt.Errorf("%s answers %s with %d bytes", path, res.Status, len(b))
	}
	return b, nil
}
