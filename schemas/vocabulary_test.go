package schemas_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
	"pgregory.net/rapid"
)

func TestEveryFormOfEveryTerm(t *testing.T) {
	words := map[string]bool{}
	for _, term := range schemas.Terms() {
		words[term.Word] = true
		if term.Read != term.Word {
			t.Errorf("%s: read as %s", term.Form, term.Read)
		}
	}
	for _, w := range []string{"commissioning", "void_shipping", "container_open", "unavailable", "possessing_party", "upevt", "did_not_occur", "northing", "ALARM_CONDITION", "Radioactivity"} {
		if !words[w] {
			t.Errorf("%s is missing", w)
		}
	}
}

// What is read of a time is what the standard library reads, and what the
// library refuses is refused.
func TestTimesAgainstLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := func(name string, least, most int) int { return rapid.IntRange(least, most).Draw(t, name) }
		zone := rapid.SampledFrom([]string{"Z", "z", "", "+00:00", "-00:00", "+14:00", "-14:00", "+14:01", "+05:45", "-3:00", "+0300"}).Draw(t, "zone")
		decimals := rapid.StringMatching(`(\.[0-9]{0,10}0{0,9})?`).Draw(t, "decimals")
		s := fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02d%s%s", number("year", 1676, 2263), number("month", 0, 13), number("day", 0, 32),
			number("hour", 0, 24), number("minute", 0, 60), number("second", 0, 60), decimals, zone)
		got, ok := schemas.ParseTime(s)
		want, err := time.Parse(time.RFC3339Nano, s)
		stricter := len(decimals) > 10 && strings.Trim(decimals[10:], "0") != "" || zone == "z" || zone == "+14:01" || want.Year() > 2261 || want.Year() < 1678 ||
			s[:4] < "1678" || s[:4] > "2261"
		if !stricter && ok != (err == nil) {
			t.Fatalf("%s: %v, the library says %v", s, ok, err)
		}
		if ok && (err != nil || got != want.UnixNano()) {
			t.Fatalf("%s: %d, the library says %v, %v", s, got, want.UnixNano(), err)
		}
	})
}
