package saasoptics

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// instantAt reads an instant of a row: "auditentry__modified" is nested.
func instantAt(t *testing.T, row, column string) (time.Time, bool) {
	t.Helper()
	text, ok := member(t, row, strings.Split(column, "__")...).(string)
	if !ok {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return at, true
}

// TestWindows compares what the filters give with filtering all rows by hand:
// every filterable column of every stream, before and after changes.
func TestWindows(t *testing.T) {
	for _, changes := range []int{0, 4} {
		a := newAPI(t, emulator.Options{Records: 230, Seed: 3})
		rng := rand.New(rand.NewPCG(uint64(changes), 9))
		for k := range changes {
			at := firstModified.Add(time.Duration(rng.Int64N(int64(lastModified.Sub(firstModified)))))
			_, err := a.Server.Change("saasoptics", emulator.Change{Rows: 10 + k, Delete: 3, Insert: 4, At: at})
			require.NoError(t, err)
		}
		for _, d := range definitions {
			if len(d.columns) == 0 {
				continue
			}
			truth := a.truth(d.name)
			for column := range d.columns {
				instants := make([]time.Time, len(truth)) // zero: none
				for k, row := range truth {
					instants[k], _ = instantAt(t, row, column)
				}
				for range 8 {
					checkWindow(t, a, d, column, truth, instants, rng)
				}
			}
		}
	}
}

func checkWindow(t *testing.T, a *api, d definition, column string, truth []string, instants []time.Time, rng *rand.Rand) {
	t.Helper()
	// The ends are instants of rows: they count in, exactly.
	lo, hi := instants[rng.IntN(len(instants))], instants[rng.IntN(len(instants))]
	if rng.IntN(3) == 0 {
		hi = lo.Add(time.Duration(rng.Int64N(int64(60 * 24 * time.Hour))))
	}
	query := url.Values{}
	if rng.IntN(5) > 0 {
		query.Set(column+"__gte", lo.Format("2006-01-02T15:04:05.000000Z"))
	} else {
		lo = time.Time{}.Add(1)
	}
	if rng.IntN(5) > 0 || len(query) == 0 {
		query.Set(column+"__lte", hi.Format("2006-01-02T15:04:05.000000Z"))
	} else {
		hi = time.Now().AddDate(100, 0, 0)
	}
	want := []string{}
	for k, at := range instants {
		if !at.IsZero() && !at.Before(lo) && !at.After(hi) {
			want = append(want, truth[k])
		}
	}
	got, count := a.all(d.path + "/?" + query.Encode())
	require.Equal(t, want, got, "%s %s", d.name, query.Encode())
	require.Equal(t, int64(len(want)), count)
}

func TestFilterValues(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 400})
	at := func(value string) int64 {
		return a.page("contracts/?modified__gte=" + url.QueryEscape(value)).Count
	}
	want := at("2025-03-04T00:00:00Z")
	require.Positive(t, want)
	require.Less(t, want, int64(400))
	for _, same := range []string{
		"2025-03-04T00:00:00.000000Z", "2025-03-04T00:00:00.0000001Z", "2025-03-04T00:00Z", "2025-03-04", " 2025-03-04 ",
		"2025-03-04T00:00:00", "2025-03-04 00:00:00", "2025-03-04 00:00", "2025-03-04T00:00:00.000000",
		"2025-03-03T19:00:00-05:00", "2025-03-03T19:00:00-0500", "2025-03-04T02:00:00.5+02:00", "2025-03-04T00:00:00,000000Z",
	} {
		require.Equal(t, want, at(same), same)
	}
	require.Equal(t, http.StatusOK, a.get("contracts/?modified__gte=2025-03-04T00:00:00Z").Status, "colons need no escape")
	require.Equal(t, int64(400), at(""), "an empty value is no filter")
	require.Equal(t, at("2026-01-01"), a.page("contracts/?modified__gte=garbage&modified__gte=2026-01-01").Count, "the last one counts")

	for _, garbage := range []string{"garbage", "2025-02-30", "2025-13-01T00:00:00Z", "1700000000", "2025-03-04T25:00:00Z", "2025-03-04T00:00:00 00:00", "03/04/2025"} {
		r := a.get("contracts/?modified__lte=" + url.QueryEscape(garbage))
		require.Equal(t, http.StatusBadRequest, r.Status, garbage)
		require.JSONEq(t, `{"modified__lte":["Enter a valid date/time."]}`, r.Body)
	}
	r := a.get("contracts/?modified__lte=x&created__gte=y&customer=z")
	require.JSONEq(t, `{"created__gte":["Enter a valid date/time."],"customer":["Enter a number."],"modified__lte":["Enter a valid date/time."]}`, r.Body)
}

// TestFiltersIgnored holds the strictest reading: what a list does not know
// does nothing, not even when it is garbage.
func TestFiltersIgnored(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 300})
	for path, count := range map[string]int64{
		"contracts/deleted/?deleted__gte=2026-10-01":             15,
		"contracts/deleted/?modified__gte=2026-10-01":            15,
		"sales_orders/?created__gte=2026-10-01":                  300,
		"sales_orders/?modified__gte=2026-10-01&created__lte=zz": 300,
		"invoices/?modified__gte=2026-10-01":                     300, // the column is auditentry__modified
		"items/?created__gte=garbage":                            300,
		"contracts/?modified__gt=2026-10-01&modified=2026-10-01": 300,
		"transactions/?start_date__gte=2026-10-01":               300,
		"country_codes/?modified__gte=2026-10-01":                250,
		"items/?customer=5001":                                   300,
	} {
		require.Equal(t, count, a.page(path).Count, path)
	}
}

func TestAuditFiltersDropRowsWithoutEntry(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 1000})
	_, count := a.all("invoices/?auditentry__modified__gte=1990-01-01")
	require.Equal(t, int64(1000-20-1-1), count)
	_, count = a.all("invoices/?auditentry__created__gte=1990-01-01")
	require.Equal(t, int64(1000-20-1), count)
	_, count = a.all("contracts/?modified__gte=1990-01-01")
	require.Equal(t, int64(999), count)
	_, count = a.all("contracts/?modified__gte=1990-01-01&created__gte=1990-01-01")
	require.Equal(t, int64(999), count)
}

// TestTwoClocks is trap 2: a window on the audit entry of transactions is not
// the window on modified.
func TestTwoClocks(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 500})
	byModified, _ := a.all("transactions/?modified__gte=2025-01-01&modified__lte=2025-06-30")
	byAudit, _ := a.all("transactions/?auditentry__modified__gte=2025-01-01&auditentry__modified__lte=2025-06-30")
	only := func(x, y []string) (n int) {
		for _, row := range x {
			if !slices.Contains(y, row) {
				n++
			}
		}
		return n
	}
	require.Positive(t, only(byModified, byAudit))
	require.Positive(t, only(byAudit, byModified))
}

func TestEqualityFilters(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 240})
	_, err := a.Server.Change("saasoptics", emulator.Change{Rows: 30, Delete: 4, Insert: 30, At: lastModified})
	require.NoError(t, err)
	contracts := make(map[string]string) // of transactions
	for _, row := range a.truth("transactions") {
		contracts[fmt.Sprint(member(t, row, "id"))] = fmt.Sprint(member(t, row, "contract"))
	}
	for _, c := range []struct{ path, column, id, and string }{
		{"contracts", "customer", "5003", ""},
		{"contracts", "customer", "5085", ""}, // of added contracts
		{"contracts", "customer", "5003", "modified__gte=2024-06-01"},
		{"invoices", "contract", "40044", ""},
		{"transactions", "contract", "40101", ""},
		{"revenue_entries", "transaction", "60007", ""},
		{"payments", "customer", "5017", "sort=-modified"},
		{"payments", "contract", "40030", ""},
	} {
		want := []string{}
		for _, row := range a.truth(c.path) {
			modified, ok := instantAt(t, row, "modified")
			if fmt.Sprint(member(t, row, c.column)) == c.id &&
				(!strings.HasPrefix(c.and, "modified") || ok && !modified.Before(time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC))) {
				want = append(want, row)
			}
		}
		got, _ := a.all(c.path + "/?" + c.column + "=" + c.id + "&" + c.and)
		require.ElementsMatch(t, want, got, "%s %s", c.path, c.column)
		require.NotEmpty(t, got)
	}
	for _, row := range first(a.all("revenue_entries/?contract=40003")) {
		contract, live := contracts[fmt.Sprint(member(t, row, "transaction"))]
		require.True(t, !live || contract == "40003")
	}
	require.Empty(t, first(a.all("contracts/?customer=5003&customer=1")))
	require.Empty(t, first(a.all("payments/?customer=5001&contract=40200")))
	require.NotEmpty(t, first(a.all("payments/?customer=5001&contract=40001")))
}

func first(texts []string, _ int64) []string { return texts }

func TestSort(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 230})
	_, err := a.Server.Change("saasoptics", emulator.Change{Rows: 20, Insert: 5, Delete: 5, At: firstModified.AddDate(1, 0, 0)})
	require.NoError(t, err)
	byID := ids(t, first(a.all("contracts/")))
	require.True(t, slices.IsSorted(byID))
	for _, nonsense := range []string{"asc", "", "-", "nonsense", "notes", "sort"} {
		require.Equal(t, byID, ids(t, first(a.all("contracts/?sort="+nonsense))), nonsense)
	}
	for _, c := range []struct{ path, sort, column string }{
		{"contracts", "modified", "modified"},
		{"contracts", "nonsense,-modified,id", "modified"},
		{"contracts", "created", "created"},
		{"transactions", "start_date", "start_date"},
		{"transactions", "-auditentry__modified", "auditentry__modified"},
		{"sales_orders", "created", "created"},
		{"contracts/deleted", "-deleted", "deleted"},
	} {
		texts, count := a.all(c.path + "/?sort=" + c.sort)
		require.Len(t, texts, int(count))
		var values []string
		for k, row := range texts {
			v, ok := member(t, row, strings.Split(c.column, "__")...).(string)
			if !ok {
				end := len(texts) - 1
				if strings.Contains(c.sort, "-") {
					end = 0
				}
				require.Equal(t, end, k, "a row without comes last, or first in reverse")
				continue
			}
			values = append(values, strings.Replace(v, "Z", "", 1))
		}
		if strings.Contains(c.sort, "-") {
			slices.Reverse(values)
		}
		require.True(t, slices.IsSorted(values), "%s by %s", c.path, c.sort)
	}
	desc := ids(t, first(a.all("contracts/?sort=-id")))
	slices.Reverse(desc)
	require.Equal(t, byID, desc)

	window := "modified__gte=2024-01-01&modified__lte=2025-01-01"
	require.ElementsMatch(t, first(a.all("contracts/?"+window)), first(a.all("contracts/?sort=modified&"+window)))
	require.ElementsMatch(t, first(a.all("contracts/?"+window)), first(a.all("contracts/?sort=-created&"+window)))
}

// TestOrderIsNotTime catches a tap that trusts the order of rows: the newest
// row of all is the very first.
func TestOrderIsNotTime(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 1000})
	for _, stream := range []string{"contracts", "transactions", "customers"} {
		texts := a.truth(stream)
		newest, _ := instantAt(t, texts[0], "modified")
		back := 0
		last := newest
		for _, row := range texts[1:] {
			if at, ok := instantAt(t, row, "modified"); ok {
				require.True(t, at.Before(newest))
				if at.Before(last) {
					back++
				}
				last = at
			}
		}
		require.InDelta(t, 500, back, 150, stream)
	}
}
