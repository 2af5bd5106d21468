package zohocrm

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/standintest"
)

// TestChange: what is touched or added has the new time, what is deleted is
// gone and listed.
func TestChange(t *testing.T) {
	a := faulty(t, "")
	before := a.service.Rows()
	at := time.Now().UTC().Truncate(time.Second)
	r := a.Change(emulator.Change{Stream: "leads", Rows: 3, Delete: 2, Insert: 1, At: at})
	require.Equal(t, []int{3, 2, 1}, []int{len(r.Touched), len(r.Deleted), len(r.Inserted)})
	require.Equal(t, before-1, a.service.Rows())

	rows, _ := a.all("Leads?fields=Modified_Time&converted=both", "If-Modified-Since", at.Format(sinceForm))
	require.ElementsMatch(t, texts(append(slices.Clone(r.Touched), r.Inserted...)), idsOf(rows))
	gone, _ := a.all("Leads/deleted?type=all", "If-Modified-Since", at.Format(sinceForm))
	require.ElementsMatch(t, texts(r.Deleted), idsOf(gone))
	deleted := idsOf(a.Truth("deleted_records"))
	require.Subset(t, deleted, texts(r.Deleted))

	named := a.Change(emulator.Change{Stream: "leads", IDs: r.Touched[:1], Gone: r.Touched[1:2]})
	require.Equal(t, r.Touched[:1], named.Touched)
	require.Equal(t, r.Touched[1:2], named.Deleted)
	_, err := a.Server.Change(source, emulator.Change{Stream: "leads", IDs: r.Deleted[:1]})
	require.Error(t, err)

	a.service.Reset()
	require.Equal(t, before, a.service.Rows())
}

func TestChangeWithoutAStream(t *testing.T) {
	a := faulty(t, "")
	reports, err := a.Server.Change(source, emulator.Change{Rows: 1})
	require.NoError(t, err)
	require.Len(t, reports, len(large))
}

func TestChangeOfSettings(t *testing.T) {
	a := faulty(t, "")
	at := time.Now().UTC().Truncate(time.Second)
	for _, stream := range dated {
		r := a.Change(emulator.Change{Stream: stream, Rows: 2, Insert: 1, At: at})
		require.Len(t, r.Touched, 2, stream)
		require.NotEmpty(t, r.Note)
		require.Empty(t, r.Inserted)
		touched := 0
		for _, row := range a.Truth(stream) {
			for name, value := range row {
				text, _ := value.(string)
				if when, err := time.Parse(time.RFC3339, text); strings.EqualFold(name, "modified_time") && err == nil && when.Equal(at) {
					touched++
				}
			}
		}
		require.Equal(t, 2, touched, stream)
	}
	for _, stream := range []string{"nope", "profiles"} {
		_, err := a.Server.Change(source, emulator.Change{Stream: stream, Rows: 1})
		require.Error(t, err, stream)
	}
}

// TestPageHook: a page tells which one it is, by number or by token.
func TestPageHook(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 30})
	var numbers []int64
	var ids []string
	a.Server.OnPage(func(p emulator.Page) {
		require.Equal(t, "leads", p.Resource)
		numbers = append(numbers, p.Number)
		ids = append(ids, texts(p.IDs)...)
	})
	rows, _ := a.all("Leads?fields=id&converted=both&per_page=10")
	require.Equal(t, []int64{1, 2, 3}, numbers)
	require.Equal(t, idsOf(rows), ids)
	a.list("Leads?fields=id&converted=both&per_page=10&page=2")
	require.Equal(t, int64(2), numbers[3])
}

// TestMoving: after a page one of its rows goes to the end of the order by
// Modified_Time, and comes once more.
func TestMoving(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 30, Faults: "moving=1"})
	rows, _ := a.all("Leads?fields=Modified_Time&converted=both&per_page=10&sort_by=Modified_Time&sort_order=asc")
	require.Len(t, rows, 31)
	ids := idsOf(rows)
	require.Contains(t, ids[:10], ids[30])
}

func TestMangle(t *testing.T) {
	t.Run("deep", func(t *testing.T) {
		for _, path := range []string{leads, "users", "settings/fields?module=Leads", "org/taxes", "settings/business_hours"} {
			r := faulty(t, "deep").get(path)
			require.Contains(t, r.Body, strings.Repeat("[", 200), path)
			require.True(t, json.Valid([]byte(r.Body)), path)
		}
	})
	t.Run("dup", func(t *testing.T) {
		good, bad := faulty(t, "").list(leads), faulty(t, "dup").get(leads)
		require.True(t, strings.HasPrefix(bad.Body, `{"data":[{"id":"1","Modified_Time":"1990-01-01T00:00:00Z",`), bad.Body)
		var got list
		require.NoError(t, json.Unmarshal([]byte(bad.Body), &got))
		require.Equal(t, idsOf(good.Data), idsOf(got.Data), "the true value is the last")
	})
	t.Run("next-self", func(t *testing.T) {
		a := newAPI(t, emulator.Options{Records: 25, Faults: "next-self@leads"})
		const path = "Leads?fields=id&converted=both&per_page=10"
		first := a.list(path)
		again := a.list(path + "&page_token=" + first.Info.Next)
		require.Equal(t, idsOf(first.Data), idsOf(again.Data))
		require.True(t, again.Info.More)
		last := a.list("Deals?fields=id&per_page=10")
		require.NotEmpty(t, last.Data)
		only := a.list("Leads?fields=id&converted=both&per_page=200")
		require.True(t, only.Info.More, "the last page included")
		require.NotEmpty(t, only.Info.Next)
	})
	t.Run("next-self of a token", func(t *testing.T) {
		a := newAPI(t, emulator.Options{Records: 25, Faults: "next-self=1@leads"})
		const path = "Leads?fields=id&converted=both&per_page=10"
		first := a.list(path)
		require.Equal(t, idsOf(first.Data), idsOf(a.list(path+"&page_token="+first.Info.Next).Data))
		r := standintest.Reply{Body: string(a.service.Mangle("next-self", a.request(path+"&page_token=abc"), []byte(`{"data":[],"info":{"next_page_token":null,"more_records":false}}`)))}
		require.JSONEq(t, `{"data":[],"info":{"next_page_token":"abc","more_records":true}}`, r.Body)
		r.Body = string(a.service.Mangle("next-self", a.request("users"), []byte(`{"users":[],"info":{"page":1,"more_records":false}}`)))
		require.JSONEq(t, `{"users":[],"info":{"page":1,"more_records":true}}`, r.Body)
	})
	t.Run("bulk", func(t *testing.T) {
		for fault, want := range map[string]string{
			"next-self":    bulkRoot + "read/%",
			"next-foreign": foreign + bulkRoot + "read/%/result",
		} {
			a := faulty(t, fault+"@bulk/job")
			id := a.job(leadsJob)
			require.Equal(t, strings.ReplaceAll(want, "%", id), a.finish(id).Result.URL)
		}
	})
	t.Run("api_domain", func(t *testing.T) {
		a := newAPI(t, emulator.Options{Faults: "next-foreign@token"})
		require.Equal(t, foreign, a.issued(a.form(refreshForm(RefreshToken)...)).APIDomain)
	})
}

func (a *api) request(path string) *http.Request {
	a.Helper()
	r, err := http.NewRequestWithContext(a.Context(), http.MethodGet, standintest.Origin+apiRoot+path, http.NoBody)
	require.NoError(a, err)
	return r
}
