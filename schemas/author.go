package schemas

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A message may carry its author's own signature: of a person or a device with a key
// of the same partner, apart from the key that signs the transaction. Both are in the
// body, as two members, so that they are submitted, salted, withheld and erased with
// it: the author's key id, which rules read, and the signature over all members but
// itself. An act's are author and authorSignature, an event's have the prefix
// waybill, which its @context must define as AuthorNamespace.

// AuthorNamespace is the namespace of the two members of an event.
const AuthorNamespace = "urn:waybill:"

const (
	authorMember    = "author"
	signatureMember = "authorSignature"
	authorPrefix    = "waybill:"
)

// AuthorMembers are the names of the two members in a body of a kind.
func AuthorMembers(kind Kind) (author, signature string) {
	if kind == KindEvent {
		return authorPrefix + authorMember, authorPrefix + signatureMember
	}
	return authorMember, signatureMember
}

// AuthorDigest is what an author signs: all members of the body, by name, but the
// signature. Values are compact JSON.
func AuthorDigest(chainID, partner, keyID string, kind Kind, members []Member) Hash {
	_, signature := AuthorMembers(kind)
	parts := [][]byte{[]byte(chainID), []byte(partner), []byte(keyID), be32(uint32(kind))}
	for _, m := range SortMembers(members) {
		if m.Name != signature {
			parts = append(parts, []byte(m.Name), m.Value)
		}
	}
	return Sum(tagAuthor, parts...)
}

// authored notes one of the two members of an event.
func (d *decoder) authored(m int) *Fault {
	name, ok := strings.CutPrefix(d.t.str(m), authorPrefix)
	if !ok || name != authorMember && name != signatureMember {
		return nil
	}
	if uri, _ := d.p.expand(d.t.str(m)); uri != AuthorNamespace+name {
		return nil // somebody else's prefix
	}
	var f *Fault
	if name == authorMember {
		d.e.Skeleton.Author, f = readAuthor(d, m+1)
	} else {
		d.e.AuthorSignature, f = octets(ed25519.SignatureSize).read(d, m+1)
	}
	return f
}

func readAuthor(d *decoder, n int) (string, *Fault) {
	id, f := line(maxName).read(d, n)
	if f == nil && (id == "" || !plainName(id)) {
		f = d.bad(n, "the id of a key")
	}
	return id, f
}

// checkAuthor says that an author's key and signature come together. Of a body from which
// the signature is withheld they need not.
func (e *Event) checkAuthor() *Fault {
	if e.AuthorSignature != nil && e.Skeleton.Author == "" {
		author, _ := AuthorMembers(e.KindOf())
		return &Fault{Code: MissingField, Pointer: "/" + author, Detail: "a signature without its author"}
	}
	return nil
}

// errUnsigned is a body that names an author who did not sign it.
var errUnsigned = &Fault{Code: BadSignature, Detail: "it names an author, and has no signature of theirs"}

// Author adds an author's key and signature to the body of an event or act, and
// answers the new body. chainID and partner are those of the transaction that will
// carry it.
func Author(chainID, partner, keyID string, e *Event, key ed25519.PrivateKey) ([]byte, error) {
	if e.KindOf() == KindErasure {
		return nil, errors.New("an order has no author")
	}
	author, signature := AuthorMembers(e.KindOf())
	var members []Member
	for _, m := range e.Members {
		if m.Name != author && m.Name != signature {
			members = append(members, m)
		}
	}
	if e.KindOf() == KindEvent {
		members = withNamespace(members)
	}
	members = append(members, Member{author, appendQuoted(nil, keyID)})
	digest := AuthorDigest(chainID, partner, keyID, e.KindOf(), members)
	members = append(members, Member{signature, appendQuoted(nil, hex.EncodeToString(ed25519.Sign(key, digest[:])))})
	body := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(append(appendQuoted(body, m.Name), ':'), m.Value...)
	}
	body = append(body, '}')
	again, err := DecodeMessage(e.KindOf(), body)
	if err != nil {
		return nil, fmt.Errorf("adding an author: %w", err)
	}
	return again.Body, nil
}

// withNamespace defines the members' prefix in the event's context.
func withNamespace(members []Member) []Member {
	entry := `{"waybill":"` + AuthorNamespace + `"}`
	i := slices.IndexFunc(members, func(m Member) bool { return m.Name == "@context" })
	if i < 0 {
		return append([]Member{{"@context", []byte("[" + entry + "]")}}, members...)
	}
	out, old := slices.Clone(members), string(members[i].Value)
	switch {
	case strings.Contains(old, entry):
	case old == "[]":
		out[i].Value = []byte("[" + entry + "]")
	case strings.HasPrefix(old, "["):
		out[i].Value = []byte(strings.TrimSuffix(old, "]") + "," + entry + "]")
	default:
		out[i].Value = []byte("[" + old + "," + entry + "]")
	}
	return out
}
