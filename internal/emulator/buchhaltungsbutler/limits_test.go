package buchhaltungsbutler

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// call asks for the payment accounts and tells the status.
func (a *api) call() int {
	a.Helper()
	return a.post("/accounts/get", nil).Status
}

// Point 10: 100 calls of a tenant in any 60 seconds.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{Records: 30, Limits: "real"})
		for k := range 100 {
			require.Equal(t, http.StatusOK, a.call(), k)
			time.Sleep(100 * time.Millisecond)
		}
		r := a.post("/accounts/get", nil)
		require.Equal(t, http.StatusTooManyRequests, r.Status)
		require.Empty(t, r.Header.Get("Retry-After"))
		require.NotContains(t, strings.ToLower(strings.Join(keysOf(r.Header), " ")), "ratelimit")
		require.False(t, strings.HasPrefix(r.Body, "{"))
		a.key = NewKey
		require.Equal(t, http.StatusOK, a.call(), "another tenant has its own")
		a.key = Key
		time.Sleep(50*time.Second - time.Millisecond)
		require.Equal(t, http.StatusTooManyRequests, a.call())
		time.Sleep(time.Millisecond)
		require.Equal(t, http.StatusOK, a.call(), "a refused call does not count")
		require.Equal(t, http.StatusTooManyRequests, a.call(), "the window slides")
		require.Equal(t, 3, a.service.TurnedAway())
		require.Equal(t, "401/3", refusalOf(t, a.ask(http.MethodPost, "/accounts/get", `{"api_key":"`+Key+`"}`, "Authorization", "")))
		require.Equal(t, "401/4", refusalOf(t, a.ask(http.MethodPost, "/accounts/get", `{"api_key":"x"}`)))
		require.Equal(t, http.StatusNotFound, a.post("/nothing", nil).Status)
		require.Equal(t, "400/2", refusalOf(t, a.ask(http.MethodGet, "/accounts/get", "")))
		require.Equal(t, "400/23", refusalOf(t, a.ask(http.MethodPost, "/accounts/get", "")))
		a.service.Reset()
		require.Equal(t, http.StatusOK, a.call())
	})
}

func keysOf(h http.Header) []string {
	var out []string
	for name := range h {
		out = append(out, name)
	}
	return out
}

// Point 10: the guesses about the limit.
func TestLimitGuesses(t *testing.T) {
	run := func(t *testing.T, faults string, check func(t *testing.T, a *api)) {
		t.Helper()
		t.Run(faults, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				check(t, newAPI(t, emulator.Options{Records: 30, Limits: "real", Faults: faults}))
			})
		})
	}
	spend := func(a *api, n int) {
		for range n {
			require.Equal(a, http.StatusOK, a.call())
		}
	}
	for faults, want := range map[string]string{"throttle-403": "403/15", "throttle-500": "500/0"} {
		run(t, faults, func(t *testing.T, a *api) {
			spend(a, 100)
			require.Equal(t, want, refusalOf(t, a.post("/accounts/get", nil)))
		})
	}
	run(t, "throttle-counts", func(t *testing.T, a *api) {
		spend(a, 100)
		for range 20 {
			time.Sleep(10 * time.Second)
			for range 20 {
				require.Equal(t, http.StatusTooManyRequests, a.call(), "who asks on stays out")
			}
		}
		time.Sleep(time.Minute)
		spend(a, 100)
	})
	run(t, "clock-minute", func(t *testing.T, a *api) {
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute + 59*time.Second)))
		spend(a, 100)
		require.Equal(t, http.StatusTooManyRequests, a.call())
		time.Sleep(time.Second)
		spend(a, 100)
		require.Equal(t, http.StatusTooManyRequests, a.call())
	})
	run(t, "crowded:0.9", func(t *testing.T, a *api) {
		spend(a, 10)
		require.Equal(t, http.StatusTooManyRequests, a.call())
	})
}

// Point 10: what else goes wrong.
func TestTroubles(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 300, Faults: "timeout-504=1@postings,restricted=2@receipts,internal-error=1@transactions"})
	a.refused(504, 30, "/postings/get", ever)
	require.NotEmpty(t, a.list("/postings/get", ever))
	a.refused(403, 15, "/receipts/get", inbound)
	a.refused(403, 15, "/receipts/get", inbound)
	require.NotEmpty(t, a.list("/receipts/get", inbound))
	a.refused(500, 0, "/transactions/get", nil)
	require.NotEmpty(t, a.list("/transactions/get", nil))

	large := newAPI(t, emulator.Options{Records: 300, Faults: "timeout-large"})
	large.refused(504, 30, "/postings/get", ever)
	large.refused(504, 30, "/postings/get", with(ever, "limit", 101))
	require.Len(t, large.list("/postings/get", with(ever, "limit", 100)), 100)
	ledger := m{"postingaccount_number": 410, "date_from": "2026-01-01", "date_to": "2026-03-01"}
	large.refused(504, 30, "/reports/get/sums/ledger", ledger)
	require.Equal(t, http.StatusOK, large.post("/reports/get/sums/ledger", with(ledger, "date_to", "2026-02-01")).Status)

	for fault, status := range map[string]int{"502": 502, "truncated": 200, "429-bare": 429, "401": 401, "403": 403, "404": 404, "429": 429} {
		bad := newAPI(t, emulator.Options{Records: 30, Faults: fault + "=1@accounts"})
		require.Equal(t, status, bad.call(), fault)
		require.Equal(t, http.StatusOK, bad.call(), fault)
	}
	require.Equal(t, "401/3", refusalOf(t, newAPI(t, emulator.Options{Faults: "401"}).post("/accounts/get", nil)))
	require.NotEmpty(t, newAPI(t, emulator.Options{Faults: "429"}).post("/accounts/get", nil).Header.Get("Retry-After"))
	require.Equal(t, "text/html; charset=UTF-8", newAPI(t, emulator.Options{Faults: "404"}).post("/accounts/get", nil).Header.Get("Content-Type"))
}

func TestSluggish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{Records: 30, Faults: "sluggish=1@accounts"})
		start := time.Now()
		require.Equal(t, http.StatusOK, a.call())
		require.Equal(t, 30*time.Second, time.Since(start))
		require.Equal(t, http.StatusOK, a.call())
		require.Equal(t, 30*time.Second, time.Since(start))
	})
}

func TestMangle(t *testing.T) {
	deep := newAPI(t, emulator.Options{Records: 30, Faults: "deep"})
	require.Contains(t, deep.post("/accounts/get", nil).Body, `"data":[{"c_deep":`+strings.Repeat("[", 200)+"]")
	require.Contains(t, deep.post("/receipts/get/301", nil).Body, `"data":{"c_deep":`)
	dup := newAPI(t, emulator.Options{Records: 30, Faults: "dup"})
	require.Contains(t, dup.post("/transactions/get", m{"id_by_customer_from": 1000}).Body, `{"id_by_customer":"-1","id_by_customer":1001,`)
	require.NotEmpty(t, dup.list("/accounts/get", nil))
	same := newAPI(t, emulator.Options{Records: 30, Faults: "next-self"})
	require.NotEmpty(t, same.list("/accounts/get", nil))
	require.Empty(t, deep.list("/transactions/get", m{"offset": 1000}))
}
