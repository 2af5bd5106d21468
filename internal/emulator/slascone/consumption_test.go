package slascone

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// consumed is the envelope of consumption.
func (a *api) consumed(license, query string) (rows []object, count, sum float64) {
	a.Helper()
	r := a.get("licenses/" + license + "/consumption/heartbeats" + query)
	require.Equal(a, http.StatusOK, r.Status, r.Body)
	body := objectIn(a, r.Body)
	for _, row := range body["consumption_heartbeats"].([]any) {
		rows = append(rows, row.(object))
	}
	return rows, body["max_count"].(float64), body["aggregate_value"].(float64)
}

func instantIn(t testing.TB, text any) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text.(string))
	require.NoError(t, err)
	return at
}

// Dates bound consumption, both ends included; by switches not.
func TestConsumptionDates(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	id := a.license(0)
	all, count, _ := a.consumed(id, "")
	require.InDelta(t, len(all), count, 0)
	require.Len(t, all, 39, "one of forty was rolled back")
	from, to := all[10]["created_date_utc"].(string), all[20]["created_date_utc"].(string)
	query := "?" + url.Values{"date_from": {from}, "date_to": {to}}.Encode()
	got, count, sum := a.consumed(id, query)
	require.Equal(t, ids(all[10:21]), ids(got))
	require.InDelta(t, 11, count, 0)
	var want float64
	for _, row := range got {
		want += row["value"].(float64)
	}
	require.InDelta(t, want, sum, 1e-9)
	a.turn("from-exclusive", -1)
	got, _, _ = a.consumed(id, query)
	require.Equal(t, ids(all[11:21]), ids(got))
	a.turn("to-exclusive", -1)
	got, _, _ = a.consumed(id, query)
	require.Equal(t, ids(all[11:20]), ids(got))
	// An instant in another zone is the same instant.
	a.turn("from-exclusive", 0)
	a.turn("to-exclusive", 0)
	zone := time.FixedZone("", 2*3600)
	query = "?" + url.Values{"date_from": {instantIn(t, from).In(zone).Format(time.RFC3339Nano)}, "date_to": {to}}.Encode()
	got, _, _ = a.consumed(id, query)
	require.Equal(t, ids(all[10:21]), ids(got))
	one, _, _ := a.consumed(id, "?limitations="+all[0]["limitation_id"].(string))
	for _, row := range one {
		require.Equal(t, all[0]["limitation_id"], row["limitation_id"])
	}
	require.Less(t, len(one), len(all))
	none, _, _ := a.consumed(a.license(2), "")
	require.Empty(t, none)
}

// Late and backdated rows: the second of those that are added happened 20 hours
// before. What created_date_utc and the filter look at are switches.
func TestBackdated(t *testing.T) {
	at := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	for _, x := range []struct {
		name     string
		switches []string
		created  time.Time // of the backdated row
		found    int       // of the two, by a filter from an hour before
	}{
		{"created follows", nil, at.Add(-20 * time.Hour), 1},
		{"created on arrival", []string{"created-on-arrival"}, at, 2},
		{"filter by event", []string{"filter-by-event"}, at, 1},
	} {
		t.Run(x.name, func(t *testing.T) {
			a := newAPI(t, emulator.Options{}, x.switches...)
			before := len(a.Truth("consumption_heartbeats"))
			report := a.Change(emulator.Change{Stream: "consumption_heartbeats", Insert: 2, At: at})
			require.Len(t, report.Inserted, 2)
			require.NotEmpty(t, report.Note)
			rows := a.Truth("consumption_heartbeats")
			require.Len(t, rows, before+2)
			found := 0
			for _, row := range rows {
				if row["id"] == string(report.Inserted[1]) {
					require.Equal(t, x.created, instantIn(t, row["created_date_utc"]))
				}
				for _, id := range report.Inserted {
					if row["id"] != string(id) {
						continue
					}
					got, _, _ := a.consumed(row["license_id"].(string), "?date_from="+at.Add(-time.Hour).Format(time.RFC3339))
					for _, g := range got {
						if g["id"] == row["id"] {
							found++
						}
					}
				}
			}
			require.Equal(t, x.found, found)
		})
	}
}

// A rolled-back transaction vanishes, and the balance with it; by switch its
// reverse follows.
func TestRollback(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	id := a.license(0)
	all, _, sum := a.consumed(id, "")
	balances := a.get("licenses/" + id + "/consumption/balance").Body
	victim := all[7]
	report := a.Change(emulator.Change{Stream: "consumption_heartbeats", Gone: []emulator.ID{emulator.ID(victim["id"].(string))}})
	require.Len(t, report.Deleted, 1)
	left, _, after := a.consumed(id, "")
	require.Len(t, left, len(all)-1)
	require.NotContains(t, ids(left), victim["id"])
	require.InDelta(t, sum-victim["value"].(float64), after, 1e-9)
	require.NotEqual(t, balances, a.get("licenses/"+id+"/consumption/balance").Body)
	a.turn("rollback-counter", -1)
	counter, _, same := a.consumed(id, "")
	require.Len(t, counter, 42, "forty, and two reverses")
	require.InDelta(t, after, same, 1e-9)
	require.Contains(t, ids(counter), victim["id"])
	last := counter[41]
	require.InDelta(t, -victim["value"].(float64), last["value"], 1e-9)
	require.Equal(t, victim["limitation_id"], last["limitation_id"])
	require.Len(t, a.Truth("consumption_heartbeats"), len(a.Truth("consumption_heartbeats")))
}

// Balances add up, and leave ids null that the truth fills in.
func TestBalances(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	id := a.license(0)
	sums := make(map[any]float64)
	all, _, _ := a.consumed(id, "")
	for _, row := range all {
		sums[row["limitation_id"]] += row["value"].(float64)
		require.InDelta(t, sums[row["limitation_id"]], row["balance"], 1e-9)
		require.InDelta(t, 100-sums[row["limitation_id"]], row["remaining"], 1e-9)
	}
	nulls := 0
	for _, row := range a.list("licenses/" + id + "/consumption/balance") {
		require.InDelta(t, sums[row["limitation_id"]], row["balance"], 1e-9)
		if row["license_id"] == nil {
			nulls++
		}
	}
	require.Positive(t, nulls)
	zero := 0
	for _, row := range a.Truth("consumption_balances") {
		require.NotNil(t, row["license_id"])
		if row["assignment_id"] == nobodysID.String() {
			zero++
		}
	}
	require.Positive(t, zero)
	require.Empty(t, a.list("licenses/"+a.license(2)+"/consumption/balance"))
}

// A client sends consumption, backdated, and takes it back.
func TestConsume(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	all, _, _ := a.consumed(a.license(0), "")
	body := `{"client_id":"` + all[0]["client_id"].(string) + `","consumption_heartbeat":[{"limitation_id":"` +
		all[0]["limitation_id"].(string) + `","value":2.5,"timestamp_utc":"2026-01-02T03:04:05.67Z"}]}`
	r := a.Ask(http.MethodPost, base+"data_gathering/consumption_heartbeats", body, "ProvisioningKey", ProvisioningKey, "Content-Type", "application/json")
	require.Equal(t, 200, r.Status, r.Body)
	transaction := listIn(t, r.Body)[0]["transaction_id"].(string)
	got, _, _ := a.consumed(a.license(0), "?transaction_id="+transaction)
	require.Len(t, got, 1)
	require.InDelta(t, 2.5, got[0]["value"], 0)
	require.Equal(t, "2026-01-02T03:04:05.67Z", got[0]["created_date_utc"])
	back := `{"limitation_id":"` + all[0]["limitation_id"].(string) + `","transaction_id":"` + transaction + `"}`
	require.Equal(t, 200, a.post("data_gathering/consumption_heartbeats/rollback", back).Status)
	require.Equal(t, 409, a.post("data_gathering/consumption_heartbeats/rollback", back).Status)
	got, _, _ = a.consumed(a.license(0), "?transaction_id="+transaction)
	require.Empty(t, got)
	require.Equal(t, 409, a.post("data_gathering/consumption_heartbeats", `{"client_id":"nobody","consumption_heartbeat":[{"limitation_id":"x","value":1}]}`).Status)
	require.Equal(t, 400, a.post("data_gathering/consumption_heartbeats", `{"client_id":"nobody"}`).Status)
}
