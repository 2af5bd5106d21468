package long

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var records = flag.Int("records", 20_000, "records that go through the program, a tenth of them in TestBulkRecords")

// pages serves a stream of saasoptics whose n rows follow from their numbers, in the
// order of their times, a hundred a page: what is measured is the program, so that
// the service has to be cheap.
type pages struct {
	n     int
	first time.Time
	step  time.Duration
	base  string
}

const perPage = 100

func newPages(n int) *pages {
	// No row lies on the edge of a window, which belongs to two.
	first := time.Date(2016, 1, 1, 0, 0, 0, 123_457_000, time.UTC)
	return &pages{n: n, first: first, step: (10 * 365 * 24 * time.Hour / time.Duration(n)).Truncate(time.Microsecond)}
}

// at is when the row changed.
func (p *pages) at(row int) time.Time { return p.first.Add(time.Duration(row) * p.step) }

// from is the first row that changed at t or later.
func (p *pages) from(t time.Time) int {
	d := t.Sub(p.first)
	if d <= 0 {
		return 0
	}
	return min(int((d+p.step-1)/p.step), p.n)
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	low, high := 0, p.n
	if t, err := time.Parse(time.RFC3339Nano, q.Get("modified__gte")); err == nil {
		low = p.from(t)
	}
	if t, err := time.Parse(time.RFC3339Nano, q.Get("modified__lte")); err == nil {
		high = p.from(t.Add(1))
	}
	high = max(low, high)
	page, _ := strconv.Atoi(q.Get("page"))
	page = max(page, 1)
	begin, end := low+(page-1)*perPage, min(low+page*perPage, high)
	backwards := len(q.Get("sort")) > 0 && q.Get("sort")[0] == '-'
	b := make([]byte, 0, 24<<10)
	b = fmt.Appendf(b, `{"count":%d,"next":`, high-low)
	if end < high {
		q.Set("page", strconv.Itoa(page+1))
		b = fmt.Appendf(b, `"%s%s?%s"`, p.base, r.URL.Path, q.Encode())
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"previous":null,"results":[`...)
	for i := begin; i < end; i++ {
		if i > begin {
			b = append(b, ',')
		}
		row := i
		if backwards {
			row = low + high - 1 - i
		}
		b = p.row(b, row)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, "]}"...))
}

// row appends a row; its id is its number.
func (p *pages) row(b []byte, row int) []byte {
	b = strconv.AppendInt(append(b, `{"id":`...), int64(row), 10)
	b = append(b, `,"end_date":"2024-01-31","home_amount":"1024.50","local_amount":1024.5,"modified":"`...)
	b = p.at(row).AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	b = strconv.AppendInt(append(b, `","start_date":"2024-01-01","transaction":`...), int64(row/12), 10)
	return append(b, '}')
}

// TestRecords sends records through the program: each comes once, no STATE is ahead
// of them, the last one is that of the last row, and neither memory nor open files
// grow.
func TestRecords(t *testing.T) {
	p := newPages(*records)
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.base = server.URL
	config := write(t, map[string]any{
		"token": "t0ken-of-the-long-run", "account_name": "acme", "server_subdomain": "s1", "start_date": "2016-01-01",
		"api_url": server.URL, "requests_per_second": 1e6, "date_window_size": 60,
	})
	tap := start(t, "saasoptics", "-c", config, "--select", "revenue_entries", "--log-level", "warn")
	seen, count, whole, last := newIDs(p.n), 0, 0, ""
	record, state, id := []byte(`{"type":"RECORD","stream":"revenue_entries"`), []byte(`{"type":"STATE"`), []byte(`"id":`)
	mark := []byte(`"revenue_entries":{"modified":"`)
	for {
		line, err := tap.stdout.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		switch {
		case bytes.HasPrefix(line, record):
			_, rest, ok := bytes.Cut(line, id)
			require.True(t, ok, "%s", line)
			n := 0
			for _, c := range rest {
				if c < '0' || c > '9' {
					break
				}
				n = 10*n + int(c-'0')
			}
			if n >= p.n || !seen.add(n) {
				require.Fail(t, "a row that is none, or comes twice", "%s", line)
			}
			if count++; n == whole { // they come in their order
				whole++
			}
		case bytes.HasPrefix(line, state):
			if _, rest, ok := bytes.Cut(line, mark); ok {
				text, _, _ := bytes.Cut(rest, []byte(`"`))
				last = string(text)
				at, err := time.Parse(time.RFC3339Nano, last)
				require.NoError(t, err)
				if p.from(at.Add(1)) > whole {
					require.Fail(t, "a STATE is ahead of its records", "%s, but row %d has not been written", last, whole)
				}
			}
		}
	}
	tap.end(t, count)
	require.Equal(t, p.n, count)
	require.Equal(t, p.n, whole)
	at, err := time.Parse(time.RFC3339Nano, last)
	require.NoError(t, err)
	require.Equal(t, p.at(p.n-1), at, "the bookmark is that of the last row")
	require.Empty(t, tap.stderr.String())
}

// TestBulkRecords reads a module of Zoho CRM by bulk files: each row comes once.
func TestBulkRecords(t *testing.T) {
	n := *records / 10
	if n < 10_000 {
		return // it is asked for every five seconds whether the file is there
	}
	values := sandbox(t, "zoho_crm", "--limits", "off", "--records", strconv.Itoa(n))
	values["read_method"], values["start_date"] = "bulk", "2010-01-01"
	u, err := url.Parse(fmt.Sprint(values["api_url"]))
	require.NoError(t, err)
	require.NotEmpty(t, u.Host)
	tap := start(t, "zoho_crm", "-c", write(t, values), "--select", "contacts.Last_Name", "--log-level", "warn")
	seen, count := map[string]bool{}, 0
	for {
		line, err := tap.stdout.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if !bytes.HasPrefix(line, []byte(`{"type":"RECORD"`)) {
			continue
		}
		_, rest, ok := bytes.Cut(line, []byte(`"id":"`))
		require.True(t, ok, "%s", line)
		id, _, _ := bytes.Cut(rest, []byte(`"`))
		if seen[string(id)] {
			require.Fail(t, "a row comes twice", "%s", line)
		}
		seen[string(id)] = true
		count++
	}
	tap.end(t, count)
	require.Equal(t, n, count)
}
