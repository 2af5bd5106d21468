package accountview_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// TestCallsOfJournals: pages and lines of 50,000 pages at 1,000 a page take 52
// calls: 17 for each of three book years, and the list of these years.
func TestCallsOfJournals(t *testing.T) {
	visit(t, emulator.Options{Records: 50_000, Limits: "off"}, func(t *testing.T, s *site) {
		out := s.run(ask{only: []string{"journal_pages.HDR_DESC", "journal_lines.AMOUNT"}, config: map[string]any{"page_size": 1000}}).complete()
		pages, n := out.of("journal_pages")
		require.Len(t, pages, 50_000)
		require.Equal(t, 50_000, n, "no page comes twice")
		lines, n := out.of("journal_lines")
		require.Len(t, lines, n, "no line comes twice")
		require.Greater(t, n, 90_000, "two lines a page, more or less")
		calls := 0
		for _, e := range out.asked {
			if e.Resource != "token" {
				calls++
			}
		}
		t.Logf("%d calls, %d of them for pages, %d lines", calls, len(out.calls("journal_pages")), n)
		require.LessOrEqual(t, calls, 52)
	})
}

// TestOneCallForTwoStreams: pages and lines cost no more than pages alone.
func TestOneCallForTwoStreams(t *testing.T) {
	visit(t, emulator.Options{Records: 900}, func(t *testing.T, s *site) {
		alone := s.run(ask{only: []string{"journal_pages"}}).complete()
		both := s.run(ask{only: []string{"journal_pages", "journal_lines"}}).complete()
		require.Len(t, both.calls("journal_pages"), len(alone.calls("journal_pages")))
		for _, e := range alone.calls("journal_pages") {
			require.NotContains(t, e.Query, "DJ_LINE", "lines that nobody wants")
		}
		s.whole(both, "journal_pages")
		s.whole(both, "journal_lines")
	})
}

// TestLinesAlone: their pages are read and not written.
func TestLinesAlone(t *testing.T) {
	visit(t, emulator.Options{Records: 300}, func(t *testing.T, s *site) {
		out := s.run(ask{only: []string{"journal_lines", "sales_order_lines"}}).complete()
		s.whole(out, "journal_lines")
		s.whole(out, "sales_order_lines")
		_, n := out.of("journal_pages")
		require.Zero(t, n)
		require.Empty(t, out.bookmark("journal_pages", "CNG_DATE"))
	})
}

// TestOneAtATime: the company is asked for one thing at a time, whatever the
// concurrency.
func TestOneAtATime(t *testing.T) {
	visit(t, emulator.Options{Faults: "exclusive"}, func(t *testing.T, s *site) {
		out := s.run(ask{only: []string{"*"}, concurrency: 8, config: wide})
		require.NoError(t, out.report.Err)
		require.Equal(t, 1, s.behind.AtOnce(first))
		for _, e := range out.asked {
			require.NotEqual(t, 503, e.Status)
		}
	})
}

// TestFieldsAsked: nothing is asked for that is not emitted; the picture of an
// article only where it is selected.
func TestFieldsAsked(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		byDefault := s.run(ask{discover: true})
		require.NoError(t, byDefault.report.Err)
		for _, e := range byDefault.asked {
			require.NotContains(t, e.Query, "IMG_M_DATA")
			require.NotContains(t, e.Query, "EXT_KEY")
			require.NotContains(t, e.Query, "_Id")
			require.NotContains(t, e.Query, "USR_LINK")
		}
		out := s.run(ask{only: []string{"articles.IMG_M_DATA"}}).complete()
		asked := 0
		for _, e := range out.calls("articles") {
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
					out := s.run(ask{only: []string{name}, config: map[string]any{"page_size": 60}, page: func(p emulator.Page) {
						if p.Resource != name || p.Number < 2 || moved == 2 || len(p.IDs) == 0 {
							return
						}
						moved++
						c := emulator.Change{Stream: name, At: noon, Insert: 1}
						switch kind {
						case "delete":
							c = emulator.Change{Stream: name, At: noon, Gone: p.IDs[:1]}
						case "touch":
							c = emulator.Change{Stream: name, At: noon, IDs: p.IDs[:1]}
						}
						s.change(c)
					}}).complete()
					require.Equal(t, 2, moved)
					rows, _ := out.of(name)
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
