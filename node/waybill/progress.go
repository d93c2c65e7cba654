package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// progress shows on a terminal that long work goes on; elsewhere it is silent.
type progress struct {
	stop chan struct{}
	done sync.WaitGroup
}

func (p *program) progress(format string, args ...any) *progress {
	f, ok := p.err.(*os.File)
	if !ok || !isTerminal(f) {
		return &progress{}
	}
	pr := &progress{stop: make(chan struct{})}
	text := fmt.Sprintf(format, args...)
	begin := time.Now()
	pr.done.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-pr.stop:
				fmt.Fprint(f, "\r\x1b[K")
				return
			case <-tick.C:
				fmt.Fprintf(f, "\r\x1b[K%s ... %.0fs", text, time.Since(begin).Seconds())
			}
		}
	})
	return pr
}

func (p *progress) end() {
	if p.stop != nil {
		close(p.stop)
		p.done.Wait()
		p.stop = nil
	}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
