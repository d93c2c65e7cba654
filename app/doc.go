// Package app is Waybill's state machine: (state, transaction, block) to
// (state, result), and nothing else. It reads no clock, no randomness, no
// environment and no network; time is the block's. CometBFT drives it as an
// ABCI 2.0 application.
//
// The way of a block:
//
//	admit.go        class A: may this transaction be in a block at all
//	pool.go         what waits for a block, and what goes first
//	proposal.go     CheckTx, PrepareProposal and ProcessProposal, which ask admit
//	block.go        FinalizeBlock: admits again, then runs every message
//	session.go      what one message reads and writes, undone as one
//	rules.go        class B: the five event types
//	register.go     duplicates, eventIDs, error declarations
//	prefix.go       who commissions what
//	custody.go      who holds an item: claims, offers, receipts
//	containment.go  what is inside what
//	lots.go         how much of a class or lot a partner holds
//	act.go          which rule an act runs: of keys.go, ship.go, recall.go, govern.go
//	erase.go        which bodies go; remains.go: what they leave in the archive
//	record.go       the archive's record of a transaction
//	index.go        rows that queries read: unhashed, in the same batch
//	snapshot.go     what a node that joins is given; restore.go and aside.go: why it
//	                need not believe it; missing.go: what it lacks then
//
// Reading one committed height:
//
//	view.go         items, trails, balances, exceptions
//	archive.go      transactions and bodies as they were recorded
//	receipt.go      what a caller was told, and is told again
//	query.go        the EPCIS query: what matches; plan.go: which rows are read
//	trace.go        where an item came from and went; history.go: its events and
//	                what it was inside of; arrival.go: what never arrived
//	evidence.go     what proofs are made of
//	dryrun.go       what would happen
//
// docs/architecture.md tells which rule is in which of the other files.
//
// A rule never fails a block: it answers a code. A panic in a rule drops the
// message's writes and answers rule_failed. Only a fault of the disk ends the
// node, since to answer anything else would fork it from its peers.
package app
