package app

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/schemas"
)

// The ledger says who validates: the partners whose leaves name a consensus key. A
// new key is only ordered at first, beside the leaf. It comes into force when its
// node has said that it is ready, and if the network goes on without the new
// validator's help; until then it is tried again in every block with transactions.
// The engine lets a block's changes hold from the second block behind it on, so that
// who is removed must sign until then.

// alive is for how many heights a vote shows that a validator lives, and Ready that
// a node waits to be one.
const alive = 100

// votedFor is how the engine says of a vote that it is for the block, and not for none.
const votedFor = 2

// maxValidators bounds the engine's work, which grows with them in every block.
const maxValidators = 128

// orderValidator orders another validator for a partner: a consensus key, and the
// id of the node that has it, "" for the one that it has. A nil key takes the
// partner's validator away, and what is ordered for it, at once.
func (b *block) orderValidator(partner, nodeID string, key []byte) schemas.Code {
	p, ok := b.partner(partner)
	switch {
	case !ok || p.State == schemas.Removed:
		return schemas.UnknownPartner
	case key == nil:
		return b.removeValidator(p)
	case p.Standing != schemas.StandingMember:
		return schemas.NoMember
	}
	if nodeID == "" {
		nodeID = p.NodeID
	}
	for _, id := range b.withNodes() {
		if other, _ := b.partner(id); id != partner && other.State != schemas.Removed {
			order := b.validatorOrder(id)
			if bytes.Equal(other.Validate, key) || other.NodeID == nodeID || order != nil && (bytes.Equal(order.Key, key) || order.NodeID == nodeID) {
				return schemas.ValidatorTaken
			}
		}
	}
	if bytes.Equal(p.Validate, key) { // the same key on another machine
		p.NodeID = nodeID
		b.putPartner(&p)
		b.dropOrder(partner)
		return schemas.OK
	}
	if len(p.Validate) == 0 && len(b.validating()) >= maxValidators {
		return schemas.UnsafeChange
	}
	order := schemas.ValidatorOrder{NodeID: nodeID, Key: key, Height: uint64(b.height)}
	b.led.Set(schemas.ValidatorKey(partner), order.Append(nil), nil)
	b.newly, b.governed = append(b.newly, partner), true
	return schemas.OK
}

func (b *block) removeValidator(p schemas.Partner) schemas.Code {
	if len(p.Validate) == 0 {
		if b.validatorOrder(p.ID) == nil {
			return schemas.NoValidator
		}
		b.dropOrder(p.ID)
		return schemas.OK
	}
	left := slices.DeleteFunc(b.validating(), func(v schemas.Partner) bool { return v.ID == p.ID })
	switch {
	case len(left) == 0:
		return schemas.LastValidator
	case !b.survives(left, nil):
		return schemas.UnsafeChange
	}
	p.Validate = nil
	b.putPartner(&p)
	b.dropOrder(p.ID)
	return schemas.OK
}

func (b *block) dropOrder(partner string) {
	if b.validatorOrder(partner) != nil {
		b.led.Delete(schemas.ValidatorKey(partner))
		b.governed = true
	}
}

// ready takes the word of a node that it can validate.
func (m *message) ready(r *schemas.Ready) {
	order := m.validatorOrder(m.partner)
	if order == nil || !bytes.Equal(order.Key, r.Key) {
		m.result.Code = schemas.NotOrdered
		return
	}
	order.Ready = uint64(m.height)
	m.led.Set(schemas.ValidatorKey(m.partner), order.Append(nil), nil)
	m.newly, m.governed = append(m.newly, m.partner), true
}

// activate puts into force what is ordered and ready, as far as that is safe.
func (b *block) activate() {
	pending := append(slices.Clone(b.dir.ordered), b.newly...)
	slices.Sort(pending)
	for _, id := range slices.Compact(pending) {
		order := b.validatorOrder(id)
		p, _ := b.partner(id)
		if order == nil || order.Ready == 0 || order.Ready+alive < uint64(b.height) || p.State != schemas.Active {
			continue
		}
		after := slices.DeleteFunc(b.validating(), func(v schemas.Partner) bool { return v.ID == id })
		p.NodeID, p.Validate = order.NodeID, order.Key
		if b.survives(append(after, p), p.Validate) {
			b.putPartner(&p)
			b.dropOrder(id)
		}
	}
}

// survives reports whether the validators that were seen signing lately, every one
// with one vote, can decide blocks after a change. Who is new counts only where the
// others could not decide even if all of them lived: in networks of one or two.
func (b *block) survives(after []schemas.Partner, new []byte) bool {
	stay, live := 0, 0
	for _, p := range after {
		if bytes.Equal(p.Validate, new) {
			continue
		}
		stay++
		address := schemas.AddressOf(p.Validate)
		if slices.ContainsFunc(b.signing, func(s schemas.Seen) bool { return s.Address == address }) {
			live++
		}
	}
	if stay < len(after) && 3*stay <= 2*len(after) {
		live++
	}
	return 3*live > 2*len(after)
}

// withNodes are the ids of partners who validate, or for whom a validator is or was
// ordered, or who have a node: ascending, each once.
func (b *block) withNodes() []string {
	ids := slices.Concat(b.newly, b.dir.ordered)
	for i := range b.dir.partners {
		if p := &b.dir.partners[i]; len(p.Validate) > 0 || p.NodeID != "" {
			ids = append(ids, p.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// validating are the partners who validate by what the block did so far.
func (b *block) validating() (out []schemas.Partner) {
	for _, id := range b.withNodes() {
		if p, _ := b.partner(id); len(p.Validate) > 0 {
			out = append(out, p)
		}
	}
	return out
}

// validatorUpdates is what the block makes of the engine's validators: who is new
// has one vote, who left none, each key once.
func (b *block) validatorUpdates() (out []abci.ValidatorUpdate) {
	if !b.governed {
		return nil
	}
	var before, after [][]byte
	for i := range b.dir.partners {
		if key := b.dir.partners[i].Validate; len(key) > 0 && !slices.ContainsFunc(b.aside, func(k []byte) bool { return bytes.Equal(k, key) }) {
			before = append(before, key)
		}
	}
	for _, p := range b.validating() {
		after = append(after, p.Validate)
	}
	for _, list := range []struct {
		power      int64
		here, gone [][]byte
	}{{0, before, after}, {1, after, before}} {
		for _, key := range list.here {
			if !slices.ContainsFunc(list.gone, func(k []byte) bool { return bytes.Equal(k, key) }) {
				out = append(out, abci.Ed25519ValidatorUpdate(key, list.power))
			}
		}
	}
	slices.SortFunc(out, func(x, y abci.ValidatorUpdate) int {
		return bytes.Compare(x.PubKey.GetEd25519(), y.PubKey.GetEd25519())
	})
	return out
}

// readSigning reads who was seen signing, and adds the votes that the block carries
// for the one before. Who was not seen for long is forgotten.
func (b *block) readSigning(votes []abci.VoteInfo) {
	value, _ := b.get(schemas.SeenKey())
	seen := map[schemas.ValidatorAddress]bool{}
	for _, v := range votes {
		if v.BlockIdFlag == votedFor && len(v.Validator.Address) == len(schemas.ValidatorAddress{}) {
			seen[schemas.ValidatorAddress(v.Validator.Address)] = true
			b.signing = append(b.signing, schemas.Seen{Address: schemas.ValidatorAddress(v.Validator.Address), Height: uint64(b.height - 1)})
		}
	}
	for _, s := range must(schemas.DecodeSeen(value)) {
		if !seen[s.Address] && s.Height+alive >= uint64(b.height) {
			b.signing = append(b.signing, s)
		}
	}
	slices.SortFunc(b.signing, func(x, y schemas.Seen) int {
		return cmp.Or(bytes.Compare(x.Address[:], y.Address[:]), cmp.Compare(x.Height, y.Height))
	})
	b.signing = slices.CompactFunc(b.signing, func(x, y schemas.Seen) bool { return x.Address == y.Address })
}

// writeSigning keeps who was seen signing. A block without transactions keeps
// nothing: what changes the state calls for another block.
func (b *block) writeSigning() {
	value, _ := b.get(schemas.SeenKey())
	switch now := schemas.AppendSeen(nil, b.signing); {
	case bytes.Equal(now, value):
	case len(now) == 0:
		b.led.Delete(schemas.SeenKey())
	default:
		b.led.Set(schemas.SeenKey(), now, nil)
	}
}

func (b *block) partner(id string) (schemas.Partner, bool) {
	if p := b.partnerLeaf(id); p != nil {
		return *p, true
	}
	return schemas.Partner{}, false
}

func (b *block) validatorOrder(partner string) *schemas.ValidatorOrder {
	value, _ := b.get(schemas.ValidatorKey(partner))
	if value == nil {
		return nil
	}
	order := must(schemas.DecodeValidatorOrder(value))
	return &order
}

// checkFounders holds the engine's first validators against the genesis state: what
// the ledger tells the engine later is about those that it knows.
func checkFounders(g *schemas.Genesis, validators []abci.ValidatorUpdate) error {
	known := map[string]int64{}
	for _, v := range validators {
		known[string(v.PubKey.GetEd25519())] = v.Power
	}
	named := 0
	for _, p := range g.Partners {
		if len(p.Validate) == 0 {
			continue
		}
		if named++; known[string(p.Validate)] != 1 {
			return fmt.Errorf("the genesis document's validators lack that of partner %s, with power 1", p.ID)
		}
	}
	if named != len(known) || named != len(validators) {
		return fmt.Errorf("the genesis document has %d validators, %d of them are partners'", len(validators), named)
	}
	return nil
}

// Order is what is ordered for a partner's validator, nil where nothing is.
func (v *View) Order(partner string) (*schemas.ValidatorOrder, error) {
	value, err := v.StateValue(schemas.ValidatorKey(partner))
	if value == nil || err != nil {
		return nil, err
	}
	order, err := schemas.DecodeValidatorOrder(value)
	return &order, err
}
