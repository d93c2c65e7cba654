package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	cmtlog "github.com/cometbft/cometbft/libs/log"
	rpccore "github.com/cometbft/cometbft/rpc/core"
	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	rpcserver "github.com/cometbft/cometbft/rpc/jsonrpc/server"
	rpctypes "github.com/cometbft/cometbft/rpc/jsonrpc/types"
	"github.com/cometbft/cometbft/types"

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
func serveRPC(address string, l *ledger, log cmtlog.Logger) (net.Listener, error) {
	all := l.engine.env.GetRoutes()
	for name, route := range l.poolCalls() {
		all[name] = route
	}
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
	listener, err := rpcserver.Listen("tcp://"+address, c.MaxOpenConnections)
	if err != nil {
		return nil, fmt.Errorf("listening for engine calls on %s: %w", address, err)
	}
	go func() {
		// Serve returns when the listener is closed.
		if err := rpcserver.Serve(listener, mux, log, c); err != nil {
			log.Debug("serving engine calls ended", "error", err)
		}
	}()
	return listener, nil
}

// poolCalls are those of the engine's calls that ask the pool, which is not the
// engine's.
func (l *ledger) poolCalls() rpccore.RoutesMap {
	submit := func(_ *rpctypes.Context, tx types.Tx) (*ctypes.ResultBroadcastTx, error) {
		err := l.Broadcast(context.Background(), tx)
		var refused *schemas.Fault
		switch {
		case errors.As(err, &refused):
			return &ctypes.ResultBroadcastTx{Code: uint32(refused.Code), Log: refused.Error(), Hash: tx.Hash()}, nil
		case err != nil:
			return nil, err
		}
		return &ctypes.ResultBroadcastTx{Hash: tx.Hash()}, nil
	}
	pending := func(*rpctypes.Context) (*ctypes.ResultUnconfirmedTxs, error) {
		count, bytes := l.app.Pending()
		return &ctypes.ResultUnconfirmedTxs{Count: count, Total: count, TotalBytes: int64(bytes)}, nil
	}
	return rpccore.RoutesMap{"broadcast_tx_sync": rpcserver.NewRPCFunc(submit, "tx"), "broadcast_tx_async": rpcserver.NewRPCFunc(submit, "tx"),
		"num_unconfirmed_txs": rpcserver.NewRPCFunc(pending, "")}
}
