package app

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// A replay computes a ledger again, from its genesis state and its archive
// alone: every transaction is put together again from header, signature and
// bodies, judged, and executed by the very rules that a block runs; what comes of
// it is compared with what the archive holds, entry by entry, and its app hashes
// with what the validators signed. The state, tree and index that it leaves are
// those of the ledger.

// ErrCut says that the archive ends within a block: a commit was cut short.
var ErrCut = errors.New("the archive ends within a block")

// ErrPartial says that the archive begins after the first block: the node joined
// by a snapshot, and has not fetched what came before.
var ErrPartial = errors.New("the archive does not begin with the first block")

// Joined reports whether a store's ledger began with a snapshot, so that its
// archive does not begin with the first block.
func Joined(s *store.Store) (bool, error) {
	row, err := s.Latest().Row([]byte{rowRestored})
	return row != nil, err
}

// Replay reads an archive block by block.
type Replay struct {
	first  int64
	app    *App
	cursor entries
	block  replayed

	erase    []store.Ref           // that the last block's orders erase
	withheld map[place]int64       // height at which bodies were missing last, and what remains has not come yet
	judge    func(*archived) error // of a transaction whose bodies are gone; nil, an order will tell
}

// entries are an archive's, stream by stream, in order; io.EOF behind the last.
type entries interface {
	Next(store.Stream) (store.Entry, error)
}

// ReplayedBlock is a block as the archive has it and as it was computed again.
type ReplayedBlock struct {
	Height     int64
	Time       time.Time
	Hash       []byte // of the header
	Header     []byte // the engine's encodings
	LastCommit []byte
	Validators []byte
	Raw        [][]byte   // the transactions, nil where bodies are erased
	Hashes     [][32]byte // SHA-256 of each transaction, in order: what the header commits to
	Codes      []schemas.Code
	Results    []*abci.ExecTxResult   // what the rules answer, computed again
	Updates    []abci.ValidatorUpdate // of the validators, computed again; they hold from the second block behind on
	Root       schemas.Hash           // app hash after the block
	Records    store.Ref              // where the archive has the block's record
	Messages   int
	Erased     int           // transactions whose bodies are erased, in part or all
	Unkept     int           // transactions of which the node did not keep every body
	Rescue     *proof.Rescue // by which the network was restarted with this block; whether it holds, it does not tell
}

// SameEntry compares what a block appends to the archive with what is there. A
// compressor may have other habits than when the block was made.
func SameEntry(codec *schemas.Codec) func(stream store.Stream, want, have []byte) error {
	differs := errors.New("a block computes to another entry than the archive has")
	return func(stream store.Stream, want, have []byte) error {
		if bytes.Equal(want, have) {
			return nil
		}
		if stream == store.Bodies {
			if len(want) == 0 {
				return nil // of erased bodies; they were read by the replay
			}
			return differs
		}
		w, errW := codec.Expand(want)
		h, errH := codec.Expand(have)
		if errW != nil || errH != nil || !bytes.Equal(w, h) {
			return differs
		}
		return nil
	}
}

// NewReplay begins a replay over an empty store that was opened for it, and tells
// the root of the genesis state.
func NewReplay(s *store.Store, chainID string, initialHeight int64, genesis []byte) (*Replay, schemas.Hash, error) {
	r := &Replay{first: initialHeight, cursor: s.Cursor(), withheld: map[place]int64{}}
	var err error
	if r.app, err = New(Config{Store: s, Blocks: r}); err != nil {
		return nil, schemas.Hash{}, err
	}
	res, err := r.app.InitChain(context.Background(), &abci.RequestInitChain{ChainId: chainID, InitialHeight: initialHeight, AppStateBytes: genesis})
	if err != nil {
		return nil, schemas.Hash{}, err
	}
	return r, schemas.Hash(res.AppHash), nil
}

// Knows says what the newest rules are that the program knows, 0 for
// schemas.RulesVersion. Behind the last block of those, Next answers an *UpgradeError.
func (r *Replay) Knows(rules uint32) { r.app.rules = cmp.Or(rules, schemas.RulesVersion) }

// Header gives back what the archive has of the engine's.
func (r *Replay) Header(int64) (header, lastCommit, validators []byte, err error) {
	return r.block.ReplayedBlock.Header, r.block.LastCommit, r.block.Validators, nil
}

// Cursor is at the end of the last block that was computed.
func (r *Replay) Cursor() *store.Cursor { return r.cursor.(*store.Cursor) }

// Rewind goes back to where a block ended, after one that could not be computed.
func (r *Replay) Rewind(to *store.Cursor) { r.cursor = to }

// Next computes the next block; io.EOF behind the last, ErrCut in the middle of
// one. What is wrong with the archive is a *store.Damage.
func (r *Replay) Next() (block *ReplayedBlock, err error) {
	defer r.refusing(&err)
	if err := r.read(); err != nil {
		return nil, err
	}
	b := &r.block
	req := &abci.RequestFinalizeBlock{Height: b.Height, Time: b.Time, Hash: b.Hash, DecidedLastCommit: abci.CommitInfo{Votes: votesOf(b.LastCommit)}}
	state, last := r.app.before()
	if last > 0 && b.Height != last+1 {
		return nil, r.damaged(fmt.Errorf("block %d follows block %d", b.Height, last))
	}
	if last == 0 && b.Height != r.first {
		return nil, ErrPartial
	}
	if u := r.app.unknown(b.Height); u != nil {
		return nil, u
	}
	b.admission = r.app.admission(state, b.Height)
	b.admission.decided = true
	begin := r.app.store.Begin
	if last == 0 {
		begin = r.app.initial
	}
	if b.Rescue != nil {
		if err := checkRescue(state, r.app.chainID(), b.Rescue, schemas.Hash(r.app.root()), b.Height); err != nil {
			return nil, r.damaged(err)
		}
	}
	led := begin(b.Height)
	done, results, err := r.app.execute(led, req, b, len(b.txs))
	if errors.Is(err, errRemains) {
		return nil, r.damaged(err)
	}
	if err != nil {
		return nil, fmt.Errorf("executing block %d again: %w", b.Height, err)
	}
	root, err := led.Root()
	if err != nil {
		return nil, fmt.Errorf("hashing the state of block %d: %w", b.Height, err)
	}
	b.Root, b.Results, b.Updates = schemas.Hash(root), results, done.validators
	if err := led.Commit(); err != nil {
		return nil, fmt.Errorf("keeping block %d: %w", b.Height, err)
	}
	if done.governed {
		if err := r.app.renewDirectory(done); err != nil {
			return nil, fmt.Errorf("block %d: %w", b.Height, err)
		}
	}
	r.account(done)
	for i := range done.receipts {
		b.Messages += len(done.receipts[i].Events)
	}
	return &b.ReplayedBlock, nil
}

// refusing turns what an archive breaks the program down with into damage: it may be
// a peer's.
func (r *Replay) refusing(err *error) {
	switch broken := recover().(type) {
	case nil:
	case ioFailure:
		*err = fmt.Errorf("executing: %w", broken.err)
	default:
		*err = r.damaged(fmt.Errorf("computing block %d again broke down: %v", r.block.Height, broken))
	}
}

// account notes of which transactions bodies are withheld.
func (r *Replay) account(done *executed) {
	for i := range r.block.txs {
		if r.block.txs[i].left != nil && store.Erased(r.block.txs[i].gone) {
			r.withheld[placeOf(schemas.Locator{Height: done.height, Position: uint32(i)})] = done.height
		}
	}
	for i, p := range done.erasedAt {
		if store.Erased(r.block.remains(i)) {
			r.withheld[p] = done.height
		} else {
			delete(r.withheld, p)
		}
	}
	r.erase = done.erase
}

// Withheld are the heights of blocks in which bodies are missing, while no later
// one says what remains of their transactions: once for each, ascending.
func (r *Replay) Withheld() (heights []int64) {
	for _, height := range r.withheld {
		heights = append(heights, height)
	}
	slices.Sort(heights)
	return heights
}

// Settled is an error if bodies are missing that nobody ordered to be erased: an
// archive that ends here withholds them. Halfway, the order may yet come.
func (r *Replay) Settled() error {
	list := r.Withheld()
	if len(list) == 0 {
		return nil
	}
	return fmt.Errorf("%d transactions lack bodies whose erasure nobody ordered, the first in block %d: restore the archive from a backup, or the node from its peers", len(list), list[0])
}

// Erased are the entries that the last block's orders erase: who puts an archive
// together overwrites them.
func (r *Replay) Erased() []store.Ref { return r.erase }

func (r *Replay) damaged(err error) error {
	file, offset := r.block.Records.At()
	return &store.Damage{File: file, Offset: offset, Err: err}
}

// read reads the archive up to the end of the next block.
func (r *Replay) read() error {
	r.block = replayed{}
	var records []store.Entry
	for {
		e, err := r.cursor.Next(store.Records)
		if errors.Is(err, io.EOF) && len(records) > 0 {
			return ErrCut
		}
		if err != nil {
			return err
		}
		r.block.Records = e.Ref
		if isTransactionRecord(e.Data) {
			records = append(records, e)
			continue
		}
		if err := r.block.decode(e.Data); err != nil {
			return r.damaged(err)
		}
		return r.readTransactions(records)
	}
}

// isTransactionRecord tells a compressed transaction from a block's record.
func isTransactionRecord(b []byte) bool {
	return len(b) > 4 && bytes.Equal(b[:4], []byte{0x28, 0xb5, 0x2f, 0xfd})
}

// readTransactions puts the block's transactions together again.
func (r *Replay) readTransactions(records []store.Entry) error {
	for i := range r.block.txs {
		tx := &r.block.txs[i]
		if r.block.Rescue != nil && i == 0 {
			if tx.raw = r.block.Rescue.Encode(); sha256.Sum256(tx.raw) != tx.hash {
				return r.damaged(fmt.Errorf("the rescue in block %d does not hash to what was recorded of it", r.block.Height))
			}
			r.block.Raw, r.block.Hashes = append(r.block.Raw, tx.raw), append(r.block.Hashes, tx.hash)
			continue
		}
		refused := r.block.Codes[i] != schemas.OK
		if !refused && len(records) == 0 {
			return r.damaged(fmt.Errorf("block %d lacks the record of its transaction %d", r.block.Height, i))
		}
		bodies, err := r.cursor.Next(store.Bodies)
		if errors.Is(err, io.EOF) {
			return ErrCut
		}
		if err != nil {
			return err
		}
		if refused {
			tx.raw = bodies.Data
		} else if err := r.assemble(tx, placeOf(schemas.Locator{Height: r.block.Height, Position: uint32(i)}), records[0].Data, bodies.Data); err != nil {
			file, offset := records[0].Ref.At()
			return &store.Damage{File: file, Offset: offset, Err: fmt.Errorf("transaction %d of block %d: %w", i, r.block.Height, err)}
		} else {
			records = records[1:]
		}
		if tx.left == nil && sha256.Sum256(tx.raw) != tx.hash {
			file, offset := bodies.Ref.At()
			return &store.Damage{File: file, Offset: offset, Err: fmt.Errorf("transaction %d of block %d does not hash to what was recorded of it", i, r.block.Height)}
		}
		r.block.Raw, r.block.Hashes = append(r.block.Raw, tx.raw), append(r.block.Hashes, tx.hash)
	}
	for range r.block.erasures {
		e, err := r.cursor.Next(store.Bodies)
		if errors.Is(err, io.EOF) {
			return ErrCut
		}
		if err != nil {
			return err
		}
		r.block.left = append(r.block.left, e.Data)
		if err := r.restoreBodies(e.Data); err != nil {
			file, offset := e.Ref.At()
			return &store.Damage{File: file, Offset: offset, Err: err}
		}
	}
	if len(records) > 0 {
		return r.damaged(fmt.Errorf("block %d has records of more transactions than it counts", r.block.Height))
	}
	return nil
}

func (r *Replay) assemble(tx *replayedTx, p place, frame, bodies []byte) error {
	t, err := r.app.decodeArchived(nil, frame, nil)
	if err != nil {
		return err
	}
	tx.hash = t.raw
	if len(tx.unkept) > 0 {
		r.block.Unkept++
	}
	if len(tx.unkept) > 0 && !store.Erased(bodies) {
		return r.assembleKept(tx, t, p, bodies)
	}
	if store.Erased(bodies) {
		r.block.Erased++
		tx.gone = bodies
		if tx.left, err = reassemble(t); err == nil && r.judge != nil {
			err = r.judge(t)
		}
		return err
	}
	decoded, err := schemas.DecodeBodies(bodies)
	if err != nil {
		return fmt.Errorf("reading its bodies: %w", err)
	}
	kinds := make([]schemas.Kind, len(t.messages))
	keys := make([][]byte, len(t.messages))
	for i, m := range t.messages {
		record, err := decodeMessageRecord(m)
		if err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		kinds[i], keys[i] = record.Kind, record.DuplicateKey
	}
	tx.raw, err = schemas.Assemble(t.signed, t.signature, kinds, keys, decoded)
	return err
}

// reassemble puts together what is left of a transaction after an erasure: the
// messages' skeletons and body roots. Which bodies remain is archived in the block
// of the order, and taken there.
func reassemble(t *archived) (*schemas.Transaction, error) {
	tx := &schemas.Transaction{ID: t.id, Header: t.header, Raw: t.signed, Signature: t.signature, Messages: make([]schemas.Message, len(t.messages))}
	digests := make([][]byte, len(t.messages))
	for i := range tx.Messages {
		m := &tx.Messages[i]
		record, err := decodeMessageRecord(t.messages[i])
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", i, err)
		}
		m.Kind, m.DuplicateKey, m.Skeleton, m.BodyRoot = record.Kind, record.DuplicateKey, record.SkeletonBytes, record.BodyRoot
		m.Digest = schemas.Digest(t.header.ChainId, t.header.Partner, m.Kind, m.Skeleton, m.BodyRoot, m.DuplicateKey)
		m.Event = &schemas.Event{Skeleton: *record.Skeleton}
		digests[i] = m.Digest[:]
	}
	hashEvents(tx.Messages)
	if root := schemas.MerkleRoot(digests); !bytes.Equal(root[:], t.header.Root) {
		return nil, errors.New("the messages do not hash to the signed root")
	}
	return tx, nil
}

// restoreBodies gives bodies back to a transaction of the block itself, from which
// copies of others were erased at once: the others were indexed.
func (r *Replay) restoreBodies(entry []byte) error {
	if store.Erased(entry) {
		return nil
	}
	b, err := r.app.codec.Expand(entry)
	if err != nil {
		return err
	}
	left, err := decodeRemains(b)
	if err != nil || left.at.height() != r.block.Height {
		return err
	}
	position := left.at.position()
	if int(position) >= len(r.block.txs) {
		return errRemains
	}
	return r.block.txs[position].dress(left)
}

// heldBody is a body that remains, if it is the one that its message commits to.
func heldBody(kind schemas.Kind, skeleton []byte, root schemas.Hash, body []byte, secret schemas.Hash) (*schemas.Event, error) {
	e, err := schemas.DecodeMessage(kind, body)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(e.Skeleton.Append(nil), skeleton) || e.BodyRoot(secret) != root {
		return nil, errors.New("the body that remains is not the one that was recorded")
	}
	return e, nil
}
