package node_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// runs starts a home's node, commits an event and stops it.
func runs(t *testing.T, s node.Settings, n int) {
	t.Helper()
	x, err := node.Start(t.Context(), s, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, x, event(t, n))
	if err := x.Stop(); err != nil {
		t.Fatal(err)
	}
}

func arrive(t *testing.T) (file, recipient string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "arrival")
	recipient, err := node.MakeArrival(file)
	if err != nil {
		t.Fatal(err)
	}
	return file, recipient
}

// A move that is cut off in the old home is ended for the same arrival only, and the
// home does not start any more from its first step on.
func TestMoveOutCutOff(t *testing.T) {
	s := alone(t)
	runs(t, s, 1)
	key := filepath.Join(s.Home, "keys", "validator.json")
	_, recipient := arrive(t)
	_, other := arrive(t)
	// The handover cannot be written: the key is given up, and nobody has it.
	nowhere := filepath.Join(t.TempDir(), "missing", "handover")
	if _, err := node.MoveOut(&s, recipient, nowhere); err == nil {
		t.Fatal("a handover was written into a directory that is not there")
	}
	if _, err := os.Stat(key); err == nil {
		t.Fatal("the key is in its place, though a handover could have been written")
	}
	if _, err := node.Start(t.Context(), s, "test", io.Discard); err == nil || !strings.Contains(err.Error(), "gave its validator's key up") {
		t.Errorf("a home that began to give its key up: %v", err)
	}
	if _, err := node.MoveOut(&s, other, filepath.Join(t.TempDir(), "handover")); err == nil || !strings.Contains(err.Error(), "same arrival") {
		t.Errorf("for another arrival: %v", err)
	}
	if _, err := node.MoveOut(&s, recipient, filepath.Join(t.TempDir(), "handover")); err != nil {
		t.Errorf("for the same arrival: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(s.Home, "keys", "validator.json*"))
	if err != nil || len(left) > 0 {
		t.Errorf("of the key is left: %v, %v", left, err)
	}
}

// A handover is taken once, by its arrival alone, into a home of its partner; in one
// that is no copy the validator signs above what it signed.
func TestMoveIn(t *testing.T) {
	s := alone(t)
	runs(t, s, 1)
	copied := s
	copied.Home = filepath.Join(t.TempDir(), "copy")
	arrival, recipient := arrive(t)
	handover := filepath.Join(t.TempDir(), "handover")
	before := s
	before.Home = filepath.Join(t.TempDir(), "before")
	copyHome(t, s.Home, before.Home) // while the old home has the key still
	out, err := node.MoveOut(&s, recipient, handover)
	if err != nil {
		t.Fatal(err)
	}
	copyHome(t, s.Home, copied.Home)

	stranger, _ := arrive(t)
	if _, err := node.MoveIn(&copied, stranger, handover); err == nil || !strings.Contains(err.Error(), "another arrival") {
		t.Errorf("by another arrival: %v", err)
	}
	other := alone(t)
	if _, err := node.MoveIn(&other, arrival, handover); err == nil {
		t.Error("a home of another validator took the key")
	}
	in, err := node.MoveIn(&copied, arrival, handover)
	if err != nil || in.Above || in.Validator != out.Validator {
		t.Fatalf("into a copy: %+v, %v", in, err)
	}
	for _, path := range []string{arrival, handover} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is there still", path)
		}
	}
	runs(t, copied, 2) // the one validator of its network votes, so it went on where it was

	if _, err := node.MoveIn(&copied, arrival, handover); err == nil || !strings.Contains(err.Error(), "destroyed") {
		t.Errorf("a second time: %v", err)
	}

	// On into a home that is no copy made since: what was signed there, it does not know.
	arrival, recipient = arrive(t)
	if out, err = node.MoveOut(&copied, recipient, handover); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(before.Home, "keys", "validator.json")); err != nil {
		t.Fatal(err)
	}
	in, err = node.MoveIn(&before, arrival, handover)
	if err != nil || !in.Above || in.Height != out.Height {
		t.Errorf("into a copy of before: %+v, %v", in, err)
	}
	keys, err := before.Keys()
	if err != nil {
		t.Fatal(err)
	}
	vote := &cmtproto.Vote{Type: prevote, Height: out.Height, Round: 9}
	if err := keys.Validator.SignVote("alone", vote); err == nil {
		t.Error("the validator signed at the height that it signed last elsewhere")
	}
	vote.Height++
	if err := keys.Validator.SignVote("alone", vote); err != nil {
		t.Errorf("above that height: %v", err)
	}
}

func copyHome(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(filepath.Join(to, name), 0o700))
		}
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		return errors.Join(err, os.WriteFile(filepath.Join(to, name), b, 0o600))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A home that was cut off while it took the key takes it when it is asked again; until
// then, and afterwards, no other home does.
func TestMoveInCutOff(t *testing.T) {
	s := alone(t)
	runs(t, s, 1)
	arrival, recipient := arrive(t)
	handover := filepath.Join(t.TempDir(), "handover")
	if _, err := node.MoveOut(&s, recipient, handover); err != nil {
		t.Fatal(err)
	}
	one, two := s, s
	one.Home, two.Home = filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	copyHome(t, s.Home, one.Home)
	copyHome(t, s.Home, two.Home)
	taken, err := node.TestingOnlyClaim(arrival, one.Home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := node.MoveIn(&two, arrival, handover); err == nil || !strings.Contains(err.Error(), "same home") {
		t.Errorf("into another home: %v", err)
	}
	if _, err := node.MoveIn(&one, arrival, handover); err != nil {
		t.Errorf("into the same: %v", err)
	}
	for _, path := range []string{arrival, taken, handover} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is there still", path)
		}
	}
	runs(t, one, 2)
}

// No date keeps a node from starting: a network that began thirty years ago, and a
// root of trust of then, which only a node without blocks looks at.
func TestNoDateStopsANode(t *testing.T) {
	s := alone(t)
	doc, err := types.GenesisDocFromFile(node.GenesisPath(s.Home))
	if err != nil {
		t.Fatal(err)
	}
	doc.GenesisTime = time.Now().AddDate(-30, 0, 0)
	if err := doc.SaveAs(node.GenesisPath(s.Home)); err != nil {
		t.Fatal(err)
	}
	runs(t, s, 1)
	trust, err := json.Marshal(proof.Trust{ChainID: doc.ChainID, Height: 1, Time: doc.GenesisTime, HeaderHash: schemas.Sum("header"), ValidatorSetHash: schemas.Sum("set")})
	if err != nil {
		t.Fatal(err)
	}
	s.Trust = writePrivate(t, "trust.json", string(trust))
	runs(t, s, 2)
}

// No key that ended keeps a node from starting: it validates, and answers what is read.
func TestNoEndOfAKeyStopsANode(t *testing.T) {
	s := alone(t)
	alterGenesis(t, s, func(g *schemas.Genesis) { g.Keys[0].Until = 1 })
	for _, above := range []int64{1, 3} { // the second time all ended before it begins
		n, err := node.Start(t.Context(), s, "test", io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "blocks are made", func() bool {
			now, err := n.Ledger().Network(t.Context())
			return err == nil && now.Height > above && now.Quorum
		})
		if now, err := n.Ledger().Network(t.Context()); err != nil || len(now.Partners) != 1 {
			t.Errorf("above height %d the network is %+v, %v", above, now, err)
		}
		if _, err := n.Ledger().Sign("test", false, []*schemas.Event{event(t, 1)}); err == nil {
			t.Error("a key that ended signs")
		}
		if err := n.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// The key that is to follow a validator's moves with it, and a signer, which has one
// key, takes neither.
func TestMoveWithNextKey(t *testing.T) {
	s := alone(t)
	runs(t, s, 1)
	public, err := node.MakeNextKey(&s)
	if err != nil {
		t.Fatal(err)
	}
	arrival, recipient := arrive(t)
	handover := filepath.Join(t.TempDir(), "handover")
	if _, err := node.MoveOut(&s, recipient, handover); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(s.Home, "keys", "validator-next*")); err != nil || len(left) > 0 {
		t.Errorf("of the next key is left: %v, %v", left, err)
	}
	if _, err := node.MoveToSigner(node.SignerOptions{Home: filepath.Join(t.TempDir(), "signer")}, arrival, handover); err == nil || !strings.Contains(err.Error(), "a signer has one key") {
		t.Errorf("a signer takes both: %v", err)
	}
	copied := s
	copied.Home = filepath.Join(t.TempDir(), "copy")
	copyHome(t, s.Home, copied.Home)
	if _, err := node.MoveIn(&copied, arrival, handover); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(copied.Home, "keys", "validator-next.json"))
	if err != nil || !strings.Contains(string(b), base64.StdEncoding.EncodeToString(public)) {
		t.Errorf("the next key that came is %s, %v", b, err)
	}
	runs(t, copied, 2)
}

// A next key that a move left behind, cut off at its very end, is gone when the move is run
// again, and does not come back into use when the validator does.
func TestMoveLeavesNoNextKey(t *testing.T) {
	s := alone(t)
	runs(t, s, 1)
	if _, err := node.MakeNextKey(&s); err != nil {
		t.Fatal(err)
	}
	keys := []string{filepath.Join(s.Home, "keys", "validator-next.json"), filepath.Join(s.Home, "data", "sign_state_next.json")}
	kept := map[string][]byte{}
	for _, path := range keys {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		kept[path] = b
	}
	cutOff := func() {
		t.Helper()
		for path, b := range kept {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	gone := func(when string) {
		t.Helper()
		for _, path := range keys {
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s %s is there: %v", when, path, err)
			}
		}
	}
	arrival, recipient := arrive(t)
	handover := filepath.Join(t.TempDir(), "handover")
	if _, err := node.MoveOut(&s, recipient, handover); err != nil {
		t.Fatal(err)
	}
	cutOff()
	if _, err := node.MoveOut(&s, recipient, handover); err == nil || !strings.Contains(err.Error(), "gave its validator's key up") {
		t.Errorf("moved again: %v", err)
	}
	gone("moved again,")

	there := s
	there.Home = filepath.Join(t.TempDir(), "there")
	copyHome(t, s.Home, there.Home)
	if _, err := node.MoveIn(&there, arrival, handover); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"keys/validator-next.json", "data/sign_state_next.json"} { // as if it had been put into force, or given up, there
		if err := os.Remove(filepath.Join(there.Home, path)); err != nil {
			t.Fatal(err)
		}
	}
	arrival, recipient = arrive(t)
	if _, err := node.MoveOut(&there, recipient, handover); err != nil {
		t.Fatal(err)
	}
	cutOff()
	if _, err := node.MoveIn(&s, arrival, handover); err != nil {
		t.Fatal(err)
	}
	gone("moved back,")
}
