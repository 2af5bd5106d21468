package zohocrm

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

const creditsLeft = "X-Api-Credits-Remaining"

func limited(t *testing.T, faults string) *api {
	t.Helper()
	return newAPI(t, emulator.Options{Limits: "real", Faults: faults})
}

// TestCredits: what other apps have left is used up, by any 24 hours.
func TestCredits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := limited(t, "credits:0.001,edition-free") // 5 of 5,000
		for k := 4; k >= 1; k-- {
			r := a.get(leads)
			require.Equal(t, http.StatusOK, r.Status)
			require.Equal(t, strconv.Itoa(k), r.Header.Get(creditsLeft))
			time.Sleep(time.Minute)
		}
		r := a.get("Nope?fields=id")
		require.Equal(t, "INVALID_MODULE", code(t, r))
		require.Equal(t, "0", r.Header.Get(creditsLeft), "a refusal costs what an answer does")

		r = a.get(leads)
		require.Equal(t, http.StatusTooManyRequests, r.Status)
		require.Equal(t, `{"code":"TOO_MANY_REQUESTS","details":{},"message":"rate limit exceeded, try again later","status":"error"}`, r.Body)
		require.Equal(t, "0", r.Header.Get(creditsLeft))
		require.Empty(t, r.Header.Get("Retry-After"))
		require.Equal(t, map[string]int{"leads": 4, unknown: 1}, a.service.Credits())
		require.Equal(t, 1, a.service.TurnedAway())

		a.token = a.refresh()
		time.Sleep(24*time.Hour - 4*time.Minute - time.Second)
		a.token = a.refresh()
		require.Equal(t, http.StatusTooManyRequests, a.get(leads).Status, "no midnight, no reset")
		time.Sleep(time.Second)
		r = a.get(leads)
		require.Equal(t, http.StatusOK, r.Status)
		require.Empty(t, r.Header.Get(creditsLeft), "what the others have used is free again")
	})
}

// TestCreditsOfOnesOwn: they come back one by one, 24 hours later.
func TestCreditsOfOnesOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limited(t, "").service.limits
		l.edition = edition{credits: 10, inFlight: 1}
		list := route{kind: toList, resource: "leads"}
		left := func() string {
			h := make(http.Header)
			if !l.admit(list, http.MethodGet, h) {
				return "over " + h.Get(creditsLeft)
			}
			return h.Get(creditsLeft)
		}
		for _, want := range []string{"", "", "", "", "5", "4", "3", "2", "1", "0", "over 0"} {
			require.Equal(t, want, left())
			time.Sleep(time.Hour)
		}
		time.Sleep(13*time.Hour - time.Second)
		require.Equal(t, "over 0", left())
		time.Sleep(time.Second)
		require.Equal(t, "0", left())
		require.Equal(t, "over 0", left())
		require.False(t, l.admit(route{kind: toBulk}, http.MethodPost, make(http.Header)), "a job costs more")
	})
}

func TestCosts(t *testing.T) {
	a := limited(t, "")
	for path, want := range map[string]int{"settings/modules": 1, "users?type=AllUsers": 1, leads: 1, "Leads/deleted?type=all": 1} {
		a.service.Reset()
		a.get(path)
		require.Equal(t, want, total(a.service.Credits()), path)
	}
	for limit, want := range map[string]int{"200": 1, "201": 2, "1000": 2, "1001": 3, "2000": 3} {
		a.service.Reset()
		r := a.post("/crm/v8/coql", `{"select_query":"select id from Leads where id is not null limit 0, `+limit+`"}`)
		require.Equal(t, http.StatusOK, r.Status, r.Body)
		require.Equal(t, map[string]int{"coql": want}, a.service.Credits(), limit)
	}
	a.service.Reset()
	id := a.job(`{"module":{"api_name":"Leads"}}`)
	a.poll(id)
	a.poll(id)
	a.poll(id)
	a.get(bulkRoot + "read/" + id + "/result")
	require.Equal(t, map[string]int{"bulk": 50, "bulk/job": 3, "bulk_download": 1}, a.service.Credits())

	a.service.Reset()
	a.token = "unknown"
	a.get(leads)
	require.Empty(t, a.service.Credits(), "whoever is nobody uses nothing up")
	off := newAPI(t, emulator.Options{})
	off.get(leads)
	require.Empty(t, off.service.Credits())
}

func total(credits map[string]int) int {
	n := 0
	for _, c := range credits {
		n += c
	}
	return n
}

func TestEditions(t *testing.T) {
	for name, want := range map[string]edition{
		"": {60_000, 20}, "edition-free": {5_000, 5}, "edition-standard": {52_500, 10}, "edition-professional": {55_000, 15},
		"edition-enterprise": {60_000, 20}, "edition-ultimate": {70_000, 25},
	} {
		require.Equal(t, want, limited(t, name).service.limits.edition, name)
	}
}

// TestInFlight: an edition takes so many calls at once, of COQL ten.
func TestInFlight(t *testing.T) {
	for _, c := range []struct {
		faults string
		ask    func(a *api) reply
		fit    int
	}{
		{"edition-free,busy", func(a *api) reply { return a.get(leads) }, 5},
		{"busy", func(a *api) reply { return a.get(leads) }, 20},
		{"edition-ultimate,busy", func(a *api) reply {
			return a.post("/crm/v8/coql", `{"select_query":"select id from Leads where id is not null"}`)
		}, 10},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := limited(t, c.faults)
			var mu sync.Mutex
			got := map[int]int{}
			var group sync.WaitGroup
			for range c.fit + 3 {
				group.Go(func() {
					r := c.ask(a)
					mu.Lock()
					defer mu.Unlock()
					got[r.Status]++
					if r.Status == http.StatusTooManyRequests && (r.Header.Get(creditsLeft) != "" || r.Header.Get("Retry-After") != "" || !strings.Contains(r.Body, "TOO_MANY_REQUESTS")) {
						got[0]++
					}
				})
			}
			group.Wait()
			require.Equal(t, map[int]int{200: c.fit, 429: 3}, got)
			require.Equal(t, c.fit, a.service.InFlight())
			require.Equal(t, 3, a.service.TurnedAway())
			require.Equal(t, c.fit, total(a.service.Credits()), "what was turned away costs nothing")
			a.service.Reset()
			require.Equal(t, http.StatusOK, c.ask(a).Status)
			require.Equal(t, 1, a.service.InFlight())
		})
	}
}

// TestGone: a client that does not wait is no longer in flight.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := limited(t, "busy")
		ctx, stop := context.WithTimeout(t.Context(), busyTime/2)
		defer stop()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, mount+apiRoot+leads, http.NoBody)
		require.NoError(t, err)
		r.Header.Set("Authorization", a.auth())
		_, err = a.Client.Do(r)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		synctest.Wait()
		require.Zero(t, a.service.limits.flying)
	})
}

// TestOneAfterTheOther: who waits for each answer is never two.
func TestOneAfterTheOther(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	id := a.job(`{"module":{"api_name":"Leads"}}`)
	for range 3 {
		a.poll(id)
	}
	for range 50 {
		a.get(leads)
		a.get(bulkRoot + "read/" + id + "/result")
	}
	require.Equal(t, 1, a.service.InFlight())
}

func TestDownloadsPerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := limited(t, "")
		id := a.job(`{"module":{"api_name":"Leads"}}`)
		for range 3 {
			a.poll(id)
		}
		load := func() int { return a.get(bulkRoot + "read/" + id + "/result").Status }
		for range 10 {
			require.Equal(t, http.StatusOK, load())
			time.Sleep(time.Second)
		}
		require.Equal(t, http.StatusTooManyRequests, load())
		require.Equal(t, http.StatusOK, a.get(leads).Status)
		time.Sleep(50*time.Second - time.Millisecond)
		require.Equal(t, http.StatusTooManyRequests, load())
		time.Sleep(time.Millisecond)
		require.Equal(t, http.StatusOK, load())
		require.Equal(t, http.StatusTooManyRequests, load())
	})
}

func TestWordsOf429(t *testing.T) {
	for fault, want := range map[string]string{
		"rate-limit-exceeded": `{"code":"RATE_LIMIT_EXCEEDED","details":{},"message":"rate limit exceeded, try again later","status":"error"}`,
		"limit-reached":       `{"code":"LIMIT_REACHED","details":{},"message":"rate limit exceeded, try again later","status":"error"}`,
		"retry-after":         `{"code":"TOO_MANY_REQUESTS","details":{"retry_after":7},"message":"rate limit exceeded, try again later","status":"error"}`,
	} {
		r := limited(t, fault+",credits:0.0000001").get(leads)
		require.Equal(t, http.StatusTooManyRequests, r.Status)
		require.Equal(t, want, r.Body)
	}
}
