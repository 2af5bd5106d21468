package saasoptics

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/standintest"
)

// TestThrottle runs in virtual time: five requests at once, then one every
// 200 ms.
func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{Limits: "real"})
		for range 5 {
			require.Equal(t, http.StatusOK, a.get("accounts/").Status)
		}
		r := a.get("accounts/")
		require.Equal(t, http.StatusTooManyRequests, r.Status)
		require.Equal(t, "1", r.Header.Get("Retry-After"))
		require.JSONEq(t, `{"detail":"Request was throttled. Expected available in 1 second."}`, r.Body)
		for range 20 {
			time.Sleep(200 * time.Millisecond)
			require.Equal(t, http.StatusOK, a.get("accounts/").Status)
		}
		time.Sleep(100 * time.Millisecond)
		require.Equal(t, http.StatusTooManyRequests, a.get("accounts/").Status)
		time.Sleep(100 * time.Millisecond)
		require.Equal(t, http.StatusOK, a.get("accounts/").Status, "a refused request does not count")

		stats, err := a.Server.Stats("saasoptics")
		require.NoError(t, err)
		require.Equal(t, int64(28), stats.Requests)
		require.Equal(t, map[string]int64{"200": 26, "429": 2}, stats.ByStatus)
	})
}

func TestThrottleText(t *testing.T) {
	var s service
	require.JSONEq(t, `{"detail":"Request was throttled. Expected available in 12 seconds."}`, string(s.Refuse(429, 11500*time.Millisecond).Body))
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{Latency: 3 * time.Second})
		start := time.Now()
		require.Equal(t, http.StatusOK, a.get("accounts/").Status)
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

func TestRefusalsOfAStream(t *testing.T) {
	a := newAPI(t, emulator.Options{Faults: "403@contracts,404@invoices,401@deleted_items"})
	r := a.get("contracts/")
	require.Equal(t, http.StatusForbidden, r.Status)
	require.JSONEq(t, `{"detail":"You do not have permission to perform this action."}`, r.Body)
	require.Equal(t, http.StatusForbidden, a.get("contracts/40001/").Status)
	require.Equal(t, http.StatusOK, a.get("contracts/deleted/").Status)
	require.Equal(t, http.StatusNotFound, a.get("invoices/").Status)
	require.Equal(t, http.StatusOK, a.get("items/").Status)
}

func TestWrongAccountRedirects(t *testing.T) {
	a := newAPI(t, emulator.Options{Faults: "redirect@account"})
	r := a.get(standintest.Origin + "/saasoptics/other/api/v1.0/contracts/")
	require.Equal(t, http.StatusFound, r.Status)
	require.Equal(t, "/saasoptics/login/?next=%2Fsaasoptics%2Fother%2Fapi%2Fv1.0%2Fcontracts%2F", r.Header.Get("Location"))
	login := a.get(standintest.Origin + r.Header.Get("Location"))
	require.Equal(t, http.StatusOK, login.Status)
	require.Contains(t, login.Body, "<form")
	require.Equal(t, http.StatusOK, a.get("contracts/").Status)
}

func TestSlash(t *testing.T) {
	a := newAPI(t, emulator.Options{Faults: "slash"})
	r := a.get("contracts?page=2")
	require.Equal(t, http.StatusMovedPermanently, r.Status)
	require.Equal(t, "/saasoptics/acme/api/v1.0/contracts/?page=2", r.Header.Get("Location"))
	require.Equal(t, http.StatusOK, a.get("contracts/").Status)
}

func TestSpoiledPages(t *testing.T) {
	good := newAPI(t, emulator.Options{}).get("contracts/").Body
	get := func(fault string) string {
		r := newAPI(t, emulator.Options{Faults: fault}).get("contracts/")
		require.Equal(t, http.StatusOK, r.Status)
		return r.Body
	}
	t.Run("deep", func(t *testing.T) {
		body := get("deep")
		require.True(t, json.Valid([]byte(body)))
		require.Contains(t, body, `"c_deep":`+strings.Repeat("[", 200)+"]")
	})
	t.Run("dup", func(t *testing.T) {
		var e envelope
		body := get("dup")
		require.NoError(t, json.Unmarshal([]byte(body), &e))
		require.Equal(t, 2, strings.Count(string(e.Results[0]), `"modified":`))
		require.Equal(t, "40001", member(t, string(e.Results[0]), "id").(json.Number).String(), "the true value is the last")
	})
	t.Run("garbage", func(t *testing.T) {
		body := get("garbage")
		require.False(t, utf8.ValidString(body))
		require.Len(t, body, len(good)+3)
	})
	t.Run("truncated", func(t *testing.T) {
		body := get("truncated")
		require.Equal(t, good[:len(good)/2], body)
	})
	t.Run("next-self", func(t *testing.T) {
		a := newAPI(t, emulator.Options{Faults: "next-self"})
		e := a.page("contracts/?a=b&page=2")
		require.Equal(t, standintest.Origin+"/saasoptics/acme/api/v1.0/contracts/?a=b&page=2", *e.Next)
		require.NotNil(t, a.page("accounts/").Next, "the last page too")
	})
	t.Run("next-foreign", func(t *testing.T) {
		a := newAPI(t, emulator.Options{Faults: "next-foreign"})
		require.Equal(t, "http://saasoptics.example.net/saasoptics/acme/api/v1.0/contracts/?page=2", *a.page("contracts/").Next)
	})
	t.Run("refusals stay as they are", func(t *testing.T) {
		a := newAPI(t, emulator.Options{Faults: "truncated,next-self,deep"})
		require.JSONEq(t, `{"detail":"Invalid page."}`, a.get("contracts/?page=0").Body)
	})
	t.Run("what is no page", func(t *testing.T) {
		var s service
		for _, fault := range []string{"deep", "dup"} {
			require.Equal(t, `{"id":1}`, string(s.Mangle(fault, nil, []byte(`{"id":1}`))))
		}
		require.True(t, bytes.Equal([]byte("x"), withNext([]byte("x"), "y")))
	})
}

func TestOffsetTimes(t *testing.T) {
	plain, shifted := newAPI(t, emulator.Options{Records: 400}), newAPI(t, emulator.Options{Records: 400, Faults: "offset-times"})
	offsets := 0
	want := plain.truth("contracts")
	for k, row := range shifted.truth("contracts") {
		if strings.Contains(row, `-05:00"`) {
			offsets++
		}
		for _, column := range []string{"modified", "created"} {
			a, _ := instantAt(t, want[k], column)
			b, _ := instantAt(t, row, column)
			require.True(t, a.Equal(b), "the same instant")
		}
	}
	require.InDelta(t, 100, offsets, 40)
	require.NotContains(t, strings.Join(want, ""), `-05:00"`)
	const window = "contracts/?modified__gte=2025-01-01"
	require.Equal(t, plain.page(window).Count, shifted.page(window).Count)
	all := newAPI(t, emulator.Options{Records: 50, Faults: "offset-times:1.0@contracts"})
	require.Equal(t, 49, strings.Count(strings.Join(all.truth("contracts"), ""), `-05:00","modified_by"`))
	require.NotContains(t, strings.Join(all.truth("payments"), ""), `-05:00"`)
}
