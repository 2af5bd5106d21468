package data

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bulk runs a bulk read and returns header and rows.
func bulk(t *testing.T, o *Org, q Query) (header []string, rows [][]string, more bool, token string) {
	t.Helper()
	var b bytes.Buffer
	count, more, token, err := o.CSV(&b, q)
	require.NoError(t, err)
	all, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	require.Len(t, all, count+1)
	return all[0], all[1:], more, token
}

func TestCSVHoldsWhatListsHold(t *testing.T) {
	o, c := testOrg(150)
	_, err := o.Touch("Contacts", c.now, 5)
	require.NoError(t, err)
	for _, module := range []string{"Contacts", "Deals", "Leads", "Quoted_Items", "CM1", "Contacts_X_CM1", "Meter_Readings", "Products"} {
		m := o.byName[module]
		header, rows, more, _ := bulk(t, o, Query{Module: module})
		require.False(t, more)
		require.Equal(t, "Id", header[0])
		require.Len(t, header, len(m.columns()))
		want := make(map[string]row)
		for _, r := range truth(t, o, o.streamOf(m)) {
			want[r["id"].(string)] = r
		}
		require.Len(t, rows, len(want))
		for _, cells := range rows {
			r := want[cells[0]]
			for k, cell := range cells[1:] {
				f := m.byName[header[k+1]]
				require.NotNil(t, f)
				require.Equal(t, flat(t, f, r[f.api]), trimRich(f, cell), "%s %s", module, f.api)
			}
		}
	}
}

// flat is what a JSON value looks like in CSV.
func flat(t *testing.T, f *field, v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return map[bool]string{true: "true", false: "false"}[v]
	case json.Number:
		return v.String()
	case row:
		if f.kind == kindLookup || f.kind == kindOwner || f.kind == kindConvertedLookup {
			return v["id"].(string)
		}
	case []any:
		if f.kind == kindMulti || f.api == "Tag" {
			var parts []string
			for _, x := range v {
				if tag, ok := x.(row); ok {
					x = tag["name"]
				}
				parts = append(parts, x.(string))
			}
			return strings.Join(parts, ";")
		}
	}
	require.NotNil(t, f.raw)
	return "(a value of its own shape)"
}

// trimRich makes a cell comparable: lists cut rich text, a bulk read does not,
// and values with a shape of their own are judged by being JSON.
func trimRich(f *field, cell string) string {
	if f.dataType == "richtextarea" {
		return cutRunes(cell, cut)
	}
	if f.kind == kindRaw && f.api != "Tag" && cell != "" && json.Valid([]byte(cell)) && strings.ContainsAny(cell[:1], "[{") {
		return "(a value of its own shape)"
	}
	return cell
}

func TestCSVColumns(t *testing.T) {
	o, _ := testOrg(60)
	header, rows, _, _ := bulk(t, o, Query{Module: "Contacts", Fields: []string{"Last_Name", "Account_Name", "Account_Name.Account_Name", "id", "Owner.email"}})
	require.Equal(t, []string{"Id", "Last_Name", "Account_Name", "Account_Name.Account_Name", "Owner.email"}, header)
	names := make(map[string]string)
	for _, r := range truth(t, o, "accounts") {
		names[r["id"].(string)] = r["Account_Name"].(string)
	}
	for _, r := range rows {
		require.Equal(t, names[r[2]], r[3])
		require.Contains(t, r[4], "@org.example")
	}
	require.NoError(t, o.Switch(LowerID, true))
	header, _, _, _ = bulk(t, o, Query{Module: "Contacts", Fields: []string{"Last_Name"}})
	require.Equal(t, []string{"id", "Last_Name"}, header)
}

func TestCSVPages(t *testing.T) {
	o, c := testOrg(500)
	_, whole, _, _ := bulk(t, o, Query{Module: "Deals", Fields: []string{"Deal_Name"}})
	var byToken, byPage [][]string
	q := Query{Module: "Deals", Fields: []string{"Deal_Name"}, PerPage: 200}
	for {
		_, rows, more, token := bulk(t, o, q)
		byToken = append(byToken, rows...)
		require.Equal(t, more, token != "")
		if !more {
			break
		}
		q = Query{Token: token, PerPage: 200} // DOC: alone
	}
	for page := 1; page <= 3; page++ {
		_, rows, more, _ := bulk(t, o, Query{Module: "Deals", Fields: []string{"Deal_Name"}, PerPage: 200, Page: page})
		byPage = append(byPage, rows...)
		require.Equal(t, page < 3, more)
	}
	require.Equal(t, whole, byToken)
	require.Equal(t, whole, byPage)

	_, _, _, token := bulk(t, o, Query{Module: "Deals", PerPage: 200})
	c.now = c.now.Add(24 * time.Hour)
	require.Equal(t, "EXPIRED_VALUE", refused(t, o.Check(Query{Token: token})).Code)
	require.Equal(t, "INVALID_DATA", refused(t, o.Check(Query{Token: token + "00"})).Code)
	require.NoError(t, o.Switch(NoBulkToken, true))
	_, _, more, token := bulk(t, o, Query{Module: "Deals", PerPage: 200})
	require.True(t, more)
	require.Empty(t, token)
}

func TestCSVCriteria(t *testing.T) {
	o, _ := testOrg(400)
	tests := []struct{ name, criteria, coql string }{
		{
			"between", `{"api_name":"Modified_Time","comparator":"between","value":["2024-06-01T00:00:00+00:00","2025-06-01T00:00:00+02:00"]}`,
			"Modified_Time between '2024-06-01T00:00:00+00:00' and '2025-06-01T00:00:00+02:00'",
		},
		{
			"field", `{"group_operator":"and","group":[{"field":{"api_name":"Modified_Time"},"comparator":"greater_equal","value":"2024-06-01T00:00:00+00:00"},{"field":{"api_name":"Stage"},"comparator":"not_equal","value":"Closed Won"}]}`,
			"Modified_Time >= '2024-06-01T00:00:00+00:00' and Stage != 'Closed Won'",
		},
		{
			"or", `{"group_operator":"or","group":[{"api_name":"Deal_Name","comparator":"starts_with","value":"Caf"},{"api_name":"Amount","comparator":"less_than","value":500}]}`,
			"Deal_Name like 'Caf%' or Amount < 500",
		},
		{
			"two clocks", `{"group_operator":"and","group":[{"api_name":"Created_Time","comparator":"less_than","value":"2022-01-01T00:00:00+00:00"},{"api_name":"Modified_Time","comparator":"greater_than","value":"2025-01-01T00:00:00+00:00"}]}`,
			"Created_Time < '2022-01-01T00:00:00+00:00' and Modified_Time > '2025-01-01T00:00:00+00:00'",
		},
		{"in", `{"api_name":"Stage","comparator":"in","value":["Closed Won","Closed Lost"]}`, "Stage in ('Closed Won','Closed Lost')"},
		{"empty", `{"api_name":"Stage","comparator":"equal","value":null}`, "Stage is null"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, rows, _, _ := bulk(t, o, Query{Module: "Deals", Fields: []string{"Stage"}, Criteria: json.RawMessage(tt.criteria)})
			var got []string
			for _, r := range rows {
				got = append(got, r[0])
			}
			want, _ := coql(t, o, "select id from Deals where "+tt.coql+" limit 2000")
			require.NotEmpty(t, got)
			require.Less(t, len(got), 400)
			require.Equal(t, ids(want), got)
		})
	}
}

func TestCSVRefuses(t *testing.T) {
	o, _ := testOrg(60)
	leaf := `{"api_name":"Stage","comparator":"equal","value":"x"}`
	tests := []struct {
		name string
		q    Query
		code string
	}{
		{"module", Query{Module: "Nothing"}, "INVALID_MODULE"},
		{"notes", Query{Module: "Notes"}, "MODULE_NOT_SUPPORTED"},
		{"attachments", Query{Module: "Attachments"}, "MODULE_NOT_SUPPORTED"},
		{"without fields", Query{Module: "Visits"}, "MODULE_NOT_SUPPORTED"},
		{"page", Query{Module: "Deals", Page: 51}, "PAGE_RANGE_EXCEEDED"},
		{"field", Query{Module: "Deals", Fields: []string{"Nothing"}}, "INVALID_DATA"},
		{"subform", Query{Module: "Quotes", Fields: []string{"Quoted_Items"}}, "INVALID_DATA"},
		{"shape", Query{Module: "Deals", Criteria: json.RawMessage(`[]`)}, "INVALID_DATA"},
		{"operator", Query{Module: "Deals", Criteria: json.RawMessage(`{"group_operator":"xor","group":[` + leaf + `]}`)}, "INVALID_DATA"},
		{"comparator", Query{Module: "Deals", Criteria: json.RawMessage(`{"api_name":"Stage","comparator":"like","value":"x"}`)}, "INVALID_DATA"},
		{"fraction", Query{Module: "Deals", Criteria: json.RawMessage(`{"api_name":"Modified_Time","comparator":"less_than","value":"2024-01-01T00:00:00.000Z"}`)}, "INVALID_DATA"},
		{"half", Query{Module: "Deals", Criteria: json.RawMessage(`{"api_name":"Amount","comparator":"between","value":[1]}`)}, "INVALID_DATA"},
		{"criterion", Query{Module: "Deals", Criteria: json.RawMessage(`{"api_name":"Nothing","comparator":"equal","value":"x"}`)}, "INVALID_DATA"},
		{"26 criteria", Query{Module: "Deals", Criteria: json.RawMessage(`{"group_operator":"or","group":[` + strings.TrimSuffix(strings.Repeat(leaf+",", 26), ",") + `]}`)}, "LIMIT_EXCEEDED"},
		{"token", Query{Token: "x"}, "INVALID_DATA"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.code, refused(t, o.Check(tt.q)).Code)
			_, _, _, err := o.CSV(new(bytes.Buffer), tt.q)
			require.Equal(t, tt.code, refused(t, err).Code)
		})
	}
	require.NoError(t, o.Check(Query{Module: "Deals"}))
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestCSVWriterFails(t *testing.T) {
	o, _ := testOrg(600)
	_, _, _, err := o.CSV(broken{}, Query{Module: "Contacts"})
	require.EqualError(t, err, "gone")
}

// TestFileStays: a file is of the moment at which it was made.
func TestFileStays(t *testing.T) {
	o, c := testOrg(50)
	f, err := o.File(Query{Module: "Deals"})
	require.NoError(t, err)
	var before, after, none bytes.Buffer
	require.NoError(t, f.CSV(&before, true))
	_, err = o.Touch("Deals", c.now, 5)
	require.NoError(t, err)
	_, err = o.Touch("Deals", c.now.Add(time.Second), 50)
	require.NoError(t, err)
	_, err = o.Delete("Deals", c.now, 5)
	require.NoError(t, err)
	require.NoError(t, f.CSV(&after, true))
	require.Equal(t, before.String(), after.String())
	require.NoError(t, f.CSV(&none, false))
	require.Equal(t, 1, bytes.Count(none.Bytes(), []byte("\n")))
	require.Equal(t, 50, f.Len())
}
