package sourcetest

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

var goldenCases = []conformance{
	{"golden lines", goldenLines},
	{"literal pages", literalPages},
}

// goldenLines: a few rows of each stream, or of a large source of one of each
// look, with a fixed seed and clock, are the
// same bytes as in testdata/golden: whatever changes what is written shows in
// review.
func goldenLines(t *testing.T, s *subject) {
	dir := filepath.Join("testdata", "golden", s.src.Name)
	written := map[string]bool{}
	list := s.looked(t)
	require.True(t, !s.large(t) || len(list) <= 40, "%d golden files", len(list))
	server := s.open(t, emulator.Options{Records: 21, Seed: 1})
	for _, st := range list {
		out := s.sync(t, server, ask{config: wide, fixed: true, only: []*stream.Stream{st}, maxRecords: 3})
		out.complete(t)
		if out.skipped(st.Name) {
			continue
		}
		s.golden(t, filepath.Join(dir, st.Name+".singer"), out.text)
		written[st.Name+".singer"] = true
	}
	s.noLeftovers(t, dir, written)
}

// noLeftovers removes, or complains of, golden files that nothing writes.
func (s *subject) noLeftovers(t *testing.T, dir string, written map[string]bool) {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(s.root, dir))
	require.NoError(t, err)
	for _, f := range files {
		if written[f.Name()] {
			continue
		}
		if s.update {
			require.NoError(t, os.RemoveAll(filepath.Join(s.root, dir, f.Name())))
			continue
		}
		require.Fail(t, "left over", "%s belongs to no stream", filepath.Join(dir, f.Name()))
	}
}

// literalPages: the vendor's sample pages in testdata/pages/<source>/<stream>
// become the records beside them. Each file is one answer; <name>.json goes in,
// <name>.singer comes out.
func literalPages(t *testing.T, s *subject) {
	dir := filepath.Join(s.root, "testdata", "pages", s.src.Name)
	streams, err := os.ReadDir(dir)
	if err != nil {
		require.ErrorIs(t, err, fs.ErrNotExist)
		return
	}
	seen := 0
	for _, d := range streams {
		if !d.IsDir() {
			continue
		}
		files, err := filepath.Glob(filepath.Join(dir, d.Name(), "*.json"))
		require.NoError(t, err)
		for _, file := range files {
			body, err := os.ReadFile(file)
			require.NoError(t, err)
			s.page(t, d.Name(), strings.TrimSuffix(filepath.Base(file), ".json"), body)
			seen++
		}
	}
	require.Positive(t, seen)
	require.FileExists(t, filepath.Join(dir, "README.md"), "where the pages come from")
}

// page reads one literal answer of a stream, which ends with its last row: the
// pages that it may link to are not there. Everything else that is asked, the
// stand-in answers.
func (s *subject) page(t *testing.T, name, file string, body []byte) {
	t.Helper()
	st := s.table(t, name)
	require.True(t, json.Valid(body), "%s/%s", name, file)
	rows := literalRows(t, body, st)
	path := regexp.MustCompile(placeholder.ReplaceAllString(regexp.QuoteMeta(st.Path), "[^/]+") + "/?$")
	out := s.sync(t, s.openSmall(t), ask{
		config: wide, fixed: true, only: []*stream.Stream{st}, maxRecords: int64(len(rows)), concurrency: 1,
		network: func(sandbox http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				if !path.MatchString(r.URL.Path) {
					return sandbox.RoundTrip(r)
				}
				return &http.Response{
					StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)),
					Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), Request: r,
				}, nil
			})
		},
	})
	out.complete(t)
	var text []byte
	for _, m := range out.lines {
		if m.Type == "RECORD" {
			text = append(append(text, m.line...), '\n')
		}
	}
	got := out.records(t, name)
	require.Len(t, got, len(rows))
	s.golden(t, filepath.Join("testdata", "pages", s.src.Name, name, file+".singer"), text)

	// The oracle agrees.
	full, err := engine.Schema(s.src, st)
	require.NoError(t, err)
	o := s.oracle(t, st, full.AppendJSON(nil), nil)
	for i, raw := range rows {
		want, err := o.Expect(raw)
		require.NoError(t, err)
		require.NoError(t, o.Compare(want, got[i].fields), "%s/%s row %d", name, file, i)
	}
}

// placeholder is one in a path, as QuoteMeta leaves it.
var placeholder = regexp.MustCompile(`\\\{[^}]*\\\}`)

// literalRows finds the rows of an answer where the table says.
func literalRows(t testing.TB, body []byte, st *stream.Stream) []json.RawMessage {
	t.Helper()
	for _, path := range []string{st.Records, st.Bare} {
		raw := json.RawMessage(body)
		for _, name := range slices.DeleteFunc(strings.Split(path, "."), func(s string) bool { return s == "" }) {
			if raw = bytes.TrimSpace(raw); len(raw) > 0 && raw[0] == '{' {
				raw = fields(t, raw)[name]
			} else {
				raw = nil
			}
		}
		var rows []json.RawMessage
		if json.Unmarshal(raw, &rows) == nil {
			return rows
		}
	}
	require.Fail(t, "no rows", "%s", body)
	return nil
}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
