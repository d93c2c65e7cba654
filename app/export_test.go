package app

import (
	"context"
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
)

// TestingOnlyEvents is Events with so many events of one slice sorted at once.
func (v *View) TestingOnlyEvents(ctx context.Context, q schemas.EventQuery, atOnce int) ([]schemas.Record, bool, error) {
	p, err := v.events(ctx, q, atOnce)
	return p.Records, p.More, err
}

// TestingOnlyProbe calls f with the eventID of every event when the rules are done
// with it and all its writes are made. What f panics with, a rule panicked with.
func (a *App) TestingOnlyProbe(f func(eventID string)) {
	a.probe = func(m *message) { f(m.event.EventID) }
}

// TestingOnlyForget drops what the application remembers of transactions.
func (a *App) TestingOnlyForget() {
	a.memo, a.hashes = newMemo(1<<10), newShelf[hashes](1<<10)
}

// TestingOnlyForgetRead drops what was read back from the archive.
func (a *App) TestingOnlyForgetRead() {
	a.shelf, a.bodies = newShelf[*archived](2*a.shelf.capacity), newShelf[*remains](2*a.bodies.capacity)
}

// TestingOnlyLookups sets how much a block looks up beyond what it names.
func (a *App) TestingOnlyLookups(n int) { a.lookups = n }

// TestingOnlyAhead is how much is remembered that nobody has asked for.
func (a *App) TestingOnlyAhead() int { return a.memo.aheadSize() }

// TestingOnlyPool bounds what waits for a block.
func (a *App) TestingOnlyPool(bytes, count int) { a.pool = newPool(bytes, count) }

// TestingOnlyCheckPool derives the pool's sums from what waits, and tells what does
// not hold.
func (a *App) TestingOnlyCheckPool() error {
	p := a.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	count, cost, bytes := 0, 0, 0
	for _, s := range p.sources {
		own, held, tag, number := 0, 0, -1, uint64(0)
		for _, w := range s.queue {
			if w.gone || w.from != s || p.byKey[w.key] != w || p.byID[w.id] != w {
				return fmt.Errorf("transaction %d of %q is not kept as it waits", w.number, s.name)
			}
			if w.tag <= tag || w.number <= number {
				return fmt.Errorf("transaction %d of %q is out of order", w.number, s.name)
			}
			tag, number = w.tag, w.number
			count, own, held, bytes = count+1, own+p.costOf(len(w.Raw)), held+len(w.Raw), bytes+len(w.Raw)
		}
		if own != s.cost || held != s.bytes || own == 0 || s.name == "" && own > p.most/2 {
			return fmt.Errorf("source %q holds %d, and counts %d of %d", s.name, own, s.cost, p.most)
		}
		cost += own
	}
	if count != len(p.byID) || count != len(p.byKey) || cost != p.cost || bytes != p.bytes || cost > p.most {
		return fmt.Errorf("%d transactions wait, of cost %d and %d bytes; counted are %d, %d, %d and %d of %d", count, cost, bytes, len(p.byID), len(p.byKey), p.cost, p.bytes, p.most)
	}
	return nil
}

// TestingOnlyOrder orders validators in a block, with the next event that is recorded
// there, and answers what became of it.
func (a *App) TestingOnlyOrder(answer func(schemas.Code), partner, nodeID string, key []byte) {
	a.probe = func(m *message) {
		a.probe = nil
		answer(m.orderValidator(partner, nodeID, key))
	}
}

// TestingOnlyInvite names nodes as an operator does.
func (a *App) TestingOnlyInvite(ids []string) { a.invited = ids }

// TestingOnlySchedule schedules an upgrade, with the next event that is recorded.
func (a *App) TestingOnlySchedule(height int64, rules uint32) {
	a.probe = func(m *message) {
		a.probe = nil
		value, _ := m.get(schemas.ParametersKey())
		p := must(schemas.DecodeParameters(value))
		p.UpgradeHeight, p.UpgradeRules = uint64(height), rules
		m.led.Set(schemas.ParametersKey(), p.Append(nil), nil)
		m.governed = true
	}
}

// TestingOnlyReplaceKeys replaces a partner's keys when the rules are done with the
// event of an eventID, as a vote that passes there does.
func (a *App) TestingOnlyReplaceKeys(eventID, partner string, keys []schemas.Key, threshold uint32) (code *schemas.Code) {
	code = new(schemas.Code)
	*code = schemas.Unsupported
	a.probe = func(m *message) {
		if m.event.EventID == eventID {
			*code = m.replaceKeys(partner, keys, threshold)
		}
	}
	return code
}

// TestingOnlyStranded counts what a partner holds among so many items.
func (v *View) TestingOnlyStranded(partner string, most int) (*schemas.Stranded, error) {
	return v.stranded(partner, most)
}

// TestingOnlyHoldings is Holdings with so many items, balances and shipments that a page
// looks at.
func (v *View) TestingOnlyHoldings(partner, behind string, limit, most int) (schemas.Holdings, string, error) {
	return v.holdings(partner, behind, limit, most)
}

// TestingOnlyRecall is Recall with so many things and lots that answers list.
func (v *View) TestingOnlyRecall(ref schemas.RecallRef, held int) (*schemas.RecallInfo, error) {
	return v.recallWith(ref, held)
}

// TestingOnlyDirectory is the directory that the blocks kept, and one that is read whole.
func (a *App) TestingOnlyDirectory() (kept, whole any, err error) {
	d, err := directoryOf(a.store.Latest(), nil, nil, false)
	return a.directory.Load(), d, err
}

// TestingOnlyDeadlines are the rows of what ends and has not, as kept and as the leaves
// say.
func (v *View) TestingOnlyDeadlines() (kept, told map[string]string, err error) {
	kept, told = map[string]string{}, map[string]string{}
	for row, err := range v.at.Rows([]byte{rowDeadline}, append([]byte{rowDeadline}, be64(v.time.UnixNano())...), false) {
		if err != nil {
			return nil, nil, err
		}
		kept[string(row.Key)] = string(row.Value)
	}
	for leaf, err := range v.at.Leaves(nil) {
		if err != nil {
			return nil, nil, err
		}
		kind, name := schemas.KindOf(leaf.Key)
		ends, err := deadlinesOf(kind, string(name), leaf.Key, leaf.Value)
		if err != nil {
			return nil, nil, err
		}
		for i := range ends {
			if key, value := ends[i].row(); ends[i].until >= v.time.UnixNano() {
				told[string(key)] = string(value)
			}
		}
	}
	return kept, told, nil
}

// TestingOnlyBeside is the proof of a part of a trail, and how many records were read
// for it.
func (v *View) TestingOnlyBeside(key schemas.TrailKey, count, first, behind uint64) (beside [][32]byte, read int, err error) {
	g := &gathering{ctx: context.Background(), view: v, roots: map[stretch][32]byte{}}
	beside, err = g.Beside(key, count, first, behind)
	return beside, g.read, err
}

// TestingOnlySubtreeRow is the row of the subtrees that end with a trail's n-th record.
func TestingOnlySubtreeRow(key schemas.TrailKey, n uint64) []byte { return subtreeRow(key, n) }
