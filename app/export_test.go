package app

import (
	"context"

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

// TestingOnlyLookups sets how much a block looks up beyond what it names.
func (a *App) TestingOnlyLookups(n int) { a.lookups = n }

// TestingOnlyOrder orders validators in a block, with the next event that is recorded
// there, and answers what became of it.
func (a *App) TestingOnlyOrder(answer func(schemas.Code), partner, nodeID string, key []byte) {
	a.probe = func(m *message) {
		a.probe = nil
		answer(m.orderValidator(partner, nodeID, key))
	}
}

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

// TestingOnlyAhead is how much is remembered that nobody has asked for.
func (a *App) TestingOnlyAhead() int { return a.memo.aheadSize() }

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

// TestingOnlyParameters changes the parameters that rules see, until the application is
// opened again.
func (a *App) TestingOnlyParameters(set func(*schemas.Parameters)) {
	d := *a.directory.Load()
	set(&d.parameters)
	a.directory.Store(&d)
}
