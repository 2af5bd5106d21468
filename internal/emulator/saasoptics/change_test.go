package saasoptics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/standintest"
)

func TestChange(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 300})
	before := a.truth("contracts")
	at := time.Date(2026, 12, 1, 10, 0, 0, 123456789, time.UTC)
	report := a.Change(emulator.Change{Stream: "contracts", Rows: 25, Delete: 3, Insert: 5, At: at})
	require.Len(t, report.Touched, 25)
	require.Len(t, report.Deleted, 3)
	require.Len(t, report.Inserted, 5)
	require.Equal(t, at.Truncate(time.Microsecond), report.At)

	after := a.truth("contracts")
	require.Len(t, after, 300-3+5)
	old := make(map[string]string)
	for _, row := range before {
		old[fmt.Sprint(member(t, row, "id"))] = row
	}
	for k, row := range after {
		id := emulator.ID(fmt.Sprint(member(t, row, "id")))
		switch {
		case slices.Contains(report.Touched, id):
			require.Contains(t, row, `"modified":"2026-12-01T10:00:00.123456Z"`)
			require.Contains(t, row, `"notes":"rev 1: `)
			require.Equal(t, member(t, old[string(id)], "created"), member(t, row, "created"))
		case slices.Contains(report.Inserted, id):
			require.GreaterOrEqual(t, k, len(after)-5, "at the end")
			require.Contains(t, row, `"created":"2026-12-01T10:00:00.123456Z"`)
		default:
			require.Equal(t, old[string(id)], row)
		}
		require.NotContains(t, report.Deleted, id)
	}
	since, _ := a.all("contracts/?modified__gte=2026-12-01")
	require.Len(t, since, 30)
	deleted, count := a.all("contracts/deleted/")
	require.Equal(t, int64(300/20+3), count)
	require.True(t, slices.IsSorted(ids(t, deleted)))
	for _, id := range report.Deleted {
		require.Contains(t, strings.Join(deleted, "\n"), `{"id":`+string(id)+`,"deleted":"2026-12-01T10:00:00.123456Z","deleted_by":"`)
		require.Equal(t, http.StatusNotFound, a.get("contracts/"+string(id)+"/").Status)
	}
}

func TestChangeOfEveryStream(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 200})
	reports, err := a.Server.Change("saasoptics", emulator.Change{})
	require.NoError(t, err)
	require.Len(t, reports, 8)
	for _, r := range reports {
		require.Len(t, r.Touched, 5, r.Stream)
		require.Len(t, r.Deleted, 1)
		require.Len(t, r.Inserted, 2)
		id := r.Touched[0]
		path := definitionOf(t, r.Stream).path
		fresh := newAPI(t, emulator.Options{Records: 200}).get(path + "/" + string(id) + "/").Body
		require.NotEqual(t, fresh, a.get(path+"/"+string(id)+"/").Body, "%s: a value changed", r.Stream)
	}
	for _, stream := range []string{"deleted_contracts", "country_codes", "nonsense"} {
		_, err := a.Server.Change("saasoptics", emulator.Change{Stream: stream})
		require.Error(t, err)
	}
	_, err = a.Server.Change("saasoptics", emulator.Change{Stream: "items", IDs: []emulator.ID{"1"}})
	require.ErrorContains(t, err, "no row 1")
}

func definitionOf(t *testing.T, name string) definition {
	t.Helper()
	for _, d := range definitions {
		if d.name == name {
			return d
		}
	}
	require.FailNow(t, "no stream", name)
	return definition{}
}

// TestUnauditedChange is trap 2: modified moves, the audit entry does not.
func TestUnauditedChange(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 200})
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	report := a.Change(emulator.Change{Stream: "transactions", Rows: 8, At: at})
	require.Equal(t, "without an audit entry: "+string(report.Touched[3])+", "+string(report.Touched[7]), report.Note)
	require.Equal(t, int64(8), a.page("transactions/?modified__gte=2026-12-01").Count)
	require.Equal(t, int64(6), a.page("transactions/?auditentry__modified__gte=2026-12-01").Count)
}

func TestTouchedInvoiceGetsAnEntry(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 200})
	id := fmt.Sprint(member(t, a.truth("invoices")[nullEntry], "id"))
	a.Change(emulator.Change{Stream: "invoices", IDs: []emulator.ID{emulator.ID(id)}, At: lastModified})
	require.Equal(t, "2026-11-01T00:00:00Z", member(t, a.get("invoices/"+id).Body, "auditentry", "modified"))
	require.Equal(t, int64(1), a.page("invoices/?auditentry__modified__gte=2026-11-01").Count)
}

// TestRowCrossesThePageEdge is the stability trap: a row that changes while
// its window is read makes another row slip through.
func TestRowCrossesThePageEdge(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 300})
	const window = "contracts/?modified__lte=2026-10-31T23:59:59Z"
	truth := ids(t, first(a.all(window)))
	a.Server.OnPage(func(p emulator.Page) {
		require.Equal(t, "contracts", p.Resource)
		if p.Number == 1 {
			require.Len(t, p.IDs, 100)
			a.Change(emulator.Change{Stream: "contracts", IDs: p.IDs[:1], At: lastModified})
		}
	})
	one := a.page(window)
	two := a.page(*one.Next)
	require.Equal(t, one.Count-1, two.Count, "the count drops")
	seen := ids(t, append(texts(one), texts(two)...))
	require.NotContains(t, seen, truth[100], "the row at the edge is not seen")
	require.Contains(t, seen, truth[101])

	a.Server.OnPage(nil)
	require.Contains(t, ids(t, first(a.all(window))), truth[100], "reading again finds it")
}

func texts(e envelope) (out []string) {
	for _, row := range e.Results {
		out = append(out, string(row))
	}
	return out
}

func TestMoving(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 202, Faults: "moving@contracts"})
	const window = "contracts/?modified__gte=2023-01-01&modified__lte=2026-10-31T23:59:59Z"
	one := a.page(window)
	require.Equal(t, int64(201), one.Count)
	two := a.page(*one.Next)
	require.Equal(t, int64(200), two.Count)
	require.Nil(t, two.Next, "the third page is gone")
	require.JSONEq(t, `{"detail":"Invalid page."}`, a.get(strings.Replace(*one.Next, "page=2", "page=3", 1)).Body)

	_, count := a.all("contracts/")
	require.Equal(t, int64(202), count, "no window, no move")
	require.Equal(t, int64(201), a.page("payments/?modified__gte=2023-01-01").Count)
	require.Equal(t, int64(201), a.page("payments/?modified__gte=2023-01-01&page=2").Count, "another stream")
}

func TestReset(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 100})
	before := a.truth("contracts")
	_, err := a.Server.Change("saasoptics", emulator.Change{})
	require.NoError(t, err)
	require.NotEqual(t, before, a.truth("contracts"))
	r := a.ask(http.MethodPost, standintest.Origin+"/_sandbox/saasoptics/reset?with=data", "")
	require.Equal(t, http.StatusOK, r.Status)
	require.Equal(t, before, a.truth("contracts"))
	require.Len(t, a.truth("deleted_contracts"), 5)
}

func TestReadersAndChangesTogether(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 400, Faults: "moving:0.3"})
	h := a.Server.Handler()
	read := func(path string) {
		r := httptest.NewRequest(http.MethodGet, standintest.Origin+"/saasoptics/acme/api/v1.0/"+path, nil)
		r.Header.Set("Authorization", "Token "+Token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			for n := range 12 {
				if _, err := a.Server.Change("saasoptics", emulator.Change{}); k == 0 && err != nil {
					t.Error(err)
				}
				read(fmt.Sprintf("contracts/?modified__gte=2024-01-01&page=%d", 1+n%3))
				read("transactions/?sort=-auditentry__modified")
				read("contracts/deleted/")
			}
		})
	}
	wg.Wait()
}

// TestFiveMillionRows makes sure that rows cost no memory, and that a page in
// the middle of a window is found at once.
func TestFiveMillionRows(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	a := newAPI(t, emulator.Options{Records: 5_000_000})
	start := time.Now()
	total := a.page("revenue_entries/").Count
	require.Equal(t, int64(5_000_000), total)
	require.Len(t, a.page("revenue_entries/?page=last").Results, 100)
	window := a.page("contracts/?modified__gte=2024-01-01&modified__lte=2025-01-01&page=5000")
	require.InDelta(t, 5_000_000*366/1400, window.Count, 100_000)
	require.Len(t, window.Results, 100)
	_, err := a.Server.Change("saasoptics", emulator.Change{Rows: 100, Delete: 10, Insert: 10})
	require.NoError(t, err)
	require.Len(t, a.page("contracts/?modified__gte=2024-01-01&modified__lte=2025-01-01&page=5000").Results, 100)
	require.Less(t, time.Since(start), 5*time.Second, "reading all rows takes longer")
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(32<<20))
	runtime.KeepAlive(a)
}
