package zohocrm

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/zohocrm/data"
	"github.com/tap-backoffice/tap-backoffice/internal/standintest"
)

func TestRoutes(t *testing.T) {
	a := faulty(t, "")
	for path, want := range map[string]string{
		"/oauth/v2/token":                       "token",
		"/oauth/v2/token/revoke":                "revoke",
		"/oauth/v2/auth":                        "authorize",
		"/crm/v8/Leads":                         "leads",
		"/crm/v2/Leads":                         "leads",
		"/crm/v2/settings/modules":              "modules",
		"/crm/v2/":                              unknown,
		"/crm/v8/Price_Books":                   "price_books",
		"/crm/v8/CM1":                           "cm1",
		"/crm/v8/Leads/deleted":                 "deleted_records",
		"/crm/v8/Leads/7300000000451001":        "leads/record",
		"/crm/v8/Leads/73/__timeline":           "timelines",
		"/crm/v8/Deals/73/Attachments":          "record_attachments",
		"/crm/v8/Deals/73/Emails":               "record_emails",
		"/crm/v8/Deals/73/Contact_Roles":        "deal_contact_roles",
		"/crm/v8/Deals/73/Stage_History":        "deals/Stage_History",
		"/crm/v8/Campaigns/73/Leads":            "campaign_leads",
		"/crm/v8/Leads/73/Notes":                "leads/Notes",
		"/crm/v8/users/73/territories":          "user_territories",
		"/crm/v8/settings/territories/73/users": "territory_users",
		"/crm/v8/settings/modules/Leads":        "modules/record",
		"/crm/v8/settings/layouts/73":           "layouts/record",
		"/crm/v8/settings/fields":               "fields",
		"/crm/v8/Contacts/roles":                "contact_roles",
		"/crm/v8/contacts/roles":                "contact_roles",
		"/crm/v8/coql":                          "coql",
		"/crm/bulk/v8/read":                     "bulk",
		"/crm/bulk/v8/read/73":                  "bulk/job",
		"/crm/bulk/v8/read/73/result":           "bulk_download",
		"/crm/v8/Nope":                          unknown,
		"/crm/v8/":                              unknown,
		"/crm/v8/settings":                      unknown,
		"/crm/v8/settings/nope":                 unknown,
		"/crm/v8/Leads/nope":                    unknown,
		"/crm/v8/Leads/73/":                     unknown,
		"/crm/v8/Leads/73/Notes/74":             unknown,
		"/crm/v8/Leads/search":                  unknown,
		"/crm/v7/Leads":                         unknown,
		"/crm/bulk/v8/write":                    unknown,
		"/crm/bulk/v8/read/73/nope":             unknown,
		"/crm/bulk/v8/read/x":                   unknown,
		"/crm/bulk/v8/":                         unknown,
		"/":                                     unknown,
	} {
		require.Equal(t, want, a.service.Resource(path), path)
	}
	streams := a.service.org.Streams()
	for _, module := range a.service.org.Modules() {
		require.Contains(t, streams, a.service.Resource("/crm/v8/"+module), module)
	}
	for path, stream := range settings {
		if !strings.Contains(stream, "/") {
			require.Contains(t, streams, stream, path)
		}
	}
}

// TestCollision: two modules that are the same in lower case are told apart by
// their ids, and by their paths.
func TestCollision(t *testing.T) {
	a := faulty(t, "")
	times := map[string][]string{}
	for _, module := range a.service.org.Modules() {
		lower := strings.ToLower(module)
		times[lower] = append(times[lower], module)
	}
	found := 0
	for lower, names := range times {
		if len(names) == 1 {
			continue
		}
		found++
		one, two := a.service.modules.stream[names[0]], a.service.modules.stream[names[1]]
		require.NotEqual(t, one, two)
		for k, stream := range []string{one, two} {
			require.Regexp(t, `^`+lower+`_\d{6}$`, stream)
			rows, _ := a.all(names[k] + "?fields=Name")
			require.ElementsMatch(t, idsOf(a.Truth(stream)), idsOf(rows))
		}
	}
	require.Equal(t, 1, found)
}

// TestEverySetting: each path that needs nothing answers JSON that holds the
// truth.
func TestEverySetting(t *testing.T) {
	a := faulty(t, "")
	for path, stream := range settings {
		if strings.ContainsAny(path, "#*") || strings.Contains(path, "contacts") {
			continue
		}
		query := "?per_page=200"
		switch stream {
		case "fields", "layouts", "related_lists", "custom_views", "tags":
			query = "?module=Leads"
		case "pipelines":
			query = "?layout_id=" + a.layout("Deals")
		case "recycle_bin":
			continue // empty at first, perhaps
		}
		r := a.get(path + query)
		require.Equal(t, http.StatusOK, r.Status, "%s: %s", path, r.Body)
		require.True(t, json.Valid([]byte(r.Body)), path)
		require.NotEmpty(t, a.Truth(stream), path)
	}
}

// layout is the id of a module's first layout.
func (a *api) layout(module string) string {
	a.Helper()
	var out struct {
		Layouts []struct{ ID string }
	}
	require.NoError(a, json.Unmarshal([]byte(a.get("settings/layouts?module="+module).Body), &out))
	require.NotEmpty(a, out.Layouts)
	return out.Layouts[0].ID
}

// TestLists: what token paging gives of each module is the truth of its stream.
func TestLists(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 230})
	for _, module := range a.service.org.Modules() {
		rows, pages := a.all(module + "?fields=Name&converted=both&per_page=100")
		require.ElementsMatch(t, idsOf(a.Truth(a.service.modules.stream[module])), idsOf(rows), module)
		if module == "Leads" {
			require.Equal(t, 3, pages)
		}
	}
	require.Positive(t, a.service.Rows())
}

// TestRecords: a single record, and what hangs on it.
func TestRecords(t *testing.T) {
	a := faulty(t, "norows@leads/record")
	deal := a.list("Deals?fields=Deal_Name").Data[0]
	one := a.list("Deals/" + deal["id"].(string))
	require.Len(t, one.Data, 1)
	require.Equal(t, deal["Deal_Name"], one.Data[0]["Deal_Name"])
	require.Greater(t, len(one.Data[0]), len(deal))
	lead := a.list(leads).Data[0]["id"].(string)
	require.Equal(t, http.StatusNoContent, a.get("Leads/"+lead).Status)

	found := map[string]int{}
	for _, row := range a.list("Deals?fields=id").Data {
		for _, list := range []string{"Contact_Roles?fields=id", "__timeline", "Attachments?fields=id", "Emails", "Stage_History?fields=id"} {
			r := a.get("Deals/" + row["id"].(string) + "/" + list)
			require.Contains(t, []int{http.StatusOK, http.StatusNoContent}, r.Status, "%s: %s", list, r.Body)
			if r.Status == http.StatusOK {
				found[list]++
			}
		}
	}
	require.Len(t, found, 5, "each list has rows somewhere")
}

func TestPaths(t *testing.T) {
	a := faulty(t, "")
	for _, path := range []string{"/", "/crm/v8/", "/crm/v7/Leads", "/crm/v8/settings/nope", "/crm/v8/Leads/nope", "/crm/v8/Leads/search", "/crm/bulk/v8/write", "/nope"} {
		r := a.get(path)
		require.Equal(t, http.StatusNotFound, r.Status, path)
		require.Equal(t, "INVALID_URL_PATTERN", code(t, r), path)
	}
	for _, module := range []string{"Nope", "leads", "CustomModule2", "Home"} {
		r := a.get(module + "?fields=id")
		require.Equal(t, http.StatusBadRequest, r.Status, module)
		require.Equal(t, "INVALID_MODULE", code(t, r), module)
	}
	for _, c := range [][2]string{{http.MethodPost, "/crm/v8/Leads"}, {http.MethodPut, "/crm/v8/users"}, {http.MethodDelete, "/crm/v8/Leads"}, {http.MethodGet, "/crm/v8/coql"}} {
		r := a.Ask(c[0], mount+c[1], "", "Authorization", a.auth())
		require.Equal(t, http.StatusBadRequest, r.Status, c)
		require.Equal(t, "INVALID_REQUEST_METHOD", code(t, r), c)
	}
	require.Equal(t, "INVALID_DATA", code(t, a.get("Leads?fields=%zz")))
	r := a.get("Leads")
	require.Equal(t, http.StatusBadRequest, r.Status)
	require.Equal(t, "REQUIRED_PARAM_MISSING", code(t, r))
}

// TestOldVersion asks as a client of version 2 does: the list comes without fields.
func TestOldVersion(t *testing.T) {
	a := faulty(t, "")
	authorized := []string{"Authorization", "Zoho-oauthtoken " + a.token}
	require.Equal(t, http.StatusOK, a.Ask(http.MethodGet, mount+oldRoot+"Leads", "", authorized...).Status)
	require.Equal(t, "REQUIRED_PARAM_MISSING", code(t, a.Ask(http.MethodGet, mount+apiRoot+"Leads", "", authorized...)))
}

func TestAuthorization(t *testing.T) {
	a := faulty(t, "")
	ask := func(headers ...string) reply { return a.Ask(http.MethodGet, mount+apiRoot+leads, "", headers...) }
	for _, scheme := range []string{"Zoho-oauthtoken", "Bearer", "zoho-oauthtoken"} {
		require.Equal(t, http.StatusOK, ask("Authorization", scheme+" "+a.token).Status, scheme)
	}
	for _, headers := range [][]string{nil, {"Authorization", a.token}, {"Authorization", "Basic " + a.token}} {
		r := ask(headers...)
		require.Equal(t, http.StatusUnauthorized, r.Status)
		require.Equal(t, "AUTHENTICATION_FAILURE", code(t, r))
	}
	for _, token := range []string{"1000.a.b", "", RefreshToken} {
		r := ask("Authorization", "Zoho-oauthtoken "+token)
		require.Equal(t, http.StatusUnauthorized, r.Status)
		require.Equal(t, "INVALID_TOKEN", code(t, r))
	}
	a = faulty(t, "stale-token=1@leads")
	require.Equal(t, "INVALID_TOKEN", code(t, a.get(leads)))
	require.Equal(t, http.StatusOK, a.get(leads).Status)
}

func TestScopes(t *testing.T) {
	for _, c := range []struct {
		scopes, path string
		ok           bool
	}{
		{"ZohoCRM.modules.READ", "Leads", true},
		{"ZohoCRM.modules.ALL", "Leads/deleted", true},
		{"ZohoCRM.modules.leads.READ", "Leads", true},
		{"ZohoCRM.modules.leads.ALL", "Leads/73", true},
		{"ZohoCRM.modules.leads.READ", "Deals", false},
		{"ZohoCRM.modules.leads.CREATE", "Leads", false},
		{"ZohoCRM.settings.ALL", "Leads", false},
		{"ZohoCRM.settings.ALL", "settings/roles", true},
		{"ZohoCRM.settings.roles.READ", "settings/roles", true},
		{"ZohoCRM.settings.roles.READ", "settings/profiles", false},
		{"ZohoCRM.settings.currencies.READ", "org/currencies", true},
		{"ZohoCRM.settings.ALL", "org/currencies", true},
		{"ZohoCRM.org.ALL", "org/currencies", true},
		{"ZohoCRM.org.READ", "org", true},
		{"ZohoCRM.settings.ALL", "org", false},
		{"ZohoCRM.settings.ALL", "users", false},
		{"ZohoCRM.users.READ", "users", true},
		{"ZohoCRM.users.READ", "users/73/territories", true},
		{"ZohoCRM.modules.contacts.READ", "Contacts/roles", true},
		{"ZohoCRM.coql.READ", "coql", true},
		{"ZohoCRM.modules.ALL", "coql", true},
		{"ZohoCRM.modules.READ", "coql", false},
	} {
		var s Service
		require.Equal(t, c.ok, outOfScope(session{scopes: strings.Fields(c.scopes)}, needs(s.route(apiRoot+c.path))) == nil, c)
	}
}

// TestSwitches: what app, user or org may not is refused as the vendor does,
// and is no part of the truth.
func TestSwitches(t *testing.T) {
	for _, c := range []struct {
		faults, path, stream string
		status               int
		code                 string
	}{
		{"noscope@leads", leads, "leads", 401, "OAUTH_SCOPE_MISMATCH"},
		{"noscope@fields", "settings/fields?module=Leads", "fields", 401, "OAUTH_SCOPE_MISMATCH"},
		{"noscope@fields/Leads", "settings/fields?module=Leads", "", 401, "OAUTH_SCOPE_MISMATCH"},
		{"noright@deleted_records/Leads", "Leads/deleted?type=all", "", 403, "NO_PERMISSION"},
		{"noright@timelines/Leads", "Leads/73/__timeline", "", 403, "NO_PERMISSION"},
		{"noright@leads", leads, "leads", 403, "NO_PERMISSION"},
		{"noright-400@leads", leads, "leads", 400, "NO_PERMISSION"},
		{"not-admin", "Notes?fields=Note_Title", "notes", 403, "NOT_SUPPORTED"},
		{"territories-off", "settings/territories", "territories", 400, "FEATURE_NOT_ENABLED"},
		{"territories-off", "settings/territories/73/users", "territory_users", 403, "TERRITORY_NOT_ENABLED"},
		{"territories-off", "users/73/territories", "user_territories", 403, "TERRITORY_NOT_ENABLED"},
		{"currencies-off", "org/currencies", "currencies", 403, "CURRENCIES_NOT_ENABLED"},
	} {
		a := faulty(t, c.faults)
		r := a.get(c.path)
		require.Equal(t, c.status, r.Status, c.faults)
		require.Equal(t, c.code, code(t, r), c.faults)
		require.Equal(t, http.StatusOK, a.get("Deals?fields=id").Status)
		if c.stream != "fields" {
			require.Equal(t, http.StatusOK, a.get("settings/fields?module=Deals").Status)
		}
		if c.stream != "" {
			require.Empty(t, a.Truth(c.stream), c.faults)
			require.NotEmpty(t, faulty(t, "").Truth(c.stream), c.stream)
		}
	}
	require.JSONEq(t, `{"code":"NO_PERMISSION","details":{"permissions":["Crm_Implied_View_Leads"]},"message":"permission denied","status":"error"}`,
		faulty(t, "noright").get(leads).Body)
	require.Equal(t, "NOT_SUPPORTED", code(t, faulty(t, "not-admin").get("Leads/73/Notes?fields=Note_Title")))

	a := faulty(t, "internal-error=1@leads")
	r := a.get(leads)
	require.Equal(t, http.StatusInternalServerError, r.Status)
	require.Equal(t, "INTERNAL_ERROR", code(t, r))
	require.Equal(t, http.StatusOK, a.get(leads).Status)
}

// TestNothing: 204 without rows, 304 if a time was named; no body, no type.
func TestNothing(t *testing.T) {
	later := []string{"If-Modified-Since", time.Now().Add(48 * time.Hour).UTC().Format(sinceForm)}
	bare := func(r reply, status int) {
		t.Helper()
		require.Equal(t, status, r.Status, r.Body)
		require.Empty(t, r.Body)
		require.Empty(t, r.Header.Get("Content-Type"))
		require.Empty(t, r.Header.Get("Content-Length"))
	}
	a := faulty(t, "norows@deals")
	bare(a.get("Deals?fields=id"), http.StatusNoContent)
	bare(a.get("Deals?fields=id", later...), http.StatusNotModified)
	bare(a.get(leads, later...), http.StatusNotModified)
	bare(a.get("Leads/deleted?type=all", later...), http.StatusNotModified)
	bare(a.get("settings/fields?module=No_Metadata"), http.StatusNoContent)
	require.Equal(t, http.StatusOK, a.get("users", later...).Status, "settings do not look at it")
	require.Equal(t, http.StatusNoContent, a.post("/crm/v8/coql", `{"select_query":"select id from Leads where id = 1"}`).Status)
	require.Empty(t, a.Truth("deals"))
	bare(faulty(t, "not-modified-204").get(leads, later...), http.StatusNoContent)

	all := faulty(t, "norows")
	bare(all.get(leads), http.StatusNoContent)
	require.Equal(t, http.StatusOK, all.get("settings/modules").Status)
	require.Equal(t, http.StatusOK, all.get("settings/fields?module=Leads").Status)

	empty := faulty(t, "empty-list")
	r := empty.get("Leads?fields=id&ids=1")
	require.Equal(t, http.StatusOK, r.Status)
	require.Contains(t, r.Body, `"data":[]`)
}

func TestIfModifiedSince(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 50})
	rows, _ := a.all("Leads?fields=Modified_Time&sort_by=Modified_Time&sort_order=asc&converted=both")
	middle := rows[len(rows)/2]["Modified_Time"].(string)
	at, err := time.Parse(time.RFC3339, middle)
	require.NoError(t, err)
	var want []string
	for _, row := range rows {
		if when, err := time.Parse(time.RFC3339, row["Modified_Time"].(string)); err == nil && !when.Before(at) {
			want = append(want, row["id"].(string))
		}
	}
	for _, text := range []string{middle, at.UTC().Format(sinceForm), at.UTC().Format("2006-01-02T15:04:05-07:00")} {
		got, _ := a.all("Leads?fields=id&converted=both&per_page=7", "If-Modified-Since", text)
		require.ElementsMatch(t, want, idsOf(got), text)
	}
	exclusive := newAPI(t, emulator.Options{Records: 50, Faults: "exclusive-since"})
	got, _ := exclusive.all("Leads?fields=id&converted=both", "If-Modified-Since", middle)
	require.Less(t, len(got), len(want))
	for _, text := range []string{"2024-01-01", "2024-01-01T00:00:00", "2024-01-01T00:00:00.5Z", "2024-01-01T00:00:00.000Z", "Mon, 02 Jan 2006 15:04:05 GMT"} {
		require.Equal(t, "INVALID_DATA", code(t, a.get(leads, "If-Modified-Since", text)), text)
	}
}

func TestCOQL(t *testing.T) {
	a := faulty(t, "")
	require.Equal(t, "MANDATORY_NOT_FOUND", code(t, a.post("/crm/v8/coql", `{}`)))
	require.Equal(t, "INVALID_DATA", code(t, a.post("/crm/v8/coql", `[`)))
	require.Equal(t, http.StatusUnsupportedMediaType, a.Ask(http.MethodPost, mount+"/crm/v8/coql", `{}`, "Authorization", a.auth()).Status)
	r := a.post("/crm/v8/coql", `{"select_query":"select Last_Name from Leads where id is not null limit 3"}`)
	require.Equal(t, http.StatusOK, r.Status, r.Body)
	var out list
	require.NoError(t, json.Unmarshal([]byte(r.Body), &out))
	require.Len(t, out.Data, 3)
}

// TestPagingErrors: the numbers are the vendor's, and smaller by faults.
func TestPagingErrors(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 300, Faults: "discrete:0.1,ceiling:0.0025"}) // 200 and 250
	const path = "Leads?fields=id&converted=both&per_page=100"
	page := a.list(path + "&page=2")
	require.True(t, page.Info.More)
	require.Equal(t, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", code(t, a.get(path+"&page=3")))
	third := a.list(path + "&page_token=" + page.Info.Next)
	require.True(t, third.Info.More || len(third.Data) == 100)
	require.Equal(t, "AMBIGUITY_DURING_PROCESSING", code(t, a.get(path+"&page=2&page_token="+page.Info.Next)))
	require.Equal(t, "TOKEN_BOUND_DATA_MISMATCH", code(t, a.get("Leads?fields=id,Last_Name&converted=both&per_page=100&page_token="+page.Info.Next)))
	require.Equal(t, "TOKEN_BOUND_DATA_MISMATCH", code(t, a.get(path+"&page_token="+page.Info.Next, "If-Modified-Since", "2020-01-01T00:00:00Z")))
}

// TestWrapped: errors of deleted records are wrapped, or flat by a fault.
func TestWrapped(t *testing.T) {
	r := faulty(t, "").get("Leads/deleted?type=nope")
	require.Equal(t, http.StatusBadRequest, r.Status)
	require.True(t, strings.HasPrefix(r.Body, `{"data":[{"code":"PATTERN_NOT_MATCHED"`), r.Body)
	require.Equal(t, "PATTERN_NOT_MATCHED", code(t, faulty(t, "flat-deleted").get("Leads/deleted?type=nope")))
}

// TestFaultsOfTheData: each switch of the data is a fault.
func TestFaultsOfTheData(t *testing.T) {
	require.Subset(t, emulator.KnownFaults(), data.Switches())
}

func TestRefuse(t *testing.T) {
	for fault, want := range map[string]string{"401": "INVALID_TOKEN", "403": "NO_PERMISSION", "404": "INVALID_URL_PATTERN", "429": "TOO_MANY_REQUESTS"} {
		r := faulty(t, fault+"@leads").get(leads)
		require.Equal(t, want, code(t, r), fault)
		require.Equal(t, fault == "429", r.Header.Get("Retry-After") != "", fault)
	}
}

func TestConfig(t *testing.T) {
	a := faulty(t, "")
	config, err := a.Server.Config(source, standintest.Origin)
	require.NoError(t, err)
	require.Equal(t, []string{"accounts_url", "api_url", "client_id", "client_secret", "refresh_token", "source", "start_date"}, keys(config))
	require.Equal(t, mount, config["api_url"])
	require.Equal(t, mount, config["accounts_url"])
	_, err = time.Parse(time.RFC3339, config["start_date"].(string))
	require.NoError(t, err)
	_, err = url.Parse(config["accounts_url"].(string))
	require.NoError(t, err)
}

func keys(m map[string]any) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
