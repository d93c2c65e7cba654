package app

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// place is a transaction's place in the ledger: height and position.
type place [12]byte

func placeOf(at schemas.Locator) place { return place(at.Append(nil)[:12]) }

func (p place) height() int64    { return int64(binary.BigEndian.Uint64(p[:8])) }
func (p place) position() uint32 { return binary.BigEndian.Uint32(p[8:]) }

// message is where the i-th message of the transaction is.
func (p place) message(i int) schemas.Locator {
	return schemas.Locator{Height: p.height(), Position: p.position(), Index: uint32(i)}
}

// String is how errors name a transaction.
func (p place) String() string { return fmt.Sprintf("%d/%d", p.height(), p.position()) }

// encodeIndexes lists messages of a transaction: the number of each in 4 bytes, big
// endian.
func encodeIndexes(list []uint32) (row []byte) {
	for _, i := range list {
		row = binary.BigEndian.AppendUint32(row, i)
	}
	return row
}

func decodeIndexes(row []byte) (list []uint32) {
	for n := range slices.Chunk(row, 4) {
		if len(n) == 4 {
			list = append(list, binary.BigEndian.Uint32(n))
		}
	}
	return list
}
