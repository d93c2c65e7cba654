package schemas

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// plainRoot is a body root as the format says it, each part by itself.
func plainRoot(secret Hash, members []Member) Hash {
	var leaves [][]byte
	for _, m := range SortMembers(members) {
		leaf := MemberLeaf(MemberSalt(secret, m.Name), m.Name, m.Value)
		leaves = append(leaves, leaf[:])
	}
	return BodyRoot(leaves)
}

// One salter after the other event gives what the format says, names of any
// length included.
func TestSalter(t *testing.T) {
	var s Salter
	for n := range 40 {
		var members []Member
		for i := range n {
			members = append(members, Member{Name: strings.Repeat("n", i*i) + fmt.Sprint(n-i), Value: []byte(strings.Repeat("v", 7*i))})
		}
		secret := MAC([]byte("secret"), be32(uint32(n)))
		if got, want := s.BodyRoot(secret, members), plainRoot(secret, members); got != want {
			t.Errorf("%d members: %s, the format says %s", n, got, want)
		}
		for _, m := range members {
			if got, err := s.salt(m.Name); err != nil || got != MemberSalt(secret, m.Name) {
				t.Fatalf("the salt of a name of %d bytes is %s, %v", len(m.Name), got, err)
			}
		}
	}
}

// Hashes that a decoder's tokens give are those of the body read anew, whatever
// was decoded before.
func sameHashes(t *testing.T, d *decoder, h *EventHasher, body []byte) {
	t.Helper()
	e, err := d.decode(body)
	again, errAgain := DecodeEvent(body)
	if !reflect.DeepEqual(err, errAgain) {
		t.Fatalf("%s\ndecoded by one that was used: %v\nfresh: %v", body, err, errAgain)
	}
	if err != nil {
		return
	}
	if !reflect.DeepEqual(e, again) {
		t.Fatalf("%s\ndecoded by one that was used: %+v\nfresh: %+v", body, e, again)
	}
	if got, want := h.idsOf(d), new(EventHasher).IDs(again); !reflect.DeepEqual(got, want) {
		t.Fatalf("%s\nhashed beside decoding: %v\nread anew: %v", body, got, want)
	}
}

func hashedBodies(t testing.TB) (out [][]byte) {
	files, err := filepath.Glob("testdata/events/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no events: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if text, err = Compact(nil, text); err == nil {
			out = append(out, text)
		}
	}
	const head = `{"@context":[{"x":"https://x/","httpx":"https://id.gs1.org/01/","gs1x":"urn:epc:id:sgtin:"}],"type":"ObjectEvent","eventTime":"2026-01-01T00:00:00Z","eventTimeZoneOffset":"+00:00","action":"ADD",`
	for _, rest := range []string{
		`"epcList":["httpx:09521234543213/21/1","gs1x:9521234.012345.7","urn:epc:id:sgtin:9521234.012345.8","x:private"]}`,
		`"epcList":["https://example.com/a"],"x:deep":[[[[[[["1"]]]]]]],"bizLocation":{"id":"urn:epc:id:sgln:9521234.00000.0","x:a":"b"}}`,
		`"epcList":[],"sensorElementList":[{"sensorReport":[{"type":"Temperature","value":1.50,"uom":"CEL"}]}]}`,
		`"epcList":["nonsense"]}`,
		`"epcList":[`,
	} {
		out = append(out, []byte(head+rest))
	}
	return out
}

func TestHashesBesideDecoding(t *testing.T) {
	var d decoder
	var h EventHasher
	bodies := hashedBodies(t)
	for range 2 { // the second time both have been used for others
		for _, body := range bodies {
			sameHashes(t, &d, &h, body)
		}
	}
}

func FuzzHashesBesideDecoding(f *testing.F) {
	for _, body := range hashedBodies(f) {
		f.Add(body)
	}
	var d decoder
	var h EventHasher
	f.Fuzz(func(t *testing.T, body []byte) { sameHashes(t, &d, &h, body) })
}
