package proof

import (
	"encoding/binary"

	"github.com/waybill-ledger/waybill/schemas"
)

// encode is the header: 1 block version, 2 application version, 3 chain id, 4
// height, 5 time, 6 last block's hash, 7 its parts, 8 their root, 9 last commit,
// 10 data, 11 next validators, 12 consensus, 13 app, 14 last results, 15
// evidence, 16 proposer.
func (h *Header) encode() []byte {
	b := schemas.AppendUint(nil, 1, h.VersionBlock)
	b = schemas.AppendUint(b, 2, h.VersionApp)
	b = schemas.AppendString(b, 3, h.ChainID)
	b = schemas.AppendUint(b, 4, uint64(h.Height))
	b = schemas.AppendField(b, 5, binary.BigEndian.AppendUint64(nil, uint64(h.Time.UnixNano())))
	b = schemas.AppendField(b, 6, h.LastBlock.Hash)
	b = schemas.AppendUint(b, 7, uint64(h.LastBlock.Parts.Total))
	b = schemas.AppendField(b, 8, h.LastBlock.Parts.Hash)
	for i, v := range h.hashes() {
		b = schemas.AppendField(b, uint64(9+i), *v)
	}
	return b
}

// hashes are the fields from the ninth, in order.
func (h *Header) hashes() []*[]byte {
	return []*[]byte{&h.LastCommit, &h.Data, &h.NextValidators, &h.Consensus, &h.App, &h.LastResults, &h.Evidence, &h.Proposer}
}

func (h *Header) decode(outer *schemas.Fields, in uint64, v []byte) {
	f := schemas.ReadFields(v)
	hashes := h.hashes()
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			h.VersionBlock = f.Uint(n, v)
		case 2:
			h.VersionApp = f.Uint(n, v)
		case 3:
			h.ChainID = string(v)
		case 4:
			h.Height = readHeight(f, n, v)
		case 5:
			h.Time = readTime(f, n, v)
		case 6:
			h.LastBlock.Hash = v
		case 7:
			h.LastBlock.Parts.Total = readUint32(f, n, v)
		case 8:
			h.LastBlock.Parts.Hash = v
		default:
			if n-9 >= uint64(len(hashes)) {
				f.Fail(n, "unknown")
				break
			}
			*hashes[n-9] = v
		}
	}
	within(outer, in, f)
}
