package main

import "testing"

func TestGrowth(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{{0, 400}, {10 << 20, 400}, {96 << 20, 100}, {128 << 20, 75}, {192 << 20, 50}, {1 << 40, 50}} {
		if got := growth(c.live); got != c.want {
			t.Errorf("%d bytes are live: the heap may grow by %d percent, want %d", c.live, got, c.want)
		}
	}
}
