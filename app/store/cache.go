package store

import "sync"

// cache remembers pages of the last committed height, up to a number of bytes.
// Key hashes have no favourites and the crown, which every path passes, is not
// in here: so it evicts whatever page the map yields first, which needs no
// order and no bookkeeping.
type cache struct {
	mu    sync.Mutex // guards what follows
	pages map[string][]byte
	bytes int
	limit int
}

func newCache(limit int) *cache { return &cache{pages: map[string][]byte{}, limit: limit} }

// entryBytes is what an entry costs beside its key and data.
const entryBytes = 80

func (c *cache) get(key []byte) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	data, ok := c.pages[string(key)]
	return data, ok
}

func (c *cache) put(key, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(key, data)
}

func (c *cache) keep(key, data []byte) {
	c.drop(key)
	for old := range c.pages {
		if c.bytes <= c.limit {
			break
		}
		c.drop([]byte(old))
	}
	c.bytes += len(key) + len(data) + entryBytes
	c.pages[string(key)] = data
}

func (c *cache) drop(key []byte) {
	if data, ok := c.pages[string(key)]; ok {
		c.bytes -= len(key) + len(data) + entryBytes
		delete(c.pages, string(key))
	}
}

// commit makes the cache that of the next height.
func (c *cache) commit(writes []pageWrite) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range writes {
		if w.data == nil {
			c.drop(w.key)
		} else {
			c.keep(w.key, w.data)
		}
	}
}

func (c *cache) stats() (pages, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pages), c.bytes
}

// clear forgets everything.
func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pages, c.bytes = map[string][]byte{}, 0
}
