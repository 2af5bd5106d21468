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

// TestSecrets are not selected by default, and never asked for.
func TestSecrets(t *testing.T) {
	src := source
	require.Equal(t, []string{"EV_CKEY", "EV_CSEC", "PAYL_SEC", "AI_API"}, src.Stream("company_settings").Hidden)
	require.False(t, src.Stream("company_settings").Selected)
	require.Equal(t, []string{"IMG_M_DATA"}, src.Stream("articles").Hidden)
}

// TestNoDictionary: where it cannot be read, the schema files are all that is
// known, and columns that another version lacks are left out.
func TestNoDictionary(t *testing.T) {
	for _, faults := range []string{"noright@dictionary_tables", "noright@dictionary_fields", "noright@dictionary_fields,errors-4xx", "stale-dictionary"} {
		t.Run(faults, func(t *testing.T) {
			visit(t, emulator.Options{Faults: faults}, func(t *testing.T, s *site) {
				out := s.run(ask{Discover: true, Only: []string{"debtors", "journal_pages", "journal_lines", "articles"}}).Complete()
				for _, name := range []string{"debtors", "journal_pages", "journal_lines", "articles"} {
					s.whole(out, name)
				}
			})
		})
	}
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
