package app

import (
	"fmt"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// Signed is a transaction as its partner signed it: what proves a record.
type Signed struct {
	Header    []byte // its bytes, as signed
	Signature []byte
	Digests   []schemas.Hash // of its messages, in order
}

// Signed returns the transaction that holds the message at a place.
func (v *View) Signed(at schemas.Locator) (*Signed, error) {
	refs, err := v.refs(placeOf(at))
	if err != nil {
		return nil, err
	}
	if refs == nil {
		return nil, fmt.Errorf("no transaction at %d/%d", at.Height, at.Position)
	}
	frame, err := v.read(store.Records, refs[:store.RefSize])
	if err != nil {
		return nil, err
	}
	s, err := v.app.decodeSigned(frame)
	if err != nil {
		return nil, fmt.Errorf("reading the transaction at %d/%d: %w", at.Height, at.Position, err)
	}
	return s, nil
}

func (a *App) decodeSigned(frame []byte) (*Signed, error) {
	encoded, err := a.codec.Expand(frame)
	if err != nil {
		return nil, err
	}
	s := &Signed{}
	var messages [][]byte
	f := schemas.ReadFields(encoded)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			s.Header = v
		case 2:
			s.Signature = v
		case 3:
			messages = append(messages, v)
		}
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	header, err := schemas.DecodeHeader(s.Header)
	if err != nil {
		return nil, fmt.Errorf("reading its header: %w", err)
	}
	for i, m := range messages {
		r, err := decodeMessageRecord(m)
		if err != nil {
			return nil, fmt.Errorf("reading message %d: %w", i, err)
		}
		s.Digests = append(s.Digests, schemas.Digest(header.ChainId, header.Partner, r.Kind, r.SkeletonBytes, r.BodyRoot, r.DuplicateKey))
	}
	return s, nil
}
