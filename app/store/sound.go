package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/klauspost/compress/snappy"
)

// A goleveldb database reads only what it is asked for, and leaves alone what it
// needs no more: a table's filter, the journal of what is in tables already. So
// that no flipped bit in any of its files stays unseen, they are read here whole,
// by their published format, every checksum and every byte between them.

// CheckDatabase checks every file of a goleveldb database, and tells what is
// damaged. The database may not be open. Its log for people, LOG, and the older
// copies of CURRENT say nothing that counts and are not checked.
func CheckDatabase(dir string) (damages []*Damage, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading a database: %w", err)
	}
	present := map[string]bool{}
	for _, e := range entries {
		present[e.Name()] = true
	}
	if !present["CURRENT"] {
		damages = append(damages, &Damage{"CURRENT", 0, errors.New("the file is missing")})
	}
	for _, e := range entries {
		name := e.Name()
		var check func([]byte) (int, error)
		switch {
		case strings.HasSuffix(name, ".ldb"), strings.HasSuffix(name, ".sst"):
			check = checkTable
		case strings.HasSuffix(name, ".log"), strings.HasPrefix(name, "MANIFEST-"):
			check = checkJournal
		case name == "CURRENT":
			check = func(b []byte) (int, error) { return checkCurrent(b, present) }
		case name == "LOCK", name == "LOG", name == "LOG.old", strings.HasPrefix(name, "CURRENT."):
			continue
		default:
			check = func([]byte) (int, error) { return 0, errors.New("no file of a database has this name") }
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			damages = append(damages, &Damage{name, 0, err})
			continue
		}
		if at, err := check(b); err != nil {
			damages = append(damages, &Damage{name, int64(at), err})
		}
	}
	return damages, nil
}

func checkCurrent(b []byte, present map[string]bool) (int, error) {
	name, ok := strings.CutSuffix(string(b), "\n")
	if !ok || !regexp.MustCompile(`^MANIFEST-\d{6,}$`).MatchString(name) {
		return 0, errors.New("it does not name a manifest")
	}
	if !present[name] {
		return 0, fmt.Errorf("it names %s, which is missing", name)
	}
	return 0, nil
}

const (
	journalBlock  = 32 << 10
	journalHeader = 7
	tableFooter   = 48
	tableTrailer  = 5
)

// unmasked undoes what the format does to a checksum that is stored beside what
// it is of.
func unmasked(sum uint32) uint32 {
	sum -= 0xa282ead8
	return sum>>17 | sum<<15
}

// checkJournal walks blocks of 32 KiB of chunks: checksum, length, type, data; in
// the rest of a block that has no room for a header, zeros.
func checkJournal(b []byte) (int, error) {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	within := false // a record that is not complete
	for at := 0; at < len(b); {
		room := journalBlock - at%journalBlock
		if room < journalHeader {
			pad := b[at:min(at+room, len(b))]
			if bytes.Count(pad, []byte{0}) != len(pad) {
				return at, errors.New("bytes where a block's end is empty")
			}
			at += room
			continue
		}
		if len(b)-at < journalHeader {
			return at, errors.New("a chunk is cut short: of a node that was killed, start and stop it once")
		}
		size, kind := int(binary.LittleEndian.Uint16(b[at+4:])), b[at+6]
		if size > room-journalHeader || size > len(b)-at-journalHeader {
			return at, errors.New("a chunk is cut short: of a node that was killed, start and stop it once")
		}
		if unmasked(binary.LittleEndian.Uint32(b[at:])) != crc32.Checksum(b[at+6:at+journalHeader+size], castagnoli) {
			return at, errors.New("the checksum of a chunk differs")
		}
		// 1 whole, 2 first, 3 middle, 4 last
		if begins := kind == 1 || kind == 2; kind < 1 || kind > 4 || begins == within {
			return at, errors.New("a chunk does not follow the one before")
		}
		within = kind == 2 || kind == 3
		at += journalHeader + size
	}
	if within {
		return len(b), errors.New("the last record is cut short: of a node that was killed, start and stop it once")
	}
	return 0, nil
}

// CheckJournals finds a goleveldb database whose journal is damaged in the middle: there
// goleveldb would drop what it cannot read and go on behind it. The ledger refuses its own:
// it would hold no height's state. Every batch of the ledger is synced, so that a
// machine that stops can only have left the last one unfinished, which is dropped
// as if it had never come.
func CheckJournals(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		return fmt.Errorf("listing the database's journals: %w", err)
	}
	for i, path := range names { // by ascending number, each of at least six digits
		b, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("reading the database's journal: %w", err)
		}
		at, damage := checkJournal(b)
		if damage != nil && (i < len(names)-1 || resumes(b, at)) {
			return fmt.Errorf("the database's journal %s is damaged at %d: %w", filepath.Base(path), at, damage)
		}
	}
	return nil
}

// resumes reports whether a record begins in the blocks behind a place.
func resumes(b []byte, at int) bool {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	for at = (at/journalBlock + 1) * journalBlock; at+journalHeader <= len(b); at += journalBlock {
		for rest := b[at:min(at+journalBlock, len(b))]; len(rest) >= journalHeader; {
			size := int(binary.LittleEndian.Uint16(rest[4:]))
			if size > len(rest)-journalHeader || unmasked(binary.LittleEndian.Uint32(rest)) != crc32.Checksum(rest[6:journalHeader+size], castagnoli) {
				break
			}
			if kind := rest[6]; kind == 1 || kind == 2 {
				return true
			}
			rest = rest[journalHeader+size:]
		}
	}
	return false
}

// extent is a block's place in a table's file, without its trailer.
type extent struct{ offset, length uint64 }

func decodeExtent(b []byte) (e extent, rest []byte, ok bool) {
	var n, m int
	if e.offset, n = binary.Uvarint(b); n <= 0 {
		return e, nil, false
	}
	if e.length, m = binary.Uvarint(b[n:]); m <= 0 {
		return e, nil, false
	}
	return e, b[n+m:], true
}

// checkTable reads a sorted table: blocks one behind the other, of which the
// footer leads to the index and the index to all others.
func checkTable(b []byte) (int, error) {
	if len(b) < tableFooter {
		return 0, errors.New("the table is cut short")
	}
	foot := len(b) - tableFooter
	meta, rest, ok := decodeExtent(b[foot:])
	index, rest, ok2 := decodeExtent(rest)
	if !ok || !ok2 || len(rest) < 8 || string(rest[len(rest)-8:]) != "\x57\xfb\x80\x8b\x24\x75\x47\xdb" {
		return foot, errors.New("the table's footer is damaged")
	}
	if pad := rest[:len(rest)-8]; bytes.Count(pad, []byte{0}) != len(pad) {
		return foot, errors.New("the table's footer is damaged")
	}
	at := uint64(0)
	var blocks []extent
	for _, top := range []extent{index, meta} {
		content, err := tableBlock(b, top)
		if err != nil {
			return int(top.offset), err
		}
		if top == index {
			if blocks, err = blockExtents(content); err != nil {
				return int(top.offset), err
			}
			continue
		}
		others, err := blockExtents(content)
		if err != nil {
			return int(top.offset), err
		}
		blocks = append(blocks, others...)
	}
	for _, e := range append(blocks, meta, index) {
		if e.offset != at {
			return int(at), errors.New("bytes that belong to no block")
		}
		if _, err := tableBlock(b, e); err != nil {
			return int(e.offset), err
		}
		at = e.offset + e.length + tableTrailer
	}
	if at != uint64(foot) {
		return int(at), errors.New("bytes that belong to no block")
	}
	return 0, nil
}

// tableBlock checks a block and gives its content.
func tableBlock(b []byte, e extent) ([]byte, error) {
	end := e.offset + e.length
	if e.offset > uint64(len(b)) || e.length > uint64(len(b)) || end+tableTrailer > uint64(len(b)) {
		return nil, errors.New("a block lies beyond the table's end")
	}
	sum := binary.LittleEndian.Uint32(b[end+1:])
	if unmasked(sum) != crc32.Checksum(b[e.offset:end+1], crc32.MakeTable(crc32.Castagnoli)) {
		return nil, errors.New("the checksum of a block differs")
	}
	switch b[end] {
	case 0:
		return b[e.offset:end], nil
	case 1:
		content, err := snappy.Decode(nil, b[e.offset:end])
		if err != nil {
			return nil, fmt.Errorf("decompressing a block: %w", err)
		}
		return content, nil
	}
	return nil, errors.New("a block is compressed in an unknown way")
}

// blockExtents reads the values of an index's block: each entry is the lengths of
// what its key shares with the one before, of the rest of the key and of the
// value, then both; behind the last come the restart points and their number.
func blockExtents(b []byte) (out []extent, err error) {
	errBlock := errors.New("a table's index is damaged")
	if len(b) < 4 {
		return nil, errBlock
	}
	restarts := uint64(binary.LittleEndian.Uint32(b[len(b)-4:]))
	if 4*restarts+4 > uint64(len(b)) {
		return nil, errBlock
	}
	for rest := b[:uint64(len(b))-4*restarts-4]; len(rest) > 0; {
		var lengths [3]uint64
		for i := range lengths {
			n := 0
			if lengths[i], n = binary.Uvarint(rest); n <= 0 {
				return nil, errBlock
			}
			rest = rest[n:]
		}
		if lengths[1] > uint64(len(rest)) || lengths[2] > uint64(len(rest))-lengths[1] {
			return nil, errBlock
		}
		e, left, ok := decodeExtent(rest[lengths[1] : lengths[1]+lengths[2]])
		if !ok || len(left) != 0 {
			return nil, errBlock
		}
		out, rest = append(out, e), rest[lengths[1]+lengths[2]:]
	}
	return out, nil
}
