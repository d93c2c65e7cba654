package proof

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Disclosure says what of events a bundle shows.
//
// What rules read of an event (its skeleton) is hashed into its digest without
// salt, so that whoever sees anything of the event could guess it: members that
// the skeleton is made of are shown with any other, or the event is withheld
// whole, as its digest alone, which tells nothing. The same holds for an event
// whose eventID is made from a hash of its content: withheld members could be
// guessed from it.
type Disclosure struct {
	Only     []string // members that are shown beside what rules read; nil for all
	Withhold []string // members that are not shown
	Partner  string   // whose events are shown, others are withheld whole; "" for everybody's
	HashIDs  bool     // eventIDs that are made from hashes are shown all the same
}

// all reports whether nothing is withheld.
func (d *Disclosure) all() bool { return d.Only == nil && len(d.Withhold) == 0 && d.Partner == "" }

func isSignature(name string) bool {
	for _, kind := range []schemas.Kind{schemas.KindEvent, schemas.KindAct} {
		if _, signature := schemas.AuthorMembers(kind); name == signature {
			return true
		}
	}
	return false
}

func (d *Disclosure) shows(kind schemas.Kind, name string) bool {
	author, signature := schemas.AuthorMembers(kind)
	if slices.Contains(d.Withhold, name) || name == signature {
		return false // other withheld members could be guessed from a signature over all
	}
	if name == author {
		return true
	}
	return d.Only == nil || needed(kind, name) || slices.Contains(d.Only, name)
}

// needed reports whether the skeleton is made of the member, or an event cannot
// be read without it.
func needed(kind schemas.Kind, name string) bool {
	if kind == schemas.KindAct {
		return name != "reason" && name != "authorSignature"
	}
	switch name {
	case "@context", "type", "action", "eventTime", "eventTimeZoneOffset", "eventID", "errorDeclaration", "bizStep", "disposition",
		"sourceList", "destinationList", "parentID", "epcList", "quantityList", "childEPCs", "childQuantityList",
		"inputEPCList", "inputQuantityList", "outputEPCList", "outputQuantityList", "transformationID",
		"order", "class":
		return true
	}
	return false
}

// form is the form in which a record's event is shown.
func (w *builder) form(r *Record) shape {
	d := &w.Disclosure
	switch {
	case d.Partner != "" && r.Partner != d.Partner:
		return digestAlone
	case len(r.Body) == 0:
		if len(r.SkeletonBytes) == 0 || r.BodyRoot.IsZero() || !d.all() && !d.HashIDs && (fromHash(r.Skeleton.EventID) || corrects(r.Skeleton)) {
			return digestAlone
		}
		return skeletonAlone
	case d.Only == nil && len(d.Withhold) == 0:
		return wholeEvent
	}
	shown, hidden, err := d.part(r)
	if r.Skeleton.Author != "" && hidden == 1 && !slices.ContainsFunc(d.Withhold, isSignature) {
		hidden = 0 // nothing but the signature would be withheld
	}
	switch {
	case err != nil, !d.HashIDs && corrects(r.Skeleton): // the other event may have members withheld
		return digestAlone
	case hidden == 0:
		return wholeEvent
	case !d.HashIDs && fromHash(r.Skeleton.EventID):
		return digestAlone
	}
	event, err := eventOf(r.Kind, shown)
	if err != nil || !bytes.Equal(event.Skeleton.Append(nil), r.Skeleton.Append(nil)) {
		return digestAlone
	}
	return partOfEvent
}

// part answers the members that are shown, by name, and how many are not.
func (d *Disclosure) part(r *Record) (shown []schemas.Member, hidden int, err error) {
	event, err := schemas.DecodeMessage(r.Kind, r.Body)
	if err != nil {
		return nil, 0, fmt.Errorf("reading its body: %w", err)
	}
	members := schemas.SortMembers(event.Members)
	for _, m := range members {
		if d.shows(r.Kind, m.Name) {
			shown = append(shown, m)
		}
	}
	return shown, len(members) - len(shown), nil
}

// corrects reports whether the event names others by hashes of what is in them.
func corrects(s *schemas.Skeleton) bool {
	return s.Declaration != nil && slices.ContainsFunc(s.Declaration.Corrections, fromHash)
}

// fromHash reports whether an eventID is made from a hash of its event's content:
// an ni URI (RFC 6920), or a UUID made from a name.
func fromHash(id string) bool {
	id = strings.ToLower(id)
	if uuid, ok := strings.CutPrefix(id, "urn:uuid:"); ok {
		return len(uuid) == 36 && strings.IndexByte("358", uuid[14]) >= 0
	}
	return strings.HasPrefix(id, "ni:") || strings.Contains(id, "/.well-known/ni/")
}

// message makes a record's message.
func (w *builder) message(r *Record) (*MessagePart, error) {
	m := &MessagePart{Index: r.Index, Kind: r.Kind, Result: r.Result, Inclusion: r.Inclusion}
	m.Result.First = nil // nothing commits to it
	form := w.form(r)
	if form == digestAlone {
		m.Digest = r.Digest
		if m.Digest.IsZero() {
			return nil, errors.New("it comes without its digest")
		}
		return m, nil
	}
	m.DuplicateKey = r.DuplicateKey
	if form == skeletonAlone {
		m.Skeleton, m.BodyRoot = r.SkeletonBytes, r.BodyRoot
		return m, nil
	}
	event, err := schemas.DecodeMessage(r.Kind, r.Body)
	if err != nil {
		return nil, fmt.Errorf("reading its body: %w", err)
	}
	if r.Kind == schemas.KindAct {
		m.Skeleton = event.Skeleton.Append(nil)
	}
	members := schemas.SortMembers(event.Members)
	if form == wholeEvent {
		m.Members, m.Secret = members, r.Secret
		return m, nil
	}
	for i, member := range members {
		salt := schemas.MemberSalt(r.Secret, member.Name)
		if w.Disclosure.shows(r.Kind, member.Name) {
			m.Members, m.Salts = append(m.Members, member), append(m.Salts, salt)
		} else {
			m.Withheld = append(m.Withheld, WithheldMember{uint32(i), schemas.MemberLeaf(salt, member.Name, member.Value)})
		}
	}
	return m, nil
}
