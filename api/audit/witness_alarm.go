package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// ErrAlarm is what a witness answers that has evidence of two histories.
var ErrAlarm = errors.New("the ledger has two histories")

// Alarm is evidence that the validators of a ledger signed two histories: whoever
// has the root of trust can check it, and needs to believe nobody.
type Alarm struct {
	ChainID string      `json:"chain_id"`
	Found   time.Time   `json:"found"`
	What    string      `json:"what"`
	Sides   []AlarmSide `json:"sides"` // two, the smaller log first
	// Anchor proves which header the larger log has where the smaller one ends.
	// Logs of one size need none.
	Anchor *api.AnchorProof `json:"anchor,omitempty"`
	// Validators are the headers by which the witness came from the root of trust
	// to the validators that signed both.
	Validators []api.Encoded `json:"validators,omitempty"`
}

// AlarmSide is one of the histories. All but Proof follows from it, and who told.
type AlarmSide struct {
	From   string       `json:"from"` // a node, or the witness's own memory
	Size   uint64       `json:"size"`
	Root   schemas.Hash `json:"root"`
	Height int64        `json:"height"`
	Hash   schemas.Hash `json:"hash"` // of the header
	Time   time.Time    `json:"time"`
	Proof  api.Encoded  `json:"proof"` // the signed header, and what leads from it to size and root
}

func sideOf(from string, c *proof.Checkpoint, p *proof.CheckpointProof) AlarmSide {
	return AlarmSide{From: from, Size: c.Size, Root: c.Root, Height: p.Anchor.Header.Height, Hash: p.Anchor.Hash(), Time: p.Anchor.Header.Time, Proof: p.Encode()}
}

// DecodeAlarm reads an alarm. What it is worth, Check tells.
func DecodeAlarm(b []byte) (*Alarm, error) {
	if len(b) > 4*proof.MaxCheckpointProof {
		return nil, fmt.Errorf("alarm of %d bytes, %d are read", len(b), 4*proof.MaxCheckpointProof)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	a := &Alarm{}
	if err := d.Decode(a); err != nil {
		return nil, fmt.Errorf("reading an alarm: %w", err)
	}
	return a, nil
}

// Check reports whether the alarm proves, to whoever believes the root of trust,
// that the ledger has two histories. Without an error it does.
func (a *Alarm) Check(t *proof.Trust) error {
	if len(a.Sides) != 2 {
		return errors.New("an alarm has two sides")
	}
	chain := &believed{trust: t}
	for _, e := range a.Validators {
		h, err := proof.DecodeSignedHeader(e)
		if err == nil {
			err = chain.add(h)
		}
		if err != nil {
			return fmt.Errorf("validators of the alarm: %w", err)
		}
	}
	var logs [2]*proof.Checkpoint
	for i, s := range a.Sides {
		p, err := proof.DecodeCheckpointProof(s.Proof)
		if err == nil {
			err = chain.believes(&p.Anchor)
		}
		if err == nil {
			logs[i], err = p.Verify()
		}
		if err == nil && (s.Size != logs[i].Size || s.Root != logs[i].Root || s.Height != p.Anchor.Header.Height || s.Hash != p.Anchor.Hash() || !s.Time.Equal(p.Anchor.Header.Time)) {
			err = errors.New("what it tells does not follow from its proof")
		}
		if err != nil {
			return fmt.Errorf("side %d of the alarm: %w", i+1, err)
		}
	}
	return contradict(logs[0], logs[1], a.Sides[0], a.Anchor)
}

// contradict checks that the larger log does not continue the smaller.
func contradict(small, large *proof.Checkpoint, side AlarmSide, anchor *api.AnchorProof) error {
	switch {
	case small.Size > large.Size:
		return errors.New("the smaller log of an alarm comes first")
	case small.Size == large.Size:
		if small.Root == large.Root {
			return errors.New("both sides tell one history")
		}
		return nil
	case anchor == nil || anchor.Index != small.Size-1 || anchor.Size != large.Size:
		return errors.New("the alarm lacks the header that the larger log has where the smaller one ends")
	}
	entry := schemas.AnchorEntry(anchor.Height, anchor.Hash[:])
	if err := proof.VerifyInclusion(large.Head(), anchor.Index, entry, raw(anchor.Path)); err != nil {
		return err
	}
	if anchor.Height == side.Height && anchor.Hash == side.Hash {
		return errors.New("both sides tell one history")
	}
	return nil
}

func raw(path []schemas.Hash) [][32]byte {
	out := make([][32]byte, len(path))
	for i, h := range path {
		out[i] = h
	}
	return out
}
