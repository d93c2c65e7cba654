package app

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// ledger is what rules read and write: a block under construction, or a scratch
// copy for a dry run. State keys are committed by the tree, rows are not.
type ledger interface {
	Get(key []byte) (value, aside []byte, err error)
	Set(key, value, aside []byte)
	Row(key []byte) ([]byte, error)
	PutRow(key, value []byte)
	Emit(key, value []byte) // of a row that no rule reads
	DeleteRow(key []byte)
	Delete(key []byte)
	Mark() int
	Revert(mark int)
	Keep() // no mark from before is reverted to any more
}

// ioFailure carries a fault of the disk through the rules, past every recover:
// it must end the node, since its peers do not have it.
type ioFailure struct{ err error }

// block is the block that is being executed.
type block struct {
	led    ledger
	chain  string
	height int64
	time   time.Time
	rules  uint32         // version that it is executed by: what a later one does otherwise asks for it
	dir    *directory     // of the state before the block
	probe  func(*message) // tests look in here; nil in a node

	most     int // lookups beyond what is named, and what is spent of them
	lookups  int
	followed map[string]bool // containers that were looked up, only ever looked up here

	// registered are the entries for the register of the partner whose
	// transaction runs; they are appended at its end, all at once.
	registered []schemas.Hash
	growing    growing
	grown      logs

	touched  []string // partners whose leaves an act wrote, perhaps several times, perhaps undone
	prefixed bool     // an act changed a company prefix
	governed bool     // an act changed a leaf that the directory is made of

	before leafReader // the leaves of the state before the block
	added  []addedKey // keys that it added

	signing []schemas.Seen // who was seen signing, ascending by address
	newly   []string       // partners for whose validators the block orders something, or who are ready
	aside   [][]byte       // consensus keys that a rescue, which the block begins with, left aside

	erased []target // whose bodies the block's orders erase
	copied []copied // messages that may repeat an event
	runs   runs     // what the index gets

	rewrites rewrites                 // of it, by erasures
	own      string                   // whose bodies alone the node keeps; "", it keeps all
	heeded   map[schemas.Locator]bool // messages of others that concern it; no rule reads it
}

func (b *block) now() int64 { return b.time.UnixNano() }

func (b *block) get(key []byte) (value, aside []byte) {
	value, aside, err := b.led.Get(key)
	if err != nil {
		panic(ioFailure{fmt.Errorf("reading state: %w", err)})
	}
	return value, aside
}

func (b *block) row(key []byte) []byte {
	row, err := b.led.Row(key)
	if err != nil {
		panic(ioFailure{fmt.Errorf("reading a row: %w", err)})
	}
	return row
}

// must turns a state value that cannot be read into a failure of the node: its
// database does not hold what it wrote.
func must[T any](v T, err error) T {
	if err != nil {
		panic(ioFailure{store.Damaged("state is damaged: %w", err)})
	}
	return v
}

// numberOf reads a state value that is a number, as field 1: the last height that changed
// something, how many recalls are open. It is 0 where there is none.
func numberOf(value []byte) int64 {
	f := schemas.ReadFields(value)
	n, v, ok := f.Next()
	if !ok {
		return 0
	}
	return int64(f.Uint(n, v))
}

// log is a trail's head with what is needed to append to it.
type log struct{ proof.Log }

func (l *log) append(entry schemas.Hash) { l.Log.Append([32]byte(entry)) }

func (l *log) head() schemas.Head {
	if l.Count == 0 {
		return schemas.Head{}
	}
	return schemas.Head{Root: schemas.Hash(l.Root()), Count: l.Count}
}

func readLog(aside []byte) log {
	if len(aside) == 0 {
		return log{}
	}
	return log{must(proof.DecodeLog(aside))}
}

// item is an item's state while a message runs.
type item struct {
	schemas.Item
	id           string
	known        bool   // there was a record before this message
	aside        []byte // both logs, as read; they are decoded when one grows
	custody      log
	observations log
	touched      trail
	own          bool       // the author holds it, or did until this message
	ends         []deadline // of its leaf as it is written
}

// trail says to which of an item's trails a message belongs. What changes the
// state outranks what is merely seen.
type trail uint8

const (
	none trail = iota
	seen
	changed
)

// message is the run of one message: all that it reads and writes. The session
// keeps the order in which items were first touched, so that writes and trails
// have one order on every node.
type message struct {
	*block
	tx      *schemas.Transaction
	msg     *schemas.Message
	event   *schemas.Skeleton
	partner string
	at      schemas.Locator
	result  schemas.Result

	named       []string // what instances answers, once asked
	parentID    string   // what parent answers, once parentKnown
	parentKnown bool
	handedSet   map[string]bool    // only ever looked up
	owed        []schemas.Quantity // received lots that the event's own rule credits
	voids       *schemas.Locator   // the event that this declaration voids

	items   map[string]*item // by canonical identifier
	order   []*item          // as first touched
	classes once             // classes and lots touched, in order
	parties once             // partners whom flags concern, in order

	ships     map[string]*shipment // only ever looked up
	shipOrder []*shipment          // as first touched
	shipping  *shipment            // of which this act makes the offers
	strictly  bool                 // somebody else holds something of which custody is strict
	met       *schemas.Offer       // receipt that waited for the offer that is made
	voted     bool                 // what it does the members decided: its author answers no hand-over by it

	openRecalls     map[schemas.RecallRef]bool     // those that were looked at, and whether they are open
	openRecallSpans map[string]schemas.RecallSpans // of the makers that were looked at
	insides         map[string]*insideOf           // lists of containers that were looked at, only ever looked up
	insideOrder     []*insideOf                    // those that changed, as they first did

	concerned bool // the node's own partner held something of this before
	foreign   bool // the node does not keep the body
}

// item loads an item's state.
func (m *message) item(id string) *item {
	if it, ok := m.items[id]; ok {
		return it
	}
	it := &item{id: id}
	value, aside := m.get(schemas.ItemKey(id))
	if value != nil {
		it.known = true
		it.Item = must(schemas.DecodeItem(value))
		it.aside, it.ends = aside, itemDeadline(id, &it.Item)
		if it.Offer != nil && !m.stands(it.Offer) {
			it.Offer = nil // lapsed: judged when it is looked at
		}
		m.concerned = m.concerned || m.own != "" && it.Parent == "" && it.Custodian == m.own
	}
	m.items[id] = it
	return it
}

func readItemLogs(aside []byte) (custody, observations log) {
	f := schemas.ReadFields(aside)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			custody = readLog(v)
		case 2:
			observations = readLog(v)
		}
	}
	if f.Err() != nil {
		panic(ioFailure{fmt.Errorf("reading an item's trails: %w", f.Err())})
	}
	return custody, observations
}

// touch notes that the message belongs to one of the item's trails.
func (m *message) touch(it *item, t trail) {
	if it.touched == none {
		m.order = append(m.order, it)
	}
	it.touched = max(it.touched, t)
}

// touchClass notes that the message belongs to a class's trail.
func (m *message) touchClass(class string) { m.classes.add(class) }

// concern notes that the message's flags concern a partner besides its author.
func (m *message) concern(party string) {
	if party != "" && party != m.partner && !strings.HasPrefix(party, schemas.External) {
		m.parties.add(party)
	}
}

// once is a list that holds each string once, in the order of coming. An event
// may name thousands, so beyond a few a set tells what is there.
type once struct {
	list []string
	set  map[string]bool // only ever looked up
}

const fewStrings = 8

func (o *once) add(s string) {
	if o.has(s) {
		return
	}
	o.list = append(o.list, s)
	if o.set != nil {
		o.set[s] = true
	} else if len(o.list) > fewStrings {
		o.set = make(map[string]bool, 4*fewStrings)
		for _, have := range o.list {
			o.set[have] = true
		}
	}
}

func (o *once) has(s string) bool {
	if o.set != nil {
		return o.set[s]
	}
	return slices.Contains(o.list, s)
}

func (m *message) flag(c schemas.Code) { m.result.Flag(c) }

// save appends the message to every trail that it belongs to and writes the
// items that it touched.
func (m *message) save() {
	for _, it := range m.order {
		it.custody, it.observations = readItemLogs(it.aside)
		if it.touched == changed {
			key := schemas.TrailKey{Kind: schemas.CustodyTrail, Subject: it.id}
			m.putTrailRow(key, it.custody.Count)
			it.custody.grow(m.led, key, m.entry(key))
			it.Custody = it.custody.head()
		} else {
			key := schemas.TrailKey{Kind: schemas.ObservationTrail, Subject: it.id}
			m.putTrailRow(key, it.observations.Count)
			it.observations.grow(m.led, key, m.entry(key))
			it.Observations = it.observations.head()
		}
		it.aside = asideOf(it.custody, it.observations)
		m.write(it)
	}
	for _, class := range m.classes.list {
		key := schemas.TrailKey{Kind: schemas.ClassTrail, Subject: class}
		_, aside := m.get(schemas.ClassKey(class))
		l := readLog(aside)
		m.putTrailRow(key, l.Count)
		l.grow(m.led, key, m.entry(key))
		m.led.Set(schemas.ClassKey(class), schemas.SingleHead(l.head()), l.AppendTo(nil))
	}
	for _, s := range m.shipOrder {
		m.saveShipment(s)
	}
	for _, in := range m.insideOrder {
		m.saveInside(in)
	}
}

func (m *message) write(it *item) {
	ends := itemDeadline(it.id, &it.Item)
	m.expect(it.ends, ends)
	it.ends = ends
	m.led.Set(schemas.ItemKey(it.id), it.Item.Append(make([]byte, 0, 192)), it.aside)
}

// asideOf encodes two logs to be kept beside one leaf.
func asideOf(first, second log) (aside []byte) {
	if first.Count > 0 {
		aside = schemas.AppendField(aside, 1, first.AppendTo(nil))
	}
	if second.Count > 0 {
		aside = schemas.AppendField(aside, 2, second.AppendTo(nil))
	}
	return aside
}

func (m *message) entry(key schemas.TrailKey) schemas.Hash {
	return schemas.Entry(key, m.msg.Digest, m.tx.ID, m.at, &m.result)
}
