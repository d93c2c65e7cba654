package schemas

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// A snapshot is the state of one height as another node restores it: what the
// tree commits to, and what the rules read besides, which follows from logs that
// the tree commits to. It is cut into chunks; a manifest lists their hashes.
// docs/format-snapshot.md has it byte by byte.

// SnapshotFormat is the only format of snapshots so far.
const SnapshotFormat = 1

// Bounds of a snapshot: what a peer sends beyond them is refused.
const (
	SnapshotChunk     = 4 << 20                // bytes of a chunk before it is compressed
	MaxSnapshotRecord = 1 << 20                // bytes of one record
	MaxSnapshotChunk  = SnapshotChunk + 64<<10 // bytes of a compressed chunk
	MaxSnapshotChunks = 100_000
)

// Manifest says what a snapshot is, and of which chunks it is made.
type Manifest struct {
	ChainID string
	Height  int64  // one that changed something
	Root    Hash   // of the state tree: the app hash of the height
	Keys    uint64 // of the state
	Chunks  []Hash // SHA-256 of each chunk as it is sent
}

// Append appends the manifest's encoding: 1 chain id, 2 height, 3 root, 4 number
// of keys, 5 hashes of the chunks, one behind the other.
func (m *Manifest) Append(dst []byte) []byte {
	dst = AppendString(dst, 1, m.ChainID)
	dst = AppendUint(dst, 2, uint64(m.Height))
	dst = AppendField(dst, 3, m.Root[:])
	dst = AppendUint(dst, 4, m.Keys)
	hashes := make([]byte, 0, len(m.Chunks)*len(Hash{}))
	for i := range m.Chunks {
		hashes = append(hashes, m.Chunks[i][:]...)
	}
	return AppendField(dst, 5, hashes)
}

// ManifestHash is what a snapshot is known by.
func ManifestHash(manifest []byte) Hash { return Sum(tagSnapshot, manifest) }

// DecodeManifest reads the encoding of a manifest.
func DecodeManifest(b []byte) (m Manifest, err error) {
	if len(b) > MaxSnapshotChunks*len(Hash{})+1024 {
		return m, fmt.Errorf("a manifest of %d bytes", len(b))
	}
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			m.ChainID = string(v)
		case 2:
			m.Height = int64(f.Uint(n, v))
		case 3:
			m.Root = f.Hash(n, v)
		case 4:
			m.Keys = f.Uint(n, v)
		case 5:
			if len(v)%len(Hash{}) != 0 {
				f.Fail(n, "no list of hashes")
				break
			}
			m.Chunks = make([]Hash, len(v)/len(Hash{}))
			for i := range m.Chunks {
				copy(m.Chunks[i][:], v[i*len(Hash{}):])
			}
		default:
			f.Fail(n, "unknown")
		}
	}
	if err := f.Exact(b, m.Append(nil)); err != nil {
		return m, err
	}
	if m.Height < 1 || len(m.Chunks) == 0 || len(m.Chunks) > MaxSnapshotChunks {
		return m, fmt.Errorf("a snapshot of height %d in %d chunks", m.Height, len(m.Chunks))
	}
	return m, nil
}

// SnapshotKind is what a record of a snapshot holds. The kinds follow each other
// in this order, the records of one kind in the order of their keys.
type SnapshotKind byte

// Kinds of records.
const (
	SnapshotState       SnapshotKind = 1 // state key: value, and what is beside it
	SnapshotEvent       SnapshotKind = 2 // an event in a partner's register
	SnapshotDeclaration SnapshotKind = 3 // an error declaration in a partner's register
	SnapshotNonce       SnapshotKind = 4 // a transaction that has not expired
)

// SnapshotRecord is one record of a snapshot.
type SnapshotRecord struct {
	Kind  SnapshotKind
	Key   []byte
	Value []byte
	Aside []byte // of a state record
}

// Append appends the record: its kind, then key, value and, of a state record,
// what is beside it, each behind its length as a uvarint.
func (r *SnapshotRecord) Append(dst []byte) []byte {
	dst = append(dst, byte(r.Kind))
	dst = append(binary.AppendUvarint(dst, uint64(len(r.Key))), r.Key...)
	dst = append(binary.AppendUvarint(dst, uint64(len(r.Value))), r.Value...)
	if r.Kind == SnapshotState {
		dst = append(binary.AppendUvarint(dst, uint64(len(r.Aside))), r.Aside...)
	}
	return dst
}

// Before reports whether the record stands before another.
func (r *SnapshotRecord) Before(o *SnapshotRecord) bool {
	return r.Kind < o.Kind || r.Kind == o.Kind && bytes.Compare(r.Key, o.Key) < 0
}

var errSnapshotRecord = errors.New("a record of a snapshot is cut short")

// NextSnapshotRecord reads the first record of b and returns what is behind it.
// The record shares b's memory.
func NextSnapshotRecord(b []byte) (r SnapshotRecord, rest []byte, err error) {
	if len(b) == 0 {
		return r, nil, errSnapshotRecord
	}
	r.Kind, rest = SnapshotKind(b[0]), b[1:]
	if r.Kind < SnapshotState || r.Kind > SnapshotNonce {
		return r, nil, fmt.Errorf("a record of a snapshot of the unknown kind %d", r.Kind)
	}
	parts := []*[]byte{&r.Key, &r.Value}
	if r.Kind == SnapshotState {
		parts = append(parts, &r.Aside)
	}
	for _, p := range parts {
		n, size := binary.Uvarint(rest)
		if size <= 0 || size > 1 && rest[size-1] == 0 || n > uint64(len(rest)-size) {
			return r, nil, errSnapshotRecord
		}
		*p, rest = rest[size:size+int(n):size+int(n)], rest[size+int(n):]
	}
	if len(b)-len(rest) > MaxSnapshotRecord {
		return r, nil, fmt.Errorf("a record of a snapshot has %d bytes, the limit is %d", len(b)-len(rest), MaxSnapshotRecord)
	}
	return r, rest, nil
}

// ExpandChunk decompresses a chunk of a snapshot; what it allocates is bounded.
func (c *Codec) ExpandChunk(chunk []byte) ([]byte, error) {
	if len(chunk) > MaxSnapshotChunk {
		return nil, fmt.Errorf("a chunk of %d bytes, %d are allowed", len(chunk), MaxSnapshotChunk)
	}
	return c.expand(nil, chunk, SnapshotChunk)
}
