package data

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestListRefuses(t *testing.T) {
	o, _ := testOrg(60)
	many := strings.TrimSuffix(strings.Repeat("a,", 51), ",")
	tests := []struct {
		name, module, query string
		status              int
		code, details       string
	}{
		{"no fields", "Leads", "", 400, "REQUIRED_PARAM_MISSING", `{"param_name":"fields"}`},
		{"empty fields", "Leads", "fields=", 400, "REQUIRED_PARAM_MISSING", `{"param_name":"fields"}`},
		{"51 fields", "Leads", "fields=" + many, 400, "LIMIT_EXCEEDED", `{"limit":50,"param_name":"fields"}`},
		{"unknown module", "Nothing", "fields=id", 400, "INVALID_MODULE", `{"resource_path_index":0}`},
		{"module in lower case", "leads", "fields=id", 400, "INVALID_MODULE", `{"resource_path_index":0}`},
		{"module_name instead of api_name", "CustomModule2", "fields=id", 400, "INVALID_MODULE", `{"resource_path_index":0}`},
		{"not api_supported", "Old_Assets", "fields=id", 400, "INVALID_MODULE", `{"resource_path_index":0}`},
		{"not permitted", "Locking_Information__s", "fields=id", 403, "NO_PERMISSION", `{"permissions":["Crm_Implied_View_Locking_Information__s"]}`},
		{"per_page 201", "Leads", "fields=id&per_page=201", 400, "INVALID_DATA", `{"param_name":"per_page"}`},
		{"per_page 0", "Leads", "fields=id&per_page=0", 400, "INVALID_DATA", `{"param_name":"per_page"}`},
		{"page 0", "Leads", "fields=id&page=0", 400, "INVALID_DATA", `{"param_name":"page"}`},
		{"page 11 of 200", "Leads", "fields=id&page=11", 400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", `{"limit":2000}`},
		{"page 2001 of 1", "Leads", "fields=id&page=2001&per_page=1", 400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", `{"limit":2000}`},
		{"sort_by", "Leads", "fields=id&sort_by=Last_Name", 400, "INVALID_DATA", `{"param_name":"sort_by","supported_values":["id","Created_Time","Modified_Time"]}`},
		{"sort_by of a module without", "Meter_Readings", "fields=id&sort_by=Modified_Time", 400, "INVALID_DATA", `{"param_name":"sort_by","supported_values":["id","Created_Time","Modified_Time"]}`},
		{"sort_order", "Leads", "fields=id&sort_order=up", 400, "INVALID_DATA", `{"param_name":"sort_order","supported_values":["asc","desc"]}`},
		{"converted", "Leads", "fields=id&converted=yes", 400, "INVALID_DATA", `{"param_name":"converted"}`},
		{"cvid", "Leads", "fields=id&cvid=5", 400, "INVALID_DATA", `{"param_name":"cvid"}`},
		{"cvid with sort_by", "Leads", "fields=id&cvid=5&sort_by=id", 400, "AMBIGUITY_DURING_PROCESSING", `{"ambiguity_due_to":[{"param_name":"cvid"},{"param_name":"sort_by"}]}`},
		{"page with token", "Leads", "fields=id&page=1&page_token=a", 400, "AMBIGUITY_DURING_PROCESSING", `{"ambiguity_due_to":[{"param_name":"page"},{"param_name":"page_token"}]}`},
		{"made up token", "Leads", "fields=id&page_token=a", 400, "INVALID_DATA", `{"param_name":"page_token"}`},
		{"101 ids", "Leads", "fields=id&ids=" + strings.TrimSuffix(strings.Repeat("1,", 101), ","), 400, "LIMIT_EXCEEDED", `{"limit":100,"param_name":"ids"}`},
		{"odd ids", "Leads", "fields=id&ids=x", 400, "INVALID_DATA", `{"param_name":"ids"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q, err := url.ParseQuery(tt.query)
			require.NoError(t, err)
			_, err = o.List(tt.module, q, time.Time{})
			e := refused(t, err)
			require.Equal(t, tt.status, e.Status)
			require.Equal(t, tt.code, e.Code)
			details, err := json.Marshal(e.Details)
			require.NoError(t, err)
			require.JSONEq(t, tt.details, string(details))
			require.False(t, e.Wrapped)
		})
	}
}

func TestListFields(t *testing.T) {
	o, _ := testOrg(60)
	rows, _ := list(t, o, "Contacts", time.Time{}, "fields=Last_Name, nonsense,Skills,Education,Watchers,Last_Name,Owner", "per_page=3")
	for _, r := range rows {
		// Unknown names and what lists do not carry are left out, id is added.
		require.Len(t, r, 3)
		require.Contains(t, r, "id")
		require.Contains(t, r, "Last_Name")
		require.Contains(t, r["Owner"], "email")
	}
	require.NoError(t, o.Switch(StrictFields, true))
	_, err := o.List("Contacts", params("fields=Last_Name,nonsense"), time.Time{})
	require.Equal(t, "INVALID_DATA", refused(t, err).Code)
	require.Error(t, o.Switch("nonsense", true))
}

func TestListV2(t *testing.T) {
	o, _ := testOrg(60)
	whole, err := o.ListV2("Contacts", params("per_page=3"), time.Time{})
	require.NoError(t, err)
	var every struct{ Data []map[string]json.RawMessage }
	require.NoError(t, json.Unmarshal(whole.JSON, &every))
	require.Len(t, every.Data, 3)
	require.Greater(t, len(every.Data[0]), maxFields)

	chosen, err := o.ListV2("Contacts", params("per_page=3", "fields=Last_Name"), time.Time{})
	require.NoError(t, err)
	rows, _ := list(t, o, "Contacts", time.Time{}, "per_page=3", "fields=Last_Name")
	var few struct{ Data []map[string]any }
	require.NoError(t, json.Unmarshal(chosen.JSON, &few))
	require.Equal(t, rows, few.Data)

	_, err = o.ListV2("Contacts", params("page=9"), time.Time{})
	require.NoError(t, err)
	_, err = o.ListV2("Contacts", params("page=11"), time.Time{})
	require.Equal(t, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", refused(t, err).Code)
}

func TestListInfo(t *testing.T) {
	o, c := testOrg(60)
	b, err := o.List("Leads", params("fields=id", "per_page=2", "sort_by=Modified_Time", "sort_order=asc"), time.Time{})
	require.NoError(t, err)
	_, info := parse(t, b, "data")
	require.Contains(t, string(b.JSON), `"info":{"call":false,"per_page":2,"next_page_token":"`)
	token := info["next_page_token"].(string)
	require.Equal(t, row{
		"call": false, "per_page": json.Number("2"), "next_page_token": token, "count": json.Number("2"), "sort_by": "Modified_Time", "page": json.Number("1"),
		"previous_page_token": nil, "page_token_expiry": "2026-11-21T11:30:05+01:00", "sort_order": "asc", "email": false, "more_records": true,
	}, info)
	require.Equal(t, c.now.Add(24*time.Hour), o.Until())
	require.Len(t, b.IDs, 2)

	_, info = list(t, o, "Leads", time.Time{}, "fields=id", "converted=both")
	require.Equal(t, row{
		"call": false, "per_page": json.Number("200"), "next_page_token": nil, "count": json.Number("60"), "sort_by": "id", "page": json.Number("1"),
		"previous_page_token": nil, "page_token_expiry": nil, "sort_order": "desc", "email": false, "more_records": false,
	}, info)
}

func TestListOrder(t *testing.T) {
	o, _ := testOrg(700)
	for _, by := range []string{"", "id", "Created_Time", "Modified_Time"} {
		for _, order := range []string{"asc", "desc"} {
			pairs := []string{"fields=id,Created_Time,Modified_Time", "sort_order=" + order}
			name := "id"
			if by != "" {
				pairs, name = append(pairs, "sort_by="+by), by
			}
			rows := chain(t, o, "Deals", time.Time{}, nil, pairs...)
			require.Len(t, rows, 700)
			sorted := slices.IsSortedFunc(rows, func(a, b row) int {
				var c int
				if name == "id" {
					c = strings.Compare(a["id"].(string), b["id"].(string))
				} else {
					c = parsedTime(t, a[name]).Compare(parsedTime(t, b[name]))
				}
				if order == "desc" {
					c = -c
				}
				return c
			})
			require.True(t, sorted, "%s %s", by, order)
		}
	}
	rows, _ := list(t, o, "Deals", time.Time{}, "fields=id", "per_page=5")
	require.True(t, slices.IsSortedFunc(rows, func(a, b row) int { return strings.Compare(b["id"].(string), a["id"].(string)) }), "id desc is the default")
}

func TestListPagesByNumber(t *testing.T) {
	o, _ := testOrg(300)
	var all []string
	for page := 1; page <= 5; page++ {
		rows, info := list(t, o, "Leads", time.Time{}, "fields=id", "per_page=60", "page="+strconv.Itoa(page))
		require.Equal(t, json.Number(strconv.Itoa(page)), info["page"])
		all = append(all, ids(rows)...)
		if !more(info) {
			break
		}
	}
	require.Equal(t, ids(chain(t, o, "Leads", time.Time{}, nil, "fields=id")), all)
	b, err := o.List("Leads", params("fields=id", "page=9"), time.Time{})
	require.NoError(t, err)
	require.True(t, b.Empty)
	require.NoError(t, o.Switch(EmptyList, true))
	b, err = o.List("Leads", params("fields=id", "page=9"), time.Time{})
	require.NoError(t, err)
	require.Contains(t, string(b.JSON), `{"data":[],"info":{`)
}

func TestListConverted(t *testing.T) {
	o, _ := testOrg(400)
	read := func(pairs ...string) map[string]bool {
		out := make(map[string]bool)
		for _, r := range chain(t, o, "Leads", time.Time{}, nil, append(pairs, "fields=Converted__s,Converted_Account,Converted_Date_Time", "per_page=30")...) {
			converted := r["Converted__s"].(bool)
			out[r["id"].(string)] = converted
			require.Equal(t, converted, r["Converted_Account"] != nil)
			require.Equal(t, converted, r["Converted_Date_Time"] != nil)
		}
		return out
	}
	plain, done, both := read(), read("converted=true"), read("converted=both")
	require.Len(t, both, 400)
	require.NotEmpty(t, done)
	require.Len(t, plain, 400-len(done))
	for id, converted := range both {
		_, in := plain[id]
		require.Equal(t, converted, !in)
	}
}

func TestListSince(t *testing.T) {
	o, _ := testOrg(500)
	all := chain(t, o, "Accounts", time.Time{}, nil, "fields=Modified_Time", "sort_by=Modified_Time", "sort_order=asc")
	since := parsedTime(t, all[250]["Modified_Time"])
	for _, switched := range []bool{false, true} {
		require.NoError(t, o.Switch(ExclusiveSince, switched))
		want := 0
		for _, r := range all {
			at := parsedTime(t, r["Modified_Time"])
			if at.After(since) || !switched && at.Equal(since) {
				want++
			}
		}
		for _, pairs := range [][]string{{"sort_by=Modified_Time", "sort_order=asc"}, {"sort_by=Modified_Time"}, {"sort_by=Created_Time"}, nil} {
			got := chain(t, o, "Accounts", since, nil, append(pairs, "fields=Modified_Time", "per_page=70")...)
			require.Len(t, got, want)
		}
	}
	b, err := o.List("Accounts", params("fields=id"), o.start)
	require.NoError(t, err)
	require.True(t, b.Empty)
	// A module without Modified_Time has nothing to filter.
	b, err = o.List("Meter_Readings", params("fields=id"), o.start)
	require.NoError(t, err)
	require.Equal(t, 25, b.Rows)
}

func TestListIDs(t *testing.T) {
	o, _ := testOrg(300)
	first, _ := list(t, o, "Contacts", time.Time{}, "fields=id,Modified_Time", "per_page=100", "sort_by=Modified_Time", "sort_order=asc")
	named := ids(first)
	slices.Sort(named)
	rows, info := list(t, o, "Contacts", time.Time{}, "fields=Email", "sort_by=Modified_Time", "sort_order=asc", "ids="+strings.Join(named, ","))
	require.Equal(t, ids(first), ids(rows))
	require.Equal(t, false, info["more_records"])
	rows, _ = list(t, o, "Contacts", time.Time{}, "fields=Email", "ids=5,"+named[0]+","+named[0])
	require.Equal(t, named[:1], ids(rows))
}

// TestListBatches reads more fields than a call takes the right way: the rest
// by ids.
func TestListBatches(t *testing.T) {
	o, _ := testOrg(50)
	cols := o.byName["Contacts"].columns()
	require.Len(t, cols, 120)
	want := truth(t, o, "contacts")
	merged := make([]row, len(want))
	for from := 0; from < len(cols); from += 50 {
		var names []string
		for _, f := range cols[from:min(from+50, len(cols))] {
			names = append(names, f.api)
		}
		rows, _ := list(t, o, "Contacts", time.Time{}, "fields="+strings.Join(names, ","))
		for k, r := range rows {
			if merged[k] == nil {
				merged[k] = row{}
			}
			maps.Copy(merged[k], r)
		}
	}
	require.Equal(t, want, merged)
}

func TestListValues(t *testing.T) {
	o, _ := testOrg(200)
	cutOff, nulls := 0, 0
	for _, r := range truth(t, o, "contacts") {
		for name, v := range r {
			f := o.byName["Contacts"].byName[name]
			require.False(t, f.child, name)
			if v == nil {
				nulls++
				continue
			}
			kind := f.dataType
			if f.returns != "" {
				kind = f.returns
			}
			what := fmt.Sprintf("%s %s %T", name, kind, v)
			switch kind {
			case "bigint", "long", "text", "picklist", "email", "textarea":
				if f.jsonType != "jsonarray" {
					require.IsType(t, "", v, what)
				}
			case "integer":
				_, err := v.(json.Number).Int64()
				require.NoError(t, err, what)
			case "currency", "percent", "double", "decimal":
				if f.jsonType == "jsonobject" {
					require.Contains(t, v, "currency")
				} else {
					require.IsType(t, json.Number(""), v, what)
				}
			case "date":
				_, err := time.Parse(time.DateOnly, v.(string))
				require.NoError(t, err, what)
			case "datetime":
				parsedTime(t, v)
				require.Len(t, v, len("2006-01-02T15:04:05+01:00"), what)
			case "boolean":
				require.IsType(t, true, v, what)
			case "lookup", "ownerlookup", "userlookup":
				require.Contains(t, v, "id", what)
			case "multiselectpicklist", "fileupload", "imageupload":
				require.IsType(t, []any{}, v, what)
			case "richtextarea":
				n := utf8.RuneCountInString(v.(string))
				require.LessOrEqual(t, n, 500)
				if n == 500 {
					cutOff++
				}
			}
		}
	}
	require.NotZero(t, cutOff)
	require.NotZero(t, nulls)
}
