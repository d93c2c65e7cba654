package node_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"
	"github.com/cosmos/gogoproto/proto"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

// grown is a node alone with a few blocks, with and without transactions, and its
// archive as it answers it.
func grown(t *testing.T) (n *node.Node, blocks []app.ArchivedBlock) {
	t.Helper()
	s := alone(t)
	s.IdleInterval = node.Duration(20 * time.Millisecond)
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	})
	for i := range 3 {
		commit(t, n, event(t, 2*i), event(t, 2*i+1))
	}
	for height(t, n) < 12 {
		<-n.Ledger().Watch(height(t, n))
	}
	return n, archiveOf(t, n)
}

func answerOf(blocks []app.ArchivedBlock) (answer []byte) {
	for i := range blocks {
		answer = schemas.AppendField(answer, 1, blocks[i].Append(nil))
	}
	return answer
}

func history(t *testing.T, n *node.Node, home string) *node.History {
	t.Helper()
	h, err := node.NewHistory(n, home)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// A history that is fetched in pieces, stopped and gone on with, computes to the
// ledger; what its disk lost is fetched again; complete, it takes the ledger's
// place, whenever the node is killed.
func TestHistoryFetched(t *testing.T) {
	n, blocks := grown(t)
	home := t.TempDir()
	h := history(t, n, home)
	if err := h.Keep(answerOf(blocks[:5])); err != nil {
		t.Fatal(err)
	}
	if height, _ := h.Computed(); height != 4 {
		t.Fatalf("of five blocks %d are confirmed and computed", height)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = history(t, n, home) // as if it had been started again
	if height, _ := h.Computed(); height != 4 {
		t.Fatalf("after a restart %d blocks are there", height)
	}
	if err := h.Keep(answerOf(blocks[4:8])); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(node.HistoryPath(home), "archive", "records-*"))
	if err != nil || len(segments) != 1 {
		t.Fatal(segments, err)
	}
	b, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(segments[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	h = history(t, n, home)
	if height, _ := h.Computed(); height != 0 {
		t.Fatalf("from a damaged file %d blocks are computed", height)
	}
	if err := h.Keep(answerOf(blocks)); err != nil {
		t.Fatal(err)
	}
	height, root := h.Computed()
	last := blocks[len(blocks)-1]
	if height != last.Height-1 {
		t.Fatalf("%d blocks of %d are computed", height, last.Height)
	}
	header, _ := headerOf(t, &last)
	if !bytes.Equal(header.AppHash, root[:]) {
		t.Fatalf("the history computes to %x, the network to %x", root, header.AppHash)
	}
	if err := h.Complete(); err != nil {
		t.Fatal(err)
	}
	takenOver(t, home)
}

// takenOver kills the exchange of ledger and history at each of its steps.
func takenOver(t *testing.T, home string) {
	t.Helper()
	for name, killed := range map[string]func(home string) error{
		"before": func(string) error { return nil },
		"after the first": func(home string) error {
			return os.Rename(filepath.Join(home, "data", "ledger"), filepath.Join(home, "data", "ledger.restored"))
		},
		"after the second": func(home string) error {
			return errors.Join(os.Rename(filepath.Join(home, "data", "ledger"), filepath.Join(home, "data", "ledger.restored")), os.Rename(filepath.Join(home, "data", "history"), filepath.Join(home, "data", "ledger")))
		},
	} {
		copied := filepath.Join(t.TempDir(), "home")
		if err := errors.Join(os.CopyFS(copied, os.DirFS(home)), os.MkdirAll(filepath.Join(copied, "data", "ledger"), 0o700),
			os.WriteFile(filepath.Join(copied, "data", "ledger", "restored"), nil, 0o600), killed(copied)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := node.TakeOver(copied); err != nil {
				t.Fatalf("killed %s: %v", name, err)
			}
		}
		for path, there := range map[string]bool{"ledger/archive": true, "ledger/restored": false, "ledger/complete": false, "ledger.restored": false, "history": false} {
			if _, err := os.Stat(filepath.Join(copied, "data", path)); (err == nil) != there {
				t.Errorf("killed %s: %s: %v", name, path, err)
			}
		}
	}
}

// headerOf is the header in a block's record, and where the record is.
func headerOf(t *testing.T, b *app.ArchivedBlock) (*types.Header, map[uint64][][]byte) {
	t.Helper()
	fields := map[uint64][][]byte{}
	f := schemas.ReadFields(b.Records[len(b.Records)-1])
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		fields[n] = append(fields[n], v)
	}
	var encoded cmtproto.Header
	if err := proto.Unmarshal(fields[3][0], &encoded); err != nil {
		t.Fatal(err)
	}
	h, err := types.HeaderFromProto(&encoded)
	if err != nil {
		t.Fatal(err)
	}
	return &h, fields
}

// withRecord is the block with another record of its own.
func withRecord(b app.ArchivedBlock, fields map[uint64][][]byte) app.ArchivedBlock {
	var record []byte
	for n := uint64(1); n <= 8; n++ {
		for _, v := range fields[n] {
			record = schemas.AppendEntry(record, n, v)
		}
	}
	b.Records = append(append([][]byte{}, b.Records[:len(b.Records)-1]...), record)
	return b
}

// A peer that answers anything but what the validators signed is refused before
// anything is kept or computed.
func TestHistoryLies(t *testing.T) {
	n, blocks := grown(t)
	h := history(t, n, t.TempDir())
	defer h.Close()
	if got, err := h.Confirmed(answerOf(blocks)); err != nil || got != len(blocks)-1 {
		t.Fatalf("of a true answer of %d blocks %d are confirmed: %v", len(blocks), got, err)
	}
	changed := -1 // a block with a transaction
	for i := range blocks {
		if len(blocks[i].Bodies) > 0 {
			changed = i
			break
		}
	}
	if changed < 0 || changed > len(blocks)-3 {
		t.Fatal("no block has a transaction")
	}
	copied := func() []app.ArchivedBlock { return append([]app.ArchivedBlock{}, blocks...) }
	refused := func(name string, answer []byte) {
		t.Helper()
		if got, err := h.Confirmed(answer); err == nil && got > changed {
			t.Errorf("%s: %d blocks are confirmed", name, got)
		}
	}
	// Every byte of the first block, and of one with a transaction, one at a time.
	for _, at := range []int{0, changed} {
		for _, stream := range []string{"records", "bodies"} {
			list := blocks[at].Records
			if stream == "bodies" {
				list = blocks[at].Bodies
			}
			for e := range list {
				for i := 0; i < len(list[e]); i += 1 + len(list[e])/60 {
					lie := copied()
					entries := append([][]byte{}, list...)
					entries[e] = bytes.Clone(list[e])
					entries[e][i] ^= 0x41
					if stream == "bodies" {
						lie[at].Bodies = entries
					} else {
						lie[at].Records = entries
					}
					got, err := h.Confirmed(answerOf(lie))
					if err == nil && got > at && stream == "records" && e < len(list)-1 {
						continue // of a transaction's record the results are computed, see below
					}
					if err == nil && got > at {
						t.Errorf("byte %d of entry %d of the %s of block %d is changed: %d blocks are confirmed", i, e, stream, at, got)
					}
				}
			}
		}
	}
	// What stands where the engine writes nothing: votes before the first block, fields
	// that nobody knows.
	for _, at := range []int{0, changed, changed + 1} {
		lie := copied()
		_, fields := headerOf(t, &lie[at])
		fields[4] = [][]byte{append(slices.Concat(fields[4]...), 0xa2, 0x06, 1, 'x')}
		lie[at] = withRecord(lie[at], fields)
		if got, err := h.Confirmed(answerOf(lie)); err == nil && got > at {
			t.Errorf("the commit of block %d has a field more: %d blocks are confirmed", at, got)
		}
	}
	// What is wrong with results and codes shows when they are computed: the block
	// goes, and is taken from somebody else.
	codec, err := schemas.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	frame, err := codec.Expand(blocks[changed].Records[0])
	if err != nil {
		t.Fatal(err)
	}
	var other []byte
	for f := schemas.ReadFields(frame); ; {
		n, v, ok := f.Next()
		if !ok {
			break
		}
		if n == 4 {
			v = schemas.AppendResults(nil, make([]schemas.Result, 2))
		}
		other = schemas.AppendField(other, n, v)
	}
	lie := copied()
	lie[changed].Records = append([][]byte{codec.Compress(other)}, lie[changed].Records[1:]...)
	if err := h.Keep(answerOf(lie)); err == nil {
		t.Error("other results are kept")
	}
	if height, _ := h.Computed(); height != int64(changed) {
		t.Errorf("before the lie there are %d blocks, %d are computed", changed, height)
	}
	if err := h.Keep(answerOf(blocks[changed:])); err != nil {
		t.Errorf("after the lie the truth is refused: %v", err)
	}
	if height, _ := h.Computed(); height != int64(len(blocks)-1) {
		t.Errorf("%d blocks are computed", height)
	}
	h = history(t, n, t.TempDir())
	defer h.Close()
	lie = copied()
	lie[changed].Bodies = nil
	refused("no bodies", answerOf(lie))
	lie = copied()
	lie[changed].Records = lie[changed].Records[1:]
	refused("no record of a transaction", answerOf(lie))
	lie = copied()
	lie[changed], lie[changed+1] = lie[changed+1], lie[changed]
	refused("two blocks in the other order", answerOf(lie))
	lie = append(copied()[:changed], blocks[changed+1:]...)
	refused("a block left out", answerOf(lie))
	refused("cut short", answerOf(blocks)[:len(answerOf(blocks[:changed+1]))-3])
	refused("nothing", nil)
	refused("noise", bytes.Repeat([]byte{0x5a}, 300))
	t.Run("other validators", func(t *testing.T) { refused("blocks of validators of its own", answerOf(forgedBy(t, blocks, changed))) })
}

// forgedBy makes up a block and its successor, signed by a validator that nobody
// announced.
func forgedBy(t *testing.T, blocks []app.ArchivedBlock, at int) []app.ArchivedBlock {
	t.Helper()
	out := append([]app.ArchivedBlock{}, blocks[:at+2]...)
	own := cmted25519.GenPrivKey()
	set := types.NewValidatorSet([]*types.Validator{types.NewValidator(own.PubKey(), 1)})
	h, fields := headerOf(t, &out[at])
	h.ValidatorsHash, h.NextValidatorsHash, h.ProposerAddress = set.Hash(), set.Hash(), own.PubKey().Address()
	encode := func(m proto.Message) []byte {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	hash := h.Hash()
	fields[2], fields[3] = [][]byte{hash}, [][]byte{encode(h.ToProto())}
	fields[8] = [][]byte{schemas.AppendField(nil, 1, schemas.AppendUint(schemas.AppendField(nil, 1, own.PubKey().Bytes()), 2, 1))}
	out[at] = withRecord(out[at], fields)

	next, fields := headerOf(t, &out[at+1])
	id := types.BlockID{Hash: hash, PartSetHeader: types.PartSetHeader{Total: 1, Hash: make([]byte, 32)}}
	vote := &types.Vote{Type: cmtproto.PrecommitType, Height: h.Height, BlockID: id, Timestamp: h.Time, ValidatorAddress: own.PubKey().Address()}
	signature, err := own.Sign(types.VoteSignBytes(h.ChainID, vote.ToProto()))
	if err != nil {
		t.Fatal(err)
	}
	c := &types.Commit{Height: h.Height, BlockID: id, Signatures: []types.CommitSig{{BlockIDFlag: types.BlockIDFlagCommit, ValidatorAddress: vote.ValidatorAddress, Timestamp: vote.Timestamp, Signature: signature}}}
	next.LastBlockID, next.LastCommitHash, next.ValidatorsHash, next.NextValidatorsHash = id, c.Hash(), set.Hash(), set.Hash()
	fields[2], fields[3], fields[4] = [][]byte{next.Hash()}, [][]byte{encode(next.ToProto())}, [][]byte{encode(c.ToProto())}
	out[at+1] = withRecord(out[at+1], fields)
	return out
}

// At each turn another peer is asked first, and every one once.
func TestHistoryIsAskedInTurn(t *testing.T) {
	peers := []string{"a", "b", "c"}
	for turn, want := range []string{"[a b c]", "[b c a]", "[c a b]", "[a b c]"} {
		if got := fmt.Sprint(node.HistoryInTurn(peers, turn)); got != want {
			t.Errorf("at turn %d %s are asked, not %s", turn, got, want)
		}
	}
	if got := node.HistoryInTurn(nil, 5); len(got) > 0 {
		t.Errorf("of nobody %v are asked", got)
	}
}
