package schemas

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// A public key is a point of the curve -x² + y² = 1 + dx²y² over the numbers modulo
// 2^255 - 19, written as its y, least byte first, with the lowest bit of x as the highest of
// all (RFC 8032, 5.1.2). Under eight points, whose order divides the cofactor, anybody makes
// signatures that verify: no private key has one of them.

// curve are the numbers that CheckPublicKey needs.
type curve struct {
	one, p, d *big.Int
	small     []*big.Int // y of the points of small order
}

func ed25519Curve() curve {
	c := curve{one: big.NewInt(1)}
	c.p = new(big.Int).Lsh(c.one, 255)
	c.p.Sub(c.p, big.NewInt(19))
	c.d = new(big.Int).ModInverse(big.NewInt(121666), c.p)
	c.d.Mul(c.d, big.NewInt(-121665)).Mod(c.d, c.p)
	eighth, _ := new(big.Int).SetString("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826", 16)
	// Of order 1, 2, 4 and 8: y is 1, -1, 0, and for the last either of two.
	c.small = []*big.Int{c.one, new(big.Int).Sub(c.p, c.one), new(big.Int), eighth, new(big.Int).Sub(c.p, eighth)}
	return c
}

var curve25519 = ed25519Curve() // never changed

// CheckPublicKey says what is wrong with an Ed25519 public key that somebody wants to sign
// with: not 32 bytes, an encoding that no program writes, no point of the curve, or a point
// of small order. Verification takes the last and some of the second, as crypto/ed25519
// does, and goes on doing so for keys that were recorded before this was asked.
func CheckPublicKey(key []byte) error {
	if len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("an Ed25519 public key has %d bytes, not %d", ed25519.PublicKeySize, len(key))
	}
	c := curve25519
	encoded := slices.Clone(key)
	encoded[31] &= 0x7f
	slices.Reverse(encoded)
	y := new(big.Int).SetBytes(encoded)
	if y.Cmp(c.p) >= 0 {
		return errors.New("no Ed25519 public key: not the one encoding of its point")
	}
	if slices.ContainsFunc(c.small, func(s *big.Int) bool { return s.Cmp(y) == 0 }) {
		return errors.New("an Ed25519 public key of small order, for which anybody can sign: make another")
	}
	// x² is (y² - 1) / (dy² + 1): a square, or y is of no point. So is then the product of both.
	u := new(big.Int).Mul(y, y)
	v := new(big.Int).Mul(u, c.d)
	u.Sub(u, c.one).Mul(u, v.Add(v, c.one)).Mod(u, c.p)
	if big.Jacobi(u, c.p) < 0 {
		return errors.New("no Ed25519 public key: no point of the curve")
	}
	return nil
}
