package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// maxNote bounds a signed checkpoint: a body of three lines, and cosignatures.
const maxNote = 64 << 10

// WitnessSigner is a witness's key with its private half.
type WitnessSigner struct {
	Key     proof.WitnessKey
	private ed25519.PrivateKey
}

// NewWitnessSigner makes a key under a name.
func NewWitnessSigner(name string) (*WitnessSigner, error) {
	if !proof.ValidWitnessName(name) {
		return nil, fmt.Errorf("%q cannot be a witness's name: it has 1 to 128 bytes without spaces and plus signs", name)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a witness's key: %w", err)
	}
	return signerOf(name, private), nil
}

func signerOf(name string, private ed25519.PrivateKey) *WitnessSigner {
	return &WitnessSigner{Key: proof.WitnessKey{Name: name, Public: private.Public().(ed25519.PublicKey)}, private: private}
}

const (
	privatePrefix = "PRIVATE+KEY+" // of signed notes' signer keys
	cosignature   = 0x04           // type of Ed25519 cosignatures
)

// Encode is the signer key as a text, to be kept secret.
func (s *WitnessSigner) Encode() string {
	id := s.Key.ID()
	return privatePrefix + s.Key.Name + "+" + hex.EncodeToString(id[:]) + "+" + base64.StdEncoding.EncodeToString(append([]byte{cosignature}, s.private.Seed()...))
}

// ParseWitnessSigner reads what Encode wrote.
func ParseWitnessSigner(text string) (*WitnessSigner, error) {
	bad := errors.New("reading a witness's secret key: it is not PRIVATE+KEY+NAME+ID+KEY with an Ed25519 key for cosignatures")
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), privatePrefix)
	parts := strings.SplitN(rest, "+", 3)
	if !ok || len(parts) != 3 || !proof.ValidWitnessName(parts[0]) {
		return nil, bad
	}
	seed, err := base64.StdEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(seed) != 1+ed25519.SeedSize || seed[0] != cosignature {
		return nil, bad
	}
	s := signerOf(parts[0], ed25519.NewKeyFromSeed(seed[1:]))
	if id := s.Key.ID(); hex.EncodeToString(id[:]) != parts[1] {
		return nil, bad
	}
	return s, nil
}

// Cosign makes a signed note of a checkpoint.
func (s *WitnessSigner) Cosign(c *proof.Checkpoint, at time.Time) ([]byte, error) {
	msg, err := note.Sign(&note.Note{Text: string(c.Body())}, noteSigner{s, c, at})
	if err != nil {
		return nil, fmt.Errorf("cosigning a checkpoint: %w", err)
	}
	return msg, nil
}

// noteSigner is one cosignature as package note makes signatures.
type noteSigner struct {
	*WitnessSigner
	checkpoint *proof.Checkpoint
	at         time.Time
}

func (s noteSigner) Name() string    { return s.Key.Name }
func (s noteSigner) KeyHash() uint32 { return keyHash(s.Key) }

func (s noteSigner) Sign(msg []byte) ([]byte, error) {
	if string(msg) != string(s.checkpoint.Body()) {
		return nil, errors.New("a witness signs checkpoints alone")
	}
	return s.checkpoint.Cosign(s.Key.Name, s.private, s.at).NoteSignature(), nil
}

func keyHash(k proof.WitnessKey) uint32 {
	id := k.ID()
	return binary.BigEndian.Uint32(id[:])
}

// noteVerifier checks one witness's cosignatures as package note checks signatures.
type noteVerifier struct{ key proof.WitnessKey }

func (v noteVerifier) Name() string    { return v.key.Name }
func (v noteVerifier) KeyHash() uint32 { return keyHash(v.key) }

func (v noteVerifier) Verify(msg, sig []byte) bool {
	c, err := parseBody(string(msg))
	if err != nil {
		return false
	}
	s, err := proof.ParseNoteSignature(v.key.Name, sig)
	return err == nil && c.VerifyCosignature(v.key, s) == nil
}

// parseBody reads the text of a checkpoint of ours: three lines.
func parseBody(text string) (*proof.Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return nil, errors.New("a checkpoint has three lines: origin, size and root")
	}
	c := &proof.Checkpoint{}
	var err error
	if c.ChainID, err = proof.ParseOrigin(lines[0]); err != nil {
		return nil, err
	}
	if c.Size, err = strconv.ParseUint(lines[1], 10, 62); err != nil {
		return nil, fmt.Errorf("size %q of a checkpoint: it is no number", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(c.Root) {
		return nil, errors.New("root of a checkpoint: it is no hash in base64")
	}
	copy(c.Root[:], root)
	if string(c.Body()) != text {
		return nil, errors.New("a checkpoint is not in its one form")
	}
	return c, nil
}

// Cosigned is a checkpoint with the cosignatures that hold.
type Cosigned struct {
	*proof.Checkpoint
	Cosignatures []proof.Cosignature
}

// OpenCheckpoint reads a signed checkpoint, and checks the cosignatures by the
// keys given. One of them at least must have signed; what others signed is not
// looked at.
func OpenCheckpoint(msg []byte, keys ...proof.WitnessKey) (*Cosigned, error) {
	if len(msg) > maxNote {
		return nil, fmt.Errorf("checkpoint of %d bytes, %d are read", len(msg), maxNote)
	}
	verifiers := make([]note.Verifier, len(keys))
	for i, k := range keys {
		verifiers[i] = noteVerifier{k}
	}
	n, err := note.Open(msg, note.VerifierList(verifiers...))
	if err != nil {
		return nil, fmt.Errorf("reading a signed checkpoint: %w", err)
	}
	c, err := parseBody(n.Text)
	if err != nil {
		return nil, err
	}
	out := &Cosigned{Checkpoint: c}
	for _, s := range n.Sigs {
		raw, err := base64.StdEncoding.DecodeString(s.Base64)
		if err != nil || len(raw) < 4 {
			return nil, fmt.Errorf("cosignature of %q: it is no base64", s.Name)
		}
		sig, err := proof.ParseNoteSignature(s.Name, raw[4:])
		if err != nil {
			return nil, err
		}
		out.Cosignatures = append(out.Cosignatures, sig)
	}
	return out, nil
}
