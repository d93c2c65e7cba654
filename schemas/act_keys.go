package schemas

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Acts by which a partner changes its own keys. Where its threshold is above one,
// the first that asks for a change opens it, and it is made when so many of the
// partner's admin keys agreed.
var keyActs = []func() Act{
	func() Act { return &AddKey{} },
	func() Act { return &RevokeKey{} },
	func() Act { return &SetThreshold{} },
	func() Act { return &ApproveKeyChange{} },
	func() Act { return &MoveHost{} },
}

// AddKey gives the partner a further key, which is valid from the next block on.
// Its id is that of [KeyID]: a key that the partner had once cannot come back.
type AddKey struct {
	Public []byte // Ed25519
	Roles  uint32
	Held   Holding
	From   uint64 // first height at which it is valid; the next block's if that is later
	Until  uint64 // last height; 0 for no end
}

// RevokeKey ends a key: the block that it is in is the last at which it is valid.
type RevokeKey struct {
	Key string // its id
}

// SetThreshold says how many admin keys must agree to a change of keys.
type SetThreshold struct {
	Threshold uint32
}

// ApproveKeyChange agrees to a change that another admin key of the same partner
// asked for.
type ApproveKeyChange struct {
	Change string // its id
}

// MoveHost says through which member's node a participant works, from the next
// block on.
type MoveHost struct {
	Host string
}

// MaxThreshold is how many lasting admin keys a partner may have.
const MaxThreshold = 32

// Names of the acts.
func (*AddKey) Name() string           { return "AddKey" }
func (*RevokeKey) Name() string        { return "RevokeKey" }
func (*SetThreshold) Name() string     { return "SetThreshold" }
func (*ApproveKeyChange) Name() string { return "ApproveKeyChange" }
func (*MoveHost) Name() string         { return "MoveHost" }

// Role of all of them is an admin's.
func (*AddKey) Role() uint32           { return RoleAdmin }
func (*RevokeKey) Role() uint32        { return RoleAdmin }
func (*SetThreshold) Role() uint32     { return RoleAdmin }
func (*ApproveKeyChange) Role() uint32 { return RoleAdmin }
func (*MoveHost) Role() uint32         { return RoleAdmin }

func (*AddKey) names() int           { return 1 }
func (*RevokeKey) names() int        { return MaxThreshold } // of admin keys that are counted
func (*SetThreshold) names() int     { return MaxThreshold }
func (*ApproveKeyChange) names() int { return 2 * MaxThreshold }
func (*MoveHost) names() int         { return 1 }

func (a *AddKey) bind(b *binding) {
	bind(b, 1, "public", &a.Public, publicKey)
	bind(b, 2, "roles", &a.Roles, roleList)
	bind(b, 3, "held", &a.Held, choice[Holding]("", "gateway", "client", "hardware"))
	bind(b, 4, "from", &a.From, whole[uint64](1<<62))
	bind(b, 5, "until", &a.Until, whole[uint64](1<<62))
	b.need("public", len(a.Public) > 0)
	b.need("roles", a.Roles != 0)
	b.need("held", a.Held != 0)
	b.refuse("until", a.Until != 0 && a.Until < a.From, "the key would end before it begins")
}

func (a *RevokeKey) bind(b *binding) {
	bind(b, 1, "key", &a.Key, line(maxName))
	b.need("key", a.Key != "")
}

func (a *SetThreshold) bind(b *binding) {
	bind(b, 1, "threshold", &a.Threshold, whole[uint32](MaxThreshold))
	b.need("threshold", a.Threshold != 0)
}

func (a *ApproveKeyChange) bind(b *binding) {
	bind(b, 1, "change", &a.Change, line(maxName))
	b.need("change", a.Change != "")
}

func (a *MoveHost) bind(b *binding) {
	bind(b, 1, "host", &a.Host, shortName)
	b.need("host", a.Host != "")
}

// roleList is the form of roles: a list of their names, as a field their bits.
var roleList = notation[uint32]{
	read: func(d *decoder, n int) (roles uint32, f *Fault) {
		return roles, d.list(n, len(roleNames), func(e int) *Fault {
			role, err := ParseRoles(d.t.str(e))
			if d.t.tape[e].kind != jsonString || err != nil || roles&role != 0 || strings.Contains(d.t.str(e), ",") {
				return d.bad(e, "one of "+strings.Join(roleNames[:], ", ")+", each once")
			}
			roles |= role
			return nil
		})
	},
	write: func(dst []byte, v uint32) []byte {
		for i, name := range strings.Split(RoleNames(v), ",") {
			dst = appendQuoted(append(dst, "[,"[min(i, 1)]), name)
		}
		return append(dst, ']')
	},
	field: func(v uint32) []byte {
		if v == 0 {
			return nil
		}
		return binary.AppendUvarint(nil, uint64(v))
	},
	decode: func(v []byte) (uint32, error) {
		u, size := binary.Uvarint(v)
		if size <= 0 || u == 0 || u >= 1<<len(roleNames) {
			return 0, fmt.Errorf("no roles")
		}
		return uint32(u), nil
	},
}
