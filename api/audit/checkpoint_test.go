package audit_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api/audit"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// A cosigned checkpoint is what C2SP's tlog-checkpoint and tlog-cosignature say,
// read here by hand.
func TestCosignedCheckpointByHand(t *testing.T) {
	signer, err := audit.NewWitnessSigner("witness.example/1")
	if err != nil {
		t.Fatal(err)
	}
	c := &proof.Checkpoint{ChainID: "waybill 1", Size: 20852163, Root: schemas.Hash{1, 2, 3}}
	at := time.Unix(1679315147, 999).UTC()
	msg, err := signer.Cosign(c, at)
	if err != nil {
		t.Fatal(err)
	}
	body, line, ok := strings.Cut(string(msg), "\n\n")
	root := base64.StdEncoding.EncodeToString(c.Root[:])
	if !ok || body != "github.com/waybill-ledger/waybill/waybill%201\n20852163\n"+root {
		t.Fatalf("body:\n%s", msg)
	}
	encoded, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "\u2014 witness.example/1 ")
	sig, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(sig) != 4+8+64 {
		t.Fatalf("line %q: %v", line, err)
	}
	id := signer.Key.ID()
	if string(sig[:4]) != string(id[:]) || binary.BigEndian.Uint64(sig[4:]) != 1679315147 {
		t.Errorf("id and time are %x", sig[:12])
	}
	if !ed25519.Verify(signer.Key.Public, []byte("cosignature/v1\ntime 1679315147\n"+body+"\n"), sig[12:]) {
		t.Error("the signature does not hold")
	}
}

func TestOpenCheckpoint(t *testing.T) {
	signer, err := audit.NewWitnessSigner("w")
	if err != nil {
		t.Fatal(err)
	}
	other, err := audit.NewWitnessSigner("w")
	if err != nil {
		t.Fatal(err)
	}
	c := &proof.Checkpoint{ChainID: "waybill-1", Size: 7, Root: schemas.Hash{1, 2, 3}}
	at := time.Unix(1679315147, 0).UTC()
	msg, err := signer.Cosign(c, at)
	if err != nil {
		t.Fatal(err)
	}
	got, err := audit.OpenCheckpoint(msg, other.Key, signer.Key)
	if err != nil || *got.Checkpoint != *c || len(got.Cosignatures) != 1 || !got.Cosignatures[0].Time.Equal(at) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := audit.OpenCheckpoint(msg, other.Key); err == nil {
		t.Error("another key's cosignature is taken")
	}
	for i := range msg {
		for _, bit := range []byte{1, 0x20, 0x80} {
			bad := append([]byte{}, msg...)
			bad[i] ^= bit
			if got, err := audit.OpenCheckpoint(bad, signer.Key); err == nil {
				t.Errorf("with byte %d as %q it is read as %+v", i, bad[i], got)
			}
		}
	}
}

func TestWitnessKeys(t *testing.T) {
	signer, err := audit.NewWitnessSigner("witness.example/1")
	if err != nil {
		t.Fatal(err)
	}
	again, err := audit.ParseWitnessSigner(signer.Encode() + "\n")
	if err != nil || again.Key.String() != signer.Key.String() || again.Encode() != signer.Encode() {
		t.Errorf("%v, %v", again, err)
	}
	key, err := proof.ParseWitnessKey(signer.Key.String())
	if err != nil || key.String() != signer.Key.String() {
		t.Errorf("%v, %v", key, err)
	}
	for _, text := range []string{signer.Key.String(), signer.Encode()} {
		for i := range text {
			bad := []byte(text)
			bad[i] ^= 1
			if k, err := proof.ParseWitnessKey(string(bad)); err == nil {
				t.Errorf("%q is read as %v", bad, k)
			}
			if k, err := audit.ParseWitnessSigner(string(bad)); err == nil {
				t.Errorf("%q is read as %v", bad, k.Key)
			}
		}
	}
	for _, name := range []string{"", "a b", "a+b", "a\nb", "a\u2028b", "\xff", strings.Repeat("a", 200)} {
		if _, err := audit.NewWitnessSigner(name); err == nil {
			t.Errorf("%q is a name", name)
		}
	}
}
