package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// signalError is the cause of a run that a signal ended.
type signalError struct{ sig syscall.Signal }

func (e *signalError) Error() string {
	if e.sig == syscall.SIGINT {
		return "stopped by SIGINT"
	}
	return "stopped by SIGTERM"
}

// stoppedBy returns the signal that ended ctx, nil if none did.
func stoppedBy(ctx context.Context) *signalError {
	if e, ok := errors.AsType[*signalError](context.Cause(ctx)); ok {
		return e
	}
	return nil
}

const (
	// setUp is how long a command may take after a signal until it heeds its context.
	// Not all ever do.
	setUp = 200 * time.Millisecond
	// grace is how much longer one that does may take to end: the final STATE is to be
	// out within 2 s.
	grace = 1600 * time.Millisecond
)

// signals returns a context that ends at the first SIGINT or SIGTERM. A second
// one ends the process at once, and so does the first where the command does
// not come to heed its context, or when stdout takes nothing within the grace.
func (a *app) signals(ctx context.Context) (context.Context, func()) {
	// A closed stdout must be an error that we report, not a silent death. To
	// ignore SIGPIPE would do too, but the commands of <key>_cmd inherit that.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)

	ctx, cancel := context.WithCancelCause(ctx)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case sig := <-ch:
			cause := &signalError{sig.(syscall.Signal)}
			cancel(cause)
			for _, limit := range []time.Duration{setUp, grace} {
				select {
				case <-time.After(limit):
				case <-ch:
					os.Exit(a.fail(cause))
				case <-done:
					return
				}
				if !a.heeds.Load() {
					break
				}
			}
			os.Exit(a.fail(cause))
		case <-done:
		}
	}()
	return ctx, func() {
		// Signals stay taken: one that comes now must not kill a run that is over.
		close(done)
		cancel(nil)
	}
}
