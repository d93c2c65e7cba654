// Package proof holds the two Merkle structures of the ledger and the proofs
// over them: what a node commits to, and what an auditor checks offline.
//
// # The state tree
//
// The state is a set of (key, value). It is committed by a compact sparse Merkle
// tree over SHA-256 of the keys: the hash of a key, read from its highest bit,
// is the way down from the root, 0 to the left and 1 to the right.
//
//	key hash = SHA-256(key)
//	leaf     = SHA-256(0x00 || key hash || SHA-256(value))
//	node     = SHA-256(0x01 || left || right)
//
// A subtree without a leaf is 32 zero bytes. A subtree with exactly one leaf is
// that leaf's hash, at any height: it is lifted, not hashed. Every other subtree
// is the node of its halves. So the root is a function of the set alone: the
// order of insertion, deletions in between and the layout of pages on a node's
// disk leave no trace, and an average path has as many steps as the number of
// leaves has bits.
//
// A [Path] leads from the root to the place of a key. It proves that the key has
// a value if its leaf is there, and that the key has none if the place is empty
// or taken by the leaf of another key. Encoded it is
//
//	kind     1 byte: 0 the place of the key's leaf, or empty; 1 taken by another's
//	depth    2 bytes, big endian: steps from the root, 0 to 256
//	bitmap   depth bits in whole bytes, the root's step is the highest bit of the
//	         first byte: 1 if the step has a sibling below, 0 if that is empty;
//	         the last step's bit is 1, bits beyond depth are 0
//	siblings 32 bytes for each 1, from the root downwards, none of them zero
//	other    kind 1 only: the other leaf's key hash and value hash, 64 bytes
//
// and nothing behind it, so that every path has one encoding. Worked example: a
// tree of the two keys "a" (value "1", key hash ca97...) and "c" (value "3", key
// hash 2e7d...) parts at the first bit. The path of "a" is 00 0001 80 and the
// leaf of "c": 36 bytes. That "b" (key hash 3e23...) is absent shows 01 0001 80,
// the leaf of "a", the key hash and the value hash of "c": 100 bytes.
//
// # Logs
//
// What only grows (the messages of a transaction, a trail, the headers) is an
// RFC 6962 log over entries of 32 bytes: an entry's leaf is SHA-256(0x00 ||
// entry), a node SHA-256(0x01 || left || right), an empty log the SHA-256 of
// nothing. A [Head] is what a log is committed as: count and root. A [Log] is
// what its keeper needs to append: the count and the frontier, the roots of the
// perfect subtrees that the count's bits stand for, largest first. Encoded, both
// begin with the count as an unsigned varint in its shortest form; behind it a
// head has its root, a log as many hashes as the count has bits set.
package proof
