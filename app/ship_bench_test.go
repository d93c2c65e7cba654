package app_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// BenchmarkHandover hands a unit over, alone and as a pallet with ten thousand things
// inside: what it costs must not differ.
func BenchmarkHandover(b *testing.B) {
	for _, inside := range []int{0, 10_000} {
		b.Run(fmt.Sprint(inside), func(b *testing.B) {
			c := newChain(b, store.Options{Dir: filepath.Join(b.TempDir(), "ledger")})
			n := notation{c.members}
			do := func(who, text string) {
				e, err := n.event(text, c.time)
				if err != nil {
					b.Fatal(err)
				}
				if r := c.submit(who, false, e)[0]; r.Code != schemas.OK {
					b.Fatal(r.Code)
				}
			}
			do("farm", "obj add epc=P-1 step=commissioning")
			for at := 0; at < inside; at += 1000 {
				var list []string
				for i := range 1000 {
					list = append(list, fmt.Sprintf("z%d", at+i))
				}
				do("farm", "agg add parent=P-1 step=packing epc="+strings.Join(list, ","))
			}
			i, before := 0, cpuTime()
			for b.Loop() {
				i++
				from, to := "farm", "shop"
				if i%2 == 0 {
					from, to = to, from
				}
				id := fmt.Sprintf(`"shipment":"urn:example:shipment:%d"`, i)
				do(from, `act AnnounceShipment {`+id+`,"receiver":"`+to+`","items":["urn:example:pallet:1"]}`)
				do(from, `act OfferHandover {`+id+`,"to":"`+to+`"}`)
				do(to, `act AcceptHandover {`+id+`,"handover":1}`)
			}
			b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(i), "cpu-µs")
		})
	}
}
