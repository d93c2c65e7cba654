package node

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// A doctor compares two states and names the first key in which they differ. A
// state is that of a home, or a listing that another partner made of one. States
// are compared at one height, the lower of the two: it is what a node that
// diverged stopped at. What the other had there comes out of its archive.

// DoctorOptions say what to compare.
type DoctorOptions struct {
	A, B    string // homes or listings
	Scratch string
	Getenv  func(string) string
}

// KeyState is a key of the state and what two sides have under it.
type KeyState struct {
	Kind string `json:"kind"`
	Key  string `json:"key"`
	Raw  string `json:"raw"` // the key, hexadecimal
	A    any    `json:"a"`   // decoded, or hexadecimal; null where there is none
	B    any    `json:"b"`
	Rows bool   `json:"rows_damaged,omitempty"` // a value is not the one that its own tree commits to
}

// Diagnosis is what a comparison finds.
type Diagnosis struct {
	Height int64      `json:"height"`
	RootA  string     `json:"root_a"`
	RootB  string     `json:"root_b"`
	Keys   []KeyState `json:"keys"` // that differ, in the order of the tree: the first few
}

// maxDiagnosed bounds the keys that are named.
const maxDiagnosed = 10

// Diagnose compares two states.
func Diagnose(ctx context.Context, o DoctorOptions) (d *Diagnosis, err error) {
	var sides [2]*side
	defer func() {
		for _, s := range sides {
			if s != nil {
				s.close()
			}
		}
	}()
	for i, path := range []string{o.A, o.B} {
		if sides[i], err = openSide(path, o); err != nil {
			return nil, fmt.Errorf("opening %s: %w", path, err)
		}
	}
	height := min(sides[0].height, sides[1].height)
	for i, s := range sides {
		if err := s.at(ctx, height, o.Scratch); err != nil {
			return nil, fmt.Errorf("going back to height %d of %s: %w", height, []string{o.A, o.B}[i], err)
		}
	}
	found, err := store.DiffTrees(sides[0].store, sides[1].store, maxDiagnosed)
	if err != nil {
		return nil, err
	}
	_, a := sides[0].store.Last()
	_, b := sides[1].store.Last()
	d = &Diagnosis{Height: height, RootA: schemas.Hash(a).String(), RootB: schemas.Hash(b).String(), Keys: []KeyState{}}
	for _, l := range found {
		k := KeyState{Raw: hex.EncodeToString(l.Key), A: describeValue(l.Key, l.Have), B: describeValue(l.Key, l.Want)}
		if k.Kind, k.Key = schemas.DescribeKey(l.Key); l.Key == nil {
			k.Kind, k.Key = "unknown", "a key whose hash is "+hex.EncodeToString(l.KeyHash[:])
		}
		k.Rows = !l.Committed()
		d.Keys = append(d.Keys, k)
	}
	return d, nil
}

// side is one of the two states.
type side struct {
	height    int64
	home      string // "" for a listing
	backend   string
	store     *store.Store
	elsewhere store.Elsewhere
	scratch   []string
}

func (s *side) close() {
	if s.store != nil {
		_ = s.store.Close() // it was only read
	}
	for _, dir := range s.scratch {
		_ = os.RemoveAll(dir) // it is temporary
	}
}

func openSide(path string, o DoctorOptions) (*side, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return readListing(path, o.Scratch)
	}
	settings, err := LoadSettings(path, o.Getenv)
	if err != nil {
		return nil, err
	}
	s := &side{home: path, backend: settings.Backend}
	options, err := settings.ledgerOptions()
	if err != nil {
		return nil, err
	}
	s.elsewhere = options.Elsewhere
	s.store, err = store.OpenReadOnly(options)
	switch {
	case err == nil:
		s.height, _ = s.store.Last()
	case errors.Is(err, syscall.EAGAIN): // a node runs: its archive can be read all the same
		at, _, stop, err := askCut(context.Background(), path)
		if err != nil {
			return nil, err
		}
		stop()
		s.height = at.Height
	default:
		return nil, err
	}
	return s, nil
}

// at goes to a height: by the database, if it is there, else by the archive.
func (s *side) at(ctx context.Context, height int64, scratch string) error {
	if s.store != nil {
		if have, _ := s.store.Last(); have == height {
			return nil
		}
		if s.home == "" {
			return fmt.Errorf("the listing is of height %d: make one of height %d (waybill doctor list --height %d)", s.height, height, height)
		}
		if err := s.store.Close(); err != nil {
			return err
		}
		s.store = nil
	}
	dir, err := os.MkdirTemp(scratch, "waybill-doctor-")
	if err != nil {
		return err
	}
	s.scratch = append(s.scratch, dir)
	s.store, err = stateAt(ctx, s.home, store.Options{Dir: dir, Backend: s.backend, Elsewhere: s.elsewhere}, height)
	return err
}

// stateAt computes the state of a height from a home's archive, which a running
// node only appends to.
func stateAt(ctx context.Context, home string, o store.Options, height int64) (*store.Store, error) {
	genesis, err := genesisOf(home)
	if err != nil {
		return nil, err
	}
	codec, err := schemas.NewCodec()
	if err != nil {
		return nil, err
	}
	s, err := store.OpenReplay(o, archivePath(home), app.SameEntry(codec))
	if err != nil {
		return nil, err
	}
	r, _, err := app.NewReplay(s, genesis.ChainID, genesis.InitialHeight, genesis.AppState)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	for have := int64(0); have < height; {
		b, err := r.Next()
		if err == nil {
			err = ctx.Err()
		}
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("the archive ends at height %d", have)
		}
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		have = b.Height
	}
	return s, nil
}

const listingFormat = "waybill state 1"

// maxListed bounds a line of a listing: no key or value comes near it.
const maxListed = 16 << 20

// ListState writes a home's state at a height (0: its last), for another partner
// to compare: a line that says what it is, then of each key, in order, key and
// value in hexadecimal.
func ListState(ctx context.Context, home string, height int64, o DoctorOptions, to io.Writer) error {
	s, err := openSide(home, o)
	if err != nil {
		return err
	}
	defer s.close()
	if height == 0 {
		height = s.height
	}
	if height > s.height {
		return fmt.Errorf("the home has height %d", s.height)
	}
	if err := s.at(ctx, height, o.Scratch); err != nil {
		return err
	}
	_, root := s.store.Last()
	w := bufio.NewWriter(to)
	fmt.Fprintf(w, "%s %d %x\n", listingFormat, height, root)
	for row, err := range s.store.State() {
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%x %x\n", row.Key, row.Value)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the listing: %w", err)
	}
	return nil
}

// readListing makes a store of a listing.
func readListing(path, scratch string) (*side, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxListed)
	s := &side{}
	var root string
	if !lines.Scan() {
		return nil, errors.Join(errors.New("it is empty"), lines.Err())
	}
	if n, err := fmt.Sscanf(lines.Text(), listingFormat+" %d %s", &s.height, &root); n != 2 || err != nil || s.height < 1 {
		return nil, errors.New("it is no listing of a state, as waybill doctor list makes one")
	}
	dir, err := os.MkdirTemp(scratch, "waybill-doctor-")
	if err != nil {
		return nil, err
	}
	s.scratch = append(s.scratch, dir)
	if s.store, err = store.Open(store.Options{Dir: dir}); err != nil {
		return nil, err
	}
	b := s.store.Begin(s.height)
	for lines.Scan() {
		k, v, ok := strings.Cut(lines.Text(), " ")
		key, errK := hex.DecodeString(k)
		value, errV := hex.DecodeString(v)
		if !ok || errK != nil || errV != nil || len(key) == 0 {
			return nil, errors.New("a line of it is no key and value")
		}
		b.Set(key, value, nil)
	}
	if err := errors.Join(lines.Err(), b.Commit()); err != nil {
		return nil, err
	}
	if _, have := s.store.Last(); schemas.Hash(have).String() != root {
		return nil, fmt.Errorf("its keys and values come to the root %x, it says %s: it was changed, or made of a damaged home", have, root)
	}
	return s, nil
}

// describeValue decodes what it can.
func describeValue(key, value []byte) any {
	if value == nil {
		return nil
	}
	var v any
	var err error
	switch kind, name := schemas.KindOf(key); kind {
	case schemas.ItemLeaf:
		v, err = schemas.DecodeItem(value)
	case schemas.PartnerLeaf:
		v, err = schemas.DecodePartner(string(name), value)
	case schemas.RegisterLeaf:
		v, err = schemas.DecodeRegister(value)
	case schemas.BalanceLeaf:
		v, err = schemas.DecodeLotBalance(value)
	case schemas.AccumulatorLeaf, schemas.ClassLeaf, schemas.NoncesLeaf:
		v, err = schemas.DecodeSingleHead(value)
	default:
		err = errors.New("shown as it is")
	}
	if err == nil {
		if _, err = json.Marshal(v); err == nil {
			return v
		}
	}
	return hex.EncodeToString(value)
}
