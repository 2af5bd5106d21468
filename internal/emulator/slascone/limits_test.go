package slascone

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// Writes count, reads do not; a 429 ends by waiting, and asking at once makes it
// last.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{Limits: "real"}, "plan-basic")
		for range 130 {
			require.Equal(t, 200, a.get("products").Status)
		}
		for range 125 {
			require.Equal(t, 409, a.send(http.MethodPatch, "data_exchange/customers", `{"customer_number":"none"}`).Status)
		}
		r := a.send(http.MethodPatch, "data_exchange/customers", `{"customer_number":"none"}`)
		require.Equal(t, 429, r.Status)
		require.Equal(t, "20", r.Header.Get("Retry-After"))
		require.Empty(t, r.Body)
		time.Sleep(19 * time.Second)
		require.Equal(t, 429, a.get("products").Status, "too early, for all calls")
		time.Sleep(19 * time.Second)
		require.Equal(t, 429, a.get("products").Status, "the wait begins anew")
		time.Sleep(20 * time.Second)
		require.Equal(t, 200, a.get("products").Status)
		require.Equal(t, 409, a.send(http.MethodPatch, "data_exchange/customers", `{"customer_number":"none"}`).Status)
		require.Equal(t, 401, a.Ask(http.MethodGet, base+"products", "").Status)
	})
}

// By switches reads count, and Retry-After is the rest of the window.
func TestLimitedReads(t *testing.T) {
	for _, x := range []struct {
		plan   string
		calls  int
		window time.Duration
	}{
		{"plan-dev", 300, time.Minute}, {"plan-basic", 125, 5 * time.Minute}, {"plan-silver", 500, 5 * time.Minute}, {"", 2000, 5 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newAPI(t, emulator.Options{Limits: "real"}, "reads-limited", "throttle-window")
			if x.plan != "" {
				a.turn(x.plan, -1)
			}
			for range x.calls {
				require.Equal(t, 200, a.get("licenses/types").Status)
			}
			time.Sleep(10 * time.Second)
			r := a.get("licenses/types")
			require.Equal(t, 429, r.Status)
			require.Equal(t, strconv.Itoa(int((x.window - 10*time.Second).Seconds())), r.Header.Get("Retry-After"))
			time.Sleep(x.window - 10*time.Second)
			require.Equal(t, 200, a.get("licenses/types").Status)
			time.Sleep(x.window)
			require.Equal(t, 200, a.get("licenses/types").Status, "a new window")
		})
	}
}

// The fault 429 blocks as the limit does, if limits are real.
func TestThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{Limits: "real", Faults: "429=1"})
		r := a.get("products")
		require.Equal(t, 429, r.Status)
		wait, err := strconv.Atoi(r.Header.Get("Retry-After"))
		require.NoError(t, err)
		require.Equal(t, 429, a.get("products").Status, "at once")
		time.Sleep(time.Duration(wait) * time.Second)
		require.Equal(t, 200, a.get("products").Status)
	})
}

// The frame's own faults are worded as the service does.
func TestRefuse(t *testing.T) {
	for status, faults := range map[int]string{401: "401", 403: "403", 404: "404"} {
		a := newAPI(t, emulator.Options{Faults: faults})
		r := a.get("products")
		require.Equal(t, status, r.Status)
		require.Equal(t, status == 404, r.Body != "")
	}
}

// 503 and 504 come with Retry-After.
func TestUnavailable(t *testing.T) {
	for name, status := range map[string]int{"503-wait": 503, "504-wait": 504} {
		a := newAPI(t, emulator.Options{})
		require.NoError(t, a.service.SwitchFor(name, 2))
		for range 2 {
			r := a.get("products")
			require.Equal(t, status, r.Status)
			require.Equal(t, "7", r.Header.Get("Retry-After"))
		}
		require.Equal(t, 200, a.get("products").Status)
	}
}
