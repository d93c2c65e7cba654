package node_test

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/node"
)

// One place has so many connections looked at, and no other place is worse off for
// those that it opens beyond.
func TestDoor(t *testing.T) {
	admits := node.NewDoor()
	begin := time.Unix(1000, 0)
	most := 0
	for admits(begin, fmt.Sprintf("192.0.2.1:%d", 1000+most)) {
		if most++; most > 1000 {
			t.Fatal("one address has no bound")
		}
	}
	for _, address := range []string{"[::ffff:192.0.2.1]:7", "192.0.2.1:65535", "nowhere", "192.0.2.1"} {
		if admits(begin, address) {
			t.Errorf("%s is looked at", address)
		}
	}
	for n := range most {
		if !admits(begin, fmt.Sprintf("[2001:db8::%x]:7", n)) {
			t.Fatalf("connection %d of an IPv6 network is not looked at", n)
		}
	}
	if admits(begin, "[2001:db8::ffff:1]:7") || !admits(begin, "[2001:db8:0:1::1]:7") {
		t.Error("networks of IPv6 are not told from each other by their 64 bits")
	}
	if !admits(begin, "192.0.2.2:1") || !admits(begin.Add(time.Minute), "192.0.2.1:1") {
		t.Error("others, and later ones, are not looked at")
	}
	refused := 0
	for n := range 1 << 16 {
		if !admits(begin.Add(time.Hour), fmt.Sprintf("10.0.%d.%d:1", n>>8, n&255)) {
			refused++
		}
	}
	if refused < 1<<15 {
		t.Errorf("of 65536 places each is remembered: only %d were refused", refused)
	}
}

// Of many connections from one place that say nothing not all are greeted: some are
// hung up on at once, so that there is room for others.
func TestSilentConnections(t *testing.T) {
	s := alone(t)
	n := start(t, s)
	defer func() { must(t, n.Stop()) }()
	const all = 400
	greeted := make(chan bool, all)
	for range all {
		c, err := net.Dial("tcp", s.P2P)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go func() {
			n, err := c.Read(make([]byte, 1))
			greeted <- n > 0 || err != io.EOF
		}()
	}
	for range all {
		if !<-greeted {
			return
		}
	}
	t.Errorf("all %d were greeted", all)
}
