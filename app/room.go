package app

// room is memory that is used again: a page's records lie in as many transactions,
// each of which is read and decompressed whole, and little of it is kept.
type room struct{ read, content []byte }

// Bytes of content for which there is room at first, and at most for whoever reads next.
const (
	roomSize = 256 << 10
	maxRoom  = 1 << 20
)

// borrow gives room of which nothing may be kept once it is given back.
func (a *App) borrow() *room {
	if r, ok := a.rooms.Get().(*room); ok {
		return r
	}
	return &room{read: make([]byte, 0, roomSize/8), content: make([]byte, 0, roomSize)}
}

func (a *App) giveBack(r *room) {
	if cap(r.read) <= maxRoom && cap(r.content) <= maxRoom {
		a.rooms.Put(r)
	}
}

// larger is the one of two pieces of memory that has more room: what was filled may
// have less than what it was given, of which it is the part that it needed.
func larger(had, filled []byte) []byte {
	if cap(filled) > cap(had) {
		return filled
	}
	return had
}
