package proof_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// raw appends a field whatever it holds, as no encoder of ours would.
func raw(dst []byte, n uint64, v []byte) []byte {
	dst = binary.AppendUvarint(dst, n)
	return append(binary.AppendUvarint(dst, uint64(len(v))), v...)
}

// Whatever the decoder reads has one encoding; these are others of the same, or
// of nothing.
func TestDecodeBundleRefuses(t *testing.T) {
	l := newStory(t)
	b := l.build(proof.AnItem, unit)
	good := b.Encode()
	version := schemas.AppendUint(nil, 1, 2)
	vote := make([]byte, 74)
	leaf := schemas.AppendString(schemas.AppendString(nil, 1, "v"), 2, "p")
	for name, c := range map[string]struct {
		encoded []byte
		refuse  string
	}{
		"nothing":                    {nil, "empty"},
		"no version":                 {good[3:], "begin with its version"},
		"a later version":            {append([]byte{1, 1, 3}, good[3:]...), "version 3"},
		"a version twice":            {append(bytes.Clone(version), good...), "encoding"},
		"the version before":         {append([]byte{1, 1, 1}, good[3:]...), "version 1"},
		"a reserved field":           {raw(bytes.Clone(version), 10, vote), "unknown"},
		"a checkpoint of no size":    {raw(bytes.Clone(version), 16, raw(nil, 7, vote)), "without size"},
		"a checkpoint unsigned":      {raw(bytes.Clone(version), 16, schemas.AppendUint(nil, 1, 1)), "nobody signed"},
		"a cosignature without name": {raw(bytes.Clone(version), 16, raw(nil, 6, raw(nil, 3, vote[:64]))), "without name"},
		"a cosignature cut":          {raw(bytes.Clone(version), 16, raw(nil, 6, raw(schemas.AppendString(nil, 1, "w"), 3, vote[:63]))), "without name"},
		"a cosignature of more":      {raw(bytes.Clone(version), 16, raw(nil, 6, raw(nil, 4, vote))), "unknown"},
		"too many cosignatures":      {raw(bytes.Clone(version), 16, bytes.Repeat(raw(nil, 6, raw(schemas.AppendString(nil, 1, "w"), 3, vote[:64])), 33)), "too many"},
		"a time stamp too long":      {raw(bytes.Clone(version), 16, raw(nil, 7, make([]byte, 65<<10))), "too long"},
		"fields out of order":        {schemas.AppendString(bytes.Clone(good), 3, unit), "field 3 after"},
		"a scope of more":            {raw(bytes.Clone(version), 2, raw(nil, 6, vote)), "field 6: unknown"},
		"a hand-over without all":    {raw(bytes.Clone(version), 20, raw(nil, 1, leaf)), "without its leaf"},
		"a hand-over of more":        {raw(bytes.Clone(version), 20, raw(nil, 3, vote)), "field 3: unknown"},
		"units without value":        {raw(bytes.Clone(version), 21, leaf[3:]), "without value"},
		"a scope of two":             {raw(bytes.Clone(version), 2, []byte{1, 1, 2}), "encoding"},
		"a trail of no letter":       {raw(bytes.Clone(version), 7, raw(nil, 6, schemas.AppendUint(nil, 1, 256))), "no trail"},
		"a release without all":      {raw(bytes.Clone(version), 9, schemas.AppendString(nil, 1, "c")), "without container or leaf"},
		"a step of more":             {raw(bytes.Clone(version), 14, raw(nil, 4, vote)), "field 4: unknown"},
		"an anchor of more":          {raw(bytes.Clone(version), 15, raw(nil, 5, vote)), "field 5: unknown"},
		"an anchor's short path":     {raw(bytes.Clone(version), 15, raw(nil, 4, vote)), "no hashes"},
		"a block of more":            {raw(bytes.Clone(version), 18, raw(nil, 9, vote)), "field 9: unknown"},
		"a block's short path":       {raw(bytes.Clone(version), 18, raw(nil, 3, vote[:64])), "path of 3 hashes"},
		"a message's cut trail":      {raw(bytes.Clone(version), 12, raw(nil, 5, raw(nil, 2, []byte{0x80, 'c'}))), "no trail of a subject"},
		"a withheld member's leaf":   {raw(bytes.Clone(version), 12, raw(nil, 5, raw(nil, 9, vote[:32]))), "no withheld member"},
		"an identifier twice":        {raw(raw(bytes.Clone(version), 3, []byte(unit)), 3, []byte(unit)), "encoding"},
		"an empty identifier":        {raw(bytes.Clone(version), 3, nil), "encoding"},
		"an empty header":            {raw(bytes.Clone(version), 4, nil), "encoding"},
		"a header's unknown field":   {raw(bytes.Clone(version), 4, raw(nil, 6, vote)), "field 6: unknown"},
		"a header's field 0":         {raw(bytes.Clone(version), 4, raw(nil, 0, vote)), "field 0"},
		"a header's huge field":      {raw(bytes.Clone(version), 4, raw(nil, 1<<63, vote)), "unknown"},
		"a header's huge height":     {raw(bytes.Clone(version), 4, schemas.AppendUint(nil, 1, 1<<63)), "beyond 2^62"},
		"a header's short time":      {raw(bytes.Clone(version), 4, raw(nil, 2, vote[:7])), "8 bytes"},
		"a header's short path":      {raw(bytes.Clone(version), 4, raw(nil, 5, make([]byte, 5*32))), "path of 6 hashes"},
		"a commit's many parts":      {raw(bytes.Clone(version), 5, schemas.AppendUint(nil, 2, 1<<32)), "32 bits"},
		"a short vote":               {raw(bytes.Clone(version), 5, raw(nil, 4, vote[:73])), "no vote"},
		"a huge round":               {raw(bytes.Clone(version), 5, schemas.AppendUint(nil, 1, 1<<31)), "no round"},
		"a short validator":          {raw(bytes.Clone(version), 6, vote[:39]), "no validator"},
		"too many validators":        {append(bytes.Clone(version), bytes.Repeat(raw(nil, 6, vote[:40]), 1001)...), "too many"},
		"a leaf without path":        {raw(bytes.Clone(version), 17, leaf[:3]), "without path"},
		"a leaf without value":       {raw(bytes.Clone(version), 17, leaf[3:]), "without value"},
		"a balance without path":     {raw(bytes.Clone(version), 13, leaf[:3]), "without path"},
		"a leaf of more":             {raw(bytes.Clone(version), 17, raw(bytes.Clone(leaf), 3, vote)), "field 3: unknown"},
		"a subject without all":      {raw(bytes.Clone(version), 7, schemas.AppendUint(nil, 1, 1)), "without kind"},
		"a partner without id":       {raw(bytes.Clone(version), 11, raw(nil, 2, leaf)), "no id"},
		"a key without leaf":         {raw(bytes.Clone(version), 11, raw(schemas.AppendString(nil, 1, "p"), 3, schemas.AppendString(nil, 1, "k"))), "without leaf"},
		"a transaction without all":  {raw(bytes.Clone(version), 12, schemas.AppendUint(nil, 1, 1)), "without height"},
		"a message without all":      {raw(bytes.Clone(version), 12, raw(nil, 5, schemas.AppendUint(nil, 1, 1))), "without trail"},
		"a message's author":         {raw(bytes.Clone(version), 12, raw(nil, 5, raw(nil, 11, vote))), "unknown"},
		"a message's cut path":       {raw(bytes.Clone(version), 12, raw(nil, 5, raw(nil, 6, vote[:33]))), "no hashes"},
		"a message's endless path":   {raw(bytes.Clone(version), 12, raw(nil, 5, raw(nil, 6, make([]byte, 65*32)))), "no hashes"},
		"a message's member cut":     {raw(bytes.Clone(version), 12, raw(nil, 5, raw(nil, 8, []byte{9, 'a'}))), "no member"},
		"a message's member of none": {raw(bytes.Clone(version), 12, raw(nil, 5, raw(nil, 8, []byte{1, 'a'}))), "no member"},
		"a member's huge name":       {raw(bytes.Clone(version), 12, raw(nil, 5, raw(nil, 8, binary.AppendUvarint(nil, 1<<63)))), "no member"},
		"an absurd length":           {binary.AppendUvarint(append(bytes.Clone(version), 12), 1<<62), "cut short"},
		"too long":                   {make([]byte, proof.MaxBundle+1), "are read"},
	} {
		_, err := proof.DecodeBundle(c.encoded)
		if !errors.Is(err, proof.ErrMalformed) || !strings.Contains(err.Error(), c.refuse) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What small fields repeat must not be read into much more than it is.
func TestDecodeBundleBounded(t *testing.T) {
	version := schemas.AppendUint(nil, 1, 2)
	const size = 1 << 20
	for name, unit := range map[string][]byte{
		"empty transactions": raw(nil, 12, nil),
		"empty partners":     raw(nil, 11, nil),
		"empty subjects":     raw(nil, 7, nil),
		"empty steps":        raw(nil, 14, nil),
		"empty blocks":       raw(nil, 18, nil),
		"empty validators":   raw(nil, 6, nil),
		"small members":      raw(nil, 12, raw(nil, 5, bytes.Repeat(raw(nil, 8, []byte{0, '1'}), size/5))),
		"small keys":         raw(nil, 11, bytes.Repeat(raw(nil, 3, nil), size/3)),
	} {
		encoded := append(bytes.Clone(version), bytes.Repeat(unit, 1+size/(len(unit)+1))...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := proof.DecodeBundle(encoded); err == nil {
			t.Errorf("%s: decoded", name)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 100*size {
			t.Errorf("%s: %d bytes were allocated for %d", name, took, len(encoded))
		}
	}
}

// However small the fields of a large bundle are, and however well formed, they
// are counted before anything is made of them.
func TestDecodeBundleCountsFields(t *testing.T) {
	version := schemas.AppendUint(nil, 1, 2)
	leaf := raw(raw(nil, 1, []byte{1}), 2, []byte{1})
	named := raw(raw(nil, 1, []byte("a")), 2, leaf)
	many := func(unit []byte) []byte { return bytes.Repeat(unit, proof.MaxFields+1) }
	for name, encoded := range map[string][]byte{
		"balances": many(raw(nil, 13, raw(nil, 2, []byte{1}))),
		"keys":     raw(nil, 11, append(bytes.Clone(named), many(raw(nil, 3, named))...)),
		"members":  raw(nil, 12, raw(nil, 5, many(raw(nil, 8, []byte{1, 'a', '1'})))),
		"messages": raw(nil, 12, many(raw(nil, 5, []byte{1, 1, 1}))),
	} {
		encoded = append(bytes.Clone(version), encoded...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := proof.DecodeBundle(encoded)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; err == nil || !strings.Contains(err.Error(), "fields") || took > 1<<20 {
			t.Errorf("%s: %v, after %d bytes", name, err, took)
		}
	}
}
