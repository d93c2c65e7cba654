package schemas

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
)

// A partner's own leaf says what validates for it. What was ordered and does not hold
// yet is in a leaf beside it, and who was seen signing in one for all.

// ValidatorKey is the key of what is ordered for a partner's validator.
func ValidatorKey(partner string) []byte { return stateKey(kindValidator, partner) }

// SeenKey is the key of who was seen signing.
func SeenKey() []byte { return stateKey(kindSigning) }

// ValidatorOrder is what was ordered for a partner's validator and does not hold
// yet: it takes the place of what the partner's leaf names.
type ValidatorOrder struct {
	NodeID string `json:"node_id"`
	Key    []byte `json:"key"`             // Ed25519 consensus key
	Height uint64 `json:"ordered"`         // of the block that ordered it
	Ready  uint64 `json:"ready,omitempty"` // of the last block in which its node said that it is; 0: none
}

// Append appends the leaf value: 1 node id, 2 consensus key, 3 height, 4 ready.
func (o *ValidatorOrder) Append(dst []byte) []byte {
	dst = AppendField(AppendString(dst, 1, o.NodeID), 2, o.Key)
	return AppendUint(AppendUint(dst, 3, o.Height), 4, o.Ready)
}

// DecodeValidatorOrder reads such a leaf value.
func DecodeValidatorOrder(b []byte) (o ValidatorOrder, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			o.NodeID = decodeText(f, n, v)
		case 2:
			o.Key = bytes.Clone(v)
		case 3:
			o.Height = f.Uint(n, v)
		case 4:
			o.Ready = f.Uint(n, v)
		default:
			f.Fail(n, "unknown")
		}
	}
	if len(o.Key) != ed25519.PublicKeySize {
		f.Fail(2, "no Ed25519 key")
	}
	var stack [valueSize]byte
	return o, f.Exact(b, o.Append(stack[:0]))
}

// ValidatorAddress is how the engine names a validator in its votes: the first 20
// bytes of its key's SHA-256.
type ValidatorAddress [20]byte

// AddressOf is the address of a consensus key.
func AddressOf(key []byte) ValidatorAddress {
	sum := sha256.Sum256(key)
	return ValidatorAddress(sum[:20])
}

// Seen is the last height that a validator was seen to sign.
type Seen struct {
	Address ValidatorAddress
	Height  uint64
}

// AppendSeen appends the leaf value of who was seen signing: field 1 once for
// each, ascending by address: 20 bytes of address, then 8 of height, big-endian.
func AppendSeen(dst []byte, list []Seen) []byte {
	for i := range list {
		v := binary.BigEndian.AppendUint64(list[i].Address[:], list[i].Height)
		dst = AppendField(dst, 1, v)
	}
	return dst
}

// DecodeSeen reads such a leaf value.
func DecodeSeen(b []byte) (list []Seen, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		if n != 1 || len(v) != len(ValidatorAddress{})+8 {
			f.Fail(n, "no address with a height")
			break
		}
		s := Seen{ValidatorAddress(v[:20]), binary.BigEndian.Uint64(v[20:])}
		if len(list) > 0 && bytes.Compare(list[len(list)-1].Address[:], s.Address[:]) >= 0 {
			f.Fail(n, "not ascending")
		}
		list = append(list, s)
	}
	var stack [valueSize]byte
	return list, f.Exact(b, AppendSeen(stack[:0], list))
}
