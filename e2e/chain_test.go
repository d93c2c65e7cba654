package e2e_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/network"
)

// call asks the engine of a node, and answers the result or what it said.
func call(ctx context.Context, m network.Member, method string, params map[string]any, result any) error {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.RPC, strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Result json.RawMessage
		Error  *struct{ Message, Data string }
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("status %s: %s", res.Status, text)
	}
	if answer.Error != nil {
		return fmt.Errorf("%s: %s", answer.Error.Message, answer.Error.Data)
	}
	return json.Unmarshal(answer.Result, result)
}

// broadcast hands a transaction to a node's engine: 0 says that it was taken.
func broadcast(ctx context.Context, m network.Member, raw []byte) (code uint32, err error) {
	var res struct{ Code uint32 }
	err = call(ctx, m, "broadcast_tx_sync", map[string]any{"tx": base64.StdEncoding.EncodeToString(raw)}, &res)
	return res.Code, err
}

type blockHeader struct {
	Height  string `json:"height"`
	AppHash string `json:"app_hash"`
}

// height is the last height that a node's engine has.
func height(t *testing.T, m network.Member) int64 {
	t.Helper()
	var status struct {
		SyncInfo struct {
			Latest int64 `json:"latest_block_height,string"`
		} `json:"sync_info"`
	}
	if err := call(t.Context(), m, "status", nil, &status); err != nil {
		t.Fatalf("asking %s for its height: %v", m.Partner, err)
	}
	return status.SyncInfo.Latest
}

// appHashes are the app hash that each height's header carries and the block's
// own hash, of heights 1 to n.
func appHashes(t *testing.T, m network.Member, n int64) []string {
	t.Helper()
	hashes := make([]string, 0, n)
	for top := n; top >= 1; top -= 20 {
		var res struct {
			Metas []struct {
				BlockID struct {
					Hash string `json:"hash"`
				} `json:"block_id"`
				Header blockHeader `json:"header"`
			} `json:"block_metas"`
		}
		low := max(1, top-19)
		if err := call(t.Context(), m, "blockchain", map[string]any{"minHeight": fmt.Sprint(low), "maxHeight": fmt.Sprint(top)}, &res); err != nil {
			t.Fatalf("asking %s for headers: %v", m.Partner, err)
		}
		if int64(len(res.Metas)) != top-low+1 {
			t.Fatalf("%s answered %d headers of %d to %d", m.Partner, len(res.Metas), low, top)
		}
		for _, meta := range res.Metas {
			hashes = append(hashes, meta.Header.Height+" "+meta.Header.AppHash+" "+meta.BlockID.Hash)
		}
	}
	return hashes
}

// agree checks that all nodes have one history up to the lowest height that all
// have (invariant I2), and are at one state.
func (x *testNet) agree(t *testing.T) {
	t.Helper()
	lowest := height(t, x.members[0])
	for _, m := range x.members[1:] {
		lowest = min(lowest, height(t, m))
	}
	first := appHashes(t, x.members[0], lowest)
	for _, m := range x.members[1:] {
		for i, h := range appHashes(t, m, lowest) {
			if h != first[i] {
				t.Fatalf("%s and %s differ:\n%s\n%s", x.members[0].Partner, m.Partner, first[i], h)
			}
		}
	}
	x.oneState(t)
}

// oneState checks that all nodes are at one state.
func (x *testNet) oneState(t *testing.T) {
	t.Helper()
	var last struct{ height, hash string }
	eventually(t, "all nodes tell one app hash of one height", func() bool {
		for i := range x.members {
			n, err := x.plain(t, i).Network(t.Context())
			if err != nil {
				return false
			}
			at := fmt.Sprint(n.Height)
			if i == 0 {
				last.height, last.hash = at, n.AppHash
			}
			if at != last.height {
				return false
			}
			if n.AppHash != last.hash {
				t.Fatalf("app hashes at height %s: %s and %s", at, last.hash, n.AppHash)
			}
		}
		return true
	})
}
