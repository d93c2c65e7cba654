package app_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

func clock(nanos int64) string { return time.Unix(0, nanos).UTC().Format(time.RFC3339) }

// storyKeys are the names of a partner's keys: its first, and further ones.
var storyKeys = []string{"own", "a", "b", "c"}

// keyNamed is a key of a partner by its name.
func (t *taleList) keyNamed(partner, name string) *member {
	if name == "own" {
		return t.members[partner]
	}
	return memberOf(0, partner+"/"+name)
}

// freshKey is the member keys of an admission, of nobody's key.
func (t *taleList) freshKey() string {
	return fmt.Sprintf(`,"keys":[{"public":%q,"roles":["capture","admin"],"held":"client"}]`, public(memberOf(0, "fresh")))
}

func public(m *member) string { return hex.EncodeToString(m.key.Public().(ed25519.PublicKey)) }

// proposals are what members could change, and votes on what they are asked.
func (t *taleList) proposals() {
	var members []string
	for _, id := range sortedNames(t.law.Partners) {
		if t.law.Partners[id].isMember() {
			members = append(members, id)
		}
	}
	if len(members) == 0 {
		return
	}
	for _, id := range sortedNames(t.Proposals) {
		p := t.Proposals[id]
		if p.State != "open" {
			continue
		}
		t.add("Withdraw", p.Proposer, `act Withdraw {"proposal":%q}`, id)
		for _, who := range members {
			again := slices.Contains(p.For, who) && overSilence(p.change)
			if !slices.Contains(p.For, who) && !slices.Contains(p.Against, who) || again {
				t.add("Vote", who, `act Vote {"proposal":%q,"approve":true}`, id)
			}
			if !slices.Contains(p.For, who) && !slices.Contains(p.Against, who) {
				t.add("Vote against", who, `act Vote {"proposal":%q}`, id)
			}
		}
	}
	by := members[t.number%len(members)]
	all := t.changes()
	for _, kind := range sortedNames(all) {
		for _, c := range all[kind] {
			t.add("Propose "+kind, by, `act Propose {"kind":%q%s}`, kind, c)
		}
	}
}

func (t *taleList) changes() map[string][]string {
	out := map[string][]string{
		"parameters": {`,"parameters":{"custody":"strict"}`, `,"parameters":{"custody":"open","acceptance":"any"}`, `,"parameters":{"acceptance":"client"}`, `,"parameters":{"votingSeconds":7200,"silentSeconds":86400}`},
		"upgrade":    {`,"height":900000,"rules":2`, fmt.Sprintf(`,"height":%d,"rules":3`, t.Height+1)},
	}
	if t.law.Parameters.UpgradeHeight != 0 {
		out["cancel-upgrade"] = []string{""}
	}
	add := func(kind, format string, args ...any) { out[kind] = append(out[kind], fmt.Sprintf(format, args...)) }
	for i, id := range storyPartners {
		p := t.law.Partners[id]
		if p == nil {
			key := fmt.Sprintf(`,"keys":[{"public":%q,"roles":["capture","admin"],"held":"client"}]`, public(t.keyNamed(id, "own")))
			add("admit", `,"partner":%q,"name":%q,"gln":%q,"standing":"member"%s`, id, id, t.members[id].gln, key)
			add("admit", `,"partner":%q,"name":%q,"gln":%q,"standing":"participant","host":"farm","sponsor":"mill"%s`, id, id, t.members[id].gln, key)
			continue
		}
		about := fmt.Sprintf(`,"partner":%q`, id)
		switch {
		case p.State == suspended:
			add("resume", "%s", about)
		case p.State == active && i > 1: // farm and mill stay
			add("suspend", "%s", about)
		}
		if p.State != removed && i > 1 {
			add("remove", "%s", about)
		}
		if p.State != removed {
			for _, name := range storyKeys[1:] {
				if k := t.keyNamed(id, name); p.Keys[k.keyID()] == nil {
					add("recover", `%s,"keys":[{"public":%q,"roles":["capture","admin"],"held":"client"}]`, about, public(k))
					break
				}
			}
		}
		if p.isMember() {
			add("validator", `%s,"nodeID":"%040x","validator":"%x"`, about, id, []byte(key(id)))
			add("validator", `%s,"nodeID":"%040x","validator":"%x"`, about, id, []byte(key(id+"'s other")))
		}
		if p.Validator != nil || t.Partners[id].Order != nil {
			add("remove-validator", "%s", about)
		}
		if p.State == removed {
			add("reassign", `%s,"to":"farm","items":[%q]`, about, full("P-1"))
			for _, name := range storyThings {
				if it := t.item(full(name)); it.Holder == id && it.Parent == "" {
					add("reassign", `%s,"to":"farm","items":[%q]`, about, full(name))
				}
			}
			for _, name := range storyLots {
				for _, amount := range []string{"", `,"quantity":0.5`, `,"quantity":50`} {
					if t.Lots[lotName(full(name), "")][id] != nil {
						add("reassign", `%s,"to":"mill","lots":[{"class":%q%s}]`, about, full(name), amount)
					}
				}
			}
			for _, shipment := range sortedNames(t.Shipments) {
				if s := t.Shipments[shipment]; slices.Contains(s.parties(), id) || t.number%8 == 0 {
					add("end-shipments", `%s,"shipments":[%q]`, about, shipment)
				}
			}
		}
	}
	if _, there := t.law.Prefixes["9521234"]; there {
		add("withdraw-prefix", `,"prefix":"9521234"`)
	} else {
		add("register-prefix", `,"partner":"farm","prefix":"9521234"`)
		add("register-prefix", `,"partner":"farm","prefix":"9521234","strict":true`)
	}
	for _, name := range sortedNames(t.Recalls) {
		issuer, recall, _ := strings.Cut(name, "/")
		if gone := t.law.Partners[issuer].State != active; t.isOpen(issuer, recall) && (gone || t.number%16 == 0) {
			add("close-recall", `,"partner":%q,"recall":%q`, issuer, recall)
		}
	}
	for _, id := range sortedNames(t.Events) {
		partner, event, _ := strings.Cut(id, " ")
		add("erase", `,"partner":%q,"eventID":%q`, partner, event)
	}
	return out
}

// keys are what partners could do to their own.
func (t *taleList) keys() {
	for _, id := range t.playing() {
		p := t.Partners[id]
		admins := 0
		for _, name := range storyKeys {
			k := t.keyNamed(id, name)
			has := p.Keys[k.keyID()]
			switch {
			case has == nil:
				roles := []string{`"admin","capture"`, `"capture"`, `"device"`}[t.number%3]
				t.add("AddKey", id, `act AddKey {"public":%q,"roles":["admin","capture"],"held":"client"}`, public(k))
				t.add("AddKey", id, `act AddKey {"public":%q,"roles":[%s],"held":"hardware","until":%d}`, public(k), roles, t.Height+uint64(t.number%4))
			case has.Until == 0:
				admins++
				t.add("RevokeKey", id, `act RevokeKey {"key":%q}`, k.keyID())
			}
		}
		for n := 1; n <= min(2, admins+1); n++ {
			t.add("SetThreshold", id, `act SetThreshold {"threshold":%d}`, n)
		}
		for _, c := range p.Changes {
			if c.ID != "" {
				t.add("ApproveKeyChange", id, `act ApproveKeyChange {"change":%q}`, c.ID)
			}
		}
		if p.Standing == "participant" {
			t.add("MoveHost", id, `act MoveHost {"host":%q}`, storyPartners[t.number%4])
		}
		if p.Order != nil {
			t.add("Ready", id, `act Ready {"key":"%x"}`, p.Order.Key)
		}
	}
}

// signer is the name of a key of a partner's that may sign a message of a role, other
// than what not says, if there is one.
func (t *taleList) signers(partner string, role uint32) (names []string) {
	for _, name := range storyKeys {
		if t.members[partner] != nil && t.admits(partner, t.keyNamed(partner, name).keyID(), role) {
			names = append(names, name)
		}
	}
	return names
}

// roleOf is the role that a message needs.
func roleOf(what string) uint32 {
	if name, ok := strings.CutPrefix(what, "act "); ok {
		name, _, _ = strings.Cut(name, " ")
		return schemas.RoleOfAct(name)
	}
	return schemas.RoleCapture
}
