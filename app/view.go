package app

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// View reads one committed height. Its methods may be called by many goroutines;
// once the height is no longer held they answer a *schemas.Fault view_expired.
type View struct {
	app  *App
	at   *store.View
	time time.Time
}

// View returns the last committed state.
func (a *App) View() (*View, error) { return a.viewOf(a.store.Latest()) }

// ViewAt returns the state of one of the last few heights.
func (a *App) ViewAt(height int64) (*View, error) {
	at, ok := a.store.At(height)
	if !ok {
		return nil, &schemas.Fault{Code: schemas.ViewExpired, Detail: fmt.Sprintf("height %d is not held any more", height)}
	}
	return a.viewOf(at)
}

func (a *App) viewOf(at *store.View) (*View, error) {
	v := &View{app: a, at: at}
	now, err := v.row([]byte{rowNow})
	if err != nil {
		return nil, err
	}
	if len(now) == 8 {
		v.time = time.Unix(0, int64(decodeUint64(now))).UTC()
	}
	return v, nil
}

// Height is the view's.
func (v *View) Height() int64 { return v.at.Height() }

// Time is the time of the view's block.
func (v *View) Time() time.Time { return v.time }

// LastChanged is the last height that changed anything, 0 before the first.
func (v *View) LastChanged() (int64, error) {
	value, _, err := v.get(schemas.ChangedKey())
	if err != nil || value == nil {
		return 0, err
	}
	f := schemas.ReadFields(value)
	n, b, _ := f.Next()
	height := f.Uint(n, b)
	if err := f.Err(); err != nil {
		return 0, fmt.Errorf("reading the last height that changed anything: %w", err)
	}
	return int64(height), nil
}

// answered turns the store's expiry into the fault that callers know.
func (v *View) answered(err error) error {
	if errors.Is(err, store.ErrExpired) {
		return &schemas.Fault{Code: schemas.ViewExpired, Detail: fmt.Sprintf("height %d is not held any more", v.Height())}
	}
	return err
}

func (v *View) get(key []byte) (value, aside []byte, err error) {
	value, aside, err = v.at.Get(key)
	if err != nil {
		return nil, nil, v.answered(fmt.Errorf("reading state: %w", err))
	}
	return value, aside, nil
}

func (v *View) row(key []byte) ([]byte, error) {
	row, err := v.at.Row(key)
	if err != nil {
		return nil, v.answered(fmt.Errorf("reading a row: %w", err))
	}
	return row, nil
}

// leaf reads an item's leaf as it stands, nil where there is none.
func (v *View) leaf(id string) (*schemas.Item, error) {
	value, _, err := v.get(schemas.ItemKey(id))
	if value == nil || err != nil {
		return nil, err
	}
	it, err := schemas.DecodeItem(value)
	if err != nil {
		return nil, fmt.Errorf("reading item %q: %w", id, err)
	}
	return &it, nil
}

// Item returns an item's state with what follows from its containers, nil where
// the ledger has no record.
func (v *View) Item(id string) (*schemas.ItemState, error) {
	it, err := v.leaf(id)
	if it == nil || err != nil {
		return nil, err
	}
	return v.stateOf(id, it)
}

// stateOf is the state of an item of which the leaf was read.
func (v *View) stateOf(id string, it *schemas.Item) (*schemas.ItemState, error) {
	state := &schemas.ItemState{Item: *it, ID: id}
	if err := v.complete(state); err != nil {
		return nil, err
	}
	for depth := 0; depth <= maxDepth; depth++ {
		parent, custodian, err := v.placed(it)
		if err != nil {
			return nil, err
		}
		state.Custodian = custodian
		if depth == 0 && parent != nil {
			state.Parent = it.Parent
		}
		if parent == nil {
			break
		}
		it = parent
	}
	return state, nil
}

// placed returns the container that an item is in, or, where it is in none, who
// holds it.
func (v *View) placed(it *schemas.Item) (parent *schemas.Item, custodian string, err error) {
	if it.Parent == "" {
		return nil, it.Custodian, nil
	}
	parent, err = v.leaf(it.Parent)
	if err != nil {
		return nil, "", err
	}
	if parent != nil && parent.Epoch == it.ParentEpoch {
		return parent, "", nil
	}
	value, _, err := v.get(schemas.ReleaseKey(it.Parent, it.ParentEpoch))
	if err != nil {
		return nil, "", err
	}
	custodian, err = schemas.DecodeRelease(value)
	return nil, custodian, err
}

// Record returns the message at a place, with its body where that is held.
func (v *View) Record(at schemas.Locator) (schemas.Record, error) {
	r, err := v.bare(at)
	if err != nil {
		return schemas.Record{}, err
	}
	return v.dressed(r)
}

// bare returns the message at a place without its body, shared: it must not be
// changed.
func (v *View) bare(at schemas.Locator) (*schemas.Record, error) {
	t, err := v.transactionOf(placeOf(at), []uint32{at.Index})
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, fmt.Errorf("no transaction at %d/%d", at.Height, at.Position)
	}
	return t.record(at)
}

// dressed returns a copy of a message with its body, and with what the ledger
// says of it at the view's height.
func (v *View) dressed(r *schemas.Record) (schemas.Record, error) {
	full := *r
	var err error
	if full.VoidedBy, err = v.voidedBy(r.Locator); err != nil {
		return full, err
	}
	b, err := v.bodiesOf(r)
	if err != nil {
		return full, err
	}
	if b != nil {
		full.Body, full.Secret = b.bodies[r.Index], b.salt(int(r.Index))
	}
	if full.Body == nil {
		full.Unkept, err = v.isUnkept(r)
	}
	return full, err
}

// bodiesOf are the bodies of a message's transaction, its own at least; nil where they
// are not held.
func (v *View) bodiesOf(r *schemas.Record) (*remains, error) {
	p := placeOf(r.Locator)
	t, err := v.transactionOf(p, []uint32{r.Index})
	if err != nil {
		return nil, err
	}
	return v.bodies(p, t, []uint32{r.Index})
}

// bodyOf is a message's body, nil where it is not held.
func (v *View) bodyOf(r *schemas.Record) ([]byte, error) {
	b, err := v.bodiesOf(r)
	if b == nil || err != nil {
		return nil, err
	}
	return b.bodies[r.Index], nil
}

// voidedBy is the place of the declaration that voids the message, nil where it
// stands.
func (v *View) voidedBy(at schemas.Locator) (*schemas.Locator, error) {
	row, err := v.row(voidRow(at))
	if row == nil || err != nil {
		return nil, err
	}
	by, err := schemas.DecodeLocator(row)
	if err != nil {
		return nil, err
	}
	return &by, nil
}

// Balances returns what partners hold of a class or lot.
func (v *View) Balances(class string) ([]schemas.Balance, error) {
	var out []schemas.Balance
	for row, err := range v.at.Rows(rowKey(rowBalance, class), nil, false) {
		if err != nil {
			return nil, v.answered(fmt.Errorf("reading balances: %w", err))
		}
		parts := strings.Split(string(row.Key[1:]), "\x00")
		if len(parts) != 4 {
			return nil, store.Damaged("a balance's row %q is damaged", row.Key)
		}
		uom, partner := parts[1], parts[2]
		value, _, err := v.get(schemas.BalanceKey(class, uom, partner))
		if err != nil {
			return nil, err
		}
		held, err := schemas.DecodeLotBalance(value)
		if err != nil {
			return nil, fmt.Errorf("reading a balance of %q: %w", class, err)
		}
		out = append(out, schemas.Balance{Partner: partner, UOM: uom, Quantity: held.Amount, Known: !held.Unknown})
	}
	return out, nil
}

// EventsByID returns every partner's events of this eventID, or of this hash ID,
// oldest first, as many as fit a page.
func (v *View) EventsByID(eventID string) ([]schemas.Record, error) {
	places, err := v.placesByID(eventID)
	if err != nil {
		return nil, err
	}
	out := make([]schemas.Record, 0, len(places))
	asked := schemas.EventQuery{EventIDs: []string{eventID}}
	var page page
	for _, at := range places {
		r, err := v.Record(at)
		if err != nil {
			return nil, err
		}
		if is, known := asked.MatchesID(r.EventID); !is && (known || !asked.MatchesHash(r.Body)) {
			continue
		}
		if page.full(&r) {
			break
		}
		out = append(out, r)
	}
	return out, nil
}

// maxSameID is how many events and error declarations of one eventID are read: a
// partner can declare one as often as it likes, a little different each time.
const maxSameID = 1000

// placesByID are the places of events and error declarations of one eventID, and,
// where it is a hash ID, of those that may have that hash.
func (v *View) placesByID(eventID string) ([]schemas.Locator, error) {
	var places []schemas.Locator
	if strings.Contains(eventID, "\x00") {
		return nil, nil // no event has one
	}
	for row, err := range v.at.Rows(rowKey(rowEvent, eventID), nil, false) {
		if err != nil {
			return nil, v.answered(fmt.Errorf("reading events of an eventID: %w", err))
		}
		p, err := decodePrior(row.Value)
		if err != nil {
			return nil, fmt.Errorf("reading events of an eventID: %w", err)
		}
		places = append(places, p.at)
	}
	prefix := rowKey(rowDeclared, eventID)
	for row, err := range v.at.Rows(prefix, nil, false) {
		if err != nil {
			return nil, v.answered(fmt.Errorf("reading error declarations: %w", err))
		}
		at, err := schemas.DecodeLocator(row.Key[len(prefix):])
		if err != nil {
			return nil, fmt.Errorf("reading error declarations: %w", err)
		}
		if places = append(places, at); len(places) >= maxSameID {
			break
		}
	}
	if id, ok := schemas.ParseHashID(eventID); ok {
		hashed, err := v.placesByHash(id)
		if err != nil {
			return nil, err
		}
		places = append(places, hashed...)
	}
	slices.SortFunc(places, schemas.Locator.Compare)
	return slices.Compact(places), nil
}

// maxSettledLooked bounds how many settled exceptions one page passes over.
const maxSettledLooked = 2000

// Exceptions returns flagged records that concern a partner, newest first: those
// before a place, where one is given; of open ones those alone that the partner has not
// settled. next is the place before which the next page begins, nil where none follows: a
// page may be short, or empty, though others follow.
func (v *View) Exceptions(partner string, before *schemas.Locator, open bool, limit int) (records []schemas.Record, next *schemas.Locator, err error) {
	prefix := rowKey(rowException, partner)
	var from []byte
	if before != nil {
		from = before.Append(slices.Clip(prefix))
	}
	var page page
	settled := 0
	for row, err := range v.at.Rows(prefix, from, true) {
		if err != nil {
			return nil, nil, v.answered(fmt.Errorf("reading exceptions: %w", err))
		}
		at, err := schemas.DecodeLocator(row.Key[len(prefix):])
		if err != nil {
			return nil, nil, fmt.Errorf("reading exceptions: %w", err)
		}
		if before != nil && at.Compare(*before) >= 0 {
			continue
		}
		if len(records) >= limit || settled >= maxSettledLooked {
			return records, next, nil
		}
		if open {
			done, err := v.row(settledRow(partner, at))
			if err != nil {
				return nil, nil, err
			}
			if done != nil {
				settled, next = settled+1, &at
				continue
			}
		}
		r, err := v.Record(at)
		if err != nil {
			return nil, nil, err
		}
		if page.full(&r) {
			return records, next, nil
		}
		records, next = append(records, r), &at
	}
	return records, nil, nil
}

// Partners returns the partners, by id.
func (v *View) Partners() ([]schemas.Partner, error) {
	out, err := partnersOf(v.at)
	if err != nil {
		return nil, v.answered(fmt.Errorf("reading partners: %w", err))
	}
	return out, nil
}

func decodeUint64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }
