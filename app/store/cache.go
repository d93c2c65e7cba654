package store

import "sync"

// cache remembers pages of the last committed height, up to a number of bytes. Those
// right below the crown, which every path passes, have places of their own, found by
// the bits of the way to them; the pages below those are in a map. Key hashes have no
// favourites: so it evicts whatever page of the map comes first, and where there is
// none, the next of the others, which needs no order and no bookkeeping.
type cache struct {
	mu    sync.Mutex // guards what follows
	first [firstPages / firstChunk]*[firstChunk][]byte
	pages map[string][]byte // below
	count int               // of first
	hand  int               // place in first from which the next is evicted
	bytes int
	limit int
}

const (
	firstPages = 1 << crownDepth
	firstChunk = 1 << 9
)

func newCache(limit int) *cache { return &cache{pages: map[string][]byte{}, limit: limit} }

// entryBytes is what an entry costs beside its key and data, at most.
const entryBytes = 80

// place is where in first a page has its place, false for one further below.
func place(key []byte) (i int, ok bool) {
	if len(key) != 2+(crownDepth+7)/8 || key[1] != crownDepth {
		return 0, false
	}
	return int(key[2])<<10 | int(key[3])<<2 | int(key[4])>>6, true
}

func (c *cache) get(key []byte) ([]byte, bool) {
	i, first := place(key)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !first {
		data, ok := c.pages[string(key)]
		return data, ok
	}
	if chunk := c.first[i/firstChunk]; chunk != nil {
		return chunk[i%firstChunk], chunk[i%firstChunk] != nil
	}
	return nil, false
}

func (c *cache) put(key, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(key, data)
}

func (c *cache) keep(key, data []byte) {
	c.drop(key)
	for c.bytes > c.limit && c.count+len(c.pages) > 0 {
		c.evict()
	}
	c.bytes += len(key) + len(data) + entryBytes
	i, first := place(key)
	if !first {
		c.pages[string(key)] = data
		return
	}
	if c.first[i/firstChunk] == nil {
		c.first[i/firstChunk] = new([firstChunk][]byte)
	}
	c.first[i/firstChunk][i%firstChunk] = data
	c.count++
}

func (c *cache) evict() {
	for key := range c.pages {
		c.drop([]byte(key))
		return
	}
	for ; ; c.hand = (c.hand + 1) % firstPages {
		chunk := c.first[c.hand/firstChunk]
		if chunk == nil {
			c.hand |= firstChunk - 1
		} else if chunk[c.hand%firstChunk] != nil {
			c.dropFirst(c.hand)
			return
		}
	}
}

func (c *cache) drop(key []byte) {
	if i, first := place(key); first {
		c.dropFirst(i)
	} else if data, ok := c.pages[string(key)]; ok {
		c.bytes -= len(key) + len(data) + entryBytes
		delete(c.pages, string(key))
	}
}

func (c *cache) dropFirst(i int) {
	chunk := c.first[i/firstChunk]
	if chunk == nil || chunk[i%firstChunk] == nil {
		return
	}
	c.bytes -= 2 + (crownDepth+7)/8 + len(chunk[i%firstChunk]) + entryBytes
	chunk[i%firstChunk] = nil
	c.count--
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
	return len(c.pages) + c.count, c.bytes
}

// clear forgets everything.
func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.first[:])
	c.pages, c.count, c.bytes = map[string][]byte{}, 0, 0
}
