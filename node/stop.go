package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/waybill-ledger/waybill/app"
)

// How long open requests may take when the node stops, and when consensus failed: then
// most of them wait for a block that does not come.
const (
	drain       = 12 * time.Second
	drainFailed = time.Second
)

// Stop stops in the order of dependence: requests, gateway, engine, databases.
func (n *Node) Stop() error {
	n.stopping.Store(true)
	var errs []error
	for i := len(n.closers) - 1; i >= 0; i-- {
		if err := n.closers[i].close(); err != nil {
			errs = append(errs, fmt.Errorf("closing %s: %w", n.closers[i].what, err))
		}
	}
	n.closers = nil
	return errors.Join(errs...)
}

func (n *Node) shutdown() error {
	patience := drain
	if n.failed.Load() {
		patience = drainFailed
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := n.server.Shutdown(ctx)
	switch {
	case err == nil:
		return nil
	case n.failed.Load():
		err = nil // it was to be expected
	}
	return errors.Join(err, n.server.Close())
}

// stopEngine stops the engine. In front of an upgrade it may be held by a block that
// this program does not know how to execute: then it is left, with nothing to lose.
func (n *Node) stopEngine() error {
	done := make(chan error, 1)
	go func() { done <- n.engine.stop() }()
	select {
	case <-n.failure: // and the reason is there
	default:
		return <-done
	}
	var upgrade *app.UpgradeError
	if !errors.As(n.reason, &upgrade) {
		return <-done
	}
	select {
	case err := <-done:
		return err
	case <-time.After(drain):
		n.log.Warn("the engine is left where it waits for another program", "height", upgrade.Height)
		return nil
	}
}

func ignoreClosed(f func() error) func() error {
	return func() error {
		if err := f(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}
