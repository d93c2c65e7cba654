package schemas_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/waybill-ledger/waybill/schemas"
)

const formatPage = "../docs/format.md"

// The worked example of docs/format.md is what the code computes.
func TestFormatExample(t *testing.T) {
	b, err := os.ReadFile(formatPage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	const opening = "-rewrite -->\n```\n"
	const closing = "```\n<!-- end of example -->"
	from, to := strings.Index(page, opening), strings.Index(page, closing)
	if from < 0 || to < 0 {
		t.Fatal("docs/format.md has no marked example")
	}
	from += len(opening)
	want := example(t)
	if *rewrite {
		write(t, formatPage, page[:from]+want+page[to:])
		return
	}
	if diff := cmp.Diff(want, page[from:to]); diff != "" {
		t.Errorf("the example of docs/format.md is not what the code computes (-code +page):\n%s", diff)
	}
}

// example computes the worked example, each step from the bytes of the one
// before where the format says so, not from what a higher function returns.
func example(t *testing.T) string {
	t.Helper()
	c := newCodec(t)
	body := []byte(`{"type":"ObjectEvent","eventTime":"2026-03-02T13:05:11.25Z","eventTimeZoneOffset":"+00:00","action":"ADD","bizStep":"commissioning","epcList":["urn:epc:id:sgtin:9521234.054321.1001"]}`)
	event, err := schemas.DecodeEvent(body)
	if err != nil {
		t.Fatal(err)
	}
	d := schemas.Draft{
		ChainID: "waybill-1", Partner: "acme-farms", KeyID: schemas.KeyID(signer.Public().(ed25519.PublicKey)), Expiry: 100,
		Nonce: bytes.Repeat([]byte{1}, schemas.NonceSize), Secret: bytes.Repeat([]byte{2}, 32), Events: []*schemas.Event{event},
		DuplicateKeys: [][]byte{schemas.DuplicateKeyOf(bytes.Repeat([]byte{3}, 32), event)},
	}
	tx, err := c.Decode(sign(t, c, d))
	if err != nil {
		t.Fatal(err)
	}
	m := tx.Messages[0]
	item := event.Skeleton.EPCs[0]

	var b strings.Builder
	say := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-25s %s\n", name, fmt.Sprintf(format, args...))
	}
	say("body", "%s", body)
	say("identifier", "%s", item)
	say("skeleton", "%x", event.Skeleton.Append(nil))
	skeleton := schemas.Sum("waybill/skeleton", event.Skeleton.Append(nil))
	say("skeleton hash", "%s", skeleton)

	say("transaction secret", "%x", d.Secret)
	secret := schemas.MAC(d.Secret, []byte{0, 0, 0, 0})
	say("event secret 0", "%s", secret)
	var leaves [][]byte
	for _, member := range schemas.SortMembers(event.Members) {
		salt := schemas.MAC(secret[:], []byte(member.Name))
		leaf := schemas.Sum("waybill/member", salt[:], []byte(member.Name), member.Value)
		leaves = append(leaves, leaf[:])
		say("leaf "+member.Name, "%s", leaf)
	}
	members := schemas.MerkleRoot(leaves)
	bodyRoot := schemas.Sum("waybill/body", []byte{0, 0, 0, byte(len(leaves))}, members[:])
	say("body root", "%s", bodyRoot)
	say("duplicate key", "%x", m.DuplicateKey)
	digest := schemas.Sum("waybill/message", []byte(d.ChainID), []byte(d.Partner), []byte{0, 0, 0, 1}, skeleton[:], bodyRoot[:], m.DuplicateKey, []byte{0})
	say("digest", "%s", digest)

	root := schemas.MerkleRoot([][]byte{digest[:]})
	say("root", "%s", root)
	say("header", "%x", tx.Raw)
	id := schemas.Sum("waybill/header", tx.Raw)
	say("transaction id", "%s", id)
	say("public key", "%x", signer.Public())
	say("signature", "%x", ed25519.Sign(signer, id[:]))

	at := schemas.Locator{Height: 12, Position: 0, Index: 0}
	result := schemas.Result{Effect: schemas.Applied}
	say("locator", "%x", at.Append(nil))
	say("results", "%x", schemas.AppendResults(nil, []schemas.Result{result}))
	entry := schemas.Sum("waybill/entry", []byte("c"+item), digest[:], id[:], at.Append(nil), []byte{0, 0, 0, 0}, []byte{0, 0, 0, 1}, nil)
	say("entry", "%s", entry)
	state := schemas.Item{Custodian: d.Partner, Custody: schemas.Head{Root: schemas.MerkleRoot([][]byte{entry[:]}), Count: 1}}
	value := state.Append(nil)
	say("item's key", "%x", schemas.ItemKey(item))
	say("item's value", "%x", value)
	key, hash := sha256.Sum256(schemas.ItemKey(item)), sha256.Sum256(value)
	say("leaf in the tree", "%x", sha256.Sum256(append(append([]byte{0}, key[:]...), hash[:]...)))

	// What the code's own functions say must be the same.
	for name, same := range map[string]bool{
		"digest": digest == m.Digest, "body root": bodyRoot == m.BodyRoot, "id": id == tx.ID, "root": bytes.Equal(root[:], tx.Header.Root),
		"skeleton":  bytes.Equal(m.Skeleton, event.Skeleton.Append(nil)),
		"signature": bytes.Equal(tx.Signature, ed25519.Sign(signer, id[:])),
		"entry":     entry == schemas.Entry(schemas.TrailKey{Kind: schemas.CustodyTrail, Subject: item}, m.Digest, tx.ID, at, &result),
	} {
		if !same {
			t.Errorf("%s: the format and the code differ", name)
		}
	}
	return b.String()
}
