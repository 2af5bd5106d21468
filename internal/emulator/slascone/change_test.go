package slascone

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// Every stream changes, or says why it does not. What is touched shows At and
// another text; what is added and deleted is so in the list.
func TestChange(t *testing.T) {
	at := time.Date(2026, 12, 1, 12, 0, 0, 123456000, time.UTC)
	immortal := []string{
		"products", "templates", "customer_types", "license_types", "reseller_types", "resellers", "custom_lists",
		"product_features", "product_limitations", "product_variables", "product_constrained_variables", "product_analytical_fields",
		"product_usage_features", "product_usage_modules", "software_release_limitations", "software_shipment_properties",
		"product_email_templates", "software_shipments", "license_user_groups",
	}
	for name, v := range streams {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, emulator.Options{Records: 30})
			before := a.Truth(name)
			reports, err := a.Server.Change(source, emulator.Change{Stream: name, Rows: 2, At: at})
			switch {
			case v.derived:
				require.Error(t, err)
				return
			case a.service.world.byKind[v.kind].history:
				require.Error(t, err)
				report := a.Change(emulator.Change{Stream: name, Insert: 2, At: at})
				require.Len(t, a.Truth(name), len(before)+2)
				for _, row := range a.Truth(name) {
					if slices.Contains(report.Inserted, emulator.ID(row["id"].(string))) {
						require.Equal(t, at, instantIn(t, row["created_date_utc"]))
					}
				}
				return
			}
			require.NoError(t, err)
			report := reports[0]
			if name == "consumption_heartbeats" {
				require.Empty(t, report.Touched)
			} else {
				require.Len(t, report.Touched, 2)
				after := a.Truth(name)
				require.Len(t, after, len(before))
				for k := range after {
					if _, dated := after[k]["modified_date_utc"]; !dated {
						continue
					}
					if id, _ := after[k]["id"].(string); slices.Contains(report.Touched, emulator.ID(id)) {
						require.Equal(t, at, instantIn(t, after[k]["modified_date_utc"]))
						changed := 0
						for member := range after[k] {
							if text, ok := after[k][member].(string); ok && text != before[k][member] && member != "modified_date_utc" && member != "last_modified_by" {
								changed++
							}
						}
						require.True(t, changed > 0 || name == "license_open_sessions", "a value that shows")
					}
				}
			}
			report = a.Change(emulator.Change{Stream: name, Insert: 2, At: at})
			require.Len(t, report.Inserted, 2)
			require.Len(t, a.Truth(name), len(before)+2)
			report = a.Change(emulator.Change{Stream: name, Delete: 1, Gone: report.Inserted[:1], At: at})
			if slices.Contains(immortal, name) {
				require.Empty(t, report.Deleted)
				require.NotEmpty(t, report.Note)
				require.Len(t, a.Truth(name), len(before)+2)
			} else {
				require.Len(t, report.Deleted, 2)
				if name != "customers" && name != "customers_light" {
					require.Len(t, a.Truth(name), len(before))
				}
			}
			a.service.Reset()
			require.Equal(t, before, a.Truth(name))
		})
	}
	a := newAPI(t, emulator.Options{})
	_, err := a.Server.Change(source, emulator.Change{Stream: "invoices", Rows: 1})
	require.Error(t, err)
	_, err = a.Server.Change(source, emulator.Change{Stream: "licenses", IDs: []emulator.ID{"nobody"}})
	require.Error(t, err)
	reports, err := a.Server.Change(source, emulator.Change{Insert: 1})
	require.NoError(t, err)
	require.Len(t, reports, 3)
}

// A new license has a customer, and all that lists and filters say of it.
func TestInsertedLicense(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	report := a.Change(emulator.Change{Stream: "license_overview", Insert: 3})
	rows := a.page("licenses/filtered", `{"page_size":100}`)
	require.Equal(t, 63, rows.MaxCount)
	for _, row := range rows.Licenses[60:] {
		require.Contains(t, report.Inserted, emulator.ID(row["id"].(string)))
		require.Contains(t, ids(a.Truth("customers")), row["customer_id"])
		found := a.page("licenses/filtered", `{"page_size":100,"customer_filter":"`+row["customer_id"].(string)+`"}`)
		require.Contains(t, ids(found.Licenses), row["id"])
		require.Len(t, a.list("licenses/"+row["id"].(string)+"/history"), 1)
		conforms(t, "LicenseTreeDto", row)
	}
}

// A deleted license is gone from lists and from its path, but its history still
// answers.
func TestDeletedLicense(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	id := a.license(3)
	history := a.list("licenses/" + id + "/history")
	a.Change(emulator.Change{Stream: "licenses", Rows: 0, IDs: []emulator.ID{emulator.ID(id)}})
	a.Change(emulator.Change{Stream: "licenses", Gone: []emulator.ID{emulator.ID(id)}})
	require.NotContains(t, ids(a.Truth("licenses")), id)
	require.NotContains(t, ids(a.page("licenses/filtered", `{"page_size":100}`).Licenses), id)
	for _, path := range []string{"", "/users", "/tags", "/assignments", "/consumption/heartbeats"} {
		require.Equal(t, 404, a.get("licenses/"+id+path).Status, path)
	}
	after := a.list("licenses/" + id + "/history")
	require.Equal(t, history, after[:len(history)], "a history only grows")
	require.Len(t, after, len(history)+2)
	require.Nil(t, after[len(after)-1]["new_value"])
	a.turn("unknown-409", -1)
	require.Equal(t, 409, a.get("licenses/"+id).Status)
	require.Equal(t, 200, a.get("licenses/"+id+"/history").Status)
}

// With a customer go its licenses and bundles.
func TestDeletedCustomer(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	owner := a.Truth("licenses")[4]["customer_id"].(string)
	report := a.Change(emulator.Change{Stream: "customers", Gone: []emulator.ID{emulator.ID(owner)}})
	require.NotEmpty(t, report.Note)
	require.Len(t, a.Truth("licenses"), 58)
	require.Equal(t, 29, a.page("licenses/filtered", `{"page_size":1}`).Owners)
	for _, b := range a.Truth("license_bundles") {
		require.NotEqual(t, owner, b["customer_id"])
	}
}

// is_expired follows the clock and leaves modified_date_utc alone.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(12 * time.Hour)
		a := newAPI(t, emulator.Options{})
		before := a.Truth("licenses")[expiring]
		require.Equal(t, false, before["is_expired"])
		time.Sleep(3 * time.Hour)
		after := a.Truth("licenses")[expiring]
		for member := range before {
			switch member {
			case "is_expired", "is_valid", "date_validity":
				require.NotEqual(t, before[member], after[member], member)
			default:
				require.Equal(t, before[member], after[member], member)
			}
		}
		row := objectIn(t, a.get("licenses/"+a.license(expiring)).Body)
		require.Equal(t, true, row["is_expired"])
	})
}

// The same seed gives the same rows, another one others.
func TestSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newAPI(t, emulator.Options{Seed: 5}), newAPI(t, emulator.Options{Seed: 5})
		three := newAPI(t, emulator.Options{Seed: 6})
		for name := range streams {
			require.Equal(t, one.Truth(name), two.Truth(name), name)
		}
		require.NotEqual(t, ids(one.Truth("licenses")), ids(three.Truth("licenses")))
		for _, a := range []*api{one, two} {
			_, err := a.Server.Change(source, emulator.Change{Rows: 3, Insert: 2, Delete: 1, At: time.Now()})
			require.NoError(t, err)
		}
		require.Equal(t, one.Truth("licenses"), two.Truth("licenses"))
	})
}

// No row is from the future, and tables at rest look the same hours later, but for
// what follows the clock.
func TestAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(12 * time.Hour)
		a := newAPI(t, emulator.Options{Records: 200})
		before := make(map[string][]object)
		for name := range streams {
			before[name] = a.Truth(name)
			for _, row := range before[name] {
				for _, member := range []string{"created_date_utc", "modified_date_utc"} {
					if row[member] != nil {
						require.False(t, instantIn(t, row[member]).After(time.Now().Add(-12*time.Hour)), "%s.%s %s", name, member, row[member])
					}
				}
				created, modified := row["created_date_utc"], row["modified_date_utc"]
				if created != nil && modified != nil && name != "assignment_heartbeats" {
					require.False(t, instantIn(t, modified).Before(instantIn(t, created)), "%s %s", name, row["id"])
				}
			}
		}
		time.Sleep(3*time.Hour + 5*time.Second)
		for name := range streams {
			after := a.Truth(name)
			for k, row := range after {
				for member := range row {
					if name == "licenses" && slices.Contains([]string{"is_expired", "is_valid", "date_validity"}, member) {
						continue
					}
					require.Equal(t, before[name][k][member], row[member], "%s.%s", name, member)
				}
			}
		}
	})
}
