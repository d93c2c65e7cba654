package proof

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/waybill-ledger/waybill/schemas"
)

// partner is a partner as the state has it, with its keys.
type partner struct {
	*schemas.Partner // nil where the bundle does not have it
	keys             map[string]*key
	used             bool
}

type key struct {
	schemas.Key
	used bool
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
		p := &partner{keys: make(map[string]*key, len(part.Keys))}
		if (part.Leaf != nil) != v.b.Scope.Names {
			return fmt.Errorf("%s: its leaf is missing, or was not asked for", where)
		}
		if part.Leaf != nil {
			if err := v.leaf(where, schemas.PartnerKey(part.ID), part.Leaf); err != nil {
				return err
			}
			record, err := schemas.DecodePartner(part.ID, part.Leaf.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", where, err)
			}
			p.Partner = &record
			v.report.Partners = append(v.report.Partners, record)
		}
		if err := v.checkKeys(where, part, p); err != nil {
			return err
		}
		v.partners[part.ID] = p
	}
	for _, s := range v.subjects {
		as, named := s.named()
		for _, id := range named {
			if id == "" || strings.HasPrefix(id, schemas.External) || !v.b.Scope.Names {
				continue
			}
			p, ok := v.partners[id]
			if !ok {
				return fmt.Errorf("%s %q: the partner's leaf is missing", as, id)
			}
			p.used = true
		}
	}
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
		v.report.Keys = append(v.report.Keys, KeyReport{Partner: part.ID, ID: k.ID, Public: hex.EncodeToString(record.Public),
			Roles: strings.Split(schemas.RoleNames(record.Roles), ","), Held: record.Held, From: record.From, Until: record.Until})
	}
	return nil
}

// signedHeader is a transaction's header with what follows from it.
type signedHeader struct {
	*schemas.Header
	id     schemas.Hash
	head   Head // of the messages' digests
	signer *key
}

// checkTransactions checks every record: who signed it, and what was signed. What
// is only computed (signatures, events, digests) is computed on all processors
// first; what it says is then looked at in order, so that the answer is always the
// same.
func (v *verification) checkTransactions() error {
	var last schemas.Locator
	count := 0
	for i := range v.b.Transactions {
		count += len(v.b.Transactions[i].Messages)
	}
	v.report.Events = make([]Event, 0, count)
	computed := v.computeAll()
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
		v.heights[t.Height] = true
		c := &computed[i]
		if c.err != nil {
			return fmt.Errorf("%s: %w", where, c.err)
		}
		header := c.header
		v.partners[header.Partner].used, header.signer.used = true, true
		for j := range t.Messages {
			m := &t.Messages[j]
			if j > 0 && m.Index <= t.Messages[j-1].Index {
				return fmt.Errorf("%s: message %d stands behind message %d", where, m.Index, t.Messages[j-1].Index)
			}
			at.Index = m.Index
			if err := v.checkMessage(m, at, header, &c.events[j]); err != nil {
				return fmt.Errorf("%s, message %d: %w", where, m.Index, err)
			}
		}
	}
	return v.checkUsed()
}

func (v *verification) checkSignature(t *TransactionPart) (*signedHeader, error) {
	h, err := schemas.DecodeHeader(t.Header)
	switch {
	case err != nil:
		return nil, fmt.Errorf("header: %w", err)
	case h.ChainId != v.report.ChainID:
		return nil, fmt.Errorf("signed for the chain %q", h.ChainId)
	case h.Rules < 1 || h.Rules > schemas.RulesVersion:
		return nil, fmt.Errorf("rules version %d, this program knows 1 to %d", h.Rules, schemas.RulesVersion)
	case len(h.Root) != len(schemas.Hash{}):
		return nil, errors.New("its header has no root")
	case h.Expiry < uint64(t.Height):
		return nil, fmt.Errorf("it expired at height %d", h.Expiry)
	}
	p, ok := v.partners[h.Partner]
	if !ok {
		return nil, fmt.Errorf("the key %q of its partner %q is missing", h.KeyId, h.Partner)
	}
	k, ok := p.keys[h.KeyId]
	if !ok {
		return nil, fmt.Errorf("the leaf of key %q of %q is missing", h.KeyId, h.Partner)
	}
	if !k.ValidAt(uint64(t.Height)) {
		return nil, fmt.Errorf("key %q of %q was not valid at this height", k.ID, h.Partner)
	}
	id := schemas.TransactionID(t.Header)
	if !ed25519.Verify(k.Public, id[:], t.Signature) {
		return nil, fmt.Errorf("the signature by key %q of %q does not hold", k.ID, h.Partner)
	}
	return &signedHeader{h, id, Head{Root: schemas.Hash(h.Root), Count: uint64(h.Count)}, k}, nil
}

// computed is what follows from a transaction alone.
type computed struct {
	header *signedHeader
	events []readEvent // of its messages
	err    error       // why the header does not hold
}

func (v *verification) computeAll() []computed {
	out := make([]computed, len(v.b.Transactions))
	workers := min(runtime.GOMAXPROCS(0), len(out))
	var next atomic.Int64
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(out); i = int(next.Add(1)) - 1 {
				out[i] = v.compute(&v.b.Transactions[i])
			}
		})
	}
	all.Wait()
	return out
}

func (v *verification) compute(t *TransactionPart) (c computed) {
	if c.header, c.err = v.checkSignature(t); c.err != nil {
		return c
	}
	c.events = make([]readEvent, len(t.Messages))
	var salts schemas.Salter
	for i := range t.Messages {
		m := &t.Messages[i]
		e, err := m.read(c.header.Header, &salts)
		if err == nil {
			err = m.checkRole(e, c.header.signer)
		}
		if err == nil {
			c.events[i] = *e
			if err = VerifyInclusion(c.header.head, uint64(m.Index), e.digest, m.Inclusion); err != nil {
				err = fmt.Errorf("its digest is not in the signed header: %w", err)
			}
		}
		c.events[i].err = err
	}
	return c
}

// checkRole checks that a key may sign such a message. Of a withheld act nobody is
// told which it is: then any role that an act needs will do.
func (m *MessagePart) checkRole(e *readEvent, k *key) error {
	role := schemas.RoleCapture
	switch {
	case e.skeleton != nil:
		role = e.skeleton.Role()
	case m.Kind == schemas.KindAct:
		role = schemas.ActRoles()
	}
	if k.Roles&role == 0 {
		return fmt.Errorf("key %q of %q may not sign it: it lacks the role %s", k.ID, k.Partner, schemas.RoleNames(role))
	}
	return nil
}

// checkMessage derives everything from the event, and compares it with what was
// signed; the trails compare it with what was recorded.
func (v *verification) checkMessage(m *MessagePart, at schemas.Locator, h *signedHeader, e *readEvent) error {
	if e.err != nil {
		return e.err
	}
	var told []EventTrail
	for i, ref := range m.Trails {
		if i > 0 && (ref.Subject < m.Trails[i-1].Subject || ref.Subject == m.Trails[i-1].Subject && ref.Kind <= m.Trails[i-1].Kind) {
			return errors.New("its trails are out of order")
		}
		t, err := v.trailOf(ref, m)
		if err != nil {
			return err
		}
		t.entries = append(t.entries, schemas.Entry(t.key, e.digest, h.id, at, &m.Result))
		t.records = append(t.records, placed{at, &m.Result, e.skeleton})
		told = append(told, EventTrail{ID: t.key.Subject, Trail: trailNames(t.key.Kind)})
	}
	author, err := v.checkAuthor(m, e, h, at)
	if err != nil {
		return err
	}
	v.report.add(m, e, told, h, author, at)
	return nil
}

// checkAuthor checks who signed a message by itself, nil where nobody did or it is
// withheld: the key is the partner's, was valid, and, where all of the body is there,
// signed it.
func (v *verification) checkAuthor(m *MessagePart, e *readEvent, h *signedHeader, at schemas.Locator) (*key, error) {
	if e.skeleton == nil || e.skeleton.Author == "" {
		return nil, nil
	}
	id := e.skeleton.Author
	k, ok := v.partners[h.Partner].keys[id]
	if !ok {
		return nil, fmt.Errorf("the leaf of key %q of %q, its author's, is missing", id, h.Partner)
	}
	if !k.ValidAt(uint64(at.Height)) || k.Roles&(schemas.RoleDevice|e.skeleton.Role()) == 0 {
		return nil, fmt.Errorf("key %q of %q, its author's, was not valid for it", id, h.Partner)
	}
	k.used = true
	if e.shape != wholeEvent {
		return k, nil
	}
	digest := schemas.AuthorDigest(h.ChainId, h.Partner, id, m.Kind, e.event.Members)
	if !ed25519.Verify(k.Public, digest[:], e.event.AuthorSignature) {
		return nil, fmt.Errorf("the signature of its author, key %q of %q, does not hold", id, h.Partner)
	}
	return k, nil
}

// trailOf finds the trail that a message says it is in.
func (v *verification) trailOf(ref TrailRef, m *MessagePart) (*trail, error) {
	if int64(ref.Subject) >= int64(len(v.subjects)) {
		return nil, fmt.Errorf("in a trail of subject %d, there are %d", ref.Subject, len(v.subjects))
	}
	s := v.subjects[ref.Subject]
	t := s.trail(ref.Kind)
	if t == nil {
		return nil, fmt.Errorf("in trail %q of %s %s, of which the bundle has no records", byte(ref.Kind), s.Kind, s.ID)
	}
	r := &m.Result
	if m.Kind == schemas.KindErasure && ref.Kind != schemas.PartnerTrail {
		return nil, errors.New("an order is in no such trail")
	}
	if r.First != nil || ref.Kind != schemas.PartnerTrail && (r.Code != schemas.OK || r.Effect == schemas.Duplicate) {
		return nil, errors.New("its result is none that this trail has")
	}
	return t, nil
}

// readEvent is a message's event as far as the bundle has it, with its digest.
type readEvent struct {
	event    *schemas.Event    // nil where no member is there
	skeleton *schemas.Skeleton // nil where it is withheld
	digest   schemas.Hash
	withheld int // members
	shape    shape
	err      error // why it does not hold
}

func (m *MessagePart) read(h *schemas.Header, salts *schemas.Salter) (*readEvent, error) {
	e := &readEvent{shape: m.shape(), withheld: len(m.Withheld)}
	if m.Kind < schemas.KindEvent || m.Kind > schemas.KindAct {
		return nil, fmt.Errorf("of kind %d, this program knows events, orders and acts", m.Kind)
	}
	var root schemas.Hash
	var err error
	switch e.shape {
	case digestAlone:
		e.digest = m.Digest
		return e, nil
	case skeletonAlone:
		if e.skeleton, err = schemas.DecodeSkeleton(m.Skeleton); err != nil {
			return nil, err
		}
		if e.skeleton.KindOf() != m.Kind {
			return nil, errors.New("its skeleton is of another kind of message")
		}
		e.digest = schemas.Digest(h.ChainId, h.Partner, m.Kind, m.Skeleton, m.BodyRoot, m.DuplicateKey)
		return e, nil
	case wholeEvent:
		if e.event, err = eventOf(m.Kind, m.Members); err != nil {
			return nil, err
		}
		root = salts.BodyRoot(m.Secret, e.event.Members)
	case partOfEvent:
		if e.event, err = eventOf(m.Kind, m.Members); err != nil {
			return nil, err
		}
		if root, err = m.partialRoot(); err != nil {
			return nil, err
		}
	default:
		return nil, errors.New("its event is there in none of its forms")
	}
	e.skeleton = &e.event.Skeleton
	skeleton := e.skeleton.Append(make([]byte, 0, 512))
	if m.Kind == schemas.KindAct && !bytes.Equal(skeleton, m.Skeleton) {
		return nil, errors.New("its skeleton is not that of its members")
	}
	e.digest = schemas.Digest(h.ChainId, h.Partner, m.Kind, skeleton, root, m.DuplicateKey)
	return e, nil
}

// partialRoot is the body root over members that are shown, each with its salt,
// and the leaves of the others, each at its place.
func (m *MessagePart) partialRoot() (schemas.Hash, error) {
	total := len(m.Members) + len(m.Withheld)
	hashes := make([]schemas.Hash, total)
	taken := make([]bool, total)
	for i, w := range m.Withheld {
		if int64(w.Place) >= int64(total) || i > 0 && w.Place <= m.Withheld[i-1].Place {
			return schemas.Hash{}, fmt.Errorf("withheld member at place %d of %d, or behind a later one", w.Place, total)
		}
		hashes[w.Place], taken[w.Place] = w.Leaf, true
	}
	place := 0
	for i, member := range m.Members {
		for taken[place] {
			place++
		}
		hashes[place] = schemas.MemberLeaf(m.Salts[i], member.Name, member.Value)
		place++
	}
	leaves := make([][]byte, total)
	for i := range hashes {
		leaves[i] = hashes[i][:]
	}
	return schemas.BodyRoot(leaves), nil
}

// eventOf decodes the body that has these members, and makes sure that it has
// these and no others: a value that smuggles in a second member is none.
func eventOf(kind schemas.Kind, members []schemas.Member) (*schemas.Event, error) {
	event, err := schemas.DecodeMessage(kind, bodyOf(members))
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
	size := 2
	for _, m := range members {
		size += len(m.Name) + len(m.Value) + 4
	}
	body := append(make([]byte, 0, size), '{')
	for i, m := range members {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(append(appendName(body, m.Name), ':'), m.Value...)
	}
	return append(body, '}')
}

// appendName writes a text in its shortest form, so that a body is never longer
// than it was as submitted.
func appendName(dst []byte, name string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(name) {
		switch c := name[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case strings.IndexByte("\b\f\n\r\t", c) >= 0:
			dst = append(dst, '\\', "bfnrt"[strings.IndexByte("\b\f\n\r\t", c)])
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
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
	}
	return nil
}

// checkTrails proves that the records are those that the trails have, in order,
// and of what was asked for all.
func (v *verification) checkTrails() error {
	for _, s := range v.subjects {
		for _, t := range s.trails {
			where := trailNames(t.key.Kind) + " of " + s.ID
			n := uint64(len(t.entries))
			if s.whole && n != t.head.Count {
				return fmt.Errorf("%s: it has %d records, the bundle %d", where, t.head.Count, n)
			}
			if err := VerifyRange(t.head, t.part.First, t.entries, t.part.Beside); err != nil {
				return fmt.Errorf("%s: the records are not those that the ledger has: %w", where, err)
			}
			s.report.Trails[kindIndex(s.Kind, t.key.Kind)].Shown = n
		}
	}
	return nil
}

func kindIndex(s Subject, kind schemas.TrailKind) int {
	for i, k := range kindsOf(s) {
		if k == kind {
			return i
		}
	}
	return 0
}
