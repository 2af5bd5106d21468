package zohocrm

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// job makes a bulk read and returns its id.
func (a *api) job(query string) string {
	a.Helper()
	r := a.post(bulkRoot+"read", `{"query":`+query+`}`)
	require.Equal(a, http.StatusCreated, r.Status, r.Body)
	var out struct {
		Data []struct {
			Status, Code string
			Details      struct{ ID, Operation, State string }
		}
		Info map[string]any
	}
	require.NoError(a, json.Unmarshal([]byte(r.Body), &out))
	require.Len(a, out.Data, 1)
	require.Equal(a, "success ADDED_SUCCESSFULLY read ADDED", strings.Join([]string{
		out.Data[0].Status, out.Data[0].Code, out.Data[0].Details.Operation, out.Data[0].Details.State,
	}, " "))
	return out.Data[0].Details.ID
}

// state is what a poll tells.
type state struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Result *struct {
		Page    int    `json:"page"`
		PerPage int    `json:"per_page"`
		Count   int    `json:"count"`
		URL     string `json:"download_url"`
		More    bool   `json:"more_records"`
		Next    string `json:"next_page_token"`
		Error   string `json:"error_message"`
	} `json:"result"`
}

func (a *api) poll(id string) state {
	a.Helper()
	r := a.get(bulkRoot + "read/" + id)
	require.Equal(a, http.StatusOK, r.Status, r.Body)
	var out struct{ Data []state }
	require.NoError(a, json.Unmarshal([]byte(r.Body), &out))
	require.Len(a, out.Data, 1)
	require.Equal(a, id, out.Data[0].ID)
	return out.Data[0]
}

// finish polls a job to its end.
func (a *api) finish(id string) state {
	a.Helper()
	for range 3 {
		if s := a.poll(id); s.State == "COMPLETED" || s.State == "FAILURE" {
			return s
		}
	}
	require.Fail(a, "the job does not end")
	return state{}
}

func (a *api) load(s state) (name string, lines [][]string) {
	a.Helper()
	r := a.get(s.Result.URL)
	require.Equal(a, http.StatusOK, r.Status, r.Body)
	require.Equal(a, "application/zip", r.Header.Get("Content-Type"))
	require.Empty(a, r.Header.Get("Content-Length"), "it is made while it is sent")
	return unzip(a, r.Body)
}

const leadsJob = `{"module":{"api_name":"Leads"},"fields":["Last_Name","Owner","Modified_Time"]}`

func TestBulkByPolls(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 300})
	id := a.job(leadsJob)
	result := bulkRoot + "read/" + id + "/result"
	require.Equal(t, "RESOURCE_NOT_FOUND", code(t, a.get(result)))
	one := a.poll(id)
	require.Equal(t, "QUEUED", one.State)
	two := a.poll(id)
	require.Equal(t, "IN PROGRESS", two.State)
	require.NotNil(t, two.Result, "a result that is none yet")
	require.Empty(t, two.Result.URL)
	require.Equal(t, http.StatusNotFound, a.get(result).Status)
	three := a.poll(id)
	require.Equal(t, "COMPLETED", three.State)
	require.Equal(t, 1, three.Result.Page)
	require.Equal(t, 200_000, three.Result.PerPage)
	require.False(t, three.Result.More)
	require.Empty(t, three.Result.Next)
	require.Equal(t, "/crm/bulk/v8/read/"+id+"/result", three.Result.URL, "relative, and without the mount")

	name, lines := a.load(three)
	require.Equal(t, id+".csv", name)
	require.Equal(t, []string{"Id", "Last_Name", "Owner", "Modified_Time"}, lines[0])
	require.Len(t, lines, three.Result.Count+1)
	var want, got []string
	for _, row := range a.Truth("leads") {
		want = append(want, row["id"].(string))
	}
	for _, line := range lines[1:] {
		got = append(got, line[0])
	}
	require.NotEmpty(t, got)
	slices.Sort(want)
	slices.Sort(got)
	require.Subset(t, got, want)
	stats, err := a.Server.Stats(source)
	require.NoError(t, err)
	require.Equal(t, int64(three.Result.Count), stats.Rows)
}

func TestBulkByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for after, want := range map[time.Duration]string{
			0: "QUEUED", time.Second: "QUEUED", 2 * time.Second: "IN PROGRESS", 4 * time.Second: "IN PROGRESS", 5 * time.Second: "COMPLETED",
		} {
			a := newAPI(t, emulator.Options{})
			id := a.job(leadsJob)
			time.Sleep(after)
			require.Equal(t, want, a.poll(id).State, after)
		}
		a := newAPI(t, emulator.Options{})
		id := a.job(leadsJob)
		s := a.finish(id)
		time.Sleep(resultAge)
		a.token = a.refresh()
		require.Equal(t, http.StatusNotFound, a.get(s.Result.URL).Status)
		require.Equal(t, http.StatusNotFound, a.get(bulkRoot+"read/"+id).Status)
	})
}

// TestBulkPages: by token or by number the parts are the whole.
func TestBulkPages(t *testing.T) {
	read := func(a *api, next func(s state) string) (ids []string, parts int) {
		t.Helper()
		query := leadsJob
		for query != "" {
			s := a.finish(a.job(query))
			_, lines := a.load(s)
			require.Len(t, lines, s.Result.Count+1)
			require.LessOrEqual(t, s.Result.Count, 100)
			require.Equal(t, parts+1, s.Result.Page)
			for _, line := range lines[1:] {
				ids = append(ids, line[0])
			}
			parts++
			query = ""
			if s.Result.More {
				query = next(s)
			}
		}
		return ids, parts
	}
	byToken := func(s state) string { return `{"page_token":"` + s.Result.Next + `"}` }
	byNumber := func(s state) string {
		return leadsJob[:len(leadsJob)-1] + `,"page":` + strconv.Itoa(s.Result.Page+1) + `}`
	}
	a := newAPI(t, emulator.Options{Records: 250, Faults: "bulk-part:0.0005"})
	one, parts := read(a, byToken)
	require.Equal(t, 3, parts)
	require.Len(t, one, 250)
	two, parts := read(a, byNumber)
	require.Equal(t, 3, parts)
	require.Equal(t, one, two)

	a = newAPI(t, emulator.Options{Records: 250, Faults: "bulk-part:0.0005,csv-no-token"})
	two, _ = read(a, byNumber)
	require.Equal(t, one, two)
	require.Empty(t, a.finish(a.job(leadsJob)).Result.Next)

	a = newAPI(t, emulator.Options{Records: 250, Faults: "bulk-part:0.0005,bulk-token-only"})
	two, _ = read(a, byToken)
	require.Equal(t, one, two)
	r := a.post(bulkRoot+"read", `{"query":`+leadsJob[:len(leadsJob)-1]+`,"page":2}}`)
	require.Equal(t, "INVALID_DATA", code(t, r))

	s := a.finish(a.job(leadsJob))
	require.Equal(t, "AMBIGUITY_DURING_PROCESSING", code(t, a.post(bulkRoot+"read", `{"query":{"page_token":"`+s.Result.Next+`","page":2}}`)))
}

func TestBulkRefusals(t *testing.T) {
	a := faulty(t, "noscope@deals,noright@accounts")
	for body, want := range map[string]string{
		`{}`:                   "MANDATORY_NOT_FOUND",
		`nonsense`:             "INVALID_DATA",
		`{"query":[]}`:         "INVALID_DATA",
		`{"query":{}}`:         "MANDATORY_NOT_FOUND",
		`{"query":{"page":1}}`: "MANDATORY_NOT_FOUND",
		`{"query":{"module":{"api_name":"Nope"}}}`:                    "INVALID_MODULE",
		`{"query":{"module":{"api_name":"Notes"}}}`:                   "MODULE_NOT_SUPPORTED",
		`{"query":{"module":{"api_name":"Leads"},"page":51}}`:         "PAGE_RANGE_EXCEEDED",
		`{"query":{"module":{"api_name":"Leads"},"page":0}}`:          "PAGE_RANGE_EXCEEDED",
		`{"query":{"page_token":"nope"}}`:                             "INVALID_DATA",
		`{"query":{"module":{"api_name":"Leads"}},"file_type":"ics"}`: "INVALID_DATA",
		`{"query":{"module":{"api_name":"Deals"}}}`:                   "OAUTH_SCOPE_MISMATCH",
		`{"query":{"module":{"api_name":"Accounts"}}}`:                "NO_PERMISSION",
	} {
		r := a.post(bulkRoot+"read", body)
		require.Equal(t, want, code(t, r), "%s: %s", body, r.Body)
	}
	r := a.Ask(http.MethodPost, mount+bulkRoot+"read", `{}`, "Authorization", a.auth())
	require.Equal(t, http.StatusUnsupportedMediaType, r.Status)
	require.Equal(t, "MEDIA_TYPE_NOT_SUPPORTED", code(t, r))
	for _, path := range []string{"read/1", "read/1/result"} {
		r := a.get(bulkRoot + path)
		require.Equal(t, http.StatusNotFound, r.Status)
		require.Equal(t, "RESOURCE_NOT_FOUND", code(t, r))
	}
	require.Equal(t, "INVALID_REQUEST_METHOD", code(t, a.get(bulkRoot+"read")))
}

func TestBulkFails(t *testing.T) {
	a := faulty(t, "bulk-fails=1@bulk/leads")
	s := a.finish(a.job(leadsJob))
	require.Equal(t, "FAILURE", s.State)
	require.NotEmpty(t, s.Result.Error)
	require.Empty(t, s.Result.URL)
	require.Equal(t, http.StatusNotFound, a.get(bulkRoot+"read/"+s.ID+"/result").Status)
	require.Equal(t, "COMPLETED", a.finish(a.job(leadsJob)).State)
}

func TestBulkStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := faulty(t, "bulk-stuck=1")
		id := a.job(leadsJob)
		for range 50 {
			time.Sleep(time.Minute)
			require.NotEqual(t, "COMPLETED", a.poll(id).State)
		}
		require.Equal(t, "COMPLETED", a.finish(a.job(leadsJob)).State)
	})
}

func TestBulkWithoutRows(t *testing.T) {
	a := faulty(t, "norows@leads")
	s := a.finish(a.job(leadsJob))
	require.Zero(t, s.Result.Count)
	_, lines := a.load(s)
	require.Equal(t, [][]string{{"Id", "Last_Name", "Owner", "Modified_Time"}}, lines)
	require.Empty(t, a.Truth("leads"))
}

func TestBulkHook(t *testing.T) {
	a := faulty(t, "")
	var pages []emulator.Page
	a.Server.OnPage(func(p emulator.Page) { pages = append(pages, p) })
	s := a.finish(a.job(leadsJob))
	a.load(s)
	require.Equal(t, []emulator.Page{{Source: source, Resource: "leads", Number: 1, Count: int64(s.Result.Count)}}, pages)
}

// TestBulkMoving: a row that moves between two jobs is found by its new time.
func TestBulkMoving(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 250, Faults: "bulk-part:0.0005,moving=1@leads"})
	start := time.Now().Truncate(time.Second).UTC().Format(sinceForm)
	require.Empty(t, a.list("Leads?fields=id&converted=both", "If-Modified-Since", start).Data)
	a.load(a.finish(a.job(leadsJob)))
	require.Len(t, a.list("Leads?fields=id&converted=both", "If-Modified-Since", start).Data, 1)
}

// TestBulkTokenAge: a day, and as long as the org remembers the job.
func TestBulkTokenAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{Records: 250, Faults: "bulk-part:0.0005"})
		next := func() string { return `{"query":{"page_token":"` + a.finish(a.job(leadsJob)).Result.Next + `"}}` }
		old := next()
		a.service.Reset()
		require.Equal(t, "INVALID_DATA", code(t, a.post(bulkRoot+"read", old)))
		old = next()
		time.Sleep(24 * time.Hour)
		a.token = a.refresh()
		require.Equal(t, "EXPIRED_VALUE", code(t, a.post(bulkRoot+"read", old)))
	})
}

// TestBulkCut: a broken download leaves the result as it is; who goes away in
// the middle is not in flight for ever.
func TestBulkCut(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 2_000, Faults: "cut=1@bulk_download"})
	s := a.finish(a.job(`{"module":{"api_name":"Contacts"}}`))
	for range 2 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, mount+s.Result.URL, http.NoBody)
		require.NoError(t, err)
		r.Header.Set("Authorization", a.auth())
		response, err := a.Client.Do(r)
		require.NoError(t, err)
		_, err = io.CopyN(io.Discard, response.Body, 100)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	_, lines := a.load(s)
	require.Len(t, lines, s.Result.Count+1)
	require.Eventually(t, func() bool {
		a.service.limits.mu.Lock()
		defer a.service.limits.mu.Unlock()
		return a.service.limits.flying == 0
	}, 5*time.Second, time.Millisecond)
}
