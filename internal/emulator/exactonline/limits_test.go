package exactonline

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

var limitHeaders = []string{
	"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset",
	"X-RateLimit-Minutely-Limit", "X-RateLimit-Minutely-Remaining", "X-RateLimit-Minutely-Reset",
}

// limitsOf are the six headers, "" for one that is not there.
func limitsOf(r reply) []string {
	out := make([]string, len(limitHeaders))
	for k, name := range limitHeaders {
		out[k] = r.Header.Get(name)
	}
	return out
}

func millis(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }

// classes of the two companies that can be read.
func classesOf(division int) string { return fmt.Sprintf("%d/crm/AccountClasses", division) }

// TestMinute: 60 calls in a clock minute, not in any 60 s.
func TestMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().UTC() // a midnight
		a := newAPI(t, emulator.Options{Limits: "real"})
		day, minute := start.Add(24*time.Hour), start.Add(time.Minute)
		time.Sleep(40 * time.Second)
		r := a.get(classes)
		require.Equal(t, []string{"5000", "4999", millis(day), "60", "59", millis(minute)}, limitsOf(r))
		for range 58 {
			require.Equal(t, http.StatusOK, a.get(classes).Status)
		}
		r = a.get(classes)
		require.Equal(t, []string{"5000", "4940", millis(day), "60", "0", millis(minute)}, limitsOf(r))

		r = a.get(classes)
		require.Equal(t, http.StatusTooManyRequests, r.Status)
		require.Empty(t, r.Body)
		require.Equal(t, []string{"", "", "", "60", "0", millis(minute)}, limitsOf(r))
		require.Empty(t, r.Header.Get("Retry-After"))

		require.Equal(t, http.StatusOK, a.get(classesOf(second)).Status, "another division counts for itself")
		me := a.get("current/Me")
		require.Equal(t, http.StatusOK, me.Status)
		require.Equal(t, make([]string, 6), limitsOf(me))
		require.Equal(t, make([]string, 6), limitsOf(a.get("system/Users")))
		rights := a.get("812345/users/UserHasRights?endpoint='Logistics/Items'&action='GET'")
		require.Equal(t, http.StatusOK, rights.Status, "that one is not counted")
		require.Equal(t, "0", rights.Header.Get("X-RateLimit-Minutely-Remaining"))

		time.Sleep(20*time.Second - time.Millisecond)
		require.Equal(t, http.StatusTooManyRequests, a.get(classes).Status)
		time.Sleep(time.Millisecond)
		r = a.get(classes)
		require.Equal(t, []string{"5000", "4939", millis(day), "60", "59", millis(start.Add(2 * time.Minute))}, limitsOf(r))

		require.Equal(t, map[int]map[time.Time]int{first: {start: 62, start.Add(time.Minute): 1}, second: {start: 1}}, a.service.Minutes())
		a.service.Reset()
		require.Empty(t, a.service.Minutes())
	})
}

// TestDay: 5,000 calls in a UTC day.
func TestDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().UTC()
		a := newAPI(t, emulator.Options{Limits: "real"})
		h := make(http.Header)
		for k := range perDay {
			if k > 0 && k%perMinute == 0 {
				time.Sleep(time.Minute)
			}
			require.Nil(t, a.service.limits.admit(first, true, h))
		}
		a.token = a.service.tokens.fresh()
		r := a.get(classes)
		require.Equal(t, http.StatusTooManyRequests, r.Status)
		require.Empty(t, r.Body)
		require.Equal(t, []string{"5000", "0", millis(start.Add(24 * time.Hour)), "", "", ""}, limitsOf(r))
		require.Equal(t, http.StatusOK, a.get(classesOf(second)).Status)

		time.Sleep(time.Until(start.Add(24 * time.Hour)))
		a.token = a.service.tokens.fresh()
		r = a.get(classes)
		require.Equal(t, http.StatusOK, r.Status)
		require.Equal(t, "4999", r.Header.Get("X-RateLimit-Remaining"))
	})
}

// fresh makes an access token without asking how old the last one is.
func (t *tokens) fresh() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	token := t.make("access", 560)
	t.access[token] = time.Now().Add(accessLife)
	return token
}

func TestLimitsOff(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	for range 70 {
		r := a.get(classes)
		require.Equal(t, http.StatusOK, r.Status)
		require.Equal(t, "1000000000", r.Header.Get("X-RateLimit-Minutely-Remaining"))
		require.Equal(t, http.StatusBadRequest, a.get(classes+"?$select=Nope").Status)
	}
	require.Empty(t, a.get("current/Me").Header.Get("X-RateLimit-Limit"))
	require.Empty(t, a.service.Minutes())
	require.False(t, a.service.Blocked())
}

func TestCallsWithoutATokenAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{Limits: "real"})
		good := a.token
		a.token = "unknown"
		for range 100 {
			r := a.get(classes)
			require.Equal(t, http.StatusUnauthorized, r.Status)
			require.Empty(t, r.Header.Get("X-RateLimit-Limit"))
		}
		a.token = good
		require.Equal(t, "59", a.get(classes).Header.Get("X-RateLimit-Minutely-Remaining"))
	})
}

// TestErrorBudget: ten errors of an endpoint in an hour are borne, the next
// blocks the key.
func TestErrorBudget(t *testing.T) {
	for fault, status := range map[string]int{"": 429, "lockout-403": 403} {
		synctest.Test(t, func(t *testing.T) {
			a := newAPI(t, emulator.Options{Limits: "real", Faults: fault})
			for range 10 {
				require.Equal(t, http.StatusBadRequest, a.get(classes+"?$select=Nope").Status)
				require.Equal(t, http.StatusBadRequest, a.get(classesOf(second)+"?$select=Nope").Status, "each company for itself")
				require.Equal(t, http.StatusNotFound, a.get("812345/crm/accountClasses").Status, "each endpoint for itself")
			}
			require.Equal(t, http.StatusOK, a.get(classes).Status)
			require.False(t, a.service.Blocked())
			require.Equal(t, http.StatusBadRequest, a.get(classes+"?$select=Nope").Status)
			require.True(t, a.service.Blocked())

			require.Equal(t, status, a.get(classesOf(second)).Status)
			r := a.get("current/Me")
			require.Equal(t, status, r.Status)
			require.Empty(t, r.Header.Get("X-RateLimit-Limit"))

			time.Sleep(59 * time.Minute)
			a.token = a.service.tokens.fresh()
			require.Equal(t, status, a.get(classes).Status, "and asking makes it last")
			time.Sleep(59 * time.Minute)
			require.Equal(t, status, func() int { a.token = a.service.tokens.fresh(); return a.get(classes).Status }())
			time.Sleep(time.Hour)
			a.token = a.service.tokens.fresh()
			require.Equal(t, http.StatusOK, a.get(classes).Status)
			require.Equal(t, http.StatusBadRequest, a.get(classes+"?$select=Nope").Status)
			require.False(t, a.service.Blocked(), "the old errors are forgotten")
		})
	}
}

func TestErrorsOfExpiredTokensCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{Limits: "real"})
		time.Sleep(accessLife)
		for range 11 {
			require.Equal(t, http.StatusUnauthorized, a.get(classes).Status)
		}
		require.True(t, a.service.Blocked())
	})
}

// TestOverlaps: requests of one division side by side are seen.
func TestOverlaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const latency = 50 * time.Millisecond
		a := newAPI(t, emulator.Options{Latency: latency})
		together := func(division int, shift time.Duration, n int) {
			var group sync.WaitGroup
			for k := range n {
				group.Go(func() {
					time.Sleep(time.Duration(k) * shift)
					a.get(classesOf(division))
				})
			}
			group.Wait()
		}
		log := func() []emulator.Entry {
			list, err := a.Server.Log(Plugin.Name)
			require.NoError(t, err)
			return list
		}
		together(first, latency, 4)
		together(second, latency, 4)
		require.Equal(t, map[int]int{first: 1, second: 1}, Overlaps(log(), latency))
		together(first, 20*time.Millisecond, 4)
		together(second, 0, 4)
		require.Equal(t, map[int]int{first: 3, second: 4}, Overlaps(log(), latency))
	})
}

func TestInFlight(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	for range 3 {
		a.get(classes)
	}
	require.Equal(t, map[int]int{first: 1}, a.service.InFlight())
	leave := a.service.limits.enter(first)
	a.get(classes)
	leave()
	a.get("current/Me")
	require.Equal(t, map[int]int{first: 2}, a.service.InFlight())
}
