package slascone

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// known are the faults of this stand-in, each with what it does. Most decide what
// the vendor's papers leave open; the code around each says how.
var known = map[string]string{
	"page-zero":           "pages are counted from 0, not from 1",
	"page-zero-ok":        "where pages are counted from 1, page 0 is the first one, not a 500",
	"page-ignored":        "every page is the first one",
	"page-cap":            "a page holds a share (0.05) of 1,000 rows at most, whatever page_size says",
	"page-refused":        "a page_size above a share (0.05) of 1,000 is refused",
	"page-size-empty":     "a license filter without page_size gets an empty page, not a 400",
	"order-shifts":        "the order of a filtered list moves on after each page of it",
	"newest-first":        "filtered lists begin with what was changed last",
	"active-only":         "license filters without is_active leave inactive licenses out",
	"detail-bare":         "filtered/detailed leaves the embedded objects and the mail logs null",
	"detail-null":         "the lists of a product's detail are null",
	"product-gone":        "the lists below one product are a 404, as if it had gone since its detail was read",
	"shallow":             "the lists of embedded objects are null, such as the properties of the shipments of a release",
	"empty-list":          "200 with an empty list in place of 204",
	"empty-204":           "204 in place of every empty list",
	"bundles-by-customer": "license bundles want a customer_id",
	"unknown-409":         "an unknown id is a conflict, not a 404",
	"denied-403":          "a wrong key is a 403, not a 401",
	"denied-html":         "401 and 403 come with an HTML page",
	"users-404":           "users and groups of a license without users are a 404",
	"users-400":           "users and groups of a license without users are a 400",
	"assignments-paged":   "assignments without page parameters are the first 25",
	"assigned-only":       "assignments leave out those whose token is free",
	"from-exclusive":      "date_from leaves out its own instant",
	"to-exclusive":        "date_to leaves out its own instant",
	"created-on-arrival":  "created_date_utc of consumption is when it arrived, not when it happened",
	"filter-by-event":     "date_from and date_to look at when consumption happened, whatever created_date_utc shows",
	"consumption-cap":     "an answer holds a share (0.05) of 1,000 rows of consumption at most, max_count tells of the others",
	"count-all":           "max_count of consumption takes no heed of the dates",
	"uncounted":           "max_count of consumption is 0",
	"rollback-counter":    "a rolled-back transaction stays and is followed by its reverse",
	"reads-limited":       "reads count against the limit, too",
	"retry-zero":          "Retry-After is 0, though 20 s have to pass",
	"throttle-window":     "Retry-After is what is left of the window",
	"plan-dev":            "300 calls in a minute",
	"plan-basic":          "125 calls in five minutes",
	"plan-silver":         "500 calls in five minutes",
	"conflict":            "children of one license, or of a share of them, are a 409 with a code",
	"503-wait":            "503 with Retry-After",
	"504-wait":            "504 with Retry-After",
	"v25":                 "the thirty properties that V26.0 brought are absent",
	"next-release":        "every object has properties that no specification lists",
	"patch-keeps-active":  "a PATCH without is_active leaves it as it is",
	"patch-null-keeps":    "null in a PATCH leaves a property as it is",
	"signed":              "answers carry x-slascone-signature",
}

// guesses are the switches, alone and together, that decide what a reader gets and
// that the vendor's papers leave open. What a refusal looks like is not among them.
var guesses = []string{
	"page-zero", "page-zero-ok", "page-cap", "page-refused", "order-shifts", "newest-first", "active-only",
	"page-zero,page-cap,order-shifts,assignments-paged", "page-refused:0.012,page-zero-ok,newest-first,active-only",
	"shallow", "v25,detail-bare,shallow,detail-null", "next-release,assigned-only", "assignments-paged",
	"page-size-empty,empty-list,unknown-409,users-404", "empty-204,bundles-by-customer,users-400",
	"from-exclusive,to-exclusive,consumption-cap:0.03", "created-on-arrival,count-all", "filter-by-event,consumption-cap:0.03", "rollback-counter,uncounted",
}

// counting are those that happen at requests, so that they can have a count.
var counting = []string{"503-wait", "504-wait", "order-shifts"}

// shared is where the number after a name is part of the meaning.
var shared = map[string]float64{"page-cap": 0.05, "page-refused": 0.05, "consumption-cap": 0.05}

// Switches are the faults that only this stand-in knows, with what each does,
// next to those of every stand-in, of which it also carries out moving, norows,
// noright, offset-times and disputed.
func Switches() map[string]string {
	return maps.Clone(known)
}

// switches are those that a test has set while the sandbox runs.
type switches struct {
	mu  sync.Mutex
	set map[string]setting
}

type setting struct {
	share float64
	left  int // requests; below 0: all
}

// Switch sets one of the [Switches] whatever the list of faults says. A share
// below 0 is the standard one, 0 takes the switch away.
func (s *Service) Switch(name string, share float64) error { return s.switchAt(name, share, -1) }

// SwitchFor is Switch for the next n requests that the fault can happen at.
func (s *Service) SwitchFor(name string, n int) error {
	if !slices.Contains(counting, name) {
		return fmt.Errorf("fault %q takes no count", name)
	}
	return s.switchAt(name, -1, n)
}

func (s *Service) switchAt(name string, share float64, left int) error {
	if !isKnown(name) {
		return fmt.Errorf("no fault %q", name)
	}
	s.switches.mu.Lock()
	defer s.switches.mu.Unlock()
	if s.switches.set == nil {
		s.switches.set = make(map[string]setting)
	}
	if share == 0 {
		delete(s.switches.set, name)
		return nil
	}
	s.switches.set[name] = setting{share, left}
	return nil
}

// frames are the faults of every stand-in that this one carries out itself.
var frames = []string{"moving", "norows", "noright", "offset-times", "disputed"}

func isKnown(name string) bool { return known[name] != "" || slices.Contains(frames, name) }

// share is how far a switch is on for a resource, 0 for not at all.
func (s *Service) share(name, resource string, standard float64) float64 {
	if !isKnown(name) {
		panic("slascone: no fault " + name) // invariant: names are written down in [known]
	}
	s.switches.mu.Lock()
	at, ok := s.switches.set[name]
	s.switches.mu.Unlock()
	switch {
	case ok && at.share < 0:
		return standard
	case ok:
		return at.share
	}
	return s.env.Share(name, resource, standard)
}

func (s *Service) on(name, resource string) bool { return s.share(name, resource, 1) > 0 }

// fires decides about a fault that happens at requests.
func (s *Service) fires(name, resource string) bool {
	s.switches.mu.Lock()
	at, ok := s.switches.set[name]
	if ok && at.left > 0 {
		at.left--
		s.switches.set[name] = at
		if at.left == 0 {
			delete(s.switches.set, name)
		}
	}
	s.switches.mu.Unlock()
	return ok || s.env.Fires(name, resource)
}

// part is a number of rows of which a switch leaves a share; 0 is no bound.
func (s *Service) part(name, resource string) int64 {
	share := s.share(name, resource, shared[name])
	if share == 0 {
		return 0
	}
	return max(1, int64(share*1000+0.5))
}
