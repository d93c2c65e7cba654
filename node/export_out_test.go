package node_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

// What a home has is told in one file, in the ledger's order, and counted.
func TestExport(t *testing.T) {
	s := alone(t)
	n, err := node.Start(t.Context(), s, "test", &lines{})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, n, event(t, 1), event(t, 2))
	commit(t, n, event(t, 2), event(t, 3))
	path := filepath.Join(t.TempDir(), "all.jsonl")
	if _, err := node.ExportFile(t.Context(), s, path); err == nil || !strings.Contains(err.Error(), "stop the node") {
		t.Errorf("of a node that runs: %v", err)
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	tail, err := node.ExportFile(t.Context(), s, path)
	if err != nil || tail.Records != 4 {
		t.Fatalf("%+v, %v", tail, err)
	}
	if _, err := node.ExportFile(t.Context(), s, path); err == nil {
		t.Error("an export replaces a file")
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 1<<20)
	scan.Scan()
	var head node.ExportHead
	if err := json.Unmarshal(scan.Bytes(), &head); err != nil || head.Trust == nil || head.Trust.ChainID != "alone" || len(head.Partners) != 1 {
		t.Fatalf("the first line is %s, %v", scan.Bytes(), err)
	}
	effects := []schemas.Effect{schemas.Applied, schemas.Applied, schemas.Duplicate, schemas.Applied}
	for i, want := range effects {
		scan.Scan()
		var l node.ExportLine
		if err := json.Unmarshal(scan.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		if l.Type != "event" || l.Effect != want || l.Secret == nil || !strings.Contains(string(l.Body), "ObjectEvent") {
			t.Errorf("line %d is %s", i, scan.Bytes())
		}
	}
	scan.Scan()
	if text := scan.Text(); text != `{"type":"end","records":4}` {
		t.Errorf("the last line is %s", text)
	}
}
