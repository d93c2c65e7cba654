package app

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

var draw = flag.Bool("draw", false, "draw the table of shipments into docs/custody.md")

var allStates = []schemas.ShipmentState{schemas.Announced, schemas.InTransit, schemas.HandoverPending, schemas.Delivered, schemas.Closed, schemas.Rejected,
	schemas.Disputed, schemas.Returned, schemas.Cancelled}

// TestShipmentTable goes through every state, message and role, held and not: what the
// table has leads on, everything else is refused for what stands against it.
func TestShipmentTable(t *testing.T) {
	steps := 0
	for _, from := range allStates {
		for _, does := range allMessages {
			possible := false
			for _, as := range allRoles {
				_, ok := shipTable[shipStep{from, does, as}]
				possible = possible || ok
			}
			for _, as := range allRoles {
				want, ok := shipTable[shipStep{from, does, as}]
				for _, held := range []bool{false, true} {
					next, code := nextState(from, held, does, as)
					wantCode := schemas.OK
					switch {
					case does == doHold || does == doUnhold || does == doAttach:
						want = from
						switch {
						case from == schemas.Closed || from == schemas.Cancelled || does != doAttach && held == (does == doHold):
							wantCode = schemas.WrongState
						case as == asDisputant || as == asArbiter || as == asTime || as == asMembers:
							wantCode = schemas.WrongRole
						}
					case !possible:
						wantCode = schemas.WrongState
					case !ok:
						wantCode = schemas.WrongRole
					case held && (does == doDispatch || does == doOffer || does == doReturn || does == doAccept || does == doClose || does == doCancel):
						wantCode = schemas.ShipmentHeld
					}
					if wantCode != schemas.OK {
						want = from
					}
					if next != want || code != wantCode {
						t.Errorf("%s, %s by %s, held %v: %s %s, not %s %s", from, does, as, held, next, code, want, wantCode)
					}
					if steps++; code == schemas.OK && (from == schemas.Closed || from == schemas.Cancelled) {
						t.Errorf("%s by %s does something to what is %s", does, as, from)
					}
				}
			}
		}
	}
	if steps != 9*17*9*2 {
		t.Errorf("%d cases", steps)
	}
}

// Every state but the first can be reached, and from every state the end can be.
func TestShipmentsEnd(t *testing.T) {
	reach := func(from schemas.ShipmentState) map[schemas.ShipmentState]bool {
		seen := map[schemas.ShipmentState]bool{from: true}
		for grown := true; grown; {
			grown = false
			for step, next := range shipTable {
				if seen[step.from] && !seen[next] {
					seen[next], grown = true, true
				}
			}
		}
		return seen
	}
	for _, s := range allStates {
		if !reach(schemas.Announced)[s] {
			t.Errorf("nothing leads to %s", s)
		}
		if there := reach(s); !there[schemas.Closed] && !there[schemas.Cancelled] {
			t.Errorf("nothing ends a shipment that is %s", s)
		}
	}
}

// diagram draws the table: an arrow for each step, in the order of states and messages.
func diagram() string {
	var b strings.Builder
	b.WriteString("```mermaid\nstateDiagram-v2\n    [*] --> announced: announce (shipper)\n")
	for _, from := range allStates {
		for _, does := range allMessages {
			to := map[schemas.ShipmentState][]string{}
			for _, as := range allRoles {
				if next, ok := shipTable[shipStep{from, does, as}]; ok {
					to[next] = append(to[next], as.String())
				}
			}
			for _, next := range allStates {
				if roles := to[next]; roles != nil {
					fmt.Fprintf(&b, "    %s --> %s: %s (%s)\n", from, next, strings.ReplaceAll(does.String(), ": ", " "), strings.Join(roles, ", "))
				}
			}
		}
	}
	b.WriteString("    closed --> [*]\n    cancelled --> [*]\n```\n")
	return b.String()
}

// The page on custody shows the table as it is; -draw draws it anew.
func TestCustodyPageShowsTheTable(t *testing.T) {
	const page = "../docs/custody.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	start, end := strings.Index(string(text), "```mermaid\n"), strings.Index(string(text), "    cancelled --> [*]\n```\n")
	if start < 0 || end < 0 {
		t.Fatal("it has no diagram")
	}
	end += len("    cancelled --> [*]\n```\n")
	want := string(text[:start]) + diagram() + string(text[end:])
	if *draw {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Error("its diagram is not that of the table: go test ./app -run CustodyPage -draw")
	}
}
