package budget

import (
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// counter is one budget. Its methods are called under the set's lock.
type counter interface {
	// ready tells when the next request may start; an error refuses it.
	ready(now time.Time, req *stream.Request) (time.Time, error)
	// take counts a request that starts now.
	take(now time.Time, req *stream.Request)
	// observe follows an answer; status 0 means that none came.
	observe(now time.Time, req *stream.Request, status int, h stream.Header)
	// done follows the end of a request, its body included.
	done(req *stream.Request)
	// idle tells that a new counter would be no different.
	idle(now time.Time) bool
}

// maxKeys bounds the budgets that one limit may hold. Beyond it, requests of
// further lanes and resources share one.
const maxKeys = 1024

// family is a limit with its budgets: one, or one per lane and resource.
type family struct {
	limit stream.Limit
	make  func(name string) counter
	all   counter
	each  map[key]counter
}

type key struct{ lane, resource string }

// overflow is the key of those for which there is no room. No lane or resource
// is called so: vendors' names have no control characters.
var overflow = key{"\x00", "\x00"}

// newFamily returns nil for a limit that limits nothing.
func newFamily(l stream.Limit, maxWait time.Duration) *family {
	if l.Per <= 0 && l.Kind != stream.Credits {
		l.Per = time.Second
	}
	f := &family{limit: l}
	switch l.Kind {
	case stream.Pace:
		if l.N <= 0 {
			return nil
		}
		f.make = func(string) counter { return newPace(l) }
	case stream.Sliding:
		if l.N < 1 {
			return nil
		}
		f.make = func(name string) counter { return newSliding(l, name, maxWait) }
	case stream.Clock:
		f.make = func(name string) counter { return newClock(l, name, maxWait) }
	case stream.Credits:
		f.make = func(string) counter { return newCredits(l) }
	case stream.InFlight:
		f.make = func(string) counter { return newInFlight(l) }
	case stream.Errors:
		if l.N < 1 {
			return nil
		}
		f.make = func(name string) counter { return &refusals{limit: l, name: name} }
	default:
		return nil
	}
	if l.PerLane || l.PerResource {
		f.each = map[key]counter{}
	} else {
		f.all = f.make(l.Resource)
	}
	return f
}

// of returns the budget that counts req, nil if none does: what is asked
// outside of any lane does not count against a budget per lane (Exact Online
// does not count calls without a division), unless it was refused.
func (f *family) of(req *stream.Request, now time.Time) counter {
	if f.limit.Resource != "" && f.limit.Resource != req.Resource {
		return nil
	}
	if f.all != nil {
		return f.all
	}
	var k key
	name := ""
	if f.limit.PerLane {
		if req.Lane == "" && f.limit.Kind != stream.Errors {
			return nil
		}
		k.lane, name = req.Lane, req.Lane
	}
	if f.limit.PerResource {
		k.resource = req.Resource
		if name != "" && k.resource != "" {
			name += " "
		}
		name += k.resource
	}
	c := f.each[k]
	if c != nil {
		return c
	}
	if len(f.each) >= maxKeys {
		f.sweep(now)
	}
	if len(f.each) >= maxKeys {
		k, name = overflow, "further lanes or resources"
		if c = f.each[k]; c != nil {
			return c
		}
	}
	c = f.make(name)
	f.each[k] = c
	return c
}

// undone is for counters that do not mind when a request ends.
type undone struct{}

func (undone) done(*stream.Request) {}

// sweep drops budgets that hold nothing.
func (f *family) sweep(now time.Time) {
	for k, c := range f.each {
		if c.idle(now) {
			delete(f.each, k)
		}
	}
}

// margin is added to the end of a window: the vendor counts arrivals, we count
// starts, and the way there is not always equally long.
func margin(per time.Duration) time.Duration { return min(per/500, time.Second) }
