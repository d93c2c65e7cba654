// Package network makes networks of nodes: the genesis ceremony in which
// partners agree on a first state, a local network in which every partner is a
// process of its own, a story to play into it, and load to measure it with.
//
// A network begins with cards. Each partner makes a home (keys never leave it)
// and with it a card: its public keys, its GLN, where its node listens. From
// everybody's cards anybody makes the same genesis document; each partner
// compares it, puts it into its home, and starts its node.
package network
