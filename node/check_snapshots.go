package node

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// checkSnapshots reads what other nodes join by: each chunk is what the manifest says, and
// the manifest what the chunks are. Whether its root is that of its height the archive tells
// when it is computed again (checkRoot).
func (c *checker) checkSnapshots() {
	saved, err := store.ReadSnapshots(SnapshotsPath(c.Home))
	if err != nil {
		c.fault(Fault{File: c.name(SnapshotsPath(c.Home)), Detail: err.Error()})
		return
	}
	codec, err := schemas.NewCodec()
	if err != nil {
		c.fault(Fault{Detail: err.Error()})
		return
	}
	for _, s := range saved.List() {
		if file, err := c.checkSnapshot(codec, saved, s); err != nil {
			if _, gone := os.Stat(snapshotPath(c.Home, s.Height)); gone != nil {
				continue // the node, which runs, let it go
			}
			c.snapshotFault(s.Height, file, err.Error())
		}
	}
}

func snapshotPath(home string, height int64) string {
	return filepath.Join(SnapshotsPath(home), strconv.FormatInt(height, 10))
}

func (c *checker) snapshotFault(height int64, file, detail string) {
	c.fault(Fault{File: c.name(filepath.Join(snapshotPath(c.Home, height), file)), Height: height, Detail: detail + ": remove the directory, another snapshot is taken in time"})
}

// checkSnapshot checks one, and answers which file is wrong.
func (c *checker) checkSnapshot(codec *schemas.Codec, saved *store.Snapshots, s store.Saved) (file string, err error) {
	c.Files++
	m, err := schemas.DecodeManifest(s.Manifest)
	switch {
	case err != nil:
	case !bytes.Equal(m.Append(nil), s.Manifest) || m.Height != s.Height:
		err = errors.New("it is not written as waybill writes it, or of another height")
	case c.genesis != nil && m.ChainID != c.genesis.ChainID:
		err = fmt.Errorf("it is of the chain %q", m.ChainID)
	}
	if err != nil {
		return store.ManifestFile, err
	}
	keys := uint64(0)
	for i := range m.Chunks {
		c.Files++
		n, err := stateKeys(codec, saved, s.Height, i, m.Chunks[i])
		if err != nil {
			return store.ChunkName(i), err
		}
		keys += n
	}
	if keys != m.Keys {
		return store.ManifestFile, fmt.Errorf("it says that the state has %d keys, its chunks have %d", m.Keys, keys)
	}
	if c.roots == nil {
		c.roots = map[int64]schemas.Hash{}
	}
	c.roots[s.Height] = m.Root
	return "", nil
}

// stateKeys counts the keys of the state in a chunk that has a hash.
func stateKeys(codec *schemas.Codec, saved *store.Snapshots, height int64, i int, hash schemas.Hash) (n uint64, err error) {
	chunk, err := saved.Chunk(height, i)
	switch {
	case err != nil:
		return 0, err
	case chunk == nil:
		return 0, errors.New("it is missing")
	case sha256.Sum256(chunk) != hash:
		return 0, errors.New("it is not what the manifest says")
	}
	rest, err := codec.ExpandChunk(chunk)
	for err == nil && len(rest) > 0 {
		var r schemas.SnapshotRecord
		if r, rest, err = schemas.NextSnapshotRecord(rest); r.Kind == schemas.SnapshotState {
			n++
		}
	}
	return n, err
}

// checkRoot holds the snapshot of a height, if there is one, to what the blocks come to.
func (c *checker) checkRoot(height int64, root []byte) {
	if of, ok := c.roots[height]; ok && !bytes.Equal(of[:], root) {
		c.snapshotFault(height, store.ManifestFile, fmt.Sprintf("its state has the root %s, the ledger's %x", of, root))
	}
}
