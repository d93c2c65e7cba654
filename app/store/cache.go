package store

import "sync"

// cache remembers the pages of the last committed height in two generations: it
// drops the older one when the younger is full, and so never holds more bytes
// than it may.
type cache struct {
	mu         sync.Mutex // guards what follows
	young, old map[string][]byte
	bytes      int // that young holds
	oldBytes   int
	limit      int // of one generation
}

func newCache(limit int) *cache {
	return &cache{young: map[string][]byte{}, limit: limit / 2}
}

// entryBytes is what an entry costs beside its key and data.
const entryBytes = 96

func (c *cache) get(key []byte) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if data, ok := c.young[string(key)]; ok {
		return data, true
	}
	data, ok := c.old[string(key)]
	if ok {
		c.keep(string(key), data)
	}
	return data, ok
}

func (c *cache) put(key, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(string(key), data)
}

func (c *cache) keep(key string, data []byte) {
	if c.bytes > c.limit {
		c.old, c.oldBytes = c.young, c.bytes
		c.young, c.bytes = map[string][]byte{}, 0
	}
	if before, ok := c.young[key]; ok {
		c.bytes += len(data) - len(before)
	} else {
		c.bytes += len(key) + len(data) + entryBytes
	}
	c.young[key] = data
}

// commit makes the cache that of the next height. A page that is no more must
// not come back from either generation.
func (c *cache) commit(writes []pageWrite) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range writes {
		if w.data != nil {
			c.keep(string(w.key), w.data)
			continue
		}
		delete(c.old, string(w.key))
		if before, ok := c.young[string(w.key)]; ok {
			c.bytes -= len(w.key) + len(before) + entryBytes
			delete(c.young, string(w.key))
		}
	}
}

func (c *cache) stats() (pages, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.young) + len(c.old), c.bytes + c.oldBytes
}
