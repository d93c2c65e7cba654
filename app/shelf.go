package app

import "sync"

// weighed is what a shelf keeps: it knows about how many bytes it takes.
type weighed interface{ weight() int }

// shelf keeps what was read last, in two generations like memo. What it keeps
// never changes, so that it changes no answer.
type shelf[T weighed] struct {
	mu       sync.Mutex // guards what follows
	young    map[place]T
	old      map[place]T
	size     int
	capacity int
	drops    int // how often something was dropped
}

func newShelf[T weighed](capacity int) *shelf[T] {
	return &shelf[T]{young: map[place]T{}, capacity: capacity / 2}
}

func (s *shelf[T]) find(p place) (t T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok = s.young[p]; ok {
		return t, true
	}
	if t, ok = s.old[p]; ok {
		s.put(p, t)
	}
	return t, ok
}

func (s *shelf[T]) keep(p place, t T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(p, t)
}

func (s *shelf[T]) put(p place, t T) {
	if s.size > s.capacity {
		s.old, s.young, s.size = s.young, map[place]T{}, 0
	}
	s.young[p] = t
	s.size += t.weight()
}

// dropped is how often something was dropped.
func (s *shelf[T]) dropped() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drops
}

// keepUnless keeps what was read since dropped said so, unless something was
// dropped meanwhile: it might be that.
func (s *shelf[T]) keepUnless(dropped int, p place, t T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drops == dropped {
		s.put(p, t)
	}
}

// drop forgets what is at a place: it is not what it was.
func (s *shelf[T]) drop(p place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drops++
	delete(s.young, p)
	delete(s.old, p)
}
