package schemas

import "fmt"

// KeyRing is what the rules know of a partner's keys beyond the keys themselves:
// which of them are counted against its threshold, and which changes wait. Its leaf
// is there from the partner's first change of keys on.
type KeyRing struct {
	Admins  []string // ids of its admin keys without an end, ascending; revoked ones not
	Count   uint64   // keys that it has or ever had
	Changes []OpenChange
}

// OpenChange is a change of keys that waits for other admin keys.
type OpenChange struct {
	ID      string // 16 hexadecimal digits, of the digest of the message that asked for it
	Act     Act
	By      []string // ids of the keys that agreed, who asked for it first
	Expires int64    // block time, nanoseconds, from which on it is as if it were not there
}

// ChangeID is the id of the change of keys that a message asks for.
func ChangeID(digest Hash) string { return digest.String()[:16] }

// Bounds of a partner's keys.
const (
	MaxKeys          = 10_000 // that it can ever have
	KeyChangeSeconds = 7 * 24 * 3600
)

// Append appends the leaf value: 1 admin key (repeated), 2 how many keys, 3 open
// change (repeated: 1 id, 2 act as in skeletons, 3 key that agreed (repeated),
// 4 expiry, be64).
func (r *KeyRing) Append(dst []byte) []byte {
	dst = AppendUint(appendTexts(dst, 1, r.Admins), 2, r.Count)
	for i := range r.Changes {
		c := &r.Changes[i]
		b := appendTexts(appendAct(AppendString(nil, 1, c.ID), 2, c.Act), 3, c.By)
		dst = AppendField(dst, 3, appendTime(b, 4, c.Expires))
	}
	return dst
}

// DecodeKeyRing reads such a leaf value.
func DecodeKeyRing(b []byte) (*KeyRing, error) {
	r := &KeyRing{}
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			r.Admins = append(r.Admins, decodeText(f, n, v))
		case 2:
			r.Count = f.Uint(n, v)
		case 3:
			r.Changes = append(r.Changes, decodeOpenChange(f, n, v))
		default:
			f.Fail(n, "unknown")
		}
	}
	if f.Err() != nil {
		return nil, f.Err()
	}
	return r, f.Exact(b, r.Append(nil))
}

func decodeOpenChange(f *Fields, n uint64, v []byte) (c OpenChange) {
	in := ReadFields(v)
	for k, w, ok := in.Next(); ok; k, w, ok = in.Next() {
		switch k {
		case 1:
			c.ID = decodeText(in, k, w)
		case 2:
			var err error
			if c.Act, err = decodeAct(w); err != nil {
				in.Fail(k, err.Error())
			}
		case 3:
			c.By = append(c.By, decodeText(in, k, w))
		case 4:
			c.Expires = decodeTime(in, k, w)
		default:
			in.Fail(k, "unknown")
		}
	}
	if in.Err() != nil || c.Act == nil {
		f.Fail(n, fmt.Sprintf("no open change: %v", in.Err()))
		c.Act = &SetThreshold{} // so that it can be written again, and compared
	}
	return c
}

// ActJSON is an act's own members as JSON.
func ActJSON(a Act) []byte {
	b := binding{pass: writeJSON, out: []byte{'{'}}
	b.text("type", a.Name())
	a.bind(&b)
	return append(b.out, '}')
}
