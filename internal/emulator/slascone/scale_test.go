package slascone

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/standintest"
)

// A million licenses and customers need no memory each, and a late page is as
// quick as the first.
func TestMillion(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	a := newAPI(t, emulator.Options{Records: 1_000_000})
	for _, n := range []int{1, 5000, 10_000} {
		for _, path := range []string{"licenses/filtered", "licenses/filtered/detailed", "customers/filtered"} {
			r := a.post(path, fmt.Sprintf(`{"page_size":100,"page":%d}`, n))
			require.Equal(t, 200, r.Status)
			require.Greater(t, len(r.Body), 10_000)
		}
	}
	last := a.service.world.id(license, 999_999).String()
	require.Equal(t, last, objectIn(t, a.get("licenses/"+last).Body)["id"])
	require.NotEmpty(t, a.list("licenses/"+last+"/history"))
	a.Change(emulator.Change{Stream: "licenses", Rows: 5, Delete: 5, Insert: 5})
	require.Equal(t, 1_000_000, a.page("licenses/filtered", `{"page_size":1}`).MaxCount)
	require.Less(t, heap()-before, uint64(20<<20))
	runtime.KeepAlive(a)
}

// A list that is too long for one piece is whole all the same.
func TestLongList(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 5000})
	a.Change(emulator.Change{Stream: "customers", Delete: 7, Insert: 3})
	var told emulator.Page
	a.Server.OnPage(func(p emulator.Page) { told = p })
	got := ids(a.list("customers"))
	a.Server.OnPage(nil)
	require.Equal(t, ids(a.Truth("customers")), got)
	require.Len(t, told.IDs, len(got))
	stats, err := a.Server.Stats(source)
	require.NoError(t, err)
	require.EqualValues(t, len(got), stats.Rows)
	require.Len(t, a.list("customers/light"), len(got))
	a.turn("signed", -1)
	require.Equal(t, got, ids(a.list("customers")))
}

// Few records are enough for all that is asked.
func TestFew(t *testing.T) {
	for n := 1; n <= 12; n++ {
		a := newAPI(t, emulator.Options{Records: n})
		for name, v := range streams {
			a.Truth(name)
			if !v.derived {
				_, err := a.Server.Change(source, emulator.Change{Stream: name, Insert: 2})
				if name == "license_open_sessions" || v.kind == user || v.kind == group {
					continue // there may be no license for them
				}
				require.NoError(t, err, "%s of %d", name, n)
			}
		}
		require.GreaterOrEqual(t, len(a.Truth("licenses")), n)
		require.GreaterOrEqual(t, a.page("licenses/filtered", `{"page_size":100}`).Owners, 1)
	}
}

// Rows counts what the truth has.
func TestRows(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 90})
	var n int
	for name, v := range streams {
		switch {
		case v.derived, name == "license_overview", name == "customers_light":
		default:
			n += len(a.Truth(name))
		}
	}
	require.EqualValues(t, n, a.service.Rows())
	config, err := a.Server.Config(source, standintest.Origin)
	require.NoError(t, err)
	require.Equal(t, ISV, config["isv_id"])
	require.Equal(t, AdminKey, config["admin_key"])
	require.Equal(t, mount, config["api_url"])
	require.Error(t, a.Server.Truth(io.Discard, source, "invoices"))
}

// Readers, writers and changes may come at once.
func TestConcurrent(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 200})
	paths := []string{"customers", "products", "licenses/" + a.license(0) + "/consumption/heartbeats", "licensebundles"}
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			for n := range 10 {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+paths[(k+n)%len(paths)], strings.NewReader(""))
				if err != nil {
					panic(err) // invariant: the address is fixed
				}
				r.Header.Set("AdminKey", AdminKey)
				response, err := a.Client.Do(r)
				if err != nil || response.StatusCode != http.StatusOK {
					panic(fmt.Sprint(err, response)) // told in the test's output
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				_, _ = a.Server.Change(source, emulator.Change{Rows: 1, Insert: 1, Delete: 1})
			}
		})
	}
	wg.Wait()
	require.Len(t, a.Truth("licenses"), a.page("licenses/filtered", `{"page_size":1}`).MaxCount)
}

// BenchmarkPage makes pages of 100 rows of a million.
func BenchmarkPage(b *testing.B) {
	for _, path := range []string{"licenses/filtered", "licenses/filtered/detailed", "customers/filtered"} {
		b.Run(path, func(b *testing.B) {
			a := newAPI(b, emulator.Options{Records: 1_000_000})
			b.ReportAllocs()
			for b.Loop() {
				r := a.post(path, `{"page_size":100,"page":5000}`)
				b.SetBytes(int64(len(r.Body)))
			}
		})
	}
}
