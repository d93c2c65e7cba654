package proof

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Verify checks a bundle against a root of trust, and nothing else: its answer
// is the same on every machine, at any time. The error names the first thing
// that does not hold, and where. Checks go from what is trusted to what is told:
// encoding, validators, header, signatures of the validators, state, partners
// and keys, then record by record, that no record is missing, and balances.
func Verify(bundle []byte, trust *Trust) (*Report, error) {
	b, err := DecodeBundle(bundle)
	if err != nil {
		return nil, err
	}
	v := &verification{b: b, trust: trust, partners: make(map[string]*partner, len(b.Partners))}
	for _, check := range []func() error{v.checkHeader, v.checkSubject, v.checkPartners, v.checkTransactions, v.checkTrails, v.checkBalances} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	v.findVoided()
	return &v.report, nil
}

// verification is one run of Verify: what is known so far.
type verification struct {
	b        *Bundle
	trust    *Trust
	root     [32]byte // of the state tree
	report   Report
	heads    map[schemas.TrailKind]schemas.Head // that the records must lead to
	entries  map[schemas.TrailKind][][32]byte   // of the records seen
	partners map[string]*partner
}

// partner is a partner as the state has it, with its keys.
type partner struct {
	schemas.Partner
	keys map[string]*key
	used bool
}

type key struct {
	schemas.Key
	used bool
}

// checkHeader leads from the root of trust to the root of the state.
func (v *verification) checkHeader() error {
	h, t := &v.b.Header, v.trust
	if h.ChainID != t.ChainID {
		return fmt.Errorf("header: it is of the chain %q, the trusted one is %q", h.ChainID, t.ChainID)
	}
	set := ValidatorSetHash(v.b.Validators)
	if set != t.ValidatorSetHash {
		return fmt.Errorf("validators: their set has the hash %s, the trusted one %s: if partners changed it since, renew the root of trust", set, t.ValidatorSetHash)
	}
	hash := h.Hash(set)
	if h.Height < 1 || len(h.App) != len(v.root) {
		return fmt.Errorf("header: height %d with an app hash of %d bytes carries no state", h.Height, len(h.App))
	}
	switch {
	case h.Height == t.Height && hash != t.HeaderHash:
		return fmt.Errorf("header: at the trusted height %d its hash is %s, the trusted one %s", h.Height, hash, t.HeaderHash)
	case h.Height == t.Height && !h.Time.Equal(t.Time):
		return fmt.Errorf("trust: its time %s is not that of its header, %s", t.Time.UTC(), h.Time)
	case h.Height > t.Height && !h.Time.After(t.Time), h.Height < t.Height && !h.Time.Before(t.Time):
		return fmt.Errorf("header: height %d at %s and the trusted height %d at %s contradict each other", h.Height, h.Time, t.Height, t.Time.UTC())
	}
	signed, total, err := v.b.Commit.Verify(h.ChainID, h.Height, hash, v.b.Validators)
	if err != nil {
		return fmt.Errorf("commit of the header at height %d: %w", h.Height, err)
	}
	copy(v.root[:], h.App)
	v.report = Report{ChainID: h.ChainID, Height: h.Height - 1, AppHash: v.root, HeaderHash: hash, HeaderHeight: h.Height,
		Time: h.Time, Signed: signed, Power: total, Subject: v.b.Subject, ID: v.b.ID, Events: []Event{}, Containers: []string{}}
	return nil
}

// leaf checks that the state has the leaf's value under the key.
func (v *verification) leaf(where string, key []byte, l *StateLeaf) error {
	p, err := DecodePath(l.Path)
	if err == nil {
		err = VerifyMember(v.root, key, l.Value, p)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return nil
}

// absent checks that the state has nothing under the key.
func (v *verification) absent(where string, key, path []byte) error {
	p, err := DecodePath(path)
	if err == nil {
		err = VerifyAbsent(v.root, key, p)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return nil
}

// checkSubject proves the state of what the bundle is about.
func (v *verification) checkSubject() error {
	b := v.b
	if canonical, _, err := schemas.Canonical(b.ID); err != nil || canonical != b.ID {
		return fmt.Errorf("identifier %q: it is not in canonical form", b.ID)
	}
	if known := b.Subject != Unknown; known != (b.Leaf != nil) || known == (b.Absent != nil) {
		return fmt.Errorf("%s %s: its leaf or its absence is missing, or both are there", b.Subject, b.ID)
	}
	switch b.Subject {
	case AnItem:
		return v.checkItem()
	case AClass:
		if err := v.leaf("class "+b.ID, schemas.ClassKey(b.ID), b.Leaf); err != nil {
			return err
		}
		head, err := schemas.DecodeSingleHead(b.Leaf.Value)
		if err != nil {
			return fmt.Errorf("class %s: %w", b.ID, err)
		}
		v.report.Present = true
		v.heads = map[schemas.TrailKind]schemas.Head{schemas.ClassTrail: head}
		return v.noContainers()
	case Unknown:
		if err := v.checkAbsent(); err != nil {
			return err
		}
		return v.noContainers()
	}
	return fmt.Errorf("subject %d is unknown", b.Subject)
}

func (v *verification) noContainers() error {
	if len(v.b.Containers) > 0 || v.b.Release != nil {
		return fmt.Errorf("containers: the bundle has some, but %s %s is in none", v.b.Subject, v.b.ID)
	}
	return nil
}

// checkAbsent proves that the state has neither an item nor a class under the
// identifier. With no leaf there is no trail, and so no record.
func (v *verification) checkAbsent() error {
	keys := [][]byte{schemas.ItemKey(v.b.ID), schemas.ClassKey(v.b.ID)}
	if len(v.b.Absent) != len(keys) {
		return fmt.Errorf("absence of %s: %d paths where two are needed", v.b.ID, len(v.b.Absent))
	}
	for i, what := range []string{"item", "class"} {
		if err := v.absent(fmt.Sprintf("absence of %s as %s", v.b.ID, what), keys[i], v.b.Absent[i]); err != nil {
			return err
		}
	}
	return nil
}

// checkItem proves the item's state and, container by container, who holds it.
func (v *verification) checkItem() error {
	b := v.b
	if err := v.leaf("item "+b.ID, schemas.ItemKey(b.ID), b.Leaf); err != nil {
		return err
	}
	it, err := schemas.DecodeItem(b.Leaf.Value)
	if err != nil {
		return fmt.Errorf("item %s: %w", b.ID, err)
	}
	v.heads = map[schemas.TrailKind]schemas.Head{schemas.CustodyTrail: it.Custody, schemas.ObservationTrail: it.Observations}
	r := &v.report
	r.Present, r.Disposition, r.Ended = true, it.Disposition, it.Ended
	if it.Offer != nil && v.report.Time.UnixNano()-it.Offer.Time <= schemas.MaxWaiting {
		r.OfferedTo = it.Offer.Party
	}
	r.Custodian, err = v.custodian(it)
	return err
}

// custodian follows the containers outwards. An item is inside its container
// only while that has the epoch in which it was put in; else the container was
// emptied, and who emptied it got what it let go.
func (v *verification) custodian(it schemas.Item) (string, error) {
	containers, release := v.b.Containers, v.b.Release
	for it.Parent != "" {
		where := "container " + it.Parent
		if len(containers) == 0 {
			return "", fmt.Errorf("%s: its leaf is missing", where)
		}
		if err := v.leaf(where, schemas.ItemKey(it.Parent), &containers[0]); err != nil {
			return "", err
		}
		parent, err := schemas.DecodeItem(containers[0].Value)
		if err != nil {
			return "", fmt.Errorf("%s: %w", where, err)
		}
		containers = containers[1:]
		if parent.Epoch != it.ParentEpoch {
			if release == nil {
				return "", fmt.Errorf("%s: it was emptied, and the leaf of who did is missing", where)
			}
			if err := v.leaf("release of "+where, schemas.ReleaseKey(it.Parent, it.ParentEpoch), release); err != nil {
				return "", err
			}
			holder, err := schemas.DecodeRelease(release.Value)
			if err != nil {
				return "", fmt.Errorf("release of %s: %w", where, err)
			}
			it, release = schemas.Item{Custodian: holder}, nil
			break
		}
		if len(v.report.Containers) == maxNesting {
			return "", fmt.Errorf("%s: nested deeper than %d", where, maxNesting)
		}
		v.report.Containers = append(v.report.Containers, it.Parent)
		it = parent
	}
	if len(containers) > 0 || release != nil {
		return "", errors.New("containers: the bundle has more than lead outwards from the item")
	}
	return it.Custodian, nil
}

// checkPartners proves the partners and their keys, as the state has them.
func (v *verification) checkPartners() error {
	last := ""
	for i := range v.b.Partners {
		part := &v.b.Partners[i]
		if part.ID <= last {
			return fmt.Errorf("partner %q: behind %q, ids ascend", part.ID, last)
		}
		last = part.ID
		where := fmt.Sprintf("partner %q", part.ID)
		if err := v.leaf(where, schemas.PartnerKey(part.ID), &part.Leaf); err != nil {
			return err
		}
		record, err := schemas.DecodePartner(part.ID, part.Leaf.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		p := &partner{Partner: record, keys: make(map[string]*key, len(part.Keys))}
		if err := v.checkKeys(where, part, p); err != nil {
			return err
		}
		v.partners[part.ID] = p
	}
	holder := v.report.Custodian
	if holder == "" || strings.HasPrefix(holder, schemas.External) {
		return nil
	}
	p, ok := v.partners[holder]
	if !ok {
		return fmt.Errorf("custodian %q: the partner's leaf is missing", holder)
	}
	p.used = true
	return nil
}

func (v *verification) checkKeys(where string, part *PartnerPart, p *partner) error {
	last := ""
	for j := range part.Keys {
		k := &part.Keys[j]
		where := fmt.Sprintf("key %q of %s", k.ID, where)
		if k.ID <= last {
			return fmt.Errorf("%s: behind %q, ids ascend", where, last)
		}
		last = k.ID
		if err := v.leaf(where, schemas.KeyKey(part.ID, k.ID), &k.Leaf); err != nil {
			return err
		}
		record, err := schemas.DecodeKey(part.ID, k.ID, k.Leaf.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		p.keys[k.ID] = &key{Key: record}
	}
	return nil
}

// checkTransactions checks every record: who signed it, and what was signed.
func (v *verification) checkTransactions() error {
	v.entries = make(map[schemas.TrailKind][][32]byte, len(v.heads))
	var last schemas.Locator
	for i := range v.b.Transactions {
		t := &v.b.Transactions[i]
		at := schemas.Locator{Height: t.Height, Position: t.Position}
		where := fmt.Sprintf("transaction at height %d, position %d", t.Height, t.Position)
		if i > 0 && last.Compare(at) >= 0 {
			return fmt.Errorf("%s: it stands behind a later one, or twice", where)
		}
		last = at
		if t.Height > v.report.Height {
			return fmt.Errorf("%s: later than the state, which is that of height %d", where, v.report.Height)
		}
		header, signer, err := v.checkSignature(t)
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		for j := range t.Messages {
			m := &t.Messages[j]
			if j > 0 && m.Index <= t.Messages[j-1].Index {
				return fmt.Errorf("%s: message %d stands behind message %d", where, m.Index, t.Messages[j-1].Index)
			}
			if err := v.checkMessage(t, m, header, signer); err != nil {
				return fmt.Errorf("%s, message %d: %w", where, m.Index, err)
			}
		}
	}
	return v.checkUsed()
}

func (v *verification) checkSignature(t *TransactionPart) (*schemas.Header, *key, error) {
	h, err := schemas.DecodeHeader(t.Header)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("header: %w", err)
	case h.ChainId != v.report.ChainID:
		return nil, nil, fmt.Errorf("signed for the chain %q", h.ChainId)
	case h.Rules != schemas.RulesVersion:
		return nil, nil, fmt.Errorf("rules version %d, this program knows %d", h.Rules, schemas.RulesVersion)
	case len(h.Root) != len(schemas.Hash{}):
		return nil, nil, errors.New("its header has no root")
	case h.Expiry < uint64(t.Height):
		return nil, nil, fmt.Errorf("it expired at height %d", h.Expiry)
	}
	p, ok := v.partners[h.Partner]
	if !ok {
		return nil, nil, fmt.Errorf("the leaf of its partner %q is missing", h.Partner)
	}
	k, ok := p.keys[h.KeyId]
	if !ok {
		return nil, nil, fmt.Errorf("the leaf of key %q of %q is missing", h.KeyId, h.Partner)
	}
	p.used, k.used = true, true
	if !k.ValidAt(uint64(t.Height)) || k.Roles&schemas.RoleCapture == 0 {
		return nil, nil, fmt.Errorf("key %q of %q was not valid for events at this height", k.ID, h.Partner)
	}
	id := schemas.TransactionID(t.Header)
	if !ed25519.Verify(k.Public, id[:], t.Signature) {
		return nil, nil, fmt.Errorf("the signature by key %q of %q does not hold", k.ID, h.Partner)
	}
	return h, k, nil
}

// checkMessage derives everything from the body, and compares it with what was
// signed; the trails compare it with what was recorded.
func (v *verification) checkMessage(t *TransactionPart, m *MessagePart, h *schemas.Header, signer *key) error {
	if _, ok := v.heads[m.Trail]; !ok {
		return fmt.Errorf("of trail %q, which %s %s does not have", byte(m.Trail), v.b.Subject, v.b.ID)
	}
	if m.Kind != schemas.KindEvent {
		return fmt.Errorf("of kind %d, this program knows events", m.Kind)
	}
	if m.Result.Code != schemas.OK || m.Result.First != nil {
		return errors.New("its result is none that a trail has")
	}
	event, err := eventOf(m.Members)
	if err != nil {
		return err
	}
	skeleton := event.Skeleton.Append(nil)
	digest := schemas.Digest(h.ChainId, h.Partner, m.Kind, skeleton, event.BodyRoot(m.Secret), m.DuplicateKey)
	head := Head{Root: schemas.Hash(h.Root), Count: uint64(h.Count)}
	if err := VerifyInclusion(head, uint64(m.Index), digest, m.Inclusion); err != nil {
		return fmt.Errorf("its digest is not in the signed header: %w", err)
	}
	at := schemas.Locator{Height: t.Height, Position: t.Position, Index: m.Index}
	id := schemas.TransactionID(t.Header)
	entry := schemas.Entry(schemas.TrailKey{Kind: m.Trail, Subject: v.b.ID}, digest, id, at, &m.Result)
	v.entries[m.Trail] = append(v.entries[m.Trail], entry)
	v.report.add(m, event, v.partners[h.Partner].Name, h, signer, digest, id, at)
	return nil
}

// eventOf decodes the body that has these members, and makes sure that it has
// these and no others: a value that smuggles in a second member is none.
func eventOf(members []schemas.Member) (*schemas.Event, error) {
	event, err := schemas.DecodeEvent(bodyOf(members))
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	if len(event.Members) != len(members) {
		return nil, errors.New("body: its members are not those that it was made of")
	}
	for i, m := range members {
		if i > 0 && m.Name <= members[i-1].Name {
			return nil, fmt.Errorf("body: member %q stands behind %q", m.Name, members[i-1].Name)
		}
		if e := event.Members[i]; e.Name != m.Name || !bytes.Equal(e.Value, m.Value) {
			return nil, errors.New("body: its members are not those that it was made of")
		}
	}
	return event, nil
}

// bodyOf writes members as one JSON object. A name that is no text stays none:
// the decoder refuses it.
func bodyOf(members []schemas.Member) []byte {
	body := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(append(appendName(body, m.Name), ':'), m.Value...)
	}
	return append(body, '}')
}

// appendName writes a member's name in its shortest form, so that the body is
// never longer than it was as submitted.
func appendName(dst []byte, name string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(name) {
		switch c := name[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case strings.IndexByte("\b\f\n\r\t", c) >= 0:
			dst = append(dst, '\\', "bfnrt"[strings.IndexByte("\b\f\n\r\t", c)])
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// checkUsed refuses what no record needs: it would make two bundles of one.
func (v *verification) checkUsed() error {
	for i := range v.b.Partners {
		part := &v.b.Partners[i]
		p := v.partners[part.ID]
		if !p.used {
			return fmt.Errorf("partner %q: no record and no item needs it", part.ID)
		}
		for j := range part.Keys {
			if !p.keys[part.Keys[j].ID].used {
				return fmt.Errorf("key %q of partner %q: no record needs it", part.Keys[j].ID, part.ID)
			}
		}
		v.report.Partners = append(v.report.Partners, p.Partner)
	}
	return nil
}

// checkTrails proves that the records are all that the trails have, in order.
func (v *verification) checkTrails() error {
	for _, kind := range []schemas.TrailKind{schemas.CustodyTrail, schemas.ObservationTrail, schemas.ClassTrail} {
		head, ok := v.heads[kind]
		if !ok {
			continue
		}
		entries := v.entries[kind]
		if head.Count != uint64(len(entries)) {
			return fmt.Errorf("%s of %s: it has %d records, the bundle %d", trailNames(kind), v.b.ID, head.Count, len(entries))
		}
		if len(entries) > 0 && RootOf(entries) != head.Root {
			return fmt.Errorf("%s of %s: the records are not those that the ledger has", trailNames(kind), v.b.ID)
		}
	}
	return nil
}
