package app_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// TestMessages: read in steps of any size, and begun anywhere, messages are those
// that the ledger has, in its order, refused ones too, without bodies.
func TestMessages(t *testing.T) {
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	for range 3 {
		c.submit("farm", false, c.event("obj add epc=a step=commissioning id=x1"), c.event("obj obs epc=a step=shipping"), c.event("obj obs epc=b step=shipping"))
		c.submit("mill", false, c.event("obj obs epc=a step=receiving"))
	}
	view, err := c.app.View()
	if err != nil {
		t.Fatal(err)
	}
	var all []schemas.Record
	refused := 0
	for r, err := range view.Records(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, r); r.Result.Code != schemas.OK {
			refused++
		}
	}
	if len(all) != 12 || refused == 0 {
		t.Fatalf("%d messages, %d refused", len(all), refused)
	}
	for limit := 1; limit <= len(all)+1; limit++ {
		for from := range all {
			after := schemas.Locator{}
			if from > 0 {
				after = all[from-1].Locator
			}
			for n := from; ; {
				some, _, err := view.Messages(after, limit)
				if err != nil || len(some) != min(limit, len(all)-n) {
					t.Fatalf("behind %v: %d records, %v", after, len(some), err)
				}
				if len(some) == 0 {
					break
				}
				for i := range some {
					if some[i].Locator != all[n].Locator || some[i].Digest != all[n].Digest || some[i].Result.Code != all[n].Result.Code || some[i].Body != nil {
						t.Fatalf("behind %v: %v of %v", after, some[i].Locator, all[n].Locator)
					}
					n, after = n+1, some[i].Locator
				}
			}
		}
	}
}
