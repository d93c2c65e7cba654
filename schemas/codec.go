package schemas

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Bodies are compressed with zstd (RFC 8878). Whether a frame is accepted
// decides in consensus, so as little as possible is left to the library: its
// frame and block headers are read here, by the letter of the RFC, and what the
// library makes of the blocks must have the declared size and hash to the signed
// root. What remains, whether damaged entropy tables or offsets are noticed, is
// held by a corpus of verdicts in testdata: a new version of the library that
// decides one of them otherwise is a new version of the rules.

const (
	maxWindow   = 1 << 20   // bytes of history that a frame may refer to
	maxBlock    = 128 << 10 // bytes of a block, compressed or not (RFC 8878, 3.1.1.2.4)
	maxExpanded = 64 << 20  // bytes that Expand gives
	zstdMagic   = 0xfd2fb528

	// leastCompressed is how long a content is that Frame compresses: to compress the body
	// of one event, and decompress it at each node, takes longer than all rules for it; its
	// record, most of it hashes, gets hardly smaller.
	leastCompressed = 1 << 10
)

// Codec compresses and decompresses bodies. It may be used by many goroutines:
// the fifth that decompresses at once waits for one of four.
type Codec struct {
	short   *zstd.Encoder // of what fits one window: in a frame of one segment
	long    *zstd.Encoder // of more
	dec     *zstd.Decoder // of bodies
	archive *zstd.Decoder // of what this node wrote
	benches sync.Pool     // *bench
}

// NewCodec returns a Codec.
func NewCodec() (*Codec, error) {
	// By default the encoder leaves out the content's size of frames below 256
	// bytes; a frame of one segment always has it.
	short, err := newEncoder(true)
	if err != nil {
		return nil, err
	}
	long, err := newEncoder(false)
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(4), zstd.WithDecoderMaxWindow(maxWindow),
		zstd.WithDecoderMaxMemory(MaxDeclared), zstd.IgnoreChecksum(false))
	if err != nil {
		return nil, fmt.Errorf("making a zstd decoder: %w", err)
	}
	archive, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(4), zstd.WithDecoderMaxWindow(maxWindow),
		zstd.WithDecoderMaxMemory(maxExpanded), zstd.IgnoreChecksum(false))
	if err != nil {
		return nil, fmt.Errorf("making a zstd decoder: %w", err)
	}
	return &Codec{short: short, long: long, dec: dec, archive: archive, benches: sync.Pool{New: func() any { return new(bench) }}}, nil
}

func newEncoder(single bool) (*zstd.Encoder, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(maxWindow), zstd.WithSingleSegment(single),
		zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true))
	if err != nil {
		return nil, fmt.Errorf("making a zstd encoder: %w", err)
	}
	return enc, nil
}

// Compress returns b as one zstd frame.
func (c *Codec) Compress(b []byte) []byte {
	if len(b) <= maxWindow {
		return c.short.EncodeAll(b, nil)
	}
	return c.long.EncodeAll(b, nil)
}

// Frame returns b as one zstd frame, compressed where that is worth its time.
func (c *Codec) Frame(b []byte) []byte {
	if len(b) >= leastCompressed {
		return c.Compress(b)
	}
	// RFC 8878, 3.1.1: a frame of one segment with its content's size, and one raw block.
	frame := binary.LittleEndian.AppendUint32(make([]byte, 0, len(b)+10), zstdMagic)
	if len(b) < 256 {
		frame = append(frame, 1<<5, byte(len(b)))
	} else {
		frame = binary.LittleEndian.AppendUint16(append(frame, 1<<6|1<<5), uint16(len(b)-256))
	}
	const last = 1
	head := len(b)<<3 | last
	return append(append(frame, byte(head), byte(head>>8), byte(head>>16)), b...)
}

// Decompress returns the content of one zstd frame of exactly size bytes. What
// it allocates is bounded by size, which the caller bounds.
func (c *Codec) Decompress(frame []byte, size int) ([]byte, error) {
	return c.DecompressInto(nil, frame, size)
}

// DecompressInto is Decompress into room that is used again, where it is enough.
func (c *Codec) DecompressInto(room, frame []byte, size int) ([]byte, error) {
	declared, plain, err := checkFrame(frame)
	if err != nil {
		return nil, err
	}
	if size < 0 || declared != uint64(size) {
		return nil, fmt.Errorf("the frame declares %d bytes of content, not %d", declared, size)
	}
	if plain != nil {
		return append(room[:0], plain...), nil
	}
	return decompress(c.dec, room, frame, size)
}

// Expand decompresses what this node's Frame or Compress wrote (archive records), whose
// size the frame itself declares, at most 64 MiB.
func (c *Codec) Expand(frame []byte) ([]byte, error) { return c.expand(nil, frame, maxExpanded) }

// ExpandInto is Expand into room that is used again, where it is enough.
func (c *Codec) ExpandInto(room, frame []byte) ([]byte, error) {
	return c.expand(room, frame, maxExpanded)
}

func (c *Codec) expand(room, frame []byte, limit uint64) ([]byte, error) {
	size, plain, err := checkFrame(frame)
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("%d bytes of content, %d are allowed", size, limit)
	}
	if plain != nil {
		return append(room[:0], plain...), nil
	}
	return decompress(c.archive, room, frame, int(size))
}

func decompress(dec *zstd.Decoder, room, frame []byte, size int) ([]byte, error) {
	if cap(room) < size {
		room = make([]byte, 0, size)
	}
	out, err := dec.DecodeAll(frame, room[:0:size])
	if err != nil {
		return nil, fmt.Errorf("decompressing: %w", err)
	}
	if len(out) != size {
		return nil, fmt.Errorf("%d bytes where %d were declared", len(out), size)
	}
	return out, nil
}

// frameHeader is the header of a zstd frame (RFC 8878, 3.1.1.1).
type frameHeader struct {
	size     int // bytes of the header
	window   uint64
	content  uint64
	single   bool // one segment: the window is the content
	checksum bool
}

// checkFrame walks the frame's headers before anything is decompressed: one
// frame and no more, its content size given, no dictionary, window within
// bounds, and blocks that can hold as much as it declares, so that a frame of
// few bytes cannot claim memory. It returns the declared size, and the content itself
// where that is the one block of a frame of one segment, as Frame writes it.
func checkFrame(frame []byte) (content uint64, plain []byte, err error) {
	h, err := readFrameHeader(frame)
	if err != nil {
		return 0, nil, err
	}
	rest, room := frame[h.size:], uint64(0)
	for last := false; !last; {
		if len(rest) < 3 {
			return 0, nil, errors.New("a block is cut short")
		}
		head := uint32(rest[0]) | uint32(rest[1])<<8 | uint32(rest[2])<<16
		n, holds := int(head>>3), uint64(head>>3)
		if n > maxBlock {
			return 0, nil, fmt.Errorf("a block of %d bytes, %d are allowed", n, maxBlock)
		}
		switch head >> 1 & 3 {
		case 0: // as they are
			if room == 0 && head&1 == 1 && h.single && !h.checksum && holds == h.content && n > 0 && len(rest) == 3+n {
				plain = rest[3:]
			}
		case 1: // one byte, repeated
			n = 1
		case 2: // compressed
			holds = min(h.window, maxBlock)
		default:
			return 0, nil, errors.New("a block of the reserved type")
		}
		if rest = rest[3:]; len(rest) < n {
			return 0, nil, errors.New("a block is cut short")
		}
		rest, last = rest[n:], head&1 == 1
		room += holds
	}
	if h.checksum {
		if len(rest) < 4 {
			return 0, nil, errors.New("the checksum is cut short")
		}
		rest = rest[4:]
	}
	if len(rest) != 0 {
		return 0, nil, errors.New("bytes follow the frame")
	}
	if h.content > room {
		return 0, nil, fmt.Errorf("%d bytes are declared where the blocks hold %d at most", h.content, room)
	}
	return h.content, plain, nil
}

func readFrameHeader(frame []byte) (h frameHeader, err error) {
	if len(frame) < 5 || binary.LittleEndian.Uint32(frame) != zstdMagic {
		return h, errors.New("not a zstd frame")
	}
	descriptor := frame[4]
	h.single = descriptor>>5&1 == 1
	h.checksum = descriptor>>2&1 == 1
	if descriptor>>3&3 != 0 {
		return h, errors.New("reserved bits are set in the frame header")
	}
	if descriptor&3 != 0 {
		return h, errors.New("a dictionary is used")
	}
	rest := frame[5:]
	if !h.single {
		if len(rest) == 0 {
			return h, errors.New("the frame header is cut short")
		}
		base := uint64(1) << (10 + rest[0]>>3)
		h.window = base + base/8*uint64(rest[0]&7)
		rest = rest[1:]
	}
	field := [4]int{0, 2, 4, 8}[descriptor>>6]
	if h.single && field == 0 {
		field = 1
	}
	switch {
	case field == 0:
		return h, errors.New("the frame does not declare its content's size")
	case len(rest) < field:
		return h, errors.New("the frame header is cut short")
	}
	var le [8]byte
	copy(le[:], rest[:field])
	h.content = binary.LittleEndian.Uint64(le[:])
	if field == 2 {
		h.content += 256
	}
	if h.single {
		h.window = h.content
	}
	if h.window > maxWindow {
		return h, fmt.Errorf("a window of %d bytes, %d are allowed", h.window, maxWindow)
	}
	h.size = len(frame) - len(rest) + field
	return h, nil
}
