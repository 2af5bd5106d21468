package accountview

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/standintest"
)

func textsOf(ids []emulator.ID) []string {
	out := []string{}
	for _, id := range ids {
		out = append(out, string(id))
	}
	return out
}

// byKey are rows by their keys.
func byKey(rows []map[string]any, key string) map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, r := range rows {
		out[r[key].(string)] = r
	}
	return out
}

// at is a moment after all of the data, 13:30 on a Dutch clock.
var at = time.Date(2026, 11, 20, 12, 30, 5, 999_000_000, time.UTC)

// TestChange: CNG_DATE and CNG_NR move with an edit and something shows; what is
// deleted is gone without a trace; what is added is in its place.
func TestChange(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	before := byKey(a.Truth("debtors"), "SUB_NR")
	rows := a.service.Rows()
	r := a.Change(emulator.Change{Stream: "debtors", Rows: 3, Delete: 2, Insert: 4, At: at})
	require.Len(t, r.Touched, 3)
	require.Len(t, r.Deleted, 2)
	require.Len(t, r.Inserted, 4)
	require.Equal(t, rows+2, a.service.Rows())
	now := byKey(a.Truth("debtors"), "SUB_NR")
	require.Len(t, now, len(before)+2)
	for _, id := range textsOf(r.Touched) {
		require.Equal(t, "2026-11-20T13:30:05", now[id]["CNG_DATE"])
		require.InDelta(t, before[id]["CNG_NR"].(float64), now[id]["CNG_NR"], 2)
		require.Greater(t, now[id]["CNG_NR"], before[id]["CNG_NR"])
		require.NotEqual(t, before[id]["CRED_LIM"], now[id]["CRED_LIM"])
		require.Equal(t, before[id]["INP_DATE"], now[id]["INP_DATE"])
	}
	for _, id := range textsOf(r.Deleted) {
		require.NotContains(t, now, id)
	}
	for _, id := range textsOf(r.Inserted) {
		require.Equal(t, "2026-11-20T13:30:05", now[id]["CNG_DATE"])
		require.Equal(t, now[id]["CNG_DATE"], now[id]["INP_DATE"])
		require.Equal(t, true, now[id]["DEB_SHOW"])
	}
	found, _ := a.walk("CONTACT", "AR1", "SUB_NR", 5, by(1, "CNG_DATE", "DateOnOrAfterDate", "T", "{^2026-11-20}")...)
	require.ElementsMatch(t, append(textsOf(r.Touched), textsOf(r.Inserted)...), members[string](t, found, "SUB_NR"))
	all, _ := a.walk("CONTACT", "AR1", "SUB_NR", 7, "Fields", "SUB_NR")
	require.True(t, slices.IsSorted(members[string](t, all, "SUB_NR")))
	require.Len(t, all, len(now))
	turned, _ := a.turn("CONTACT", "AR1", 7, "Fields", "SUB_NR")
	require.Equal(t, all, turned)
	require.Empty(t, a.list("ADM_LOG", "TL2", by(1, "CNG_DATE", "DateOnOrAfterDate", "T", "{^2026-11-20}")...))
	old := a.list("CONTACT", "CM1", append(by(1, "CNG_DATE", "DateOnOrAfterDate", "T", "{^2026-11-20}"), "BookDate", "2025-01-01")...)
	require.Empty(t, old, "other book years have rows of their own")

	ids := []emulator.ID{r.Inserted[0]}
	r = a.Change(emulator.Change{Stream: "debtors", IDs: ids, At: at.Add(time.Minute)})
	require.Equal(t, ids, r.Touched)
	require.Equal(t, "2026-11-20T13:31:05", byKey(a.Truth("debtors"), "SUB_NR")[string(ids[0])]["CNG_DATE"])
	a.Change(emulator.Change{Stream: "debtors", Gone: ids})
	require.NotContains(t, byKey(a.Truth("debtors"), "SUB_NR"), string(ids[0]))
	a.service.Reset()
	require.Equal(t, before, byKey(a.Truth("debtors"), "SUB_NR"))
	require.Equal(t, rows, a.service.Rows())
}

// TestBalances move without a trace, or with one.
func TestBalances(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	for stream, c := range map[string]struct{ key, value string }{
		"ledger_accounts": {"ACCT_NR", "ACCT_BAL"}, short: {"ART_CODE", "QTY_AVAIL"}, "open_items": {"SUB_INV", "ITEM_PAID"},
	} {
		before := byKey(a.Truth(stream), c.key)
		all := len(before)
		r := a.Change(emulator.Change{Stream: stream, Rows: all, At: at})
		require.Len(t, r.Touched, all)
		require.NotEmpty(t, r.Note)
		moved := 0
		for key, row := range byKey(a.Truth(stream), c.key) {
			require.Equal(t, before[key]["CNG_DATE"], row["CNG_DATE"])
			if before[key][c.value] != row[c.value] {
				moved++
			}
		}
		require.Greater(t, moved, all/3, stream)
	}
	found := a.list("ARTICLE", "AK1", by(1, "CNG_DATE", "DateOnOrAfterDate", "T", "{^2026-11-20}")...)
	require.Empty(t, found)
	a = newAPI(t, emulator.Options{}, "stamped-balances")
	a.Change(emulator.Change{Stream: short, Rows: 3, At: at})
	require.Len(t, a.list("ARTICLE", "AK1", by(1, "CNG_DATE", "DateOnOrAfterDate", "T", "{^2026-11-20}")...), 3)
}

// TestChangeOfYears: pages of all book years share a wish, entries stay in the
// newest, and an id tells the year.
func TestChangeOfYears(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 300})
	r := a.Change(emulator.Change{Stream: "journal_pages", Rows: 3, Insert: 3, At: at})
	for _, ids := range [][]string{textsOf(r.Touched), textsOf(r.Inserted)} {
		var years []string
		for _, id := range ids {
			years = append(years, id[:5])
		}
		require.ElementsMatch(t, []string{"2024|", "2025|", "2026|"}, years)
	}
	for _, id := range r.Touched {
		words := strings.Split(string(id), "|")
		pages := a.list("DJ_PAGE", "DJ2", append(by(1, "CNG_DATE", "DateOnOrAfterDate", "T", "{^2026-11-20}"), "BookDate", words[0]+"-01-01")...)
		require.Len(t, pages, 2)
		require.Equal(t, words[0], pages[0]["TRN_DATE"].(string)[:4])
	}
	first := a.Change(emulator.Change{Stream: "journal_pages", IDs: r.Touched[:1], Gone: r.Inserted[:1], At: at.Add(time.Hour)})
	require.Equal(t, r.Touched[:1], first.Touched)
	require.Len(t, a.Truth("journal_pages"), 302)
	lines := map[any]int{}
	for _, l := range a.Truth("journal_lines") {
		lines[[3]any{l["_book_year"], l["DJ_CODE"], l["PAGE_NR"]}]++
	}
	require.Len(t, lines, 302, "pages that are added have lines")
	one := a.Change(emulator.Change{Stream: "journal_pages/2025", Rows: 2, At: at})
	require.Contains(t, string(one.Touched[1]), `2025|"`)
	entries := a.Change(emulator.Change{Stream: "ledger_transactions", Rows: 2, Insert: 1, At: at})
	require.Contains(t, string(entries.Inserted[0]), `2026|"0000000101"`)
	found := a.list("TRANSACT", "GJ1", by(1, "TRN_DATE", "DateOnOrAfterDate", "D", "{^2026-11-20}")...)
	require.Len(t, found, 3)
	require.Equal(t, "2026-11-20T00:00:00", found[0]["TRN_DATE"])
	other := a.Change(emulator.Change{Stream: "debtors/KAFE", Rows: 1, At: at})
	require.Len(t, other.Touched, 1)
}

// TestEveryStreamChanges: each that can be touched shows it.
func TestEveryStreamChanges(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 30})
	for stream := range strings.FieldsSeq(streams) {
		before := a.Truth(stream)
		reports, err := a.Server.Change(source, emulator.Change{Stream: stream, Rows: len(before), At: at})
		if slices.Contains([]string{
			"companies", "business_objects", "dictionary_tables", "dictionary_fields", "journal_lines", "sales_order_lines",
			"sales_invoice_lines", "subscriptions", "subscription_lines", "time_weeks",
		}, stream) {
			require.Error(t, err, stream)
			continue
		}
		require.NoError(t, err, stream)
		if stream != "ledger_transactions" { // those of the newest year
			require.Len(t, reports[0].Touched, len(before), stream)
		}
		if slices.Contains([]string{"iso_currencies", "periods"}, stream) {
			continue // nothing in them can change
		}
		require.NotEqual(t, before, a.Truth(stream), stream)
	}
}

func TestChangeFaults(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	for _, c := range []emulator.Change{
		{Stream: "nope"},
		{Stream: "journal_lines", Rows: 1},
		{Stream: "dictionary_fields", Rows: 1},
		{Stream: "companies", Rows: 1},
		{Stream: "debtors", IDs: []emulator.ID{"x"}},
		{Stream: "debtors", Gone: []emulator.ID{"1|2"}},
		{Stream: "debtors/2026", Rows: 1},
		{Stream: "journal_pages/2019", Rows: 1},
		{Stream: "journal_pages", IDs: []emulator.ID{`2019|"VRK"|"1"`}},
		{Stream: "subscriptions", Rows: 1},
		{Stream: "company_settings", Insert: 1},
		{Stream: "creditors", IDs: []emulator.ID{"V&D000001|"}},
	} {
		_, err := a.Server.Change(source, c)
		require.Error(t, err, "%+v", c)
	}
	reports, err := a.Server.Change(source, emulator.Change{})
	require.NoError(t, err)
	require.Len(t, reports, len(largeStreams))
}

// TestHook: whoever is told of a page can change it at once; pages are counted
// with LastKey, too.
func TestHook(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	var numbers []int64
	a.Server.OnPage(func(p emulator.Page) {
		require.Equal(t, "debtors", p.Resource)
		numbers = append(numbers, p.Number)
		if len(numbers) == 1 {
			a.Change(emulator.Change{Stream: p.Resource, Gone: p.IDs[:1], IDs: p.IDs[1:2], Insert: 1, At: at})
		}
	})
	rows, _ := a.walk("CONTACT", "AR1", "SUB_NR", 50)
	require.Equal(t, []int64{1, 2, 3}, numbers)
	require.GreaterOrEqual(t, len(rows), 120)

	a = newAPI(t, emulator.Options{Faults: "moving=2@debtors"})
	a.walk("CONTACT", "AR1", "SUB_NR", 50)
	require.Len(t, a.list("CONTACT", "AR1", by(1, "CNG_DATE", "DateOnOrAfterDate", "T", time.Now().AddDate(0, 0, -1).Format("{^2006-01-02}"))...), 2)
}

// TestControl: the control of the sandbox changes data and undoes it.
func TestControl(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	post := func(path string) reply {
		return a.Ask(http.MethodPost, standintest.Origin+"/_sandbox/accountview/"+path, "")
	}
	require.Equal(t, http.StatusOK, post("change?stream=journal_pages&rows=1&at=2026-11-21T00:00:00Z").Status)
	require.Contains(t, post("change?stream=debtors&ids=nope").Body, "no row")
	require.Equal(t, http.StatusOK, post("reset?with=data,faults").Status)
	config, err := a.Server.Config(source, standintest.Origin)
	require.NoError(t, err)
	for _, key := range []string{"client_id", "client_secret", "refresh_token", "start_date", "company_id", "redirect_uri", "api_url", "source"} {
		require.NotEmpty(t, config[key], key)
	}
}
