package data

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func coql(t *testing.T, o *Org, text string) (rows []row, info row) {
	t.Helper()
	b, _, err := o.COQL(text)
	require.NoError(t, err)
	if b.Empty {
		return nil, row{"more_records": false}
	}
	return parse(t, b, "data")
}

// TestCOQLConditions compares every condition with a filter over all rows.
func TestCOQLConditions(t *testing.T) {
	o, _ := testOrg(400)
	all := truth(t, o, "contacts")
	at := func(r row, name string) time.Time { return parsedTime(t, r[name]) }
	text := func(r row, name string) string { s, _ := r[name].(string); return s }
	num := func(r row, name string) float64 {
		if r[name] == nil {
			return -1e18
		}
		f, err := jsonNumber(r[name]).Float64()
		require.NoError(t, err)
		return f
	}
	owner := people[1]
	middle := at(all[200], "Modified_Time")
	stamp := middle.Format("2006-01-02T15:04:05-07:00")
	account := ""
	for _, r := range all {
		if l, ok := r["Account_Name"].(row); ok {
			account = l["id"].(string)
		}
	}
	tests := []struct {
		where string
		keep  func(r row) bool
	}{
		{"Modified_Time > '" + stamp + "'", func(r row) bool { return at(r, "Modified_Time").After(middle) }},
		{"Modified_Time >= '" + stamp + "'", func(r row) bool { return !at(r, "Modified_Time").Before(middle) }},
		{"Modified_Time < '" + stamp + "'", func(r row) bool { return at(r, "Modified_Time").Before(middle) }},
		{"Modified_Time <= '" + stamp + "'", func(r row) bool { return !at(r, "Modified_Time").After(middle) }},
		{"Modified_Time = '" + stamp + "'", func(r row) bool { return at(r, "Modified_Time").Equal(middle) }},
		{"Modified_Time != '" + stamp + "'", func(r row) bool { return !at(r, "Modified_Time").Equal(middle) }},
		{"Modified_Time between '2024-06-01T00:00:00+00:00' and '" + stamp + "'", func(r row) bool {
			return !at(r, "Modified_Time").Before(time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)) && !at(r, "Modified_Time").After(middle)
		}},
		{"Modified_Time not between '2024-06-01T00:00:00+00:00' and '2025-06-01T00:00:00+00:00'", func(r row) bool {
			return at(r, "Modified_Time").Before(time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)) || at(r, "Modified_Time").After(time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC))
		}},
		{"(Modified_Time > '" + stamp + "' and Created_Time < '2021-06-01T00:00:00+02:00') and Email_Opt_Out = true", func(r row) bool {
			return at(r, "Modified_Time").After(middle) && at(r, "Created_Time").Before(time.Date(2021, 5, 31, 22, 0, 0, 0, time.UTC)) && r["Email_Opt_Out"].(bool)
		}},
		{"Last_Name like 'v%'", func(r row) bool { return strings.HasPrefix(text(r, "Last_Name"), "V") }},
		{"Last_Name not like '%1%'", func(r row) bool { return !strings.Contains(text(r, "Last_Name"), "1") }},
		{"Lifetime_Value >= 1500.5 or Days_Visited in (12, 500, 700)", func(r row) bool {
			n := num(r, "Days_Visited")
			return num(r, "Lifetime_Value") >= 1500.5 || n == 12 || n == 500 || n == 700
		}},
		{"Days_Visited not in (12, 500)", func(r row) bool {
			n := num(r, "Days_Visited")
			return r["Days_Visited"] != nil && n != 12 && n != 500
		}},
		{"Date_of_Birth between '2021-01-01' and '2023-12-31'", func(r row) bool {
			return text(r, "Date_of_Birth") >= "2021-01-01" && text(r, "Date_of_Birth") <= "2023-12-31"
		}},
		{"Department is null", func(r row) bool { return r["Department"] == nil }},
		{"Department is not null and Lead_Source != 'Open'", func(r row) bool {
			return r["Department"] != nil && r["Lead_Source"] != nil && text(r, "Lead_Source") != "Open"
		}},
		{"Owner = " + fmt.Sprint(owner.id), func(r row) bool { return r["Owner"].(row)["id"] == fmt.Sprint(owner.id) }},
		{"Owner.email = 'user2@org.example'", func(r row) bool { return r["Owner"].(row)["email"] == "user2@org.example" }},
		{"Account_Name = '" + account + "'", func(r row) bool { l, ok := r["Account_Name"].(row); return ok && l["id"] == account }},
		{"Account_Name.Account_Name like 'Caf%'", func(r row) bool {
			l, ok := r["Account_Name"].(row)
			return ok && strings.HasPrefix(l["name"].(string), "Caf")
		}},
		{"id > '" + text(all[100], "id") + "'", func(r row) bool { return text(r, "id") > text(all[100], "id") }},
		{"id in ('" + text(all[1], "id") + "', '" + text(all[7], "id") + "')", func(r row) bool { return r["id"] == all[1]["id"] || r["id"] == all[7]["id"] }},
	}
	for _, tt := range tests {
		t.Run(tt.where, func(t *testing.T) {
			var want []string
			for _, r := range slices.Backward(all) {
				if tt.keep(r) {
					want = append(want, r["id"].(string))
				}
			}
			require.NotEmpty(t, want)
			rows, info := coql(t, o, "SELECT id FROM Contacts WHERE "+tt.where+" LIMIT 2000")
			require.Equal(t, want, ids(rows))
			require.Equal(t, false, info["more_records"])
		})
	}
}

func TestCOQLOrderAndPages(t *testing.T) {
	o, _ := testOrg(500)
	all := truth(t, o, "deals")
	for _, by := range []string{"id", "Modified_Time asc", "Modified_Time desc", "Created_Time", "Amount desc, id", "Stage asc, Modified_Time desc", "id desc"} {
		var got []row
		for offset := 0; ; offset += 120 {
			rows, info := coql(t, o, fmt.Sprintf("select Amount, Stage, Modified_Time, Created_Time from Deals where id is not null order by %s limit %d, 120", by, offset))
			got = append(got, rows...)
			if !more(info) {
				break
			}
		}
		require.Len(t, got, 500, by)
		require.ElementsMatch(t, ids(all), ids(got), by)
		switch by {
		case "Amount desc, id":
			require.True(t, slices.IsSortedFunc(got, func(a, b row) int {
				x, _ := jsonNumber(a["Amount"]).Float64()
				y, _ := jsonNumber(b["Amount"]).Float64()
				if a["Amount"] == nil || b["Amount"] == nil {
					return cmp.Compare(fmt.Sprint(a["Amount"] == nil), fmt.Sprint(b["Amount"] == nil))
				}
				return cmp.Compare(y, x)
			}))
		case "Modified_Time asc":
			require.True(t, slices.IsSortedFunc(got, func(a, b row) int {
				return parsedTime(t, a["Modified_Time"]).Compare(parsedTime(t, b["Modified_Time"]))
			}))
		}
	}
	// A window on one clock in the order of the other.
	rows, _ := coql(t, o, "select Created_Time from Deals where Modified_Time > '2025-01-01T00:00:00+00:00' order by Created_Time desc limit 100 offset 10")
	require.Len(t, rows, 100)
	require.True(t, slices.IsSortedFunc(rows, func(a, b row) int {
		return parsedTime(t, b["Created_Time"]).Compare(parsedTime(t, a["Created_Time"]))
	}))
}

func TestCOQLAnswers(t *testing.T) {
	o, _ := testOrg(400)
	rows, info := coql(t, o, "select Last_Name, Owner, Account_Name, Account_Name.Account_Name, Owner.last_name, Owner.first_name, Owner.full_name, Owner.id from Contacts where Account_Name is not null")
	require.Len(t, rows, 200, "the default limit")
	require.Equal(t, true, info["more_records"])
	for _, r := range rows {
		require.Len(t, r["Owner"], 1, "lookups come as their id alone")
		require.Len(t, r["Account_Name"], 1)
		require.IsType(t, "", r["Account_Name.Account_Name"])
		require.Equal(t, r["Owner"].(row)["id"], r["Owner.id"])
		require.Equal(t, r["Owner.full_name"], r["Owner.first_name"].(string)+" "+r["Owner.last_name"].(string))
	}
	b, _, err := o.COQL("select id from Contacts where id = '1'")
	require.NoError(t, err)
	require.True(t, b.Empty)

	for limit, want := range map[int]int{1: 1, 200: 1, 201: 2, 1000: 2, 1001: 3, 2000: 3} {
		_, credits, err := o.COQL(fmt.Sprintf("select id from Contacts where id is not null limit %d", limit))
		require.NoError(t, err)
		require.Equal(t, want, credits)
	}
	require.NoError(t, o.Switch(CappedCOQL, true))
	rows, info = coql(t, o, "select id from Contacts where id is not null limit 2000")
	require.Len(t, rows, 200)
	require.Equal(t, true, info["more_records"])
}

func TestCOQLRefuses(t *testing.T) {
	o, _ := testOrg(60)
	columns := strings.TrimSuffix(strings.Repeat("Last_Name,", 51), ",")
	values := strings.TrimSuffix(strings.Repeat("'a',", 51), ",")
	criteria := strings.TrimSuffix(strings.Repeat("id = '1' or ", 26), " or ")
	tests := []struct{ name, text, code string }{
		{"nothing", "", "SYNTAX_ERROR"},
		{"no where", "select id from Leads", "SYNTAX_ERROR"},
		{"no from", "select id where id = '1'", "SYNTAX_ERROR"},
		{"star", "select * from Leads", "SYNTAX_ERROR"},
		{"open quote", "select id from Leads where id = '1", "SYNTAX_ERROR"},
		{"open bracket", "select id from Leads where (id = '1'", "SYNTAX_ERROR"},
		{"no value", "select id from Leads where id =", "SYNTAX_ERROR"},
		{"half a between", "select id from Leads where id between '1'", "SYNTAX_ERROR"},
		{"bare word", "select id from Leads where id = abc", "SYNTAX_ERROR"},
		{"rest", "select id from Leads where id = '1' limit 5 please", "SYNTAX_ERROR"},
		{"limit", "select id from Leads where id = '1' limit x", "SYNTAX_ERROR"},
		{"comma", "select id, from Leads where id = '1'", "SYNTAX_ERROR"},
		{"in without list", "select id from Leads where id in '1'", "SYNTAX_ERROR"},
		{"is what", "select id from Leads where id is 5", "SYNTAX_ERROR"},
		{"module", "select id from Nothing where id = '1'", "INVALID_QUERY"},
		{"column", "select nothing from Leads where id = '1'", "INVALID_QUERY"},
		{"subform", "select Quoted_Items from Quotes where id = '1'", "INVALID_QUERY"},
		{"column of where", "select id from Leads where nothing = '1'", "INVALID_QUERY"},
		{"column of order", "select id from Leads where id = '1' order by nothing", "INVALID_QUERY"},
		{"dotted column", "select Owner.nothing from Leads where id = '1'", "INVALID_QUERY"},
		{"multi-line text", "select id from Leads where Description = 'x'", "INVALID_QUERY"},
		{"limit too high", "select id from Leads where id = '1' limit 2001", "INVALID_QUERY"},
		{"offset too high", "select id from Leads where id = '1' limit 99999, 2", "INVALID_QUERY"},
		{"in-list too long", "select id from Leads where Last_Name in (" + values + ")", "INVALID_QUERY"},
		{"26 criteria", "select id from Leads where " + criteria, "INVALID_QUERY"},
		{"11 orders", "select id from Leads where id = '1' order by id,id,id,id,id,id,id,id,id,id,id", "INVALID_QUERY"},
		{"a fraction of a second", "select id from Leads where Modified_Time > '2024-01-01T00:00:00.5+00:00'", "INVALID_QUERY"},
		{"text for a number", "select id from Leads where Annual_Revenue > 'x'", "INVALID_QUERY"},
		{"51 columns", "select " + columns + " from Leads where id = '1'", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := o.COQL(tt.text)
			if tt.code == "" {
				require.NoError(t, err)
				return
			}
			e := refused(t, err)
			require.Equal(t, tt.code, e.Code, e.Message)
			require.Equal(t, 400, e.Status)
		})
	}
	require.NoError(t, o.Switch(NarrowCOQL, true))
	_, _, err := o.COQL(tests[len(tests)-1].text)
	require.Equal(t, "INVALID_QUERY", refused(t, err).Code)
	require.NoError(t, o.Switch(FreeCOQL, true))
	_, _, err = o.COQL("select id from Leads")
	require.NoError(t, err)
}

func FuzzCOQL(f *testing.F) {
	f.Add("select id, Last_Name from Leads where (Modified_Time between 'a' and 'b' or id in (1,2)) and not like 'x' order by id desc limit 0, 5 offset 3")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := parseCOQL(text, true)
		if err != nil {
			require.Contains(t, []string{"SYNTAX_ERROR", "INVALID_QUERY"}, err.Code)
		}
	})
}
