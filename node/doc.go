// Package node puts a Waybill node together: the one place where state machine,
// consensus engine and gateway meet.
//
//	settings.go   what an operator may choose: file, environment, flags
//	home.go       where things are on disk; file.go: how files are written
//	keys.go       the four secrets of a partner, and who may read them
//	engine.go     CometBFT in this process, tuned
//	rpc.go        the few engine calls that are served, on the loopback only
//	node.go       start, stop, and the end when consensus fails
//	ledger.go     api.Ledger: sign, broadcast, read
//	await.go      who waits for which transaction and height
//	network.go    what this node knows of the others
//	bundle.go     proofs assembled from one view and the engine's headers
//
// A node is one process and one home directory. Killing it at any moment loses
// nothing that it acknowledged: the engine's log, the ledger and the gateway's
// own database are each synced before what depends on them, and at start the
// engine replays what the ledger has not seen.
package node
