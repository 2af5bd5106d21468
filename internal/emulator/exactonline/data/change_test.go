package data_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/exactonline/data"
)

func TestTouch(t *testing.T) {
	s := open(200)
	accounts := set(t, "sync_crm_accounts")
	before, _, _ := all(t, s, accounts.Name, "$filter=Timestamp gt 1")
	id := before[10]["ID"].(string)
	touched, err := s.Touch(accounts, first, time.Time{}, 4, id)
	require.NoError(t, err)
	require.Len(t, touched, 5)
	require.Contains(t, touched, id)

	last := before[len(before)-1]["Timestamp"].(string)
	after, ids, _ := all(t, s, accounts.Name, "$filter=Timestamp gt "+last+"L")
	require.ElementsMatch(t, touched, ids)
	for _, r := range after {
		require.Equal(t, clock.UnixMilli()+3600_000, millis(t, r["Modified"]))
		k := slices.IndexFunc(before, func(o row) bool { return o["ID"] == r["ID"] })
		require.Equal(t, before[k]["Code"], r["Code"])
		require.Equal(t, before[k]["Created"], r["Created"])
		changed := 0
		for name, v := range r {
			if v != any(nil) && name != "__metadata" && name != "BankAccounts" && before[k][name] != v {
				changed++
			}
		}
		require.Greater(t, changed, 2)
	}
	list, _, _ := all(t, s, accounts.Name, "$filter=Timestamp gt 1")
	require.Len(t, list, 200, "each row once")
	// Its twins see the change, too.
	require.Equal(t, 5, get(t, s, "crm_accounts", "$filter=Modified ge datetime'2026-11-20T10:30:00'").Rows)
	found := get(t, s, "crm_accounts", "$filter=ID eq guid'"+id+"'")
	require.Equal(t, clock.UnixMilli()+3600_000, millis(t, found.rows[0]["Modified"]))

	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	_, err = s.Touch(set(t, "crm_accounts"), first, at, 0, id)
	require.NoError(t, err)
	found = get(t, s, "crm_accounts", "$filter=Modified eq datetime'2026-07-01T14:00:00'")
	require.Equal(t, []string{id}, found.IDs)

	for _, name := range []string{"sync_deleted", "current_me", "system_divisions"} {
		_, err = s.Touch(set(t, name), first, at, 1)
		require.Error(t, err, name)
	}
	_, err = s.Touch(accounts, first, at, 0, "nobody")
	require.Error(t, err)
	_, err = s.Touch(accounts, 1, at, 1)
	require.Error(t, err)
}

// Rows that change while a client pages come again, and none is lost.
func TestTouchBetweenPages(t *testing.T) {
	s := open(2500)
	for _, query := range [][]string{
		{"sync_crm_contacts", "$select=ID,Modified", "$filter=Timestamp gt 1"},
		{"crm_contacts", "$select=ID,Modified", "$orderby=Modified asc"},
		{"crm_contacts", "$select=ID,Modified"},
	} {
		e := set(t, query[0])
		seen, last := map[string]int{}, map[string]row{}
		touched := map[string]bool{}
		a := get(t, s, e.Name, query[1:]...)
		for {
			for k, id := range a.IDs {
				seen[id]++
				last[id] = a.rows[k]
			}
			if a.next == "" {
				break
			}
			if len(touched) < 30 {
				ids, err := s.Touch(e, first, time.Time{}, 3, a.IDs[0], a.IDs[len(a.IDs)-1])
				require.NoError(t, err)
				for _, id := range ids {
					touched[id] = true
				}
			}
			a = follow(t, s, e.Name, a.next)
		}
		require.Len(t, seen, 2500)
		for id, n := range seen {
			if !touched[id] {
				require.Equal(t, 1, n)
			}
		}
		if len(query) > 2 { // ordered by what the touch moves: the last one seen is the newest
			for id := range touched {
				require.Equal(t, clock.UnixMilli()+3600_000, millis(t, last[id]["Modified"]))
			}
		}
	}
}

func TestDocumentsChangeAsAWhole(t *testing.T) {
	s := open(100)
	e := set(t, "sync_salesinvoice_sales_invoices")
	before, _, _ := all(t, s, e.Name, "$filter=Timestamp gt 1")
	last := before[99]["Timestamp"].(string)
	line := slices.IndexFunc(before, func(r row) bool { return r["LineNumber"] == 2.0 })
	ids, err := s.Touch(e, first, clock, 0, before[line]["ID"].(string))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(ids), 3)
	after, _, _ := all(t, s, e.Name, "$filter=Timestamp gt "+last)
	require.Len(t, after, len(ids))
	for k, r := range after {
		require.Equal(t, before[line]["InvoiceID"], r["InvoiceID"])
		require.InDelta(t, k, r["LineNumber"], 0)
	}
	// Without a line, the rest is new; without the header, all is gone.
	gone, err := s.Delete(e, first, clock, 0, before[line]["ID"].(string))
	require.NoError(t, err)
	require.Equal(t, []string{before[line]["ID"].(string)}, gone)
	rest, _, _ := all(t, s, e.Name, "$filter=Timestamp gt "+after[len(after)-1]["Timestamp"].(string))
	require.Len(t, rest, len(after)-1)
	gone, err = s.Delete(set(t, "salesinvoice_sales_invoices"), first, clock, 0, before[line]["InvoiceID"].(string))
	require.NoError(t, err)
	require.Equal(t, []string{before[line]["InvoiceID"].(string)}, gone)
	list, _, _ := all(t, s, e.Name, "$filter=Timestamp gt 1")
	require.Len(t, list, 100-len(after))
	tombs := get(t, s, "sync_deleted", "$filter=Timestamp gt "+last+"L and EntityType eq 13")
	require.Len(t, tombs.rows, len(after))
}

func TestDeleted(t *testing.T) {
	s := open(50)
	past, _, _ := all(t, s, "sync_deleted", "$filter=Timestamp gt 1L")
	require.Greater(t, len(past), 50)
	require.Less(t, len(past), 90, "older than two months: gone")
	kinds := map[any]int{}
	for _, r := range past {
		kinds[r["EntityType"]]++
		require.GreaterOrEqual(t, millis(t, r["DeletedDate"]), time.Date(2026, 9, 20, 11, 30, 0, 0, time.UTC).UnixMilli())
		require.InDelta(t, first, r["Division"], 0)
	}
	require.Greater(t, len(kinds), 10)
	require.Len(t, get(t, s, "sync_deleted", "$filter=EntityType eq 2 and Timestamp gt 1").rows, kinds[2.0])

	last := past[len(past)-1]["Timestamp"].(string)
	gone, err := s.Delete(set(t, "logistics_items"), first, time.Time{}, 3)
	require.NoError(t, err)
	require.Len(t, gone, 3)
	fresh := get(t, s, "sync_deleted", "$filter=Timestamp gt "+last)
	var keys []string
	for _, r := range fresh.rows {
		require.InDelta(t, 9, r["EntityType"], 0)
		require.Equal(t, clock.UnixMilli()+3600_000, millis(t, r["DeletedDate"]))
		keys = append(keys, r["EntityKey"].(string))
	}
	require.ElementsMatch(t, gone, keys)
	items, _, _ := all(t, s, "sync_logistics_items", "$filter=Timestamp gt 1")
	require.Len(t, items, 47)
	_, err = s.Delete(set(t, "logistics_items"), first, time.Time{}, 0, gone[0])
	require.Error(t, err, "it is gone")
	// Sets that the vendor lists no deletions of.
	_, err = s.Delete(set(t, "purchaseentry_purchase_entries"), first, time.Time{}, 2)
	require.NoError(t, err)
	require.Len(t, get(t, s, "sync_deleted", "$filter=Timestamp gt "+last).rows, 3)
	a, err := ask(s, set(t, "sync_logistics_items"), other, params("$filter=Timestamp gt 1"))
	require.NoError(t, err)
	require.Equal(t, 50, a.Rows, "the other company has its own rows")
}

func TestDeletionsVanishAfterTwoMonths(t *testing.T) {
	now := clock
	s := data.Open(data.Options{Records: 20, Seed: 1, Now: func() time.Time { return now }})
	_, err := s.Delete(set(t, "sync_crm_accounts"), first, time.Time{}, 2)
	require.NoError(t, err)
	require.Greater(t, get(t, s, "sync_deleted", "$filter=Timestamp gt 1").Rows, 50)
	now = clock.AddDate(0, 0, 58)
	require.GreaterOrEqual(t, get(t, s, "sync_deleted", "$filter=Timestamp gt 1").Rows, 2)
	now = clock.AddDate(0, 0, 63)
	require.Zero(t, get(t, s, "sync_deleted", "$filter=Timestamp gt 1").Rows)
}

func TestInsert(t *testing.T) {
	s := open(60)
	for _, name := range []string{
		"sync_crm_accounts", "crm_contacts", "sync_financial_transaction_lines", "salesinvoice_sales_invoices", "purchaseentry_purchase_entries",
	} {
		before, _, _ := all(t, s, name, must(set(t, name))...)
		count := s.Count()
		ids, err := s.Insert(set(t, name), first, time.Time{}, 7)
		require.NoError(t, err)
		require.Len(t, ids, 7)
		list, keys, _ := all(t, s, name, must(set(t, name))...)
		require.Len(t, list, len(before)+7, name)
		require.Subset(t, keys, ids)
		require.GreaterOrEqual(t, s.Count(), count+7)
	}
}

func TestMoveDivision(t *testing.T) {
	s := open(200)
	at := s.Divisions()[0].MoveDate
	names := []string{"sync_crm_accounts", "sync_crm_contacts", "sync_salesinvoice_sales_invoices", "sync_deleted"}
	touched, err := s.Touch(set(t, names[0]), first, time.Time{}, 5)
	require.NoError(t, err)
	_, err = s.Insert(set(t, names[1]), first, time.Time{}, 500)
	require.NoError(t, err)
	versions := func() (byName map[string][]row, seen map[string]bool) {
		byName, seen = map[string][]row{}, map[string]bool{}
		for _, name := range names {
			columns := "$select=ID,Timestamp,Modified"
			if name == "sync_deleted" {
				columns = "$select=ID,Timestamp"
			}
			byName[name], _, _ = all(t, s, name, "$filter=Timestamp gt 1", columns)
			for _, r := range byName[name] {
				v := r["Timestamp"].(string)
				if seen[v] {
					require.Fail(t, "not unique in the company", v)
				}
				seen[v] = true
			}
		}
		return byName, seen
	}
	before, old := versions()
	for range 3 {
		s.MoveDivision(first)
		require.NotEqual(t, at, s.Divisions()[0].MoveDate)
		after, now := versions()
		require.Len(t, now, len(old))
		for _, name := range names {
			require.Len(t, after[name], len(before[name]))
			for i, r := range after[name] {
				require.Equal(t, before[name][i]["ID"], r["ID"], "the order stays")
				require.Equal(t, before[name][i]["Modified"], r["Modified"])
				require.False(t, old[r["Timestamp"].(string)])
			}
		}
		end := after[names[0]][199]["Timestamp"].(string)
		again, err := s.Touch(set(t, names[0]), first, time.Time{}, 0, touched...)
		require.NoError(t, err)
		require.Equal(t, len(again), get(t, s, names[0], "$filter=Timestamp gt "+end).Rows)
		before, old = versions()
	}
	s.Reset()
	low := get(t, s, names[0], "$filter=Timestamp gt 1").rows[0]["Timestamp"]
	s.MoveDivision(first)
	require.Less(t, number(t, get(t, s, names[0], "$filter=Timestamp gt 1").rows[199]["Timestamp"]), number(t, low))
	// A client sees it in the list of divisions.
	r := get(t, s, "system_divisions", "$filter=Code eq 812345").rows[0]
	require.Equal(t, clock.UnixMilli()+3600_000, millis(t, r["DivisionMoveDate"]))
	s.MoveDivision(4711)
}

func TestRelinkHR(t *testing.T) {
	s := open(100)
	const leave = "sync_hrm_leave_registrations"
	before := get(t, s, leave, "$filter=Timestamp gt 1")
	accounts := get(t, s, "sync_crm_accounts", "$filter=Timestamp gt 1")
	for range 3 {
		s.RelinkHR(first)
		after := get(t, s, leave, "$filter=Timestamp gt 1")
		require.ElementsMatch(t, before.IDs, after.IDs)
		require.NotEqual(t, before.rows[0]["Timestamp"], after.rows[0]["Timestamp"])
		require.Less(t, number(t, after.rows[99]["Timestamp"]), number(t, accounts.rows[0]["Timestamp"]))
		require.Equal(t, accounts.Body, get(t, s, "sync_crm_accounts", "$filter=Timestamp gt 1").Body)
		before = after
	}
	require.Equal(t, clock, s.Divisions()[0].HRLinkDate)
}

func TestFirstSince(t *testing.T) {
	s := open(300)
	e := set(t, "sync_financial_transaction_lines")
	since := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	version, ok := s.FirstSince(e, first, since)
	require.True(t, ok)
	list, _, _ := all(t, s, e.Name, "$filter=Timestamp gt 1", "$select=Timestamp,Modified")
	n := 0
	for _, r := range list {
		if millis(t, r["Modified"]) >= since.UnixMilli() {
			require.GreaterOrEqual(t, number(t, r["Timestamp"]), version)
			n++
		} else if n == 0 {
			require.Less(t, number(t, r["Timestamp"]), version)
		}
	}
	require.Positive(t, n)
	_, ok = s.FirstSince(e, first, clock.AddDate(1, 0, 0))
	require.False(t, ok)
	_, ok = s.FirstSince(e, 4711, since)
	require.False(t, ok)
}

func TestTruth(t *testing.T) {
	s := open(1200)
	e := set(t, "sync_documents_document_attachments")
	_, err := s.Delete(e, first, time.Time{}, 10)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, s.Truth(&b, e))
	perDivision := map[float64]int{}
	for line := range strings.Lines(b.String()) {
		var r row
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		perDivision[r["_division"].(float64)]++
	}
	require.Equal(t, map[float64]int{first: 1190, other: 1200}, perDivision, "only what may be read")
	b.Reset()
	require.NoError(t, s.Truth(&b, set(t, "current_me")))
	require.NotContains(t, b.String(), "_division")
}

// Readers and changers at once: run with -race.
func TestConcurrency(t *testing.T) {
	s := open(100)
	var wg sync.WaitGroup
	sets := []*edm.Set{set(t, "sync_crm_accounts"), set(t, "crm_accounts"), set(t, "system_divisions"), set(t, "sync_deleted")}
	for k := range 4 {
		wg.Go(func() {
			for range 20 {
				_, err := s.Query(sets[k], first, query(sets[k]), root)
				if err != nil {
					t.Error(err)
				}
				_, _ = s.Touch(sets[k], first, time.Time{}, 2)
				_, _ = s.Delete(sets[k], first, time.Time{}, 1)
				s.MoveDivision(first)
				s.RelinkHR(other)
				s.Count()
			}
		})
	}
	wg.Wait()
}
