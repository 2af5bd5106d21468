package slascone

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

var (
	uuidForm    = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	instantForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,7})?(Z|[+-][0-9]{2}:[0-9]{2})$`)
)

// conforms holds an object against its model: exactly its members, of its types.
func conforms(t *testing.T, name string, got object, injected ...string) {
	t.Helper()
	all, err := models()
	require.NoError(t, err)
	m := all[name]
	var want []string
	for _, x := range m.members {
		want = append(want, x.name)
		v, ok := got[x.name]
		require.True(t, ok, "%s.%s is absent", name, x.name)
		if v == nil {
			require.True(t, x.nullable, "%s.%s is null", name, x.name)
			continue
		}
		at := name + "." + x.name
		switch x.kind {
		case textType:
			require.IsType(t, "", v, at)
		case uuidType:
			require.Regexp(t, uuidForm, v, at)
		case timeType:
			require.Regexp(t, instantForm, v, at)
		case intType, numberType:
			require.IsType(t, 0.0, v, at)
			if x.values != nil {
				require.Contains(t, x.values, fmt.Sprint(v), at)
			}
		case boolType:
			require.IsType(t, true, v, at)
		case objectType:
			conforms(t, x.of, v.(object))
		case arrayType:
			for _, item := range v.([]any) {
				if x.of == "text" {
					require.IsType(t, "", item, at)
				} else {
					conforms(t, x.of, item.(object))
				}
			}
		}
	}
	for member := range got {
		require.Contains(t, append(want, injected...), member, name)
	}
}

// Every stream has rows, of the members and types of its model.
func TestStreams(t *testing.T) {
	require.Len(t, streams, 44)
	a := newAPI(t, emulator.Options{Records: 30})
	for name, v := range streams {
		rows := a.Truth(name)
		require.NotEmpty(t, rows, name)
		for _, row := range rows {
			if v.model != "" {
				conforms(t, v.model, row, v.inject)
			}
			if v.inject != "" {
				require.Regexp(t, uuidForm, row[v.inject], name)
			}
		}
	}
}

// What lists give is what the truth tells.
func TestListsAreTrue(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 30})
	same := func(name string, got, want []object) {
		t.Helper()
		if inject := streams[name].inject; inject != "" {
			for _, row := range want {
				delete(row, inject)
			}
		}
		require.Equal(t, want, got, name)
	}
	for name, path := range map[string]string{
		"products": "products", "templates": "templates", "customers": "customers", "customers_light": "customers/light",
		"customer_types": "customers/types", "license_types": "licenses/types", "license_bundles": "licensebundles", "resellers": "resellers",
		"reseller_types": "resellers/types", "custom_lists": "administration/customlist", "user_email_templates": "notifications/useremailtemplates",
	} {
		same(name, a.list(path), a.Truth(name))
	}
	below := func(parents, name string, path func(id string) string) {
		t.Helper()
		var got []object
		for _, p := range a.Truth(parents) {
			got = append(got, a.list(path(p["id"].(string)))...)
		}
		same(name, got, a.Truth(name))
	}
	for name, path := range map[string]string{
		"product_features": "features", "product_limitations": "limitations", "product_variables": "variables",
		"product_constrained_variables": "constrained_variables", "product_analytical_fields": "analytical_fields",
		"product_usage_features": "usage_features", "product_usage_modules": "usage_modules",
		"software_release_limitations": "software_release_limitations", "software_shipment_properties": "software_shipment_properties",
		"product_email_templates": "email_templates", "product_history": "history",
	} {
		below("products", name, func(id string) string { return "products/" + id + "/" + path })
	}
	for name, path := range map[string]string{
		"license_assignments": "assignments?include_analytical_heartbeats=true", "license_users": "users", "license_user_groups": "usergroups",
		"license_tags": "tags", "license_history": "history", "license_open_sessions": "opensessions",
	} {
		below("licenses", name, func(id string) string { return "licenses/" + id + "/" + path })
	}
	below("templates", "template_history", func(id string) string { return "templates/" + id + "/history" })
	below("customers", "customer_contacts", func(id string) string { return "customers/" + id + "/contacts" })
	below("customers", "customer_tags", func(id string) string { return "customers/" + id + "/tags" })
	below("license_bundles", "license_bundle_history", func(id string) string { return "licensebundles/" + id + "/history" })
	below("resellers", "reseller_contacts", func(id string) string { return "resellers/" + id + "/contacts" })
	below("resellers", "reseller_templates", func(id string) string { return "resellers/" + id + "/templates" })
	var shipments, beats, analytical []object
	for _, r := range a.Truth("software_release_limitations") {
		path := "products/" + r["product_id"].(string) + "/software_release_limitations/" + r["id"].(string) + "/software_shipments"
		shipments = append(shipments, a.list(path)...)
	}
	same("software_shipments", shipments, a.Truth("software_shipments"))
	for _, l := range a.Truth("licenses") {
		for _, x := range a.list("licenses/" + l["id"].(string) + "/assignments?include_analytical_heartbeats=true") {
			if info, ok := x["heartbeat_info"].(object); ok {
				beats = append(beats, info)
			}
			for _, h := range x["device_analytical_heartbeats"].([]any) {
				analytical = append(analytical, h.(object))
			}
		}
	}
	same("assignment_heartbeats", beats, a.Truth("assignment_heartbeats"))
	same("analytical_heartbeats", analytical, a.Truth("analytical_heartbeats"))
	same("licenses", listIn(t, a.post("licenses/filtered/detailed", `{"page_size":100,"page":1}`).Body), a.Truth("licenses"))
	same("license_overview", a.page("licenses/filtered", `{"page_size":100}`).Licenses, a.Truth("license_overview"))
	same("customers", a.page("customers/filtered", `{"page_size":100}`).Customers, a.Truth("customers"))
	same("resellers", a.page("resellers/filtered", `{"page_size":100}`).Resellers, a.Truth("resellers"))
}

// The keys of every stream are unique, those that the tap fills in included.
func TestKeys(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 120})
	keys := map[string][]string{
		"customer_tags": {"customer_id", "tag_id"}, "license_tags": {"license_id", "tag_id"}, "license_users": {"license_id", "user_id"},
		"assignment_heartbeats": {"device_license_assignment_id"}, "reseller_templates": {"reseller_id", "template_id"},
		"analytical_heartbeats": {"license_assignment_id", "analytical_field_id", "transaction_id"},
		"consumption_balances":  {"license_id", "limitation_id", "assignment_id"}, "slascone_license_info": {"isv_id"},
		"license_seats": {"product_id"}, "license_floating_tokens": {"license_id"},
	}
	for name := range streams {
		seen := make(map[string]bool)
		for _, row := range a.Truth(name) {
			key := ""
			for _, member := range keyOr(keys[name]) {
				require.NotNil(t, row[member], "%s.%s", name, member)
				key += fmt.Sprint(row[member], "|")
			}
			require.False(t, seen[key], "%s: %s twice", name, key)
			seen[key] = true
		}
	}
}

func keyOr(key []string) []string {
	if key == nil {
		return []string{"id"}
	}
	return key
}

// Children name parents that there are.
func TestRelations(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60})
	have := make(map[string]map[string]bool)
	for stream, member := range map[string]string{
		"products": "product_id", "customers": "customer_id", "templates": "template_id", "licenses": "license_id", "resellers": "reseller_id",
		"license_types": "license_type_id", "reseller_types": "reseller_type_id", "custom_lists": "custom_list_id",
		"software_release_limitations": "software_release_limitation_id", "product_limitations": "limitation_id",
		"product_analytical_fields": "analytical_field_id", "license_user_groups": "license_user_group_id",
		"license_assignments": "assignment_id", "license_bundles": "license_bundle_id",
	} {
		have[member] = make(map[string]bool)
		for _, id := range ids(a.Truth(stream)) {
			have[member][id] = true
		}
	}
	have["license_assignment_id"], have["device_license_assignment_id"] = have["assignment_id"], have["assignment_id"]
	have["minimum_software_release_id"], have["device_license_id"] = have["software_release_limitation_id"], have["license_id"]
	for name := range streams {
		for _, row := range a.Truth(name) {
			for member, parents := range have {
				if id, ok := row[member].(string); ok && id != nobodysID.String() {
					require.True(t, parents[id], "%s.%s %s", name, member, id)
				}
			}
		}
	}
}

// The odd values of the dossier are there.
func TestOddValues(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	digits := make(map[int]int)
	for _, stream := range []string{"licenses", "customers", "consumption_heartbeats"} {
		for _, row := range a.Truth(stream) {
			for _, member := range []string{"created_date_utc", "modified_date_utc"} {
				text, ok := row[member].(string)
				if !ok {
					digits[-1]++ // nobody touched it
					continue
				}
				_, fraction, _ := strings.Cut(strings.TrimSuffix(text, "Z"), ".")
				require.False(t, strings.HasSuffix(fraction, "0"), text)
				digits[len(fraction)]++
			}
		}
	}
	for _, n := range []int{-1, 0, 1, 5, 7} {
		require.Positive(t, digits[n], "%d digits", n)
	}
	licenses := a.Truth("licenses")
	require.Equal(t, "9999-12-31T23:59:59.9999999Z", licenses[perpetual]["expiration_date_utc"])
	require.Contains(t, fmt.Sprint(licenses), "2099-12-31T00:00:00Z")
	customers := a.Truth("customers")
	require.Nil(t, customers[noNumber]["customer_number"])
	require.NotNil(t, customers[noNumber+1]["customer_number"])
	body := a.get("customers").Body
	for _, odd := range []string{"🚀", "株式会社", `O'Brien \"Quality\"`, `Acme \\ Roadrunner`} {
		require.Contains(t, body, odd)
	}
	nested := a.list("products/" + a.service.world.id(product, 0).String() + "/email_templates")[0]
	for range 2 {
		sub := nested["sub_email_templates"].([]any)
		require.Len(t, sub, 1)
		require.Equal(t, nested["id"], sub[0].(object)["parent_id"])
		nested = sub[0].(object)
	}
	require.Empty(t, nested["sub_email_templates"])
	users := fmt.Sprint(a.Truth("license_assignments"))
	require.Contains(t, users, "user_id:"+nobodysID.String())
	require.Contains(t, a.get("licenses/"+a.license(0)+"/consumption/balance").Body, `"limit":100.0`)
	for _, history := range a.list("licenses/" + a.license(2) + "/history") {
		var past object
		require.NoError(t, json.Unmarshal([]byte(history["new_value"].(string)), &past))
		require.Equal(t, a.license(2), past["id"])
	}
	geo := a.Truth("assignment_heartbeats")
	require.True(t, slices.ContainsFunc(geo, func(row object) bool { _, text := row["latitude"].(string); return text }))
	require.True(t, slices.ContainsFunc(customers, func(row object) bool { _, number := row["latitude"].(float64); return number }))
}

// v25 leaves out thirty properties less those of objects that are not read;
// next-release adds some to every object.
func TestReleases(t *testing.T) {
	newer := 0
	all, err := models()
	require.NoError(t, err)
	for _, m := range all {
		for _, x := range m.members {
			if x.newer {
				newer++
			}
		}
	}
	require.Equal(t, 28, newer) // the other two belong to a request and to the answer of a write
	for _, x := range []struct{ fault, path, member string }{
		{"v25", "customers", ""},
		{"v25", "resellers", "reseller_settings"},
		{"v25", "licenses/" + "%s" + "/assignments", "suspended_until_utc"},
		{"v25", "licenses/" + "%s" + "/consumption/balance", "balance"},
	} {
		a := newAPI(t, emulator.Options{})
		path := strings.ReplaceAll(x.path, "%s", a.license(0))
		before := a.list(path)[0]
		a.turn(x.fault, -1)
		after := a.list(path)[0]
		if x.member == "" {
			require.Equal(t, before, after)
			continue
		}
		require.Contains(t, before, x.member)
		delete(before, x.member)
		require.Equal(t, before, after)
	}
	a := newAPI(t, emulator.Options{}, "v25")
	row := a.page("licenses/filtered", `{"page_size":1}`).Licenses[0]
	for _, member := range []string{"license_name", "reseller_id", "reseller_number", "reseller_email", "reseller_name", "reseller_type"} {
		require.NotContains(t, row, member)
	}
	a = newAPI(t, emulator.Options{}, "next-release")
	for name, v := range streams {
		for _, row := range a.Truth(name) {
			if v.model != "" {
				require.Contains(t, row, "x_release_next", name)
				require.Contains(t, row, "customMark", name)
			}
		}
	}
	inner := a.list("customers")[0]["customer_type"].(object)
	require.Contains(t, inner, "x_release_next", "inside, too")
}

// offset-times and disputed are carried out.
func TestOddForms(t *testing.T) {
	a := newAPI(t, emulator.Options{Faults: "offset-times:0.5,disputed:0.5"})
	offset, zulu, swapped := 0, 0, 0
	for _, row := range a.list("customers") {
		if text, ok := row["created_date_utc"].(string); ok {
			if strings.HasSuffix(text, "Z") {
				zulu++
			} else {
				offset++
			}
		}
		if _, text := row["latitude"].(string); text {
			swapped++
		}
	}
	require.Positive(t, offset)
	require.Positive(t, zulu)
	require.Positive(t, swapped)
}
