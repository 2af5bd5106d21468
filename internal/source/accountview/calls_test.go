package accountview_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// TestCallsOfJournals: pages and lines of 50,000 pages at 1,000 a page take 52
// calls: 17 for each of three book years, and the list of these years.
func TestCallsOfJournals(t *testing.T) {
	visit(t, emulator.Options{Records: 50_000, Limits: "off"}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"journal_pages.HDR_DESC", "journal_lines.AMOUNT"}, Config: map[string]any{"page_size": 1000}}).Complete()
		require.Len(t, out.ByKey("journal_pages"), 50_000)
		require.Len(t, out.Rows("journal_pages"), 50_000, "no page comes twice")
		n := len(out.Rows("journal_lines"))
		require.Len(t, out.ByKey("journal_lines"), n, "no line comes twice")
		require.Greater(t, n, 90_000, "two lines a page, more or less")
		calls := 0
		for _, e := range out.Asked {
			if e.Resource != "token" {
				calls++
			}
		}
		t.Logf("%d calls, %d of them for pages, %d lines", calls, len(out.Calls("journal_pages")), n)
		require.LessOrEqual(t, calls, 52)
	})
}

// TestOneCallForTwoStreams: pages and lines cost no more than pages alone.
func TestOneCallForTwoStreams(t *testing.T) {
	visit(t, emulator.Options{Records: 900}, func(t *testing.T, s *site) {
		alone := s.run(ask{Only: []string{"journal_pages"}}).Complete()
		both := s.run(ask{Only: []string{"journal_pages", "journal_lines"}}).Complete()
		require.Len(t, both.Calls("journal_pages"), len(alone.Calls("journal_pages")))
		for _, e := range alone.Calls("journal_pages") {
			require.NotContains(t, e.Query, "DJ_LINE", "lines that nobody wants")
		}
		s.whole(both, "journal_pages")
		s.whole(both, "journal_lines")
	})
}

// TestLinesAlone: their pages are read and not written.
func TestLinesAlone(t *testing.T) {
	visit(t, emulator.Options{Records: 300}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"journal_lines", "sales_order_lines"}}).Complete()
		s.whole(out, "journal_lines")
		s.whole(out, "sales_order_lines")
		require.Empty(t, out.Rows("journal_pages"))
		require.Empty(t, bookmark(out, "journal_pages", "CNG_DATE"))
	})
}

// TestOneAtATime: the company is asked for one thing at a time, whatever the
// concurrency.
func TestOneAtATime(t *testing.T) {
	visit(t, emulator.Options{Faults: "exclusive"}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"*"}, Concurrency: 8, Config: wide})
		require.NoError(t, out.Report.Err)
		require.Equal(t, 1, s.behind.AtOnce(first))
		for _, e := range out.Asked {
			require.NotEqual(t, 503, e.Status)
		}
	})
}

// TestFieldsAsked: nothing is asked for that is not emitted; the picture of an
// article only where it is selected.
func TestFieldsAsked(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		byDefault := s.run(ask{Discover: true})
		require.NoError(t, byDefault.Report.Err)
		for _, e := range byDefault.Asked {
			require.NotContains(t, e.Query, "IMG_M_DATA")
			require.NotContains(t, e.Query, "EXT_KEY")
			require.NotContains(t, e.Query, "_Id")
			require.NotContains(t, e.Query, "USR_LINK")
		}
		out := s.run(ask{Only: []string{"articles.IMG_M_DATA"}}).Complete()
		asked := 0
		for _, e := range out.Calls("articles") {
			if strings.Contains(e.Query, "IMG_M_DATA") {
				asked++
			}
		}
		require.Positive(t, asked)
		s.whole(out, "articles")
	})
}

// TestRowsMove: rows go, change and come between the pages, by keys and by
// numbers: none of the others is lost.
func TestRowsMove(t *testing.T) {
	for _, name := range []string{"journal_pages", "debtors"} {
		for _, kind := range []string{"delete", "touch", "insert"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				visit(t, emulator.Options{Records: 700}, func(t *testing.T, s *site) {
					before := s.truth(name)
					moved := 0
					s.Server.OnPage(func(p emulator.Page) {
						if p.Resource != name || p.Number < 2 || moved == 2 || len(p.IDs) == 0 {
							return
						}
						moved++
						c := emulator.Change{Stream: name, At: sitetest.Noon, Insert: 1}
						switch kind {
						case "delete":
							c = emulator.Change{Stream: name, At: sitetest.Noon, Gone: p.IDs[:1]}
						case "touch":
							c = emulator.Change{Stream: name, At: sitetest.Noon, IDs: p.IDs[:1]}
						}
						s.Change(c)
					})
					out := s.run(ask{Only: []string{name}, Config: map[string]any{"page_size": 60}}).Complete()
					require.Equal(t, 2, moved)
					rows := out.ByKey(name)
					for id := range s.truth(name) {
						if before[id] != nil {
							require.Contains(t, rows, id)
						}
					}
				})
			})
		}
	}
}
