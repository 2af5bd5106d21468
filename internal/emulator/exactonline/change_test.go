package exactonline

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/standintest"
)

// since are the rows of a sync set above a row version, by their ids in order.
func (a *api) since(division int, set string, version int64) (ids []string, last int64) {
	a.Helper()
	rows, _ := a.all(fmt.Sprintf("%d/sync/%s?$filter=Timestamp gt %dL&$select=ID,Timestamp", division, set, version))
	last = version
	for _, row := range rows {
		n, err := strconv.ParseInt(row["Timestamp"].(string), 10, 64)
		require.NoError(a, err)
		require.Greater(a, n, last)
		ids, last = append(ids, row["ID"].(string)), n
	}
	return ids, last
}

func texts(ids []emulator.ID) []string {
	out := []string{}
	for _, id := range ids {
		out = append(out, string(id))
	}
	return out
}

// TestChange: what is touched and added comes after the last row version that
// was read, what is deleted is listed, in the company where it was.
func TestChange(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	const set = "Project/Projects"
	divisions := []int{first, second}
	var last, lastDeleted [2]int64
	before := a.service.Rows()
	for k, division := range divisions {
		var ids []string
		ids, last[k] = a.since(division, set, 1)
		require.Len(t, ids, 70)
		_, lastDeleted[k] = a.since(division, "Deleted", 1)
	}
	at := time.Now().UTC().Truncate(time.Second)
	r := a.Change(emulator.Change{Stream: "sync_project_projects", Rows: 3, Delete: 2, Insert: 1, At: at})
	require.Equal(t, at, r.At)
	require.Len(t, r.Touched, 3)
	require.Len(t, r.Deleted, 2)
	require.Len(t, r.Inserted, 1)
	require.Equal(t, before+1, a.service.Rows(), "the deletions are rows, too")

	var changed, deleted []string
	for k, division := range divisions {
		ids, _ := a.since(division, set, last[k])
		require.NotEmpty(t, ids, "the companies share the wish")
		changed = append(changed, ids...)
		rows, _ := a.all(fmt.Sprintf("%d/sync/Deleted?$filter=Timestamp gt %dL and EntityType eq 21&$select=EntityKey,DeletedDate", division, lastDeleted[k]))
		for _, row := range rows {
			deleted = append(deleted, row["EntityKey"].(string))
			require.Contains(t, []string{
				"/Date(" + millis(at.Add(time.Hour)) + ")/", "/Date(" + millis(at.Add(2*time.Hour)) + ")/",
			}, row["DeletedDate"], "the wall clock of Amsterdam")
		}
	}
	require.ElementsMatch(t, append(texts(r.Touched), texts(r.Inserted)...), changed)
	require.ElementsMatch(t, texts(r.Deleted), deleted)

	// By name, in whichever company the row is.
	ids, _ := a.since(second, set, 1)
	r = a.Change(emulator.Change{Stream: "sync_project_projects", IDs: []emulator.ID{emulator.ID(ids[0])}, Gone: []emulator.ID{emulator.ID(ids[1])}})
	require.Equal(t, ids[:1], texts(r.Touched))
	require.Equal(t, ids[1:2], texts(r.Deleted))
	now, _ := a.since(second, set, 1)
	require.Equal(t, append(ids[2:], ids[0]), now)

	a.service.Reset()
	require.Equal(t, before, a.service.Rows())
}

// TestChangeTakesTurns: single changes reach every company.
func TestChangeTakesTurns(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	for division, want := range map[int]int{first: 1, second: 1} {
		_, last := a.since(division, "CRM/Accounts", 1)
		for range 2 {
			require.Len(t, a.Change(emulator.Change{Stream: "crm_accounts", Rows: 1}).Touched, 1)
		}
		ids, _ := a.since(division, "CRM/Accounts", last)
		require.Len(t, ids, want, "a touch of the twin")
	}
	_, last := a.since(second, "CRM/Accounts", 1)
	r := a.Change(emulator.Change{Stream: "sync_crm_accounts/813456", Rows: 3})
	require.Equal(t, "sync_crm_accounts", r.Stream)
	ids, _ := a.since(second, "CRM/Accounts", last)
	require.ElementsMatch(t, texts(r.Touched), ids)
}

func TestChangeOfAll(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 12})
	reports, err := a.Server.Change(source, emulator.Change{Rows: 2})
	require.NoError(t, err)
	require.Len(t, reports, 57)
	for _, r := range reports {
		require.NotEmpty(t, r.Touched, r.Stream)
	}
}

func TestChangeFaults(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	for _, c := range []emulator.Change{
		{Stream: "nope"},
		{Stream: "sync_deleted", Rows: 1},
		{Stream: "current_me", Rows: 1},
		{Stream: "sync_crm_accounts/1", Rows: 1},
		{Stream: "sync_crm_accounts/814567", Rows: 1},
		{Stream: "sync_crm_accounts", IDs: []emulator.ID{"x"}},
		{Stream: "sync_crm_accounts", Gone: []emulator.ID{"x"}},
		{Stream: "system_divisions", IDs: []emulator.ID{"x"}},
		{Stream: "system_divisions", IDs: []emulator.ID{"1"}},
	} {
		_, err := a.Server.Change(source, c)
		require.Error(t, err, "%+v", c)
	}
}

// TestMove: a company that was moved says when, and all its row versions are
// others; a relinked HR says so in another field.
func TestMove(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	division := func(code int) map[string]any {
		rows, _ := a.list("812345/system/Divisions?$select=Code,DivisionMoveDate,DivisionHRLinkUnlinkDate")
		for _, row := range rows {
			if int(row["Code"].(float64)) == code {
				return row
			}
		}
		return nil
	}
	was := division(first)
	ids, last := a.since(first, "CRM/Accounts", 1)
	other, _ := a.since(second, "CRM/Accounts", 1)
	r := a.Change(emulator.Change{Stream: "system_divisions", IDs: []emulator.ID{"812345"}})
	require.Equal(t, []string{"812345"}, texts(r.Touched))
	require.Contains(t, r.Note, "moved")
	require.NotEqual(t, was["DivisionMoveDate"], division(first)["DivisionMoveDate"])
	require.Equal(t, was["DivisionHRLinkUnlinkDate"], division(first)["DivisionHRLinkUnlinkDate"])
	none, _ := a.since(first, "CRM/Accounts", last)
	require.Empty(t, none, "the first move makes them lower")
	again, _ := a.since(first, "CRM/Accounts", 1)
	require.ElementsMatch(t, ids, again)
	same, _ := a.since(second, "CRM/Accounts", 1)
	require.Equal(t, other, same)

	was = division(second)
	require.Equal(t, []string{"812345", "813456"}, texts(a.Change(emulator.Change{Stream: "hrm_divisions", Rows: 9}).Touched))
	require.NotEqual(t, was["DivisionHRLinkUnlinkDate"], division(second)["DivisionHRLinkUnlinkDate"])
	require.Equal(t, was["DivisionMoveDate"], division(second)["DivisionMoveDate"])
}

// TestMoving: the fault makes a row of a page come again.
func TestMoving(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 2500, Faults: "moving=2@sync_crm_accounts"})
	rows, pages := a.all("812345/sync/CRM/Accounts?$filter=Timestamp gt 1&$select=ID,Timestamp")
	require.Equal(t, 3, pages)
	seen := map[any]int{}
	for _, row := range rows {
		seen[row["ID"]]++
	}
	require.Len(t, seen, 2500)
	require.InDelta(t, 2502, len(rows), 1, "one that moves twice may come twice or thrice")
	require.Greater(t, len(rows), 2500)
}

// TestHookMayChange: whoever is told of a page can change it at once.
func TestHookMayChange(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 130})
	done := false
	a.Server.OnPage(func(p emulator.Page) {
		if !done {
			done = true
			a.Change(emulator.Change{Stream: p.Resource, IDs: p.IDs[:1], Gone: p.IDs[1:2]})
		}
	})
	rows, _ := a.all("812345/financial/GLAccounts?$select=ID,Modified&$orderby=Modified asc")
	require.Len(t, rows, 131, "the touched one comes again, the deleted one was read already")
}

// TestControl: the control changes data and undoes it, over HTTP.
func TestControl(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	post := func(path string) reply {
		return a.Ask(http.MethodPost, standintest.Origin+"/_sandbox/exact_online/"+path, "")
	}
	require.Equal(t, http.StatusOK, post("change?stream=system_divisions&rows=1").Status)
	require.Contains(t, post("change?stream=sync_crm_accounts&ids="+strings.Repeat("0", 8)).Body, "no row")
	require.Equal(t, http.StatusOK, post("reset?with=data").Status)
}

// TestRowsDoNotDependOnTheHour: the same seed, the same rows.
func TestRowsDoNotDependOnTheHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newAPI(t, emulator.Options{Seed: 4}).Truth("crm_accounts")
		time.Sleep(7 * time.Hour)
		require.Equal(t, one, newAPI(t, emulator.Options{Seed: 4}).Truth("crm_accounts"))
		require.NotEqual(t, one, newAPI(t, emulator.Options{Seed: 5}).Truth("crm_accounts"))
	})
}
