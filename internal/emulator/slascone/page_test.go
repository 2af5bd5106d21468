package slascone

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// licensePage asks a page and returns its ids.
func (a *api) licensePage(n, size int, more string) ([]string, int) {
	a.Helper()
	p := a.page("licenses/filtered", fmt.Sprintf(`{"page_size":%d,"page":%d%s}`, size, n, more))
	require.NotNil(a, p.Licenses)
	return ids(p.Licenses), p.MaxCount
}

// safeLoop reads as the dossier advises: pages 1, 2, 3… until a short one, then
// page 0 if ids are missing.
func (a *api) safeLoop(size int) (distinct, calls, total int) {
	a.Helper()
	seen := make(map[string]bool)
	for n := 1; n < 100; n++ {
		page, most := a.licensePage(n, size, "")
		calls, total = calls+1, most
		for _, id := range page {
			seen[id] = true
		}
		if len(page) < size {
			break
		}
	}
	if len(seen) < total {
		page, _ := a.licensePage(0, size, "")
		calls++
		for _, id := range page {
			seen[id] = true
		}
	}
	return len(seen), calls, total
}

// The base of pages can be 0 or 1: the safe loop is right for both.
func TestPageBase(t *testing.T) {
	for _, zero := range []bool{false, true} {
		for _, size := range []int{7, 20, 60, 100} {
			a := newAPI(t, emulator.Options{Records: 60})
			if zero {
				a.turn("page-zero", -1)
			}
			distinct, calls, total := a.safeLoop(size)
			require.Equal(t, 60, distinct, "zero %t, size %d", zero, size)
			require.Equal(t, 60, total)
			require.LessOrEqual(t, calls, 60/size+2)
		}
	}
	a := newAPI(t, emulator.Options{Records: 60})
	require.Equal(t, 500, a.post("licenses/filtered", `{"page_size":10,"page":0}`).Status)
	first, _ := a.licensePage(1, 10, "")
	without := ids(a.page("licenses/filtered", `{"page_size":10}`).Licenses)
	require.Equal(t, first, without, "without a page it is the first")
	a.turn("page-zero-ok", -1)
	again, _ := a.licensePage(0, 10, "")
	require.Equal(t, first, again)
	a.turn("page-zero", -1)
	again, _ = a.licensePage(0, 10, "")
	require.Equal(t, first, again)
	past, _ := a.licensePage(99, 10, "")
	require.Empty(t, past)
}

// What else pages may do: be capped, refused, ignored, or empty without a size.
func TestPageSwitches(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 120})
	full, _ := a.licensePage(1, 100, "")
	require.Len(t, full, 100)
	a.turn("page-cap", -1)
	capped, total := a.licensePage(1, 100, "")
	require.Len(t, capped, 50)
	require.Equal(t, 120, total)
	next, _ := a.licensePage(2, 100, "")
	require.Equal(t, full[50:], next, "the next page begins where the capped one ended")
	a.turn("page-cap", 0)
	a.turn("page-refused", 0.08)
	require.Equal(t, 400, a.post("licenses/filtered", `{"page_size":100,"page":1}`).Status)
	require.Equal(t, 200, a.post("licenses/filtered", `{"page_size":80,"page":1}`).Status)
	a.turn("page-refused", 0)
	a.turn("page-ignored", -1)
	second, _ := a.licensePage(2, 100, "")
	require.Equal(t, full, second)
	a.turn("page-ignored", 0)
	a.turn("page-size-empty", -1)
	require.Empty(t, a.page("licenses/filtered", `{"page":1}`).Licenses)
	require.Equal(t, 400, a.post("licenses/filtered", `{"page_size":0}`).Status)
}

// detailed has the same rows in a bare array, without a total.
func TestDetailed(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60})
	flat, _ := a.licensePage(2, 25, "")
	rows := listIn(t, a.post("licenses/filtered/detailed", `{"page_size":25,"page":2}`).Body)
	require.Equal(t, flat, ids(rows))
	for _, member := range []string{"customer", "product", "template"} {
		require.NotNil(t, rows[0][member])
	}
	logs := rows[5]["mail_logs"].([]any) // the license 30
	require.Len(t, logs, 1)
	a.turn("detail-bare", -1)
	for _, row := range listIn(t, a.post("licenses/filtered/detailed", `{"page_size":60,"page":1}`).Body) {
		for _, member := range []string{"customer", "product", "template", "license_type", "mail_logs"} {
			require.Nil(t, row[member], member)
		}
		require.NotNil(t, row["license_features"])
	}
}

// Filters keep what they say, alone and together, with a total of their own.
func TestLicenseFilters(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60})
	all := a.Truth("license_overview")
	count := func(keep func(row object) bool) int {
		return len(slices.DeleteFunc(slices.Clone(all), func(row object) bool { return !keep(row) }))
	}
	tagged := func(row object) bool {
		list, _ := row["tag_assignments"].([]any)
		return slices.ContainsFunc(list, func(x any) bool { return x.(object)["tag_id"] == 7.0 })
	}
	for _, x := range []struct {
		filter string
		keep   func(row object) bool
	}{
		{`"is_active":true`, activeRow},
		{`"is_active":false`, inactiveRow},
		{`"is_active":null`, func(object) bool { return true }},
		{`"product_filter":"` + all[1]["product_id"].(string) + `"`, func(r object) bool { return r["product_id"] == all[1]["product_id"] }},
		{`"customer_filter":"` + all[4]["customer_id"].(string) + `"`, func(r object) bool { return r["customer_id"] == all[4]["customer_id"] }},
		{`"customer_number_filter":["K0000005","K0000007"]`, func(r object) bool { return r["customer_number"] == "K0000005" || r["customer_number"] == "K0000007" }},
		{`"template_filter":["` + all[9]["template_id"].(string) + `"]`, func(r object) bool { return r["template_id"] == all[9]["template_id"] }},
		{`"license_tag_filter":[7]`, tagged},
		{
			`"license_type_filter":["` + a.service.world.id(licenseType, 1).String() + `"]`,
			func(r object) bool { return r["license_type_name"] == "Trial" },
		},
		{
			`"customer_type_filter":["` + a.service.world.id(customerType, 2).String() + `"]`,
			func(r object) bool { return r["customer_type"] == "Öffentliche Hand" },
		},
		{`"key_search":"old-00001"`, func(r object) bool {
			s, _ := r["legacy_license_key"].(string)
			return len(s) > 9 && s[:9] == "OLD-00001"
		}},
		{`"is_active":true,"license_tag_filter":[7]`, func(r object) bool { return activeRow(r) && tagged(r) }},
	} {
		got, total := a.licensePage(1, 5, ","+x.filter)
		want := count(x.keep)
		require.Equal(t, want, total, x.filter)
		require.Positive(t, total, x.filter)
		require.Len(t, got, min(5, want), x.filter)
	}
	up, _ := a.licensePage(1, 60, `,"sort_order":false`)
	down, _ := a.licensePage(1, 60, `,"sort_order":true`)
	slices.Reverse(down)
	require.Equal(t, up, down)
	require.Equal(t, 30, a.page("licenses/filtered", `{"page_size":1}`).Owners)
	a.turn("active-only", -1)
	_, total := a.licensePage(1, 5, "")
	require.Equal(t, count(activeRow), total)
	_, total = a.licensePage(1, 5, `,"is_active":false`)
	require.Equal(t, count(inactiveRow), total)
	require.Len(t, a.Truth("licenses"), 60, "the others are there all the same")
}

// The order of pages may move on: rows come twice and others not at all, until
// they are asked again.
func TestOrderShifts(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60}, "order-shifts")
	seen := make(map[string]int)
	for n := 1; n <= 6; n++ {
		page, _ := a.licensePage(n, 10, "")
		for _, id := range page {
			seen[id]++
		}
	}
	require.Less(t, len(seen), 60)
	for n := 1; n <= 6; n++ {
		page, _ := a.licensePage(n, 10, "")
		for _, id := range page {
			seen[id]++
		}
	}
	require.Len(t, seen, 60)
	a.turn("order-shifts", 0)
	a.service.Reset()
	require.NoError(t, a.service.SwitchFor("order-shifts", 1))
	one, _ := a.licensePage(1, 10, "")
	two, _ := a.licensePage(2, 10, "")
	three, _ := a.licensePage(3, 10, "")
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(slices.Concat(one, two, three)))), 30)
	require.Error(t, a.service.SwitchFor("page-zero", 1))
	require.Error(t, a.service.Switch("no-such", -1))
}

// newest-first is an order in which a change moves a row.
func TestNewestFirst(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60}, "newest-first")
	before, _ := a.licensePage(1, 60, "")
	last := before[59]
	a.Change(emulator.Change{Stream: "licenses", IDs: []emulator.ID{emulator.ID(last)}})
	after, _ := a.licensePage(1, 60, "")
	require.Equal(t, last, after[0])
	require.Equal(t, before[:59], after[1:])
}

// Customers and resellers have pages too, with their own filters.
func TestPeoplePages(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60})
	p := a.page("customers/filtered", `{}`)
	require.Len(t, p.Customers, defaultPage)
	require.Equal(t, 60, p.MaxCount)
	require.Len(t, a.page("customers/filtered", `{"page":3,"page_size":25}`).Customers, 10)
	require.Len(t, a.page("resellers/filtered", `{"page_size":2,"page":2}`).Resellers, 1)
	found := a.page("customers/filtered", `{"search_text":"acme gmbh","page_size":50}`)
	require.Positive(t, found.MaxCount)
	require.Len(t, found.Customers, found.MaxCount)
	require.Len(t, a.list("customers?name=Acme%20GmbH"), 1)
	require.Equal(t, 400, a.post("customers/filtered", `{"sort_type":4}`).Status)
	require.Equal(t, 400, a.post("customers/filtered", `{"key_search":"x"}`).Status)
}

// Assignments come whole without parameters; by switch they do not.
func TestAssignmentPages(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60})
	path := "licenses/" + a.license(manyTokens) + "/assignments"
	all := a.list(path)
	require.Len(t, all, 60)
	require.Equal(t, ids(all[20:30]), ids(a.list(path+"?page=3&page_size=10")))
	require.Equal(t, 500, a.get(path+"?page=0&page_size=10").Status)
	require.Empty(t, a.list(path+"?page=9&page_size=10"))
	free := slices.ContainsFunc(all, func(row object) bool { on, _ := row["activated"].(bool); return !on && row["client_id"] == nil })
	require.True(t, free, "unassigned tokens are listed")
	require.Nil(t, all[0]["device_analytical_heartbeats"], "only if asked for")
	a.turn("assignments-paged", -1)
	require.Len(t, a.list(path), assignedPage)
	require.Len(t, a.list(path+"?page=3"), 10)
	a.turn("page-zero", -1)
	require.Equal(t, ids(all[:10]), ids(a.list(path+"?page=0&page_size=10")))
	a.turn("assigned-only", -1)
	for _, row := range a.Truth("license_assignments") {
		require.Equal(t, true, row["activated"])
	}
	one := a.list("licenses/" + a.license(1) + "/assignments?version_number=nothing")
	require.Empty(t, one)
}

// Pages are told to whoever watches: number, count, ids and what was asked.
func TestPageHook(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60})
	var seen []emulator.Page
	a.Server.OnPage(func(p emulator.Page) { seen = append(seen, p) })
	got, _ := a.licensePage(2, 25, "")
	a.get("products")
	a.get("licenses/" + a.license(2) + "/tags")
	a.Server.OnPage(nil)
	require.Len(t, seen, 3)
	p := seen[0]
	require.Equal(t, "license_overview", p.Resource)
	require.EqualValues(t, 2, p.Number)
	require.EqualValues(t, 60, p.Count)
	require.Len(t, p.IDs, 25)
	require.Equal(t, got[0], string(p.IDs[0]))
	require.Equal(t, "2", p.Query.Get("page"))
	require.Equal(t, "products", seen[1].Resource)
	text, err := json.Marshal(seen[2].IDs)
	require.NoError(t, err)
	require.JSONEq(t, `[1,7,12]`, string(text))
}

// With moving a row of each page changes after it was read.
func TestMoving(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60, Faults: "moving:1@license_overview"})
	before := a.Truth("licenses")
	page, _ := a.licensePage(1, 10, "")
	after := a.Truth("licenses")
	moved := 0
	for k := range before {
		if before[k]["modified_date_utc"] != after[k]["modified_date_utc"] {
			moved++
			require.Contains(t, page, before[k]["id"])
		}
	}
	require.Equal(t, 1, moved)
}

func activeRow(r object) bool   { on, _ := r["is_active"].(bool); return on }
func inactiveRow(r object) bool { return !activeRow(r) }
