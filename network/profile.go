package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"sync"

	"github.com/waybill-ledger/waybill/node"
)

// profile writes processor profiles of a phase into the directory that was asked for:
// of each node, and of this process, which is the load. A later phase gets names of its
// own. The answer ends the load's, waits for the nodes' and tells what went wrong.
func (b *bench) profile(ctx context.Context) (end func() error) {
	if b.spec.Profiles == "" {
		return func() error { return nil }
	}
	b.phases++
	var (
		mu    sync.Mutex // guards errs
		errs  []error
		nodes sync.WaitGroup
	)
	note := func(err error) {
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, fmt.Errorf("writing a profile: %w", err))
		}
	}
	name := func(of string) string {
		return filepath.Join(b.spec.Profiles, fmt.Sprintf("%d-%s.pprof", b.phases, of))
	}
	for _, m := range b.net.Members {
		nodes.Go(func() {
			f, err := os.Create(name(m.Partner))
			if err != nil {
				note(err)
				return
			}
			note(errors.Join(node.Profile(ctx, m.Home, b.spec.Seconds, f), f.Close()))
		})
	}
	own, err := os.Create(name("load"))
	if err == nil {
		err = pprof.StartCPUProfile(own)
	}
	note(err)
	return func() error {
		pprof.StopCPUProfile()
		if own != nil {
			note(own.Close())
		}
		nodes.Wait()
		return errors.Join(errs...)
	}
}
