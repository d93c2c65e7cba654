package network

import "time"

// The seams of the tests: what is generated, and check digits.
var WithCheckDigit = withCheckDigit

// Chapters are the story's documents.
func Chapters(now time.Time) (texts [][]byte, err error) {
	list, err := chapters(now)
	for _, c := range list {
		texts = append(texts, c.text)
	}
	return texts, err
}

// Load generates a document of n events, a single event, and a chain.
func Load(n int) (document, event, chain []byte) {
	g := newGenerator(0, 1)
	chain, _ = g.chain(n)
	return g.document(n), g.event(), chain
}
