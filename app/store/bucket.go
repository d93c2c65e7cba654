package store

import (
	"fmt"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// bucketRoom is the memory in which an update changes buckets, one after the other:
// nearly every page below the crown is one, and to make its parts anew costs more
// than to hash it.
type bucketRoom struct {
	key         []byte
	old, merged [2 * bucket]proof.Leaf
}

// bucket applies changes to the page right below the crown where that is a bucket and
// stays one, as apply does to any page. done is false where it is something else.
func (u *update) bucket(key *[32]byte, existed bool, cs []change) (root sub, done bool, err error) {
	if len(cs) > bucket {
		return sub{}, false, nil
	}
	r := &u.room
	r.key = pageKey(r.key[:0], key, crownDepth)
	old := r.old[:0]
	if existed {
		b, err := u.load(r.key)
		if err != nil {
			return sub{}, false, fmt.Errorf("reading page %x of the state tree: %w", r.key, err)
		}
		if len(b) == 0 || b[0] != pageBucket {
			return sub{}, false, nil
		}
		if old, err = decodeBucket(old, b, key, crownDepth); err != nil {
			return sub{}, false, fmt.Errorf("page %x: %w", r.key, err)
		}
	}
	leaves := merge(r.merged[:0], old, cs)
	if len(leaves) > bucket {
		return sub{}, false, nil
	}
	u.leaves += int64(len(leaves) - len(old))
	n := len(r.key)
	switch {
	case len(leaves) > 0: // key and page in one piece of memory
		b := append(make([]byte, 0, n+1+64*len(leaves)), r.key...)
		b = appendBucket(b, leaves)
		u.writes = append(u.writes, pageWrite{b[:n:n], b[n:]})
	case existed:
		u.writes = append(u.writes, pageWrite{append([]byte(nil), r.key...), nil})
	}
	return subtree(leaves, crownDepth), true, nil
}
