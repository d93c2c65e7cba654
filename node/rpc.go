package node

import (
	"fmt"
	"net"
	"net/http"

	cmtlog "github.com/cometbft/cometbft/libs/log"
	rpccore "github.com/cometbft/cometbft/rpc/core"
	rpcserver "github.com/cometbft/cometbft/rpc/jsonrpc/server"

	"github.com/waybill-ledger/waybill/schemas"
)

// engineCalls are the engine's calls that are served: reading blocks and the
// network, and handing in a signed transaction. Left out is what waits, streams,
// searches or changes settings.
var engineCalls = [...]string{
	"health", "status", "net_info", "genesis", "blockchain", "block", "block_by_hash", "block_results",
	"commit", "header", "validators", "consensus_params", "consensus_state", "dump_consensus_state",
	"num_unconfirmed_txs", "abci_info", "check_tx", "broadcast_tx_sync", "broadcast_tx_async",
}

// serveRPC serves the engine's calls on a loopback address. Answers come from
// the running node, so it begins when the engine has started.
func serveRPC(address string, env *rpccore.Environment, log cmtlog.Logger) (net.Listener, error) {
	all := env.GetRoutes()
	routes := make(rpccore.RoutesMap, len(engineCalls))
	for _, name := range engineCalls {
		route, ok := all[name]
		if !ok {
			return nil, fmt.Errorf("the engine has no call %q", name)
		}
		routes[name] = route
	}
	c := rpcserver.DefaultConfig()
	c.MaxBodyBytes = 2 * schemas.MaxTransaction
	c.MaxRequestBatchSize = 10
	c.MaxOpenConnections = 64
	mux := http.NewServeMux()
	rpcserver.RegisterRPCFuncs(mux, routes, log)
	l, err := rpcserver.Listen("tcp://"+address, c.MaxOpenConnections)
	if err != nil {
		return nil, fmt.Errorf("listening for engine calls on %s: %w", address, err)
	}
	go func() {
		// Serve returns when the listener is closed.
		if err := rpcserver.Serve(l, mux, log, c); err != nil {
			log.Debug("serving engine calls ended", "error", err)
		}
	}()
	return l, nil
}
