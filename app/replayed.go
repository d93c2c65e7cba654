package app

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// replayed is the block that is computed again.
type replayed struct {
	ReplayedBlock
	txs       []replayedTx
	admission *admission
	erasures  int // entries that erasures of this block left in bodies
	left      [][]byte
	delayed   delays
}

// replayedTx is one of its transactions: raw, or, where bodies are erased, what
// is left of it.
type replayedTx struct {
	hash [sha256.Size]byte
	raw  []byte
	left *schemas.Transaction
	gone []byte // what the archive has in the place of its bodies

	unkept []uint32 // messages whose bodies the node did not keep
}

func (b *replayed) admit(i int) (*schemas.Transaction, error) {
	if tx := &b.txs[i]; tx.left == nil {
		return b.admission.admit(tx.raw)
	}
	return b.admission.admitLeft(b.txs[i].left)
}

func (b *replayed) rescue() *proof.Rescue { return b.Rescue }

func (b *replayed) raw(i int) ([sha256.Size]byte, []byte) { return b.txs[i].hash, b.txs[i].raw }

func (b *replayed) gone(i int) []byte { return b.txs[i].gone }

func (b *replayed) unkept(_ *block, _ *schemas.Transaction, i int) []uint32 { return b.txs[i].unkept }

func (b *replayed) remains(i int) []byte {
	if i < len(b.left) {
		return b.left[i]
	}
	return nil
}

func (b *replayed) delays() *delays { return &b.delayed }

// decode reads a block's record, as blockRecord wrote it.
func (b *replayed) decode(encoded []byte) error {
	f := schemas.ReadFields(encoded)
	count := uint64(0)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			if len(v) != 8 {
				f.Fail(n, "no time")
				break
			}
			b.Time = time.Unix(0, int64(decodeUint64(v))).UTC()
		case 2:
			b.Hash = v
		case 3:
			b.Header = v
		case 4:
			b.LastCommit = v
		case 5:
			count = f.Uint(n, v)
		case 6:
			b.decodeItem(f, v)
		case 7:
			b.Height = int64(f.Uint(n, v))
		case 8:
			b.Validators = v
		case 9:
			b.erasures++
		case 10, 11:
			if len(v) != len(place{}) {
				f.Fail(n, "no place")
			} else if n == 10 {
				b.delayed.putOff = append(b.delayed.putOff, place(v))
			} else {
				b.delayed.late = append(b.delayed.late, place(v))
			}
		case 12:
			r, err := proof.DecodeRescue(v)
			if err != nil {
				f.Fail(n, err.Error())
				break
			}
			b.Rescue = r
		default:
			f.Fail(n, "unknown")
		}
	}
	if err := f.Err(); err != nil {
		return fmt.Errorf("reading a block's record: %w", err)
	}
	if b.Height < 1 || uint64(len(b.txs)) != count {
		return fmt.Errorf("a block's record of height %d names %d transactions and counts %d", b.Height, len(b.txs), count)
	}
	if b.Rescue != nil && (count == 0 || b.Codes[0] != schemas.OK) {
		return fmt.Errorf("a block's record of height %d has a rescue, and not in the place of its first transaction", b.Height)
	}
	return nil
}

// bodies is how many entries of bodies the block has.
func (b *replayed) bodies() int {
	n := len(b.txs) + b.erasures
	if b.Rescue != nil {
		n--
	}
	return n
}

// decodeItem reads what a block's record says of one transaction.
func (b *replayed) decodeItem(f *schemas.Fields, v []byte) {
	item := schemas.ReadFields(v)
	tx, code := replayedTx{}, uint64(0)
	for n, v, ok := item.Next(); ok; n, v, ok = item.Next() {
		switch n {
		case 1:
			code = item.Uint(n, v)
		case 2:
			tx.hash = item.Hash(n, v)
		case 3:
			if tx.unkept = decodeIndexes(v); !bytes.Equal(encodeIndexes(tx.unkept), v) {
				item.Fail(n, "no list of messages")
			}
		default:
			item.Fail(n, "unknown")
		}
	}
	if item.Err() != nil || code == 0 {
		f.Fail(6, "what became of a transaction cannot be read")
		return
	}
	b.txs = append(b.txs, tx)
	b.Codes = append(b.Codes, schemas.Code(code-1))
}

// votesOf are the votes for the block before, as the engine tells them, of the
// engine's encoding of a commit: field 4 is a signature, in which 1 is the flag and 2
// the address of who voted. What cannot be read is no vote: a header tells whether the
// commit is the one that was decided.
func votesOf(commit []byte) (out []abci.VoteInfo) {
	eachField(commit, func(n protowire.Number, signature []byte, _ uint64) {
		if n != 4 {
			return
		}
		var vote abci.VoteInfo
		eachField(signature, func(n protowire.Number, b []byte, v uint64) {
			switch n {
			case 1:
				vote.BlockIdFlag = votedFor
				if v != votedFor {
					vote.BlockIdFlag = 0
				}
			case 2:
				vote.Validator.Address = b
			}
		})
		out = append(out, vote)
	})
	return out
}

// eachField goes over the fields of a protobuf message, as far as it can be read.
func eachField(message []byte, f func(n protowire.Number, bytes []byte, number uint64)) {
	for len(message) > 0 {
		n, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return
		}
		message = message[size:]
		var bytes []byte
		var number uint64
		switch kind {
		case protowire.BytesType:
			bytes, size = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			number, size = protowire.ConsumeVarint(message)
		default:
			size = protowire.ConsumeFieldValue(n, kind, message)
		}
		if size < 0 {
			return
		}
		f(n, bytes, number)
		message = message[size:]
	}
}
