package data

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func count(t *testing.T, o *Org, module string, pairs ...string) int {
	t.Helper()
	b, err := o.RecordCount(module, params(pairs...))
	require.NoError(t, err)
	n, err := jsonNumber(decode[row](t, b.JSON)["count"]).Int64()
	require.NoError(t, err)
	return int(n)
}

// TestCounts: a count is the number of rows that a query gives.
func TestCounts(t *testing.T) {
	o, c := testOrg(400)
	const at, to = "2025-03-01T00:00:00+00:00", "2025-09-01T02:00:00+02:00"
	for criteria, where := range map[string]string{
		"(Modified_Time:greater_equal:" + at + ")":                                               "Modified_Time >= '" + at + "'",
		"(Modified_Time:less_equal:" + at + ")":                                                  "Modified_Time <= '" + at + "'",
		"(Modified_Time:between:" + at + "," + to + ")":                                          "Modified_Time between '" + at + "' and '" + to + "'",
		"((Modified_Time:greater_than:" + at + ")and(Stage:equals:Closed Won))":                  "Modified_Time > '" + at + "' and Stage = 'Closed Won'",
		"Stage:in:Closed Won,Closed Lost":                                                        "Stage in ('Closed Won', 'Closed Lost')",
		"((Created_Time:less_than:2022-01-01T00:00:00Z)and(Modified_Time:less_than:" + at + "))": "Created_Time < '2022-01-01T00:00:00Z' and Modified_Time < '" + at + "'",
	} {
		rows, _ := coql(t, o, "select id from Deals where "+where+" limit 2000")
		require.NotEmpty(t, rows, where)
		require.Equal(t, len(rows), count(t, o, "Deals", "criteria="+criteria), criteria)
	}
	require.Equal(t, 400, count(t, o, "Deals"))
	require.Equal(t, 0, count(t, o, "Deals", "criteria=(Modified_Time:greater_than:2030-01-01T00:00:00Z)"))
	open, all := count(t, o, "Leads"), count(t, o, "Leads", "converted=both")
	require.Equal(t, 400, all)
	require.Less(t, open, all)
	require.Equal(t, all-open, count(t, o, "Leads", "converted=true"))
	require.Less(t, count(t, o, "Leads", "converted=true", "criteria=(Modified_Time:greater_equal:"+at+")"), all-open)
	_, err := o.Delete("Deals", c.now, 3)
	require.NoError(t, err)
	require.Equal(t, 397, count(t, o, "Deals"))

	for path, code := range map[string]string{
		"Notes?": "NOT_SUPPORTED", "Nope?": "INVALID_MODULE", "Visits?": "NOT_SUPPORTED", "Deals?criteria=(Nope:equals:1)": "INVALID_QUERY", "Deals?criteria=x": "INVALID_QUERY",
		"Deals?criteria=(Stage:like:x)": "INVALID_QUERY", "Deals?cvid=1&criteria=(Stage:equals:x)": "AMBIGUITY_DURING_PROCESSING", "Leads?converted=maybe": "INVALID_DATA",
		"Deals?criteria=(Modified_Time:greater_equal:2024-01-01T00:00:00.5Z)": "INVALID_QUERY",
	} {
		module, text, _ := strings.Cut(path, "?")
		_, err := o.RecordCount(module, query(t, text))
		require.Equal(t, code, refused(t, err).Code, path)
	}
	require.NoError(t, o.Switch(NoCount, true))
	_, err = o.RecordCount("Deals", nil)
	require.Equal(t, "NOT_SUPPORTED", refused(t, err).Code)
}

// TestOneVendor: what records show of tags, layouts, choices and other rows is what
// settings and those rows tell.
func TestOneVendor(t *testing.T) {
	o, c := testOrg(300)
	seen := map[string]bool{}
	for _, module := range []string{"Leads", "Contacts", "Deals", "CM1", "Cases"} {
		tags := map[string]row{}
		list, _ := settings(t, o, "settings/tags", "module="+module, "tags")
		for _, tag := range list {
			tags[tag["id"].(string)] = tag
		}
		layouts := map[string]row{}
		list, _ = settings(t, o, "settings/layouts", "module="+module, "layouts")
		for _, l := range list {
			layouts[l["id"].(string)] = l
		}
		choices := map[string][]any{}
		list, _ = settings(t, o, "settings/fields", "module="+module+"&type=all", "fields")
		for _, f := range list {
			if f["data_type"] == "multiselectpicklist" {
				for _, v := range f["pick_list_values"].([]any) {
					choices[f["api_name"].(string)] = append(choices[f["api_name"].(string)], v.(row)["display_value"])
				}
			}
		}
		codes := map[any]any{}
		for _, r := range truth(t, o, "products") {
			codes[r["id"]] = r["Product_Code"]
		}
		for _, r := range truth(t, o, o.streamOf(o.byName[module])) {
			for _, tag := range r["Tag"].([]any) {
				tag := tag.(row)
				of := tags[tag["id"].(string)]
				require.Equal(t, []any{of["name"], of["color_code"]}, []any{tag["name"], tag["color_code"]}, "%s %v", module, tag)
				seen[tag["name"].(string)] = true
			}
			if l, ok := r["Layout"].(row); ok {
				require.Equal(t, layouts[l["id"].(string)]["name"], l["name"])
				seen["layout"] = true
			}
			for name, values := range choices {
				if picked, ok := r[name].([]any); ok {
					require.Subset(t, values, picked)
					seen["choice"] = true
				}
			}
			if p, ok := r["Product_Name"].(row); ok {
				require.Equal(t, codes[p["id"]], p["Product_Code"])
				seen["code"] = true
			}
		}
	}
	require.Equal(t, map[string]bool{"fair24": true, `VIP; "gold"`: true, "Übersee": true, "layout": true, "choice": true, "code": true}, seen)

	// What a lookup shows is the same in a list, a file and a query, whatever became
	// of the row that it points to.
	_, err := o.Delete("Accounts", c.now, 40)
	require.NoError(t, err)
	lists := map[string]any{}
	for _, r := range truth(t, o, "contacts") {
		if l, ok := r["Account_Name"].(row); ok {
			lists[r["id"].(string)] = l["name"]
		}
	}
	_, rows, _, _ := bulk(t, o, Query{Module: "Contacts", Fields: []string{"Account_Name.Account_Name"}})
	files := map[string]any{}
	for _, r := range rows {
		if r[1] != "" {
			files[r[0]] = r[1]
		}
	}
	require.Equal(t, lists, files)
	found, _ := coql(t, o, "select Account_Name.Account_Name from Contacts where Account_Name is not null limit 2000")
	for _, r := range found {
		require.Equal(t, lists[r["id"].(string)], r["Account_Name.Account_Name"])
	}
	one, _ := settings(t, o, "settings/modules/Contacts", "", "modules")
	require.Equal(t, "Full_Name", one[0]["display_field"], "the list of modules does not tell")
}

// TestFilesOfOtherForms: the guesses about files, turned round.
func TestFilesOfOtherForms(t *testing.T) {
	o, _ := testOrg(120)
	read := func(module string, fields ...string) [][]string {
		_, rows, _, _ := bulk(t, o, Query{Module: module, Fields: fields})
		return rows
	}
	tags := func() (text string) {
		for _, r := range read("Deals", "Tag") {
			text += r[1] + "\n"
		}
		return text
	}
	require.Contains(t, tags(), "VIP; \"gold\";Übersee\n")
	require.NoError(t, o.Switch(TagObjects, true))
	require.Contains(t, tags(), `{"name":"fair24","id":"`)
	for line := range strings.Lines(tags()) {
		require.True(t, json.Valid([]byte(line)), line)
	}
	require.JSONEq(t, o.makeLayout(o.byName["Leads"]), read("Leads", "Layout")[0][1])
	require.NoError(t, o.Switch(BareObjects, true))
	require.Regexp(t, `^\d+$`, read("Leads", "Layout")[0][1])

	require.Len(t, read("Leads"), 120)
	require.NoError(t, o.Switch(OpenLeads, true))
	require.Len(t, read("Leads"), count(t, o, "Leads"))
	_, rows, _, _ := bulk(t, o, Query{Module: "Leads", Criteria: json.RawMessage(`{"api_name":"Converted__s","comparator":"equal","value":true}`)})
	require.Empty(t, rows)
	require.Len(t, read("Deals"), 120)
}

// TestNoIDOrder: rows of one second in any order.
func TestNoIDOrder(t *testing.T) {
	o, _ := testOrg(1200)
	const query = "select Modified_Time from Deals where id is not null order by Modified_Time asc, id asc limit 2000"
	before, _ := coql(t, o, query)
	require.NoError(t, o.Switch(NoIDOrder, true))
	after, _ := coql(t, o, query)
	require.ElementsMatch(t, ids(before), ids(after))
	require.NotEqual(t, ids(before), ids(after))
	for k := range after {
		require.Equal(t, before[k]["Modified_Time"], after[k]["Modified_Time"])
	}
}
