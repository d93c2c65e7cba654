package schemas

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// smallOrder are the encodings of the curve's points whose order divides eight (RFC 8032,
// 5.1.2, less the sign, which is the highest bit of the last byte): y is 0, 1, -1 or one of
// two for order eight; and 0 and 1 once more with the prime 2^255 - 19 added, which
// verification reads as well. Anybody makes signatures that verify under them.
var smallOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

// CheckPublicKey says what is wrong with an Ed25519 public key that somebody wants to sign
// with: not 32 bytes, or a point of small order, which no private key has. Verification
// takes these, as crypto/ed25519 does, and goes on doing so for keys that were recorded
// before this was asked. Bytes that are no point at all bind nobody either, and pass:
// nothing verifies under them.
func CheckPublicKey(key []byte) error {
	if len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("an Ed25519 public key has %d bytes, not %d", ed25519.PublicKeySize, len(key))
	}
	unsigned := slices.Clone(key)
	unsigned[len(key)-1] &= 0x7f
	if slices.Contains(smallOrder, hex.EncodeToString(unsigned)) {
		return errors.New("an Ed25519 public key of small order, for which anybody can sign: make another")
	}
	return nil
}
