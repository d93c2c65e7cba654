package proof

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A witness is somebody outside the network who saw a checkpoint, made sure that
// it continues what it saw before, and says so by a cosignature: C2SP
// tlog-cosignature, Ed25519 with a time, over the checkpoint's text.

// cosignatureType is the signature type of Ed25519 cosignatures in signed notes.
const cosignatureType = 0x04

// maxWitnessName bounds the name of a witness.
const maxWitnessName = 128

// WitnessKey is who a witness is to whoever checks its cosignatures. Its text is
// a verifier key of C2SP signed notes: name, key id and key, joined by plus signs.
type WitnessKey struct {
	Name   string
	Public ed25519.PublicKey
}

// ParseWitnessKey reads a witness's verifier key.
func ParseWitnessKey(text string) (WitnessKey, error) {
	bad := func(what string) (WitnessKey, error) {
		return WitnessKey{}, fmt.Errorf("reading a witness's key: %s (it is NAME+ID+KEY, as the witness prints it)", what)
	}
	name, rest, _ := strings.Cut(text, "+")
	id, encoded, ok := strings.Cut(rest, "+")
	if !ok || !ValidWitnessName(name) {
		return bad("it does not begin with a name")
	}
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != cosignatureType {
		return bad("it has no Ed25519 key for cosignatures")
	}
	k := WitnessKey{Name: name, Public: ed25519.PublicKey(key[1:])}
	if have := k.ID(); hex.EncodeToString(have[:]) != id {
		return bad("its id is not that of its name and key")
	}
	return k, nil
}

// ValidWitnessName reports whether a witness may have this name.
func ValidWitnessName(name string) bool {
	return name != "" && len(name) <= maxWitnessName && utf8.ValidString(name) && !strings.Contains(name, "+") &&
		strings.IndexFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) < 0
}

// String is the verifier key.
func (k WitnessKey) String() string {
	id := k.ID()
	return k.Name + "+" + hex.EncodeToString(id[:]) + "+" + base64.StdEncoding.EncodeToString(append([]byte{cosignatureType}, k.Public...))
}

// ID is the key's id in a signed note.
func (k WitnessKey) ID() [4]byte {
	b := append([]byte(k.Name), '\n', cosignatureType)
	sum := sha256.Sum256(append(b, k.Public...))
	return [4]byte(sum[:4])
}

// Cosignature is a witness's word that it saw a checkpoint, and saw no other.
type Cosignature struct {
	Name      string
	Time      time.Time // by the witness's clock, whole seconds
	Signature []byte
}

// CosignedBytes is what a witness signs.
func (c *Checkpoint) CosignedBytes(at time.Time) []byte {
	b := append([]byte("cosignature/v1\ntime "), strconv.FormatInt(at.Unix(), 10)...)
	return append(append(b, '\n'), c.Body()...)
}

// Cosign makes a witness's cosignature.
func (c *Checkpoint) Cosign(name string, key ed25519.PrivateKey, at time.Time) Cosignature {
	at = at.UTC().Truncate(time.Second)
	return Cosignature{Name: name, Time: at, Signature: ed25519.Sign(key, c.CosignedBytes(at))}
}

// VerifyCosignature checks that the witness of this key cosigned the checkpoint.
func (c *Checkpoint) VerifyCosignature(k WitnessKey, s Cosignature) error {
	switch {
	case s.Name != k.Name:
		return fmt.Errorf("cosignature of %q, not of %q", s.Name, k.Name)
	case len(k.Public) != ed25519.PublicKeySize:
		return errors.New("the witness has no Ed25519 key")
	case s.Time.Unix() < 0:
		return fmt.Errorf("cosignature of %q: its time is before 1970", s.Name)
	case !ed25519.Verify(k.Public, c.CosignedBytes(s.Time), s.Signature):
		return fmt.Errorf("the cosignature of %q does not hold", s.Name)
	}
	return nil
}

// NoteSignature is the cosignature as a line of a signed note has it, behind the
// key's id: the time in eight bytes, then the signature.
func (s Cosignature) NoteSignature() []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(s.Time.Unix())), s.Signature...)
}

// ParseNoteSignature reads what NoteSignature wrote.
func ParseNoteSignature(name string, b []byte) (Cosignature, error) {
	if len(b) != 8+ed25519.SignatureSize || b[0] >= 0x40 {
		return Cosignature{}, fmt.Errorf("cosignature of %q: it is no time and Ed25519 signature", name)
	}
	return Cosignature{Name: name, Time: time.Unix(int64(binary.BigEndian.Uint64(b)), 0).UTC(), Signature: b[8:]}, nil
}
