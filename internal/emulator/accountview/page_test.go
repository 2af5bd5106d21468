package accountview

import (
	"encoding/json"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// TestLastKey: rows come in the order of their keys as plain strings, the page
// begins after the key; a last page that is full is followed by an empty one.
func TestLastKey(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 400})
	rows, pages := a.walk("CONTACT", "AR1", "SUB_NR", 200)
	require.Len(t, rows, 400)
	require.Equal(t, 3, pages, "400 rows are two full pages and an empty one")
	keys := members[string](t, rows, "SUB_NR")
	require.True(t, sort.StringsAreSorted(keys))
	require.Len(t, slices.Compact(slices.Clone(keys)), 400)
	require.Less(t, slices.Index(keys, "10"), slices.Index(keys, "2"))
	require.Contains(t, strings.Join(keys, " "), "0000")
	require.Contains(t, strings.Join(keys, " "), "V&D")
	for size, want := range map[int]int{150: 3, 399: 2, 1000: 1, 1: 401} {
		again, pages := a.walk("CONTACT", "AR1", "SUB_NR", size, "Fields", "SUB_NR")
		require.Equal(t, keys, members[string](t, again, "SUB_NR"), size)
		require.Equal(t, want, pages, size)
	}
	require.Len(t, a.list("CONTACT", "AR1"), 200, "the default")
	require.Len(t, a.list("CONTACT", "AR1", "LastKey", "50   "), len(a.list("CONTACT", "AR1", "LastKey", "50")))
	// A key that no row has is a place all the same.
	require.Equal(t, keys[slices.Index(keys, "101"):][0], a.list("CONTACT", "AR1", "LastKey", "100Z", "PageSize", "1")[0]["SUB_NR"])
	// Keys with signs that an address must escape.
	articles, _ := a.walk("ARTICLE", "AK1", "ART_CODE", 90, "Fields", "ART_CODE,CNG_DATE")
	require.Len(t, articles, 400)
	require.True(t, sort.StringsAreSorted(members[string](t, articles, "ART_CODE")))
	require.Contains(t, members[string](t, articles, "ART_CODE")[399], "é+5% ")
	items, _ := a.walk("OPENITEM", openItems, "SUB_INV", 90)
	require.Len(t, items, 400)
	require.True(t, sort.StringsAreSorted(members[string](t, items, "SUB_INV")))
	for _, item := range items {
		require.Equal(t, item["INV_NR"], item["SUB_INV"].(string)[10:], "split by position")
	}
	require.Len(t, a.list("PERIOD", "PER", "LastKey", "9"), 3)
}

// TestPageNumber reads the same rows by number; lines do not count.
func TestPageNumber(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 300})
	pages, n := a.turn("DJ_PAGE", "DJ2", 25, "BookDate", "2025-06-01")
	require.Len(t, pages, 100)
	require.Equal(t, 5, n)
	var ids []string
	for _, p := range pages {
		ids = append(ids, p["DJ_CODE"].(string)+p["PAGE_NR"].(string))
	}
	require.True(t, sort.StringsAreSorted(ids))
	require.Len(t, slices.Compact(ids), 100)
	filtered, _ := a.turn("CONTACT", "CM1", 7, "FilterControlSource1", "CITY", "FilterOperator1", "Equal",
		"FilterValueType1", "C", "FilterValue1", "Utrecht")
	want := 0
	for _, r := range a.Truth("relations") {
		if r["CITY"] == "Utrecht" {
			want++
		}
	}
	require.Len(t, filtered, want)
	require.Positive(t, want)
	require.Empty(t, a.list("DJ_PAGE", "DJ2", "PageNumber", "99"))
	older, _ := a.turn("CONTACT", "CM1", 50, "BookDate", "2024-05-05", "Fields", "SUB_NR")
	byKey, _ := a.walk("CONTACT", "CM1", "SUB_NR", 50, "BookDate", "2024-05-05", "Fields", "SUB_NR")
	require.Equal(t, byKey, older)
	// Compound keys are not told by LastKey.
	a.fails(200, a.data("DJ2", "LastKey", "VRK"))
}

// TestPageSizes: more than a thousand are cut, by a fault more than a hundred.
func TestPageSizes(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 1500})
	require.Len(t, a.list("ARTICLE", "AK1", "PageSize", "5000", "Fields", "ART_CODE"), 1000)
	a = newAPI(t, emulator.Options{Records: 300}, "page-cap")
	require.Len(t, a.list("ARTICLE", "AK1", "PageSize", "200"), 100)
}

// TestPagingFaults: the ways in which a client could lose rows or never end.
func TestPagingFaults(t *testing.T) {
	keys := func(a *api, pairs ...string) []string {
		return members[string](t, a.list("CONTACT", "CM1", append(pairs, "PageSize", "10", "Fields", "SUB_NR")...), "SUB_NR")
	}
	a := newAPI(t, emulator.Options{})
	first := keys(a)
	second := keys(a, "LastKey", first[9])
	require.NotEqual(t, first, second)
	a = newAPI(t, emulator.Options{}, "lastkey-repeats=1")
	require.Equal(t, first, keys(a, "LastKey", first[9]))
	require.Equal(t, second, keys(a, "LastKey", first[9]))
	a = newAPI(t, emulator.Options{}, "lastkey-ignored")
	require.Equal(t, first, keys(a, "LastKey", first[9]))
	a = newAPI(t, emulator.Options{}, "pagenumber-ignored")
	require.Equal(t, first, keys(a, "PageNumber", "2"))
	a = newAPI(t, emulator.Options{}, "shifting-order")
	require.Equal(t, first, keys(a, "PageNumber", "1"))
	require.NotEqual(t, second, keys(a, "PageNumber", "2"))
	// DCT_FLD_Id begins anew on each page: as LastKey it leads in a circle.
	a = newAPI(t, emulator.Options{})
	page := func(last string) []map[string]any { return a.list("DCT_FLD", "FLD", "PageSize", "50", "LastKey", last) }
	two := page("49")
	require.Equal(t, members[string](t, two, "FIELD_NAME"), members[string](t, page("49"), "FIELD_NAME"))
	require.InDelta(t, 49, two[49]["DCT_FLD_Id"], 0)
}

// TestShape: an array per table, the base table first; numbers of rows that join
// lines to pages; columns in another order each time.
func TestShape(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 300})
	for object, want := range map[string][]string{
		"AR1": {"CONTACT", "USR_LINK", "AP_CONT"}, "AP1": {"CONTACT", "USR_LINK", "AP_CONT"}, "CM1": {"CONTACT", "USR_LINK", "AP_CONT"},
		"CON": {"CONTACT", "USR_LINK", "AP_CONT"}, "DJ2": {"DJ_PAGE", "DJ_LINE", "USR_LINK", "PAGE_WF"}, "DJ2P": {"DJ_PAGE", "DJ_LINE"},
		"GJ1": {"TRANSACT", "TRN_HDR"}, "GLC": {"TRANSACT"}, "ALH": {"HST_AL"}, "GJH": {"HST_GJL"}, "VAT": {"VAT_HDR"}, "VA1": {"VAT"},
		"SO1": {"SO_HDR", "SO_LINE"}, "CU1": {"CUR_CODE"}, "DBF": {"DCT_FILE", "DCT_FLD", "DCT_TAG"},
		"FLD": {"DCT_FLD", "DCT_FILE", "DCT_TAG"},
	} {
		r := a.data(object, "PageSize", "3")
		require.ElementsMatch(t, want, names(a.object(r)), object)
		require.True(t, strings.HasPrefix(r.Body, `{"`+want[0]+`":[{`), object)
	}
	out := a.object(a.data("DJ2", "PageSize", "60"))
	require.Len(t, out["DJ_PAGE"], 60)
	require.Greater(t, len(out["DJ_LINE"]), 60)
	lines := map[float64]int{}
	for _, l := range out["DJ_LINE"] {
		page := out["DJ_PAGE"][int(l["DJ_PAGE_Id"].(float64))]
		require.Equal(t, page["DJ_CODE"], l["DJ_CODE"])
		require.Equal(t, page["PAGE_NR"], l["PAGE_NR"])
		require.Equal(t, page["TRN_DATE"], l["TRN_DATE"])
		lines[l["DJ_PAGE_Id"].(float64)]++
	}
	require.Len(t, lines, 60, "each page has lines")
	for n, p := range out["DJ_PAGE"] {
		require.InDelta(t, n, p["DJ_PAGE_Id"], 0)
	}
	next := a.list("DJ_PAGE", "DJ2", "PageSize", "60", "PageNumber", "2")
	require.InDelta(t, 0, next[0]["DJ_PAGE_Id"], 0, "numbers begin anew on each page")
	ext := members[float64](t, out["DJ_PAGE"], "EXT_KEY")
	require.False(t, sort.Float64sAreSorted(ext))
	slices.Sort(ext)
	require.Len(t, slices.Compact(ext), 60)
	one, two := a.data("CC1"), a.data("CC1")
	require.NotEqual(t, one.Body[:60], two.Body[:60], "the order of the columns")

	settings := a.list("COMP_HDR", "CMP1")
	require.Len(t, settings, 1)
	require.Len(t, settings[0]["COMP_LN"], 3)
	require.NotContains(t, a.object(a.data("CMP1")), "COMP_LN")
	relations := a.object(a.data("CM1", "PageSize", "100"))
	require.Len(t, relations["AP_CONT"], 100)
	for n, l := range relations["AP_CONT"] {
		require.Equal(t, relations["CONTACT"][n]["AP_CONTID"], l["AP_CONTID"])
	}
	require.NotEmpty(t, relations["USR_LINK"])
	for _, l := range relations["USR_LINK"] {
		require.Equal(t, relations["CONTACT"][int(l["CONTACT_Id"].(float64))]["SUB_NR"], l["LNK_KEY"])
	}
	a.company = a.service.companies[1].id
	require.NotContains(t, a.object(a.data("CM1")), "AP_CONT", "an add-on of the first company")
}

// TestShapeFaults: guesses about the shape, the other way.
func TestShapeFaults(t *testing.T) {
	a := newAPI(t, emulator.Options{}, "single-object")
	require.Contains(t, a.data("AK1", "PageSize", "1").Body, `{"ARTICLE":{"`)
	require.Contains(t, a.data("AK1", "PageSize", "2").Body, `{"ARTICLE":[{"`)
	a = newAPI(t, emulator.Options{}, "view-keys")
	require.Contains(t, a.data("AR1").Body[:20], `{"ACCT_REC":[`)
	require.Contains(t, a.data("AK1").Body[:20], `{"ARTICLE":[`)
	a = newAPI(t, emulator.Options{}, "empty-404")
	empty := []string{"LastKey", "zz"}
	require.Equal(t, 404, a.data("AK1", empty...).Status)
	a = newAPI(t, emulator.Options{Faults: "norows@articles,norows@journal_lines"})
	require.Equal(t, `{"ARTICLE":[]}`, a.data("AK1").Body)
	require.Empty(t, a.Truth("articles"))
	require.Empty(t, a.Truth("journal_lines"))
	require.Empty(t, a.object(a.data("DJ2"))["DJ_LINE"])
	require.NotEmpty(t, a.Truth("journal_pages"))
	require.Equal(t, `{"CONTACT":[],"USR_LINK":[],"AP_CONT":[]}`, a.data("AR1", empty...).Body)
	a = newAPI(t, emulator.Options{}, "other-codes")
	a.fails(200, a.data("OI1"))
	require.NotEmpty(t, a.list("OPENITEM", "OPI"))
	require.NotEmpty(t, a.list("ADM_PER", "PER"))
	code := ""
	for _, f := range a.list("DCT_FILE", "DBF", "Fields", "DBF_NAME,OBJ_CODE") {
		if f["DBF_NAME"] == "OPENITEM" {
			code = f["OBJ_CODE"].(string)
		}
	}
	require.Equal(t, "OPI", code, "the dictionary tells")
	require.Contains(t, a.get("accountviewsystembusinessobjects").Body, `"OPI"`)
}

// TestFields: a subset in any order, without EXT_KEY; the columns of a joined
// table; a column that there is not.
func TestFields(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	rows := a.list("CONTACT", "AR1", "Fields", "acct_name, contact.SUB_NR,ACCT_REC.CITY")
	for _, r := range rows {
		require.Equal(t, []string{"ACCT_NAME", "CITY", "CONTACT_Id", "SUB_NR"}, names(r))
	}
	require.Contains(t, a.object(a.data("AR1", "Fields", "SUB_NR")), "USR_LINK")
	all := a.list("CONTACT", "AR1", "Fields", "*")[0]
	require.Contains(t, all, "EXT_KEY")
	require.Greater(t, len(all), 200)
	out := a.object(a.data("DJ2", "Fields", "dj_page.dj_code,page_nr,dj_line.rec_id,dj_line.amount"))
	require.Equal(t, []string{"DJ_CODE", "DJ_PAGE_Id", "PAGE_NR"}, names(out["DJ_PAGE"][0]))
	require.Equal(t, []string{"AMOUNT", "DJ_PAGE_Id", "REC_ID"}, names(out["DJ_LINE"][0]))
	require.Empty(t, a.object(a.data("DJ2", "Fields", "dj_code"))["DJ_LINE"], "no column of theirs was asked for")
	require.Equal(t, []string{"DCT_FLD"}, names(a.object(a.data("FLD", "Fields", "DCT_FLD.FIELD_NAME"))))
	for _, wrong := range []string{"SUB_NR,NOPE", "LEDGER.ACCT_NR", "CONTACT.ITYPE_CODV"} {
		require.Contains(t, a.fails(200, a.data("AR1", "Fields", wrong)).ErrorMessage, "bestaat niet")
	}
	settings := a.list("COMP_HDR", "CMP1", "Fields", "comp_id,comp_ln.adm_code")[0]
	require.Equal(t, []any{map[string]any{"ADM_CODE": "VBBV24"}, map[string]any{"ADM_CODE": "VBBV25"}, map[string]any{"ADM_CODE": "VBBV26"}}, settings["COMP_LN"])
	require.NotContains(t, a.list("COMP_HDR", "CMP1", "Fields", "comp_id")[0], "COMP_LN")
	b := newAPI(t, emulator.Options{}, "whole-lines")
	whole := b.object(b.data("DJ2", "Fields", "dj_code"))
	require.Len(t, whole["DJ_PAGE"][0], 2)
	require.Greater(t, len(whole["DJ_LINE"][0]), 50)
	b.fails(200, b.data("DJ2", "Fields", "dj_code,dj_line.rec_id"))
	require.Len(t, b.list("COMP_HDR", "CMP1", "Fields", "comp_id")[0]["COMP_LN"], 3)
	joined := []string{"Fields", "rec_id,hst_ah.dc_name,hst_ah.del_date", "SortFields", "hst_ah.del_date", "SortOrder", "descending"}
	history := a.list("HST_AL", "ALH", joined...)
	require.Equal(t, []string{"HST_AH_DC_NAME", "HST_AH_DEL_DATE", "HST_AL_Id", "REC_ID"}, names(history[0]))
	var days []string
	for _, r := range history {
		day, _ := r["HST_AH_DEL_DATE"].(string)
		days = append(days, day)
	}
	require.True(t, sort.SliceIsSorted(days, func(x, y int) bool { return days[x] > days[y] }))
	a = newAPI(t, emulator.Options{}, "joined-dot")
	require.Contains(t, a.list("HST_AL", "ALH", joined...)[0], "HST_AH.DC_NAME")
}

// TestSort: numbers by their value, pages of the sorted rows.
func TestSort(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	rows, _ := a.turn("ARTICLE", "AK1", 50, "SortFields", "PX_SELL,ART_CODE", "Fields", "PX_SELL,ART_CODE")
	prices := members[float64](t, rows, "PX_SELL")
	require.Len(t, prices, 120)
	require.True(t, sort.Float64sAreSorted(prices))
	a.fails(200, a.data("AK1", "SortFields", "NOPE"))
	down := members[string](t, a.list("ARTICLE", "AK1", "SortOrder", "descending", "Fields", "ART_CODE"), "ART_CODE")
	up := members[string](t, a.list("ARTICLE", "AK1", "Fields", "ART_CODE"), "ART_CODE")
	slices.Reverse(up)
	require.Equal(t, up, down)
}

// TestBookYears: BookDate chooses the administration, today's year without it;
// masters overlap, journals do not.
func TestBookYears(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 600})
	years := map[string][]map[string]any{}
	for _, year := range []string{"2024", "2025", "2026"} {
		years[year], _ = a.turn("DJ_PAGE", "DJ2", 1000, "BookDate", year+"-03-01", "Fields", "DJ_CODE,PAGE_NR,TRN_DATE")
		require.Len(t, years[year], 200)
		for _, p := range years[year] {
			require.Equal(t, year, p["TRN_DATE"].(string)[:4])
		}
		entries, _ := a.walk("TRANSACT", "GJ1", "REC_ID", 1000, "BookDate", year+"-12-31", "Fields", "REC_ID,TRN_DATE")
		require.Len(t, entries, 200)
		require.Equal(t, "0000000001", entries[0]["REC_ID"], "each administration counts anew")
		for _, e := range entries {
			require.Equal(t, year, e["TRN_DATE"].(string)[:4])
		}
	}
	now := a.list("DJ_PAGE", "DJ2", "PageSize", "5")
	require.Equal(t, "2026", now[0]["TRN_DATE"].(string)[:4])
	old := members[string](t, a.list("CONTACT", "CM1", "BookDate", "2024-01-01", "PageSize", "1000", "Fields", "SUB_NR,CNG_DATE"), "SUB_NR")
	newest := members[string](t, a.list("CONTACT", "CM1", "PageSize", "1000", "Fields", "SUB_NR"), "SUB_NR")
	require.Greater(t, len(newest), len(old))
	require.Greater(t, len(old), 600)
	for _, key := range old {
		require.Contains(t, newest, key)
	}
	for _, r := range a.list("CONTACT", "CM1", "BookDate", "2024-01-01", "PageSize", "1000", "Fields", "SUB_NR,CNG_DATE") {
		require.LessOrEqual(t, r["CNG_DATE"].(string)[:4], "2024")
	}
	require.Contains(t, a.fails(200, a.data("DJ2", "BookDate", "2019-01-01")).ErrorMessage, "2019")
	require.Equal(t, []string{"2024", "2025", "2026"}, members[string](t, a.list("ADM_LIST", "ADL"), "ATS_YEAR"))
	a.company = a.service.companies[1].id
	require.Equal(t, []string{"2025", "2026"}, members[string](t, a.list("ADM_LIST", "ADL"), "ATS_YEAR"))
	a = newAPI(t, emulator.Options{}, "no-book-year")
	require.Equal(t, []string{"", "", ""}, members[string](t, a.list("ADM_LIST", "ADL"), "ATS_YEAR"))
	require.Equal(t, "2024-12-31T00:00:00", a.list("ADM_LIST", "ADL")[0]["BOOK_DATE"])
}

// TestBrokenYears: by a fault book years begin on 1 July.
func TestBrokenYears(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 300}, "broken-years")
	ask := func(day string) []map[string]any {
		rows, _ := a.turn("DJ_PAGE", "DJ2", 1000, "BookDate", day, "Fields", "DJ_CODE,PAGE_NR,TRN_DATE")
		return rows
	}
	one := ask("2024-12-31")
	require.Equal(t, one, ask("2025-01-01"))
	require.Equal(t, one, ask("2025-06-30"))
	require.NotEqual(t, one, ask("2025-07-01"))
	for _, p := range one {
		require.GreaterOrEqual(t, p["TRN_DATE"].(string), "2024-07-01")
		require.LessOrEqual(t, p["TRN_DATE"].(string), "2025-06-30T00:00:00")
	}
	a.fails(200, a.data("DJ2", "BookDate", "2024-06-30"))
}

// TestMangle: the sandbox's own ways to spoil a page find its first row.
func TestMangle(t *testing.T) {
	for _, fault := range []string{"deep", "dup"} {
		a := newAPI(t, emulator.Options{Faults: fault + "@debtors"})
		r := a.data("AR1", "PageSize", "2")
		require.True(t, json.Valid([]byte(r.Body)))
		if fault == "deep" {
			require.Contains(t, r.Body, strings.Repeat("[", 200))
			continue
		}
		require.Equal(t, 3, strings.Count(r.Body, `"SUB_NR":`))
		require.NotEqual(t, "1990-01-01T00:00:00", a.object(r)["CONTACT"][0]["CNG_DATE"], "the true value is the last")
	}
}
