package accountview_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// TestDiscover: the dictionary adds columns by their letters and tells which
// modules are active; it adds no stream.
func TestDiscover(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		out := s.run(ask{Discover: true, Only: []string{"debtors", "articles", "company_settings"}}).Complete()
		require.Len(t, out.Source.Streams, 65)
		schema, err := engine.Schema(out.Source, out.Source.Stream("debtors"))
		require.NoError(t, err)
		for column, want := range map[string]string{
			"L5_BRANCH": "string", "L5_VIP": "boolean", "C_CRIT_01": "string", "C_YN_01": "boolean", "X15B0U7QK2": "number", "DOSS1": "string", "U_SCORE": "number",
		} {
			require.NotNil(t, schema.Property(column), column)
			require.Equal(t, want, schema.Property(column).Type, column)
			require.True(t, schema.Property(column).Nullable)
		}
		require.Nil(t, schema.Property("EXT_KEY"))
		require.Equal(t, "_rescued_data", schema.Properties[len(schema.Properties)-1].Name)
		rows := out.ByKey("debtors")
		for _, row := range rows {
			require.Equal(t, "null", string(row["_rescued_data"]))
			require.NotEmpty(t, row["L5_VIP"])
		}
		var chosen, off []string
		for i := range out.Source.Streams {
			if st := &out.Source.Streams[i]; st.Selected {
				chosen = append(chosen, st.Name)
			} else {
				off = append(off, st.Name)
			}
		}
		require.Contains(t, chosen, "sales_orders")
		require.Contains(t, chosen, "open_items")
		require.Contains(t, chosen, "administrations")
		require.Contains(t, off, "company_settings")
		require.Len(t, chosen, len(slices.DeleteFunc(names(source.Streams), func(n string) bool { return !source.Stream(n).Selected })))
		require.LessOrEqual(t, len(out.Calls("dictionary_fields")), 4, "the dictionary is read by long pages")
	})
}

func names(list []stream.Stream) []string {
	var out []string
	for i := range list {
		out = append(out, list[i].Name)
	}
	return out
}

// TestInactiveModules are not selected by default.
func TestInactiveModules(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		out := s.run(ask{Discover: true, Config: map[string]any{"company_id": second}})
		require.NoError(t, out.Report.Err)
		for _, name := range []string{"sales_orders", "sales_order_lines", "article_history_years", "projects"} {
			require.False(t, out.Source.Stream(name).Selected, name)
		}
		require.True(t, out.Source.Stream("debtors").Selected)
		for _, r := range out.Report.Streams {
			require.NoError(t, r.Err, r.Stream)
		}
	})
}

// TestInactiveUnknown: a module that the dictionary marks as inactive is lacking by
// right, whatever the words are in which its objects are refused, and with a catalog
// too; an object that is active and refused is a failure.
func TestInactiveUnknown(t *testing.T) {
	for _, discover := range []bool{true, false} {
		t.Run(map[bool]string{true: "found", false: "static"}[discover], func(t *testing.T) {
			visit(t, emulator.Options{Faults: "inactive-unknown"}, func(t *testing.T, s *site) {
				only := []string{"sales_orders", "sales_order_lines", "article_history_years", "debtors"}
				out := s.run(ask{Discover: discover, Only: only, Config: map[string]any{"company_id": second}})
				require.NoError(t, out.Report.Err)
				for _, name := range only[:3] {
					res := out.Result(name)
					require.True(t, res.Skipped, name)
					require.Equal(t, fault.Permission, fault.KindOf(res.Err), name)
					require.ErrorContains(t, res.Err, "bestaat niet")
					require.ErrorContains(t, res.Err, "is not active")
				}
				require.NoError(t, out.Result("debtors").Err)
			})
		})
	}
	t.Run("active", func(t *testing.T) {
		visit(t, emulator.Options{}, func(t *testing.T, s *site) {
			out := s.run(ask{Only: []string{"debtors", "sales_orders"}, Network: sitetest.Between(func(r *http.Request, _ http.RoundTripper) *http.Response {
				if r.URL.Query().Get("BusinessObject") != "SO1" {
					return nil
				}
				return sitetest.Answer(r, http.StatusOK, `{"ErrorType":"AccountViewError","ErrorNumbers":[1708],"ErrorMessage":"Het business object SO1 bestaat niet."}`)
			})})
			require.Equal(t, fault.Refused, fault.KindOf(out.Result("sales_orders").Err))
			require.False(t, out.Result("sales_orders").Skipped)
			s.whole(out, "debtors")
		})
	})
}

// TestSecrets are not selected by default, and never asked for.
func TestSecrets(t *testing.T) {
	src := source
	require.Equal(t, []string{"EV_CKEY", "EV_CSEC", "PAYL_SEC", "AI_API"}, src.Stream("company_settings").Hidden)
	require.False(t, src.Stream("company_settings").Selected)
	require.Equal(t, []string{"IMG_M_DATA"}, src.Stream("articles").Hidden)
}

// TestNoDictionary: where it cannot be read, the schema files are all that is
// known, and said so once; columns that they lack are rescued, those that another
// version lacks are left out.
func TestNoDictionary(t *testing.T) {
	for faults, warned := range map[string]string{
		"noright@dictionary_tables":                           "which modules are active is not known",
		"noright@dictionary_fields":                           "come in _rescued_data",
		"noright@dictionary_fields,noright@dictionary_tables": "come in _rescued_data",
		"noright@dictionary_fields,errors-4xx":                "come in _rescued_data",
		"stale-dictionary":                                    "",
	} {
		t.Run(faults, func(t *testing.T) {
			visit(t, emulator.Options{Faults: faults}, func(t *testing.T, s *site) {
				only := []string{"debtors", "journal_pages", "journal_lines", "articles", "article_stock"}
				out := s.run(ask{Discover: true, Only: only}).Complete()
				for _, name := range only {
					s.whole(out, name)
				}
				all := out.Warnings("the data dictionary")
				if warned == "" {
					require.Empty(t, all)
					return
				}
				require.Len(t, all, 1)
				require.Contains(t, all[0], warned)
				require.Contains(t, all[0], "U hebt geen rechten")
				untold := strings.Contains(faults, "fields")
				require.Equal(t, !untold, out.Source.Stream("debtors").Select != "")
				for _, row := range out.ByKey("debtors") {
					if untold {
						require.Contains(t, string(row["_rescued_data"]), `L5_VIP`)
						require.NotContains(t, string(row["_rescued_data"]), `EXT_KEY`)
					} else {
						require.NotEmpty(t, row["L5_VIP"])
					}
				}
				for _, e := range out.Calls("articles") {
					require.Equal(t, untold, strings.Contains(e.Query, "PageSize=25"), "pages with pictures are small")
				}
				for _, e := range out.Calls("article_stock") {
					require.Contains(t, e.Query, "Fields=")
				}
			})
		})
	}
}

// TestPageSizeOfFoundStreams: the config's page size holds for streams as the
// dictionary has them, too.
func TestPageSizeOfFoundStreams(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		out := s.run(ask{Discover: true, Only: []string{"debtors"}, Config: map[string]any{"page_size": 50}}).Complete()
		s.whole(out, "debtors")
		for _, e := range out.Calls("debtors") {
			require.Contains(t, e.Query, "PageSize=50")
		}
	})
}

// TestUnknownColumns: as many columns as another version lacks, the rows come.
func TestUnknownColumns(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		unknown := []string{"ACCT_BAL", "ADDRESS1", "CITY", "COUNTRY", "WWW_URL"}
		out := s.run(ask{Only: []string{"debtors"}, Network: sitetest.Between(func(r *http.Request, _ http.RoundTripper) *http.Response {
			q := r.URL.Query()
			if q.Get("BusinessObject") != "AR1" {
				return nil
			}
			for _, name := range unknown {
				if slices.Contains(strings.Split(q.Get("Fields"), ","), name) {
					return sitetest.Answer(r, http.StatusOK, `{"ErrorType":"AccountViewError","ErrorNumbers":[12],"ErrorMessage":"De kolom `+name+` bestaat niet."}`)
				}
			}
			return nil
		})}).Complete()
		s.whole(out, "debtors")
		require.NotEmpty(t, out.Warnings("all that it has are asked for"))
	})
}

// TestTimes: readings of a Dutch clock become UTC; the hour that comes twice is
// read as its first occurrence, and a change in its second one is not lost.
func TestTimes(t *testing.T) {
	at := time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC)
	visitAt(t, at, emulator.Options{Records: 60}, func(t *testing.T, s *site) {
		change := func(moment time.Time) string {
			return string(s.Change(emulator.Change{Stream: "debtors", Rows: 1, At: moment}).Touched[0])
		}
		// 02:30 for the first time, and half an hour after the clock was put back.
		before := change(time.Date(2026, 10, 25, 0, 50, 0, 0, time.UTC))
		time.Sleep(time.Until(time.Date(2026, 10, 25, 1, 20, 0, 0, time.UTC)))
		out := s.run(ask{Only: []string{"debtors"}}).Complete()
		rows := out.ByKey("debtors")
		require.JSONEq(t, `"2026-10-25T00:50:00Z"`, string(rows[before]["CNG_DATE"]))
		mark := bookmark(out, "debtors", "CNG_DATE")
		after := change(time.Date(2026, 10, 25, 1, 40, 0, 0, time.UTC)) // shows 02:40, as 00:40 UTC did
		time.Sleep(time.Hour)
		again := s.run(ask{Only: []string{"debtors"}, State: out.State}).Complete()
		rows = again.ByKey("debtors")
		require.Contains(t, rows, after, "the bookmark is %s", mark)
		require.JSONEq(t, `"2026-10-25T00:40:00Z"`, string(rows[after]["CNG_DATE"]))
		require.GreaterOrEqual(t, bookmark(again, "debtors", "CNG_DATE"), mark)
	})
}
