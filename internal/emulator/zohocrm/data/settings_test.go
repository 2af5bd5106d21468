package data

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func settings(t *testing.T, o *Org, path, text, key string) (rows []row, info row) {
	t.Helper()
	b, err := o.Settings(path, query(t, text))
	require.NoError(t, err, path)
	return parse(t, b, key)
}

// TestEveryListOfSettings asks for every list that has no parent.
func TestEveryListOfSettings(t *testing.T) {
	o, _ := testOrg(60)
	for _, s := range o.sets {
		if isModuleSet(s) || strings.Contains(s.path, "{") || s.name == "pipelines" {
			continue
		}
		b, err := o.Settings(s.path, params())
		require.NoError(t, err, s.path)
		body := decode[map[string]json.RawMessage](t, b.JSON)
		switch s.name {
		case "business_hours", "fiscal_year":
			require.Equal(t, byte('{'), body[s.key][0], "one object, not a list")
			continue
		case "taxes":
			taxes := decode[map[string][]row](t, []byte(`{"taxes":`+string(decode[map[string]json.RawMessage](t, body["org_taxes"])["taxes"])+`}`))
			require.Len(t, taxes["taxes"], b.Rows)
			continue
		}
		rows := decode[[]row](t, body[s.key])
		require.Len(t, rows, b.Rows)
		require.Len(t, rows[0], len(s.shape.members))
		require.Equal(t, truth(t, o, s.name)[:len(rows)], rows)
	}
}

func TestSettingsWithNulls(t *testing.T) {
	o, _ := testOrg(200)
	for stream, member := range map[string]string{"users": "Modified_Time", "currencies": "modified_time", "territories": "modified_time", "profiles": "modified_time"} {
		var nulls, times int
		for _, r := range truth(t, o, stream) {
			if r[member] == nil {
				nulls++
			} else {
				parsedTime(t, r[member])
				times++
			}
		}
		require.NotZero(t, nulls, stream)
		require.NotZero(t, times, stream)
	}
	rows, _ := settings(t, o, "org/currencies", "", "currencies")
	require.Equal(t, "1.000000000", rows[0]["exchange_rate"], "a decimal as text")
	rows, _ = settings(t, o, "users", "", "users")
	require.Equal(t, json.Number("3600000"), rows[0]["offset"], "milliseconds")
	rows, info := settings(t, o, "settings/profiles", "", "profiles")
	require.Contains(t, info, "license_limit")
	require.Nil(t, rows[0]["permissions_details"])
}

func TestUsers(t *testing.T) {
	o, _ := testOrg(1000)
	var all []row
	for page := 1; ; page++ {
		rows, info := settings(t, o, "users", fmt.Sprintf("type=AllUsers&page=%d", page), "users")
		all = append(all, rows...)
		if !more(info) {
			require.Equal(t, 2, page)
			break
		}
	}
	require.Equal(t, truth(t, o, "users"), all)
	gone, _ := settings(t, o, "users", "type=DeletedUsers", "users")
	require.Len(t, gone, 2)
	require.NotContains(t, ids(all), gone[0]["id"])
	require.NoError(t, o.Switch(AllDeleted, true))
	require.Len(t, truth(t, o, "users"), len(all)+2)
	_, err := o.Settings("users", params("type=Nobody"))
	require.Equal(t, "PATTERN_NOT_MATCHED", refused(t, err).Code)
	one, _ := settings(t, o, "users/"+ids(all)[7], "", "users")
	require.Equal(t, all[7], one[0])
	b, err := o.Settings("users", params("type=NotConfirmedUsers"))
	require.NoError(t, err)
	require.True(t, b.Empty)
}

func TestSettingsRefuse(t *testing.T) {
	o, _ := testOrg(60)
	for _, tt := range []struct{ path, query, code string }{
		{"settings/nothing", "", "INVALID_URL_PATTERN"},
		{"nothing", "", "INVALID_URL_PATTERN"},
		{"settings/territories/5/users/7", "", "INVALID_URL_PATTERN"},
		{"settings/fields", "", "REQUIRED_PARAM_MISSING"},
		{"settings/layouts", "", "REQUIRED_PARAM_MISSING"},
		{"settings/fields", "module=Nope", "INVALID_MODULE"},
		{"settings/fields", "module=Locking_Information__s", "NO_PERMISSION"},
		{"settings/fields", "module=Leads&type=some", "PATTERN_NOT_MATCHED"},
		{"settings/pipeline", "", "REQUIRED_PARAM_MISSING"},
		{"settings/pipeline", "layout_id=4", "INVALID_DATA"},
		{"settings/territories/4/users", "", "INVALID_DATA"},
		{"users/4/territories", "", "INVALID_DATA"},
		{"settings/profiles/4", "", "INVALID_DATA"},
		{"users", "per_page=300", "INVALID_DATA"},
		{"settings/modules/Nope", "", "INVALID_MODULE"},
		{"settings/recycle_bin", "page=0", "INVALID_DATA"},
	} {
		_, err := o.Settings(tt.path, query(t, tt.query))
		require.Equal(t, tt.code, refused(t, err).Code, "%s?%s", tt.path, tt.query)
	}
}

func TestChildren(t *testing.T) {
	o, _ := testOrg(300)
	var got []row
	for _, r := range truth(t, o, "territories") {
		rows, _ := settings(t, o, "settings/territories/"+r["id"].(string)+"/users", "", "users")
		for _, u := range rows {
			u["_territory_id"] = r["id"]
			got = append(got, u)
		}
	}
	require.Equal(t, truth(t, o, "territory_users"), got)

	territories, empty := ids(truth(t, o, "territories")), 0
	got = nil
	for _, r := range truth(t, o, "users") {
		b, err := o.Settings("users/"+r["id"].(string)+"/territories", params())
		require.NoError(t, err)
		if b.Empty {
			empty++
			continue
		}
		rows, _ := parse(t, b, "territories")
		for _, x := range rows {
			require.Contains(t, territories, x["id"])
			x["_user_id"] = r["id"]
			got = append(got, x)
		}
	}
	require.NotZero(t, empty)
	require.Equal(t, truth(t, o, "user_territories"), got)

	got = nil
	layouts, _ := settings(t, o, "settings/layouts", "module=Deals", "layouts")
	require.Len(t, layouts, 2)
	for _, l := range layouts {
		rows, _ := settings(t, o, "settings/pipeline", "layout_id="+l["id"].(string), "pipeline")
		got = append(got, rows...)
	}
	require.Equal(t, truth(t, o, "pipelines"), got)
	require.NotEqual(t, got[0]["id"], got[2]["id"])

	for _, name := range []string{"layouts", "related_lists", "custom_views", "tags"} {
		got = nil
		for _, m := range o.modules {
			b, err := o.Settings("settings/"+name, params("module="+m.api))
			if err == nil && !b.Empty {
				rows, _ := parse(t, b, name)
				got = append(got, rows...)
			}
		}
		require.Equal(t, truth(t, o, name), got)
	}
	views, _ := settings(t, o, "settings/custom_views", "module=Leads", "custom_views")
	_, err := o.List("Leads", params("fields=id", "cvid="+views[0]["id"].(string)), time.Time{})
	require.NoError(t, err)
}

func TestModules(t *testing.T) {
	o, _ := testOrg(60)
	rows, _ := settings(t, o, "settings/modules", "", "modules")
	byName := make(map[string]row)
	statuses := make(map[string]bool)
	var names []string
	for _, r := range rows {
		byName[r["api_name"].(string)] = r
		names = append(names, r["api_name"].(string))
		statuses[r["status"].(string)] = true
	}
	require.Equal(t, truth(t, o, "modules"), rows)
	require.Equal(t, map[string]bool{"visible": true, "system_hidden": true, "scheduled_for_deletion": true}, statuses)
	require.Equal(t, "CustomModule2", byName["CM1"]["module_name"])
	require.Equal(t, "linking", byName["Contacts_X_CM1"]["generated_type"])
	require.Equal(t, "subform", byName["Milestones"]["generated_type"])
	require.Equal(t, "CM1", byName["Milestones"]["parent_module"].(row)["api_name"])
	require.Equal(t, "field_tracker", byName["DealHistory"]["generated_type"])
	require.Equal(t, []any{true, false}, []any{byName["DealHistory"]["api_supported"], byName["DealHistory"]["viewable"]})
	require.Equal(t, []any{true, "system_hidden"}, []any{byName["Notes"]["api_supported"], byName["Notes"]["status"]})
	require.Equal(t, json.Number("8192"), byName["Hidden_Ledger"]["visibility"])
	require.Equal(t, false, byName["Home"]["api_supported"])
	require.Contains(t, names, "Site_Visits")
	require.Contains(t, names, "site_visits")
	require.Contains(t, names, "Custom_002")

	for _, bare := range []string{"No_Metadata", "Visits", "Actions_Performed"} {
		require.Equal(t, true, byName[bare]["api_supported"])
		b, err := o.Settings("settings/fields", params("module="+bare, "type=all"))
		require.NoError(t, err)
		require.True(t, b.Empty)
		b, err = o.List(bare, params("fields=id"), time.Time{})
		require.NoError(t, err)
		require.True(t, b.Empty)
	}
	one, _ := settings(t, o, "settings/modules/Leads", "", "modules")
	require.NotContains(t, byName["Leads"], "display_field")
	require.Equal(t, "Full_Name", one[0]["display_field"])
	delete(one[0], "display_field")
	require.Equal(t, byName["Leads"], one[0])
}

func TestFields(t *testing.T) {
	o, _ := testOrg(60)
	read := func(module, kind string) map[string]row {
		rows, _ := settings(t, o, "settings/fields", "module="+module+kind, "fields")
		out := make(map[string]row)
		for _, r := range rows {
			out[r["api_name"].(string)] = r
		}
		return out
	}
	contacts := read("Contacts", "&type=all")
	require.Len(t, contacts, 119+3, "120 columns but id, and three that only records carry")
	require.Len(t, read("Contacts", ""), len(contacts)-2, "two are unused")
	require.Len(t, read("Contacts", "&type=unused"), 2)
	for _, name := range []string{"No_Json_Type", "Mystery"} {
		require.Contains(t, contacts, name)
		require.NotContains(t, contacts[name], "json_type")
	}
	for name, want := range map[string][]any{
		"Contract_No": {"bigint", "string"}, "Tag": {"text", "jsonarray"}, "Membership": {"autonumber", "string"}, "Bio": {"richtextarea", "string"},
		"Interests": {"multiselectpicklist", "jsonarray"}, "Education": {"subform", "jsonarray"}, "Skills": {"multiselectlookup", "jsonarray"}, "Owner": {"ownerlookup", "jsonobject"},
		"Account_Name": {"lookup", "jsonobject"}, "Modified_Time": {"datetime", "string"}, "Budget_Local": {"currency", "jsonobject"}, "Days_Visited": {"integer", "integer"},
	} {
		require.Equal(t, want, []any{contacts[name]["data_type"], contacts[name]["json_type"]}, name)
	}
	require.Equal(t, "datetime", contacts["Next_Call_Formula"]["formula"].(row)["return_type"])
	require.Equal(t, "integer", contacts["Order_Count"]["rollup_summary"].(row)["return_type"])
	require.Equal(t, "Milestones", contacts["Education"]["subform"].(row)["module"])
	require.Equal(t, "Products", contacts["Skills"]["multiselectlookup"].(row)["connected_details"].(row)["module"].(row)["api_name"])
	require.Equal(t, "Accounts", contacts["Account_Name"]["lookup"].(row)["module"].(row)["api_name"])
	require.Equal(t, "No-", contacts["Membership"]["auto_number"].(row)["prefix"])
	require.NotEmpty(t, contacts["Lead_Source"]["pick_list_values"])

	leads := read("Leads", "&type=all")
	for _, name := range []string{"First_Name", "Last_Name"} {
		require.Equal(t, false, leads[name]["view_type"].(row)["view"], "as in the official sample")
	}
	require.NotContains(t, leads, "id")
	require.Contains(t, read("Products", ""), "id", "some lists have it")
	require.Contains(t, read("Notes", ""), "$attachments")
	require.NotContains(t, read("Meter_Readings", ""), "Modified_Time")
}

// TestStreams makes sure that there is a truth for every stream, and one
// stream for every module that can be read.
func TestStreams(t *testing.T) {
	o, _ := testOrg(60)
	streams := o.Streams()
	for _, name := range []string{"site_visits_002102", "site_visits_002105", "cm1", "milestones", "contacts_x_cm1", "meter_readings", "custom_001", "deleted_records", "organization"} {
		require.Contains(t, streams, name)
	}
	for _, name := range []string{"site_visits", "old_assets", "hidden_ledger", "no_metadata", "visits", "home"} {
		require.NotContains(t, streams, name)
	}
	static := 0
	var sum int64
	for _, name := range streams {
		if m := o.moduleOf(name); m != nil {
			sum += int64(len(truth(t, o, name)))
			if m.static {
				static++
			}
			continue
		}
		static++
		require.NotEmpty(t, truth(t, o, name), name)
	}
	require.Equal(t, 75, static)
	require.Equal(t, o.Count(), sum)
	require.Len(t, o.Modules(), len(streams)-static+slices.IndexFunc(o.modules, func(m *module) bool { return !m.static }))
	require.Error(t, o.Truth(nil, "nothing"))
	for _, r := range truth(t, o, "deleted_records") {
		require.Contains(t, r, "_module")
	}
}
