package exactonline

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/standintest"
)

// pathOf is the path of a set in a division, with the parameters without which
// its family refuses to answer.
func pathOf(set *edm.Set, division int) string {
	path := strings.Replace(set.Path, "{division}", fmt.Sprint(division), 1)
	var names []string
	for _, p := range set.Properties() {
		names = append(names, p.Name)
	}
	switch set.Variant {
	case edm.Sync:
		return path + "?$filter=Timestamp gt 1&$select=" + strings.Join(names, ",")
	case edm.Bulk:
		return path + "?$select=" + strings.Join(names, ",")
	case edm.Single, edm.Read:
	}
	return path
}

var wireDate = regexp.MustCompile(`^/Date\(-?\d+\)/$`)

// TestEverySet asks for each of the 375 sets in both companies: 200 and JSON
// of the right shape, but for the scope that is lacking. What comes is the
// truth.
func TestEverySet(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 61})
	sets := edm.Sets()
	require.Len(t, sets, 375)
	refused, rows := 0, 0
	for k := range sets {
		set := &sets[k]
		divisions := []int{0}
		if set.Scoped() {
			divisions = []int{first, second}
		}
		got := 0
		for _, division := range divisions {
			path := pathOf(set, division)
			if set.Scope == lacking {
				require.Equal(t, http.StatusForbidden, a.get(path).Status, path)
				require.Empty(t, a.Truth(set.Name), "the truth is what can be read")
				require.False(t, set.Selected)
				refused++
				continue
			}
			list, _ := a.all(path)
			for _, row := range list {
				for _, key := range set.Key {
					if row[key] == nil {
						t.Fatalf("%s: no %s", set.Name, key)
					}
				}
				for name, value := range row {
					if text, ok := value.(string); ok && strings.HasPrefix(text, "/Date(") && !wireDate.MatchString(text) {
						t.Fatalf("%s: %s is %s", set.Name, name, text)
					}
				}
			}
			got += len(list)
		}
		rows += got
		if set.Scope != lacking && set.Name != "system_divisions" {
			require.Len(t, a.Truth(set.Name), got, set.Name)
		}
	}
	require.Equal(t, 2*6, refused)
	require.Positive(t, rows)
	require.Positive(t, a.service.Rows())
}

// TestRoutes: each path names its stream, in any case of the service.
func TestRoutes(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	sets := edm.Sets()
	for k := range sets {
		path := "/api/v1/" + strings.Replace(sets[k].Path, "{division}", "812345", 1)
		require.Equal(t, sets[k].Name, a.service.Resource(path))
		at := strings.LastIndexByte(path, '/')
		upper := "/api/v1" + strings.ToUpper(path[len("/api/v1"):at]) + path[at:]
		require.Equal(t, sets[k].Name, a.service.Resource(upper), upper)
		require.Equal(t, "unknown", a.service.Resource(path[:at]+strings.ToLower(path[at:])), path)
	}
	for path, want := range map[string]string{
		"/api/oauth2/token":                              "token",
		"/api/oauth2/auth":                               "authorize",
		"/docs/login.aspx":                               "login",
		"/api/v1/812345/read/sync/Sync/SyncTimestamp":    "sync_timestamp",
		"/api/v1/812345/users/UserHasRights":             "user_has_rights",
		"/api/v1/812345/users/Users":                     "users_users",
		"/api/v1/crm/Accounts":                           "unknown",
		"/api/v1/812345/current/Me":                      "unknown",
		"/api/v2/812345/crm/Accounts":                    "unknown",
		"/api/v1/":                                       "unknown",
		"/api/v1/beta":                                   "unknown",
		"/":                                              "unknown",
		"/api/v1/-1/crm/Accounts":                        "unknown",
		"/api/v1/812345/crm/Accounts/":                   "unknown",
		"/api/v1/812345/crm/Accounts(guid'00')/Contacts": "unknown",
	} {
		require.Equal(t, want, a.service.Resource(path), path)
	}
}

func TestPaths(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	require.Equal(t, http.StatusOK, a.get("812345/CRM/AccountClasses").Status)
	for _, path := range []string{"812345/hrm/CostCenters", "812345/crm/accountclasses", "812345/nope/Nope", "nope"} {
		r := a.get(path)
		require.Equal(t, http.StatusNotFound, r.Status, path)
		require.Equal(t, "text/html; charset=utf-8", r.Header.Get("Content-Type"), path)
		require.Contains(t, r.Body, "<html", path)
	}
	require.Equal(t, http.StatusOK, a.get("812345/hrm/Costcenters").Status)
	require.Equal(t, http.StatusNotFound, a.get(mount+"/api/v2/"+classes).Status)
	require.Equal(t, http.StatusNotFound, a.get(classes+"?$select="+strings.Repeat("x", 6000)).Status)
	require.Equal(t, http.StatusMethodNotAllowed, a.Ask(http.MethodPost, mount+"/api/v1/"+classes, "{}",
		"Authorization", "Bearer "+a.token, "Accept", "application/json").Status)
	require.Equal(t, http.StatusBadRequest, a.get(mount+"/api/v1/"+classes+"?$filter=%zz").Status)
}

func TestAccept(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	ask := func(headers ...string) reply {
		return a.Ask(http.MethodGet, mount+"/api/v1/"+classes, "", append(headers, "Authorization", "Bearer "+a.token)...)
	}
	for _, accept := range []string{"application/json", "application/json;odata=verbose", "text/html, application/json;q=0.5", "application/xml, application/json"} {
		r := ask("Accept", accept)
		require.Equal(t, http.StatusOK, r.Status, accept)
		require.True(t, json.Valid([]byte(r.Body)), accept)
		require.Equal(t, "application/json; charset=utf-8", r.Header.Get("Content-Type"))
	}
	for _, headers := range [][]string{nil, {"Accept", "*/*"}, {"Accept", "application/atom+xml"}, {"Accept", "application/xml, application/atom+xml"}} {
		r := ask(headers...)
		require.Equal(t, http.StatusOK, r.Status, headers)
		require.Equal(t, "application/atom+xml;type=feed;charset=utf-8", r.Header.Get("Content-Type"))
		var feed struct {
			XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
			ID      string   `xml:"id"`
		}
		require.NoError(t, xml.Unmarshal([]byte(r.Body), &feed))
		require.Equal(t, mount+"/api/v1/"+classes, feed.ID)
	}
	for _, accept := range []string{"application/xml", "text/xml", "text/html", "nonsense"} {
		r := ask("Accept", accept)
		require.Equal(t, http.StatusUnsupportedMediaType, r.Status, accept)
		message(t, r)
	}
}

func TestRefusalEnvelope(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	r := a.get(classes + "?$select=Nope")
	require.Equal(t, http.StatusBadRequest, r.Status)
	require.True(t, strings.HasPrefix(r.Body, "{\r\n\"error\": {\r\n\"code\": \"\", \"message\": {\r\n\"lang\": \"\", \"value\": \""), r.Body)
	require.Contains(t, message(t, r), "'Nope'")
}

func TestDivisions(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	for division, reason := range map[int]string{
		1: "NoDivisionAccess", ungranted: "NoDivisionAccess",
		inactive: "DivisionBlocked", archived: "DivisionBlocked", blocked: "DivisionBlocked",
	} {
		for _, path := range []string{classesOf(division), fmt.Sprintf("%d/users/UserHasRights?endpoint='crm/Accounts'&action='GET'", division)} {
			r := a.get(path)
			require.Equal(t, http.StatusForbidden, r.Status, path)
			require.Equal(t, reason, r.Header.Get("Reason"), path)
			require.Equal(t, "Forbidden", message(t, r))
		}
		list, _ := a.list(fmt.Sprintf("%d/system/Divisions", division))
		var codes []int
		for _, row := range list {
			codes = append(codes, int(row["Code"].(float64)))
		}
		slices.Sort(codes)
		require.Equal(t, []int{first, second, inactive, archived, blocked}, codes, "the number in the path does not count, the consent does")
	}
	me, _ := a.list("current/Me")
	require.Len(t, me, 1)
	require.InDelta(t, first, me[0]["CurrentDivision"], 0)
}

func TestScopes(t *testing.T) {
	a := newAPI(t, emulator.Options{Faults: "noscope@crm_account_classes,noscope@budget_budgets/813456,noscope@sync_project_projects"})
	for path, scope := range map[string]string{
		"812345/mailbox/MailMessages":  "communication.mailboxes",
		classes:                        "crm.accountclasses", // the scope is not known
		"813456/budget/Budgets":        "financial.budgets",
		"812345/sync/Project/Projects": "projects.projects",
		"812345/read/sync/Sync/SyncTimestamp?modified=datetime'2024-01-01'&endPoint='Projects'": "projects.projects",
	} {
		r := a.get(path)
		require.Equal(t, http.StatusForbidden, r.Status, path)
		require.Equal(t, "Forbidden - Application Scope Violated. Cannot read '"+scope+"' scope.", message(t, r))
	}
	require.Equal(t, http.StatusForbidden, a.get(classesOf(second)).Status)
	require.Equal(t, http.StatusOK, a.get("812345/budget/Budgets").Status, "one company alone is refused")
	require.Equal(t, "financial.receivables", scopeOf(&edm.Set{Scope: "Financial receivables financial payables"}))
}

// TestRights: a right that is lacking shows in UserHasRights alone.
func TestRights(t *testing.T) {
	a := newAPI(t, emulator.Options{Faults: "noright@crm_account_classes/812345,noright@sync_crm_accounts"})
	has := func(division int, endpoint, action string) string {
		r := a.get(fmt.Sprintf("%d/users/UserHasRights?endpoint='%s'&action='%s'", division, endpoint, action))
		require.Equal(t, http.StatusOK, r.Status)
		return r.Body
	}
	const yes, no = `{"d":{"UserHasRights":true}}`, `{"d":{"UserHasRights":false}}`
	require.Equal(t, yes, has(first, "Logistics/Items", "GET"))
	require.Equal(t, yes, has(first, "logistics/Items", "get"))
	require.Equal(t, yes, has(first, "current/Me", "GET"))
	require.Equal(t, no, has(first, "Logistics/Items", "POST"))
	require.Equal(t, no, has(first, "Logistics/Nope", "GET"))
	require.Equal(t, no, has(first, "webhooks/WebhookSubscriptions", "GET"))
	require.Equal(t, no, has(first, "crm/AccountClasses", "GET"))
	require.Equal(t, yes, has(second, "crm/AccountClasses", "GET"))
	require.Equal(t, no, has(second, "sync/CRM/Accounts", "GET"))
	for _, query := range []string{"", "?endpoint='crm/Accounts'", "?endpoint=crm/Accounts&action='GET'", "?endpoint='crm/Accounts'&action='EAT'"} {
		require.Equal(t, http.StatusBadRequest, a.get("812345/users/UserHasRights"+query).Status, query)
	}

	require.Equal(t, `{"d":{"results":[]}}`, a.get("812345/webhooks/WebhookSubscriptions").Body)
	require.Empty(t, a.Truth("webhooks_webhook_subscriptions"))
	require.Equal(t, `{"d":{"results":[]}}`, a.get(classes).Body)
	require.Equal(t, `{"d":[]}`, a.get(classes+"?$top=1").Body)
	list, _ := a.list(classesOf(second))
	require.NotEmpty(t, list)
	require.Equal(t, `{"d":{"results":[]}}`, a.get("813456/sync/CRM/Accounts?$filter=Timestamp gt 1&$select=ID").Body)
	require.Equal(t, http.StatusBadRequest, a.get("813456/sync/CRM/Accounts").Status, "faults are told all the same")
}

func TestNoRows(t *testing.T) {
	a := newAPI(t, emulator.Options{Faults: "norows"})
	require.Equal(t, `{"d":{"results":[]}}`, a.get(classes).Body)
	require.Empty(t, a.Truth("crm_account_classes"))
	for _, path := range []string{"current/Me", "812345/system/Divisions"} {
		list, _ := a.list(path)
		require.NotEmpty(t, list, path)
	}
	require.Contains(t, newAPI(t, emulator.Options{Faults: "norows@sync_project_projects"}).get(classes).Body, "__metadata")
}

func TestMandatory(t *testing.T) {
	require.Equal(t, http.StatusOK, newAPI(t, emulator.Options{}).get("812345/crm/Accounts").Status)
	a := newAPI(t, emulator.Options{Faults: "mandatory"})
	r := a.get("812345/crm/Accounts")
	require.Equal(t, http.StatusBadRequest, r.Status)
	require.Contains(t, message(t, r), "This endpoint has mandatory filtering applied.")
	require.Equal(t, http.StatusOK, a.get("812345/crm/Accounts?$filter=Modified ge datetime'2020-01-01T00:00:00'").Status)
}

// TestPages: what a test is told of a page as it goes out.
func TestPages(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 130})
	var pages []emulator.Page
	a.Server.OnPage(func(p emulator.Page) { pages = append(pages, p) })
	rows, n := a.all("812345/financial/GLAccounts?$select=ID,Code&$orderby=Modified")
	require.Len(t, rows, 130)
	require.Equal(t, 3, n)
	require.Len(t, pages, 3)
	k := 0
	for i, p := range pages {
		require.Equal(t, "exact_online", p.Source)
		require.Equal(t, "financial_gl_accounts", p.Resource)
		require.EqualValues(t, i+1, p.Number)
		require.Equal(t, "ID,Code", p.Query.Get("$select"))
		for _, id := range p.IDs {
			require.Equal(t, string(id), rows[k]["ID"])
			k++
		}
	}
	require.Equal(t, 130, k)
	stats, err := a.Server.Stats(Plugin.Name)
	require.NoError(t, err)
	require.EqualValues(t, 130, stats.Rows)
	require.EqualValues(t, 3, stats.ByResource["financial_gl_accounts"])
	require.EqualValues(t, 1, stats.ByResource["token"])
}

func TestManyLinks(t *testing.T) {
	var p pageNumbers
	for k := range maxLinks + 1 {
		p.expect("/", url.Values{"$skiptoken": {fmt.Sprint(k)}}, int64(k))
	}
	require.EqualValues(t, maxLinks, p.number("/", url.Values{"$skiptoken": {fmt.Sprint(maxLinks)}}))
	require.EqualValues(t, 0, p.number("/", url.Values{"$skiptoken": {"1"}}), "forgotten")
	require.EqualValues(t, 1, p.number("/", nil))
}

func TestSyncTimestamp(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	ask := func(query string) reply { return a.get("812345/read/sync/Sync/SyncTimestamp" + query) }
	rows, _ := a.all("812345/sync/Project/Projects?$filter=Timestamp gt 1&$select=Timestamp,Modified")
	r := ask("?modified=datetime'2000-01-01T00:00:00'&endPoint='Projects'")
	require.Equal(t, http.StatusOK, r.Status, r.Body)
	var out struct {
		D struct {
			API               string
			Modified          string
			TimeStampAsBigInt string
		} `json:"d"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.Body), &out))
	require.Equal(t, "Projects", out.D.API)
	require.Equal(t, "/Date(946684800000)/", out.D.Modified)
	require.Equal(t, rows[0]["Timestamp"], out.D.TimeStampAsBigInt)
	require.JSONEq(t, `{"d":{"results":[]}}`, ask("?modified=datetime'2999-01-01'&endPoint='Projects'").Body)
	for _, query := range []string{
		"", "?endPoint='Projects'", "?modified=datetime'2024-01-01'", "?modified='2024-01-01'&endPoint='Projects'",
		"?modified=datetime'soon'&endPoint='Projects'", "?modified=datetime'2024-01-01'&endPoint=Projects",
		"?modified=datetime'2024-01-01'&endPoint='Accounts'",
	} {
		require.Equal(t, http.StatusBadRequest, ask(query).Status, query)
	}
	for name, stream := range endPoints {
		require.NotNil(t, edm.Find(stream), name)
		require.True(t, strings.HasSuffix(edm.Find(stream).Path, "/"+name), name)
		require.Equal(t, http.StatusOK, ask("?modified=datetime'2000-01-01'&endPoint='"+name+"'").Status)
	}
	require.Len(t, endPoints, 24)
}

func TestRefuse(t *testing.T) {
	for fault, status := range map[string]int{"401": 401, "403": 403, "404": 404, "429": 429} {
		a := newAPI(t, emulator.Options{Faults: fault + "@crm_account_classes"})
		require.Equal(t, status, a.get(classes).Status)
		require.Equal(t, http.StatusOK, a.get("812345/budget/Budgets").Status)
	}
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{Faults: "429=1@crm_account_classes"})
		r := a.get(classes)
		require.Empty(t, r.Body)
		require.Equal(t, "0", r.Header.Get("X-RateLimit-Minutely-Remaining"))
		require.Equal(t, millis(time.Now().Add(2*time.Second)), r.Header.Get("X-RateLimit-Minutely-Reset"))
		require.Equal(t, "2", r.Header.Get("Retry-After"))
		require.Equal(t, "Forbidden", message(t, standintest.Reply{Body: string(a.service.Refuse(403, 0).Body)}))
	})
}

func TestMangle(t *testing.T) {
	const path = "812345/financial/GLAccounts?$select=ID"
	spoiled := func(fault, path string) string {
		r := newAPI(t, emulator.Options{Faults: fault}).get(path)
		require.Equal(t, http.StatusOK, r.Status)
		require.True(t, json.Valid([]byte(r.Body)), r.Body)
		return r.Body
	}
	require.Contains(t, spoiled("deep", path), `{"d":{"results":[{"c_deep":`+strings.Repeat("[", 200)+"]")
	require.Contains(t, spoiled("deep", path+"&$top=1"), `{"d":[{"c_deep":[`)
	require.Equal(t, 2, strings.Count(spoiled("dup", path+"&$top=1"), `"ID":`))
	for _, p := range []string{path, "812345/crm/AccountClasses"} { // with a next link, and without
		body := spoiled("next-self", p)
		require.Contains(t, body, `"__next":"`+mount+"/api/v1/"+p+`"`)
		require.Equal(t, 1, strings.Count(body, `"__next"`))
		require.Contains(t, spoiled("next-foreign", p), `"__next":"http://start.exactonline.example.net/exact_online/api/v1/`)
	}
	a := newAPI(t, emulator.Options{})
	require.Equal(t, "x", string(a.service.Mangle("next-self", &http.Request{URL: &url.URL{}}, []byte("x"))))
	require.Equal(t, "x", string(a.service.Mangle("deep", nil, []byte("x"))))
	require.Equal(t, "x", string(a.service.Mangle("other", nil, []byte("x"))))
}

// TestConfig: the config works as it is, and the shape of its values is that of
// the contract.
func TestConfig(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	config, err := a.Server.Config(Plugin.Name, standintest.Origin)
	require.NoError(t, err)
	require.Equal(t, mount, config["api_url"])
	require.ElementsMatch(t, []string{"source", "api_url", "client_id", "client_secret", "refresh_token", "redirect_uri", "start_date"},
		slices.Collect(func(yield func(string) bool) {
			for k := range config {
				if !yield(k) {
					return
				}
			}
		}))
	start, err := time.Parse(time.RFC3339, config["start_date"].(string))
	require.NoError(t, err)
	require.True(t, start.Before(time.Now()))
}

func TestUnknownStream(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	var b strings.Builder
	require.Error(t, a.Server.Truth(&b, Plugin.Name, "nope"))
}
