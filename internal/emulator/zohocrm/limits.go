package zohocrm

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// What a call costs. DOC: 1 credit for an ordinary call, up to 3 for COQL.
// GUESS: what a bulk read job costs; polls and downloads are ordinary calls.
const (
	callCost = 1
	jobCost  = 50
)

// DOC: downloads of bulk results in a minute; heavy calls in flight. COQL is
// among the heavy ones.
const (
	downloadsPerMinute = 10
	heavyInFlight      = 10
)

// licences is how many users the org has bought: credits depend on it.
const licences = 10

// edition is what an org has bought.
type edition struct {
	credits  int // of any 24 hours (DOC)
	inFlight int // calls at once, by org and app (DOC)
}

var editions = map[string]edition{
	"edition-free":         {5_000, 5},
	"edition-standard":     {min(100_000, 50_000+250*licences), 10},
	"edition-professional": {min(3_000_000, 50_000+500*licences), 15},
	"edition-enterprise":   {min(5_000_000, 50_000+1000*licences), 20},
	"edition-ultimate":     {50_000 + 2000*licences, 25},
}

// editionName is enterprise, unless a fault names another.
func editionName(env emulator.Env) string {
	for name := range editions {
		if env.Share(name, source, 1) > 0 {
			return strings.TrimPrefix(name, "edition-")
		}
	}
	return "enterprise"
}

func editionOf(env emulator.Env) edition { return editions["edition-"+editionName(env)] }

// limits are the counters of the org.
type limits struct {
	edition edition
	limited bool
	left    float64 // share of the credits that other apps have left, 0: all

	mu         sync.Mutex
	spent      []spending // of the last 24 hours, oldest first
	used       int        // its sum
	total      map[string]int
	downloads  []time.Time
	flying     int
	most       int
	heavy      int
	turnedAway int
}

// spending are credits that are free again 24 hours after at.
type spending struct {
	at      time.Time
	credits int
}

func newLimits(env emulator.Env) *limits {
	l := &limits{edition: editionOf(env), limited: env.Limited, left: env.Share("credits", source, 0.01)}
	l.reset()
	return l
}

// reset forgets everything but the calls that are under way.
func (l *limits) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spent, l.used, l.total = nil, 0, make(map[string]int)
	l.downloads, l.most, l.turnedAway = nil, 0, 0
	if l.left > 0 {
		l.spend(time.Now(), l.edition.credits-int(l.left*float64(l.edition.credits)))
	}
}

// spend notes credits. Those of one second are free again together, at the
// second of the last of them.
func (l *limits) spend(at time.Time, credits int) {
	l.used += credits
	if n := len(l.spent); n > 0 && l.spent[n-1].at.Truncate(time.Second).Equal(at.Truncate(time.Second)) {
		l.spent[n-1] = spending{at, l.spent[n-1].credits + credits}
		return
	}
	l.spent = append(l.spent, spending{at, credits})
}

// free gives back what was spent 24 hours ago (DOC: rolling, no midnight).
func (l *limits) free(now time.Time) {
	k := 0
	for k < len(l.spent) && now.Sub(l.spent[k].at) >= 24*time.Hour {
		l.used -= l.spent[k].credits
		k++
	}
	l.spent = l.spent[k:]
}

func costOf(to route, method string) int {
	if to.kind == toBulk && method == http.MethodPost {
		return jobCost
	}
	return callCost
}

// admit pays for a call, or tells that it is over a limit.
func (l *limits) admit(to route, method string, h http.Header) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, cost := time.Now(), costOf(to, method)
	l.free(now)
	over := l.edition.credits-l.used < cost
	if to.kind == toDownload && !over {
		for len(l.downloads) > 0 && now.Sub(l.downloads[0]) >= time.Minute {
			l.downloads = l.downloads[1:]
		}
		over = len(l.downloads) >= downloadsPerMinute
		if !over {
			l.downloads = append(l.downloads, now)
		}
	}
	if over {
		l.turnedAway++
	} else {
		l.spend(now, cost)
		l.total[to.resource] += cost
	}
	l.tell(h)
	return !over
}

// tell sets the only header there is, once half of the credits is used (DOC).
func (l *limits) tell(h http.Header) {
	h.Del("X-Api-Credits-Remaining")
	if 2*l.used >= l.edition.credits {
		h.Set("X-Api-Credits-Remaining", strconv.Itoa(max(0, l.edition.credits-l.used)))
	}
}

// more pays what turned out later, or takes it back if it is negative.
func (l *limits) more(resource string, credits int, h http.Header) {
	if !l.limited || credits == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spend(time.Now(), credits)
	l.total[resource] += credits
	l.tell(h)
}

// enter counts a call that is being answered and tells whether there may be as
// many; the function it returns says that the answer stands. What is sent does
// not count: a client may have all of it before the sender knows.
func (l *limits) enter(to route) (leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	heavy := 0
	if to.kind == toCOQL {
		heavy = 1
	}
	l.flying++
	l.heavy += heavy
	ok = !l.limited || l.flying <= l.edition.inFlight && l.heavy <= heavyInFlight
	if ok {
		l.most = max(l.most, l.flying)
	} else {
		l.turnedAway++
	}
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.flying--
		l.heavy -= heavy
	}), ok
}

// Credits are what the calls have cost since the start or the last reset, by
// resource; without limits nothing is counted.
func (s *Service) Credits() map[string]int {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	return maps.Clone(s.limits.total)
}

// InFlight is how many API calls were answered at once, at most, those left out
// that were one too many. The sandbox's latency lies before that and does not
// count, the fault busy does.
func (s *Service) InFlight() int {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	return s.limits.most
}

// TurnedAway is how many calls were over a limit.
func (s *Service) TurnedAway() int {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	return s.limits.turnedAway
}

// Tokens is how many access tokens were given since the start or the last
// reset.
func (s *Service) Tokens() int {
	s.tokens.mu.Lock()
	defer s.tokens.mu.Unlock()
	return s.tokens.given
}
