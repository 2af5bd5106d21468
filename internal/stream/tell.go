package stream

import "context"

// told is the key of the context's listener.
type told struct{}

// Telling returns a context in which what a hook warns of reaches warn, which is
// the Warn of a log.
func Telling(ctx context.Context, warn func(text string, args ...any)) context.Context {
	return context.WithValue(ctx, told{}, warn)
}

// Warn tells people in one line what a hook had to go on without, and what they
// can do about it; args are names and values, as a log takes them. Where nobody
// listens, nothing is told.
func Warn(ctx context.Context, text string, args ...any) {
	if warn, ok := ctx.Value(told{}).(func(string, ...any)); ok {
		warn(text, args...)
	}
}
