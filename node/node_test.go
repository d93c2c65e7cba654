package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

const patience = time.Minute

// alterGenesis alters what the ledger of a home that has not begun begins with.
func alterGenesis(t *testing.T, s node.Settings, alter func(*schemas.Genesis)) {
	t.Helper()
	doc, err := types.GenesisDocFromFile(node.GenesisPath(s.Home))
	must(t, err)
	var g schemas.Genesis
	must(t, json.Unmarshal(doc.AppState, &g))
	alter(&g)
	doc.AppState, err = json.Marshal(g)
	must(t, err)
	must(t, errors.Join(doc.ValidateAndComplete(), doc.SaveAs(node.GenesisPath(s.Home))))
}

// alone makes the home of a network of one node.
func alone(t *testing.T) node.Settings {
	t.Helper()
	s := node.DefaultSettings(filepath.Join(t.TempDir(), "home"))
	s.Partner, s.RPC, s.LogLevel = "acme-farms", "", "error"
	s.REST, s.P2P = freeAddress(t), freeAddress(t)
	s.IdleInterval = node.Duration(100 * time.Millisecond)
	keys, err := node.MakeKeys(s.Home)
	if err != nil {
		t.Fatal(err)
	}
	validator := keys.Validator.Key.PubKey
	state, err := json.Marshal(schemas.Genesis{Rules: schemas.RulesVersion,
		Partners: []schemas.Partner{{ID: s.Partner, Name: "Acme Farms", GLN: "9521234000006", Standing: schemas.StandingMember, NodeID: string(keys.Node.ID()), Validate: validator.Bytes()}},
		Keys:     []schemas.Key{{Partner: s.Partner, ID: keys.KeyID(), Public: keys.Public(), Roles: schemas.RoleCapture | schemas.RoleAdmin, Held: schemas.HeldByGateway, From: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	doc := types.GenesisDoc{ChainID: "alone", GenesisTime: time.Now(), AppState: state, Validators: []types.GenesisValidator{{PubKey: validator, Power: 1}}}
	if err := errors.Join(s.Save(), doc.ValidateAndComplete(), doc.SaveAs(node.GenesisPath(s.Home))); err != nil {
		t.Fatal(err)
	}
	return s
}

// ports counts those that were given, from one that differs between runs.
var ports = rand.N(uint32(20000))

// freeAddress is below what systems give to clients and to who asks for any port: it is
// still free when a node begins, or begins again, there.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 11000+atomic.AddUint32(&ports, 1)%20000)
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

func event(t *testing.T, n int) *schemas.Event {
	t.Helper()
	e, err := schemas.DecodeSingle(fmt.Appendf(nil, `{"type":"ObjectEvent","action":"ADD","bizStep":"commissioning","eventTime":"2026-01-31T12:00:00.000Z","eventTimeZoneOffset":"+00:00","epcList":["urn:epc:id:sgtin:9521234.012345.%d"]}`, n))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// commit signs events, hands them in and waits for their receipt.
func commit(t *testing.T, n *node.Node, events ...*schemas.Event) *schemas.Receipt {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	l := n.Ledger()
	signed, err := l.Sign("test", false, events)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Broadcast(ctx, signed.Raw); err != nil {
		t.Fatal(err)
	}
	var again *schemas.Fault
	if err := l.Broadcast(ctx, signed.Raw); err != nil && (!errors.As(err, &again) || again.Code != schemas.Replayed) {
		t.Fatalf("a second time: %v", err)
	}
	r, err := l.Await(ctx, signed.ID, signed.Expiry)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range r.Events {
		// A duplicate has the eventID of the event that stands.
		if e.Digest != signed.Digests[i] || e.Effect != schemas.Duplicate && e.EventID != signed.IDs[i] {
			t.Errorf("event %d was signed as %s, %s and committed as %s, %s", i, signed.Digests[i], signed.IDs[i], e.Digest, e.EventID)
		}
	}
	return r
}

// A network that begins later is waited for: the log says until when, the port is
// nobody's, and an interrupt ends the wait in good order.
func TestBeforeTheNetworkBegins(t *testing.T) {
	s := alone(t)
	s.LogLevel = "info"
	doc, err := types.GenesisDocFromFile(node.GenesisPath(s.Home))
	must(t, err)
	doc.GenesisTime = time.Now().Add(time.Hour)
	must(t, doc.SaveAs(node.GenesisPath(s.Home)))
	ctx, cancel := context.WithCancel(t.Context())
	log, ended := &lines{}, make(chan error, 1)
	go func() { ended <- node.Run(ctx, s, "test", log) }()
	eventually(t, "the log tells when the network begins", func() bool {
		return strings.Contains(log.String(), "begins="+doc.GenesisTime.UTC().Format("2006-01-02"))
	})
	if c, err := net.Dial("tcp", s.REST); err == nil {
		c.Close()
		t.Error("something listens that answers nobody")
	}
	cancel()
	select {
	case err := <-ended:
		must(t, err)
	case <-time.After(patience):
		t.Fatal("an interrupt does not end the wait")
	}
}

// lines is a log that many goroutines write.
type lines struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// A node captures, answers, proves; after a stop it has everything, refuses what
// it has, and goes on.
func TestNodeAlone(t *testing.T) {
	s := alone(t)
	var log lines
	n, err := node.Start(t.Context(), s, "test", &log)
	if err != nil {
		t.Fatal(err)
	}
	first := commit(t, n, event(t, 1), event(t, 2))
	for _, e := range first.Events {
		if e.Code != schemas.OK || e.Effect != schemas.Applied {
			t.Errorf("the first time: %+v", e)
		}
	}
	if dry, err := n.Ledger().DryRun(t.Context(), "test", false, []*schemas.Event{event(t, 1), event(t, 3)}); err != nil ||
		dry.Events[0].Effect != schemas.Duplicate || dry.Events[1].Effect != schemas.Applied {
		t.Errorf("a dry run: %+v, %v", dry, err)
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); text != "" {
		t.Errorf("a node that is used and stopped in good order logs errors:\n%s", text)
	}
	if n, err = node.Start(t.Context(), s, "test", io.Discard); err != nil {
		t.Fatalf("starting again: %v", err)
	}
	defer func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	}()
	again := commit(t, n, event(t, 2), event(t, 3))
	if again.Events[0].Effect != schemas.Duplicate || again.Events[0].First.Transaction != first.Transaction || again.Events[1].Effect != schemas.Applied {
		t.Errorf("after a restart: %+v", again.Events)
	}
	old, err := n.Ledger().Await(t.Context(), first.Transaction, 1)
	if err != nil || old.Height != first.Height {
		t.Errorf("the receipt from before the restart: %+v, %v", old, err)
	}
	checkBundle(t, n)
	res, err := http.Get("http://" + s.REST + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"waybill_ledger_height ", `waybill_ledger_events_total{outcome="duplicate"} 1`, "cometbft_consensus_height", "go_goroutines"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
}

func checkBundle(t *testing.T, n *node.Node) {
	t.Helper()
	b, err := n.Ledger().Bundle(t.Context(), schemas.BundleQuery{ID: "https://id.gs1.org/01/09521234123453/21/3", Times: true, Containers: true})
	if err != nil {
		t.Fatal(err)
	}
	told, err := n.Ledger().Trust(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(told)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := proof.DecodeTrust(text)
	if err != nil {
		t.Fatal(err)
	}
	report, err := proof.Verify(b, trust)
	if err != nil {
		t.Fatal(err)
	}
	if a := report.Asked(); !a.Present || len(report.Events) != 1 || a.Custodian != "acme-farms" || report.Events[0].Time == nil {
		t.Errorf("the bundle says %+v", report)
	}
}

// A node whose disk fails ends: it must not look alive while it can neither vote
// nor answer.
func TestNodeEndsWhenTheDiskFails(t *testing.T) {
	n, err := node.Start(t.Context(), alone(t), "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, n, event(t, 1))
	if err := n.TestingCloseLedger(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := n.Wait(ctx); !errors.Is(err, node.ErrConsensus) {
		t.Errorf("the node ended with %v", err)
	}
	network, err := n.Ledger().Network(t.Context())
	if err == nil && !network.Halted {
		t.Error("the node does not say that it is halted")
	}
	_ = n.Stop() // the ledger is closed already, which is an error then
}

// What is wrong with a home is told before anything starts.
func TestNodeRefusesForeignGenesis(t *testing.T) {
	s, other := alone(t), alone(t)
	b, err := os.ReadFile(node.GenesisPath(other.Home))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(node.GenesisPath(s.Home), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Start(t.Context(), s, "test", io.Discard); err == nil || !strings.Contains(err.Error(), "peers would refuse it") {
		t.Errorf("with another home's genesis: %v", err)
	}
	s.Partner = "somebody"
	if _, err := node.Start(t.Context(), s, "test", io.Discard); err == nil || !strings.Contains(err.Error(), `no partner "somebody"`) {
		t.Errorf("of a partner that is not there: %v", err)
	}
}

func TestNodeRefusesTakenPort(t *testing.T) {
	s := alone(t)
	l, err := net.Listen("tcp", s.REST)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := node.Start(t.Context(), s, "test", io.Discard); err == nil || !strings.Contains(err.Error(), "--rest") {
		t.Errorf("with a taken port: %v", err)
	}
}
