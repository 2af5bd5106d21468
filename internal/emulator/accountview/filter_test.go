package accountview

import (
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// by makes the parameters of the n-th filter.
func by(n int, source, operator, kind, value string) []string {
	k := strconv.Itoa(n)
	return []string{
		"FilterControlSource" + k, source, "FilterOperator" + k, operator, "FilterValueType" + k, kind,
		"FilterValue" + k, value, "FilterIsListOfValues" + k, "false",
	}
}

// TestFilters compares answers with the truth.
func TestFilters(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 200})
	truth := a.Truth("relations")
	day := func(r map[string]any, name string) string {
		text, _ := r[name].(string)
		return text[:min(10, len(text))]
	}
	for name, c := range map[string]struct {
		ask  []string
		want func(r map[string]any) bool
	}{
		"after": {by(1, "CNG_DATE", "DateOnOrAfterDate", "T", "{^2025-06-01}"), func(r map[string]any) bool { return day(r, "CNG_DATE") >= "2025-06-01" }},
		"after, with a time: days all the same": {
			by(1, "contact.cng_date", "dateonorafterdate", "t", "{^2025-06-01 23:59:59}"),
			func(r map[string]any) bool { return day(r, "CNG_DATE") >= "2025-06-01" },
		},
		"42 and 43": {
			append(by(1, "CNG_DATE", "42", "D", "{^2025-01-01}"), by(2, "CNG_DATE", "43", "D", "{^2025-12-31}")...),
			func(r map[string]any) bool { return day(r, "CNG_DATE")[:4] == "2025" },
		},
		"empty dates are before": {
			by(1, "VAT_DATE", "DateOnOrBeforeDate", "D", "{^2021-01-01}"),
			func(r map[string]any) bool { return day(r, "VAT_DATE") <= "2021-01-01" },
		},
		"equal begins with": {by(1, "CITY", "Equal", "C", "'s-H"), func(r map[string]any) bool { return r["CITY"] == "'s-Hertogenbosch" }},
		"equal, padded":     {by(1, "CITY", "Equal", "C", "Delft   "), func(r map[string]any) bool { return r["CITY"] == "Delft" }},
		"not equal":         {by(1, "CITY", "NotEqual", "C", "Delft"), func(r map[string]any) bool { return r["CITY"] != "Delft" }},
		"contains":          {by(1, "CITY", "Contains", "C", "ü"), func(r map[string]any) bool { return r["CITY"] == "München" }},
		"logical":           {by(1, "CRED_SHOW", "Equal", "L", "true"), func(r map[string]any) bool { return is(r["CRED_SHOW"]) }},
		"number":            {by(1, "CRED_LIM", "Equal", "N", "2500"), func(r map[string]any) bool { return r["CRED_LIM"] == 2500.0 }},
		"not this number":   {by(1, "CRED_LIM", "NotEqual", "I", "0"), func(r map[string]any) bool { return r["CRED_LIM"] != 0.0 }},
		"both": {
			append(by(1, "CITY", "Equal", "C", "Delft"), by(2, "CRED_LIM", "Equal", "N", "0")...),
			func(r map[string]any) bool { return r["CITY"] == "Delft" && r["CRED_LIM"] == 0.0 },
		},
		"any": {
			append(by(1, "CITY", "Equal", "C", "Delft"), append(by(2, "CRED_LIM", "Equal", "N", "0"), "matchAnyFilter", "true")...),
			func(r map[string]any) bool { return r["CITY"] == "Delft" || r["CRED_LIM"] == 0.0 },
		},
		"raw": {
			[]string{"Filter", "(contact.cng_date >= {^2025-01-01} .AND. CITY='Delft') or CITY = \"Liège\""},
			func(r map[string]any) bool {
				return day(r, "CNG_DATE") >= "2025" && r["CITY"] == "Delft" || r["CITY"] == "Liège"
			},
		},
		"raw, below": {[]string{"Filter", "cng_date<{^2025-01-01} and CRED_SHOW=.T."}, func(r map[string]any) bool {
			return day(r, "CNG_DATE") < "2025" && is(r["CRED_SHOW"])
		}},
	} {
		var want []string
		for _, r := range truth {
			if c.want(r) {
				want = append(want, r["SUB_NR"].(string))
			}
		}
		require.NotEmpty(t, want, name)
		require.Less(t, len(want), len(truth), name)
		rows, _ := a.walk("CONTACT", "CM1", "SUB_NR", 30, append(c.ask, "Fields", "SUB_NR")...)
		require.Equal(t, want, members[string](t, rows, "SUB_NR"), name)
	}
}

// TestBadFilters: a filter that cannot be read is an error with status 200.
func TestBadFilters(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	good := by(1, "CNG_DATE", "DateOnOrAfterDate", "T", "{^2025-06-01}")
	for name, ask := range map[string][]string{
		"plain date":       by(1, "CNG_DATE", "DateOnOrAfterDate", "D", "2025-06-01"),
		"no caret":         by(1, "CNG_DATE", "DateOnOrAfterDate", "T", "{2025-06-01}"),
		"no such day":      by(1, "CNG_DATE", "DateOnOrAfterDate", "T", "{^2025-02-30}"),
		"zone":             by(1, "CNG_DATE", "DateOnOrAfterDate", "T", "{^2025-06-01T00:00:00Z}"),
		"unknown operator": by(1, "CNG_DATE", "GreaterThan", "T", "{^2025-06-01}"),
		"unknown column":   by(1, "NOPE", "Equal", "C", "x"),
		"other table":      by(1, "USR_LINK.REC_ID", "Equal", "C", "x"),
		"mismatch":         by(1, "CITY", "DateOnOrAfterDate", "D", "{^2025-06-01}"),
		"text for number":  by(1, "CRED_LIM", "Equal", "C", "0"),
		"gap":              by(2, "CITY", "Equal", "C", "x"),
		"half":             {"FilterControlSource1", "CITY"},
		"list":             append(slices.Clone(good[:8]), "FilterIsListOfValues1", "true"),
		"number 0":         by(0, "CITY", "Equal", "C", "x"),
		"match":            append(slices.Clone(good), "matchAnyFilter", "x"),
		"raw":              {"Filter", "CITY = "},
		"raw, function":    {"Filter", "LEFT(CITY,2)='De'"},
		"raw, column":      {"Filter", "NOPE='De'"},
		"raw, rest":        {"Filter", "CITY='De' CITY='De'"},
		"raw, sign":        {"Filter", "CITY ; 'De'"},
	} {
		require.Equal(t, "AccountViewError", a.fails(200, a.data("CM1", ask...)).ErrorType, name)
	}
	require.Equal(t, 200, a.data("CM1", good[:8]...).Status, "the flag may be left out")
	a = newAPI(t, emulator.Options{}, "list-flag", "no-upper-bound", "errors-4xx")
	a.fails(400, a.data("CM1", good[:8]...))
	require.NotEmpty(t, a.list("CONTACT", "CM1", good...))
	a.fails(400, a.data("CM1", by(1, "CNG_DATE", "43", "D", "{^2025-12-31}")...))
	a.fails(400, a.data("CM1", by(1, "CNG_DATE", "DateOnOrAfterDate", "D", "2025-12-31")...))
}

// TestExactTimes: by a fault times count, not only days.
func TestExactTimes(t *testing.T) {
	ask := append(by(1, "CNG_DATE", "DateOnOrAfterDate", "T", "{^2025-06-01 12:00:00}"), "Fields", "SUB_NR,CNG_DATE")
	days := newAPI(t, emulator.Options{Records: 2000})
	rows, _ := days.walk("CONTACT", "CM1", "SUB_NR", 1000, ask...)
	seconds := newAPI(t, emulator.Options{Records: 2000}, "instant-since")
	fewer, _ := seconds.walk("CONTACT", "CM1", "SUB_NR", 1000, ask...)
	require.Less(t, len(fewer), len(rows))
	for _, r := range fewer {
		require.GreaterOrEqual(t, r["CNG_DATE"].(string), "2025-06-01T12:00:00")
	}
	whole, _ := seconds.walk("CONTACT", "CM1", "SUB_NR", 1000,
		append(by(1, "CNG_DATE", "DateOnOrAfterDate", "T", "{^2025-06-01}"), "Fields", "SUB_NR")...)
	require.Len(t, whole, len(rows))
}

// TestDictionaryFilter is the way in which clients read the fields of a table.
func TestDictionaryFilter(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	fields := func(operator, value string) map[string]int {
		rows := a.object(a.get("accountviewsystemdata", append(by(1, "DBF_NAME", operator, "C", value), "businessobject", "fld", "pagesize", "1000")...))["DCT_FLD"]
		out := map[string]int{}
		for _, r := range rows {
			out[r["DBF_NAME"].(string)]++
		}
		return out
	}
	require.Equal(t, []string{"VAT"}, names(fields("Equal", "VAT     ")))
	require.Equal(t, []string{"VAT", "VAT_HDR"}, names(fields("Equal", "VAT")), "equal begins with")
	require.Equal(t, []string{"VAT", "VAT_HDR"}, names(fields("Contains", "VAT")))
	require.Greater(t, fields("Equal", "CONTACT ")["CONTACT"], 200)
	rows := a.list("DCT_FLD", "FLD", "Filter", "dct_fld.dbf_name='ART_LINE'", "PageSize", "1000")
	require.Len(t, rows, 5)
}
