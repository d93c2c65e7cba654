// Package api is the gateway: REST for the ERP systems, auditors and tools of
// one partner, over that partner's own node. It knows the ledger through one
// interface (Ledger) and keeps nothing of its own but what package local holds.
//
// A write goes this way:
//
//	auth.go, limits.go      who asks, whether it may, whether there is room
//	idempotency.go          whether it was asked before, and what was answered
//	capture.go, document.go decoding; every fault names its place
//	gather.go               single events that come together share a signature
//	outbox.go               signed and synced to local before it is broadcast
//	deliver.go              broadcast and awaited until there is an outcome
//	job.go                  what became of it, for those who were answered 202
//
// The rule that all of it serves: once a request was accepted there is exactly
// one final outcome, commit or refusal, and a refusal is told only when the
// transaction can never be committed. The process may be killed between any two
// steps. Before the outbox is synced, nothing was broadcast, and nothing is
// recorded. After it, the entry holds all that is needed: to broadcast the same
// bytes again is harmless (the ledger admits a transaction once), and new bytes
// are signed only when the ledger has passed the expiry of the old ones without
// them. The outcome is written when it is known; if that is lost, the ledger is
// asked again.
//
// What is recorded is told to subscribers (subscriber.go, message.go, socket.go):
// read from the ledger behind a durable cursor that moves when a message was taken.
//
// A read (events.go, item.go, trail.go, trace.go, ledger_routes.go) uses one
// committed view of the own node from its first byte to its last.
package api
