// Package store keeps the ledger on disk: its state with the tree that commits
// to it, the rows that queries read, and the archive of what happened.
//
// # One batch a block
//
// A block is built in memory. When it commits, its archive entries are written
// and synced first, and then everything else goes into one synced batch of the
// database: state values, rows, pages of the state tree, and a row that says the
// height, the root, the number of keys and the length of each archive stream.
// So after a crash at any moment the database holds a whole height, and the
// archive at least what that height refers to. What it has behind that belongs
// to a block that never was, and is cut when the store opens. A commit that
// fails stops the store: nobody knows what reached the disk until it is opened
// again.
//
//	database   's' key           uvarint length of the value, value, what is beside it
//	           'r' key           value of a row
//	           't' depth prefix  page of the state tree
//	           'm'               meta: see its encode
//	archive    records-N.seg, bodies-N.seg: entries of length, CRC-32C, data
//
// # Views
//
// A view is a snapshot of the database, taken when its height was committed,
// with the crown of its tree. The database itself keeps what snapshots need, so
// a view costs nothing until something changes below it, a write does not read
// what it replaces, and a range over a view of any height is an ordinary range.
// The last height and the 8 before it are held; in a store that was opened
// again, only the last.
//
// # What is not there
//
// Most keys that rules look up are new. Of rows of the kinds that the application
// expects so, a filter in memory, of fixed size, says which are not there; of state
// keys, the tree does. The database is asked for the others.
//
// # Restoring
//
// An empty store can be filled at once: states and rows in synced batches, then
// the tree, then the row that says the height. Before that row the store is empty,
// and opening it removes whatever else is there.
//
// # The state tree
//
// The tree is defined in schemas/proof. Here it is cut at depth 18. Above is the
// crown: stems of three levels each, in memory, at most 23 MB whatever the number
// of keys. A stem is never changed; a block copies those on its way, so that
// every view has its own crown and needs no lock. Below, the database has a page
// for each of up to 2^18 subtrees. A page lists up to 8 leaves; one with more is
// split into eight slots, three levels down, and each slot with two leaves or
// more has a page of its own. Pages, like the root, are a function of the set of
// keys and values alone, which is what Verify checks.
//
// At 10^6 keys a page lists four leaves: a change costs one read of some 250
// bytes, or none if the page is cached, the same to write, and about fifteen
// hashes, most of them shared with the block's other changes. At 10^7 keys it
// costs two pages. The crown is not stored: opening reads the first pages, of
// which there are at most 2^18, and hashes it again.
//
// The alternatives and what was measured are in docs/decisions/0002-state-store.md.
package store
