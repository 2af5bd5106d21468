package buchhaltungsbutler

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

var moment = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// byID are the rows of a stream.
func (a *api) byID(stream, name string) map[string]m {
	out := map[string]m{}
	for _, row := range a.truth(stream) {
		out[fmt.Sprint(row[name])] = row
	}
	return out
}

// Every change shows, and nothing else does.
func TestChanges(t *testing.T) {
	for stream, name := range map[string]string{
		"receipts": "id_by_customer", "transactions": "id_by_customer", "postings": "id_by_customer",
		"debtors": "postingaccount_number", "creditors": "postingaccount_number", "cost_locations": "code",
	} {
		a := newAPI(t, emulator.Options{Records: 300})
		before := a.byID(stream, name)
		text := a.TruthText(stream)
		r := a.Change(emulator.Change{Stream: stream, Rows: 3, Insert: 6, At: moment})
		after := a.byID(stream, name)
		require.Len(t, r.Touched, 3)
		require.Len(t, r.Inserted, 6)
		for _, id := range r.Touched {
			require.NotEqual(t, before[string(id)], after[string(id)], "%s %s: %s", stream, id, r.Note)
		}
		for _, id := range r.Inserted {
			require.NotContains(t, before, string(id))
			require.Contains(t, after, string(id))
		}
		if stream == "debtors" || stream == "creditors" {
			_, err := a.Server.Change(source, emulator.Change{Stream: stream, Delete: 1})
			require.ErrorContains(t, err, "never deleted")
		} else {
			r = a.Change(emulator.Change{Stream: stream, Delete: 6, At: moment})
			require.Equal(t, 6, len(r.Deleted)+len(r.Inserted), stream)
			require.NotEmpty(t, r.Deleted)
		}
		_, err := a.Server.Change(source, emulator.Change{Stream: stream, IDs: []emulator.ID{"999999999"}})
		require.Error(t, err)
		a.service.Reset()
		require.Equal(t, text, a.TruthText(stream), "%s: everything is as it was", stream)
	}
	a := newAPI(t, emulator.Options{Records: 60})
	reports, err := a.Server.Change(source, emulator.Change{})
	require.NoError(t, err)
	require.Len(t, reports, 3)
	for _, stream := range []string{"receipt_details", "account_ledger", "report_bwa", "accounts", "posting_accounts", "nothing"} {
		_, err := a.Server.Change(source, emulator.Change{Stream: stream, Rows: 1})
		require.Error(t, err, stream)
	}
	_, err = newAPI(t, emulator.Options{Records: 60, Faults: "norows@receipts"}).Server.Change(source, emulator.Change{Stream: "receipts", Insert: 1})
	require.Error(t, err)
}

// A deleted receipt is in the other list, and can be restored.
func TestSoftDelete(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 300})
	in := func(deleted bool) []string {
		return values(a.list("/receipts/get", with(inbound, "deleted", deleted)), "id_by_customer")
	}
	before := a.byID("receipts", "id_by_customer")["305"]
	require.Contains(t, in(false), "305")
	r := a.Change(emulator.Change{Stream: "receipts", Gone: []emulator.ID{"305"}})
	require.Equal(t, []emulator.ID{"305"}, r.Deleted)
	require.NotContains(t, in(false), "305")
	require.Contains(t, in(true), "305")
	gone := a.byID("receipts", "id_by_customer")["305"]
	require.Equal(t, "1", gone["deleted"])
	for _, name := range []string{"date", "amount", "counterparty", "invoicenumber", "type", "filename"} {
		require.Equal(t, before[name], gone[name], name)
	}
	require.Contains(t, a.post("/receipts/get/305", nil).Body, `"deleted":"1"`)
	_, err := a.Server.Change(source, emulator.Change{Stream: "receipts", Gone: []emulator.ID{"305"}})
	require.Error(t, err)
	r = a.Change(emulator.Change{Stream: "receipts", IDs: []emulator.ID{"305"}})
	require.Contains(t, r.Note, "restored")
	require.Equal(t, before, a.byID("receipts", "id_by_customer")["305"])
	raw := keep(a.truth("receipts"), func(r m) bool { return r["date"] == nil && r["deleted"] == "0" })[0]["id_by_customer"].(string)
	r = a.Change(emulator.Change{Stream: "receipts", IDs: []emulator.ID{emulator.ID(raw)}, At: moment})
	require.Contains(t, r.Note, "recognised")
	require.Equal(t, "2026-11-20", a.byID("receipts", "id_by_customer")[raw]["date"])
	// New ones: without a date, too, and dated back.
	r = a.Change(emulator.Change{Stream: "receipts", Insert: 10, At: moment})
	dates := map[string]bool{}
	for _, id := range r.Inserted {
		row := a.byID("receipts", "id_by_customer")[string(id)]
		dates[fmt.Sprint(row["date"])] = true
		require.Equal(t, "2026-11-20", row["date_uploaded"])
	}
	require.Len(t, dates, 3)
}

// Point 9: what becomes of cancelled postings, and of those that are confirmed.
func TestCancelledPostings(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 300})
	rows := a.truth("postings")
	fixed := keep(rows, func(r m) bool { return r["fixed"] == "1" })[0]
	unfixed := keep(rows, func(r m) bool { return r["fixed"] == "0" })[0]
	id := func(row m) emulator.ID { return emulator.ID(row["id_by_customer"].(string)) }
	r := a.Change(emulator.Change{Stream: "postings", Gone: []emulator.ID{id(unfixed)}, At: moment})
	require.Equal(t, []emulator.ID{id(unfixed)}, r.Deleted)
	require.NotContains(t, a.byID("postings", "id_by_customer"), string(id(unfixed)))
	r = a.Change(emulator.Change{Stream: "postings", Gone: []emulator.ID{id(fixed)}, At: moment})
	require.Empty(t, r.Deleted)
	require.Len(t, r.Inserted, 1)
	now := a.byID("postings", "id_by_customer")
	reversal := now[string(r.Inserted[0])]
	require.Equal(t, fixed, now[string(id(fixed))], "it stays as it was")
	require.Equal(t, fixed["debit_postingaccount_number"], reversal["credit_postingaccount_number"])
	require.Equal(t, fixed["amount"], reversal["amount"])
	require.Contains(t, a.TruthText("account_ledger"), `"reversed_by_id":`+string(r.Inserted[0]))
	require.Contains(t, a.TruthText("account_ledger"), `"reversal_for_id":`+string(id(fixed)))

	day := m{"date_last_action_from": "2026-11-20", "date_last_action_to": "2026-11-20"}
	require.Equal(t, []string{string(r.Inserted[0])}, values(a.list("/postings/get", with(ever, "date_last_action_from", "2026-11-20")), "id_by_customer"))
	r = a.Change(emulator.Change{Stream: "postings", IDs: []emulator.ID{"926"}, At: moment})
	require.Contains(t, r.Note, "confirmed")
	require.Contains(t, values(a.list("/postings/get", with(day, "date_from", "1990-01-01", "date_to", "2100-01-01")), "id_by_customer"), "926")
	last := keep(a.truth("postings"), func(r m) bool { return r["fixed"] == "1" })[5]
	a.Change(emulator.Change{Stream: "postings", IDs: []emulator.ID{id(last)}, At: moment})
	require.Contains(t, values(a.list("/postings/get", with(ever, "date_last_action_from", "2026-11-20")), "id_by_customer"), string(id(last)))

	silent := newAPI(t, emulator.Options{Records: 300, Faults: "silent-comments"})
	r = silent.Change(emulator.Change{Stream: "postings", IDs: []emulator.ID{id(fixed)}, At: moment})
	require.Contains(t, r.Note, "without a last action")
	require.Empty(t, silent.list("/postings/get", with(ever, "date_last_action_from", "2026-11-20")))
	require.NotEqual(t, fixed, silent.byID("postings", "id_by_customer")[string(id(fixed))])
}

// Transactions vanish; those of a revision-safe account are taken back.
func TestDeletedTransactions(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 300})
	cash := a.keyset(m{"account": 1000})[0]
	id := emulator.ID(fmt.Sprint(cash["id_by_customer"]))
	r := a.Change(emulator.Change{Stream: "transactions", Gone: []emulator.ID{id}, At: moment})
	require.Empty(t, r.Deleted)
	back := a.byID("transactions", "id_by_customer")[string(r.Inserted[0])]
	require.Equal(t, strings.TrimPrefix("-"+cash["amount"].(string), "--"), back["amount"])
	require.Equal(t, "STORNO "+string(id), back["purpose"])
	plain := a.list("/transactions/get", m{"account": 1200, "id_by_customer_from": 1200})[0]
	id = emulator.ID(fmt.Sprint(plain["id_by_customer"]))
	r = a.Change(emulator.Change{Stream: "transactions", Gone: []emulator.ID{id}, At: moment})
	require.Equal(t, []emulator.ID{id}, r.Deleted)
	a.refused(400, 6, "/transactions/get/"+string(id), nil)
	require.NotContains(t, values(a.truth("receipt_transactions"), "id_by_customer"), string(id))
	// Imported later, dated earlier.
	r = a.Change(emulator.Change{Stream: "transactions", Insert: 3, At: moment})
	var booked []string
	for _, id := range r.Inserted {
		booked = append(booked, a.byID("transactions", "id_by_customer")[string(id)]["booking_date"].(string)[:10])
	}
	require.Contains(t, booked, "2026-10-11")
	require.Contains(t, booked, "2026-11-20")
}

// Pages tell their number, and rows can move before they go out.
func TestPageHook(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 300})
	var seen []emulator.Page
	a.Server.OnPage(func(p emulator.Page) { seen = append(seen, p) })
	a.keyset(m{"limit": 100})
	a.all("/postings/get", 100, with(ever, "order", "id_by_customer ASC"))
	a.list("/settings/get/debtors", m{"offset": 25})
	a.list("/transactions/get", m{"id_by_customer_from": 1100})
	var numbers []string
	for _, p := range seen {
		numbers = append(numbers, fmt.Sprint(p.Resource, p.Number))
		require.False(t, p.Query.Has("api_key"))
	}
	require.Equal(t, strings.Fields("transactions1 transactions2 transactions3 transactions4 postings1 postings2 postings3 postings4 debtors2 transactions1"), numbers)
	require.Equal(t, []emulator.ID{"901", "902"}, seen[4].IDs[:2])
	require.Equal(t, "100", seen[4].Query.Get("limit"))

	a.Server.OnPage(func(p emulator.Page) {
		a.Change(emulator.Change{Stream: "receipts", Gone: p.IDs[:1]})
	})
	first := values(a.list("/receipts/get", with(inbound, "limit", 20)), "id_by_customer")
	a.Server.OnPage(nil)
	second := values(a.list("/receipts/get", with(inbound, "limit", 20, "offset", 20)), "id_by_customer")
	all := values(a.list("/receipts/get", inbound), "id_by_customer")
	require.NotContains(t, slices.Concat(first, second), all[19], "a row slipped through")

	moving := newAPI(t, emulator.Options{Records: 300, Faults: "moving@postings"})
	text := moving.TruthText("postings")
	moving.list("/postings/get", with(ever, "limit", 10))
	require.NotEqual(t, text, moving.TruthText("postings"))
}

// TestConfig: the config works as it is.
func TestConfig(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60})
	config, err := a.Server.Config(source, "http://127.0.0.1:1")
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"source": source, "api_url": "http://127.0.0.1:1/buchhaltungsbutler", "start_date": "2023-01-01T00:00:00Z",
		"api_client": Client, "api_secret": Secret, "api_key": Key,
	}, config)
	total := 0
	for _, stream := range []string{"receipts", "receipts/offers", "transactions", "postings", "accounts", "posting_accounts", "debtors", "creditors", "cost_locations"} {
		total += len(a.truth(stream))
	}
	require.Equal(t, int64(total), a.service.Rows())
	var watched *Service
	s, err := emulator.New(emulator.Options{}, Watched(&watched))
	require.NoError(t, err)
	require.Equal(t, []string{source}, s.Sources())
	require.NotNil(t, watched)
	require.Equal(t, "report_bwa/create", watched.Resource("/api/v1/reports/create/bwa"))
	require.Equal(t, "unknown", watched.Resource("/api/v2/receipts/get"))
	_, err = emulator.New(emulator.Options{}, Plugin)
	require.NoError(t, err)
}

// TestScale reads parts of a million rows: nothing may be stored for them.
func TestScale(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	a := newAPI(t, emulator.Options{Records: 1_000_000})
	require.Len(t, a.list("/receipts/get", with(inbound, "order", m{"date": "ASC"}, "offset", 400_000)), 500)
	require.Len(t, a.list("/transactions/get", m{"id_by_customer_from": 900_000}), 500)
	require.Len(t, a.list("/postings/get", with(ever, "order", "id_by_customer ASC", "offset", 900_000)), 1000)
	require.NotEmpty(t, a.list("/postings/get", with(ever, "date_last_action_from", "2026-06-01", "date_last_action_to", "2026-06-01")))
	require.Len(t, a.list("/settings/get/postingaccounts", m{"offset": 70_000}), 1000)
	require.Len(t, a.list("/settings/get/debtors", m{"offset": 49_000, "limit": 500}), 500)
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(16<<20))
	runtime.KeepAlive(a)
}

// TestTogether changes and reads at once, for the race detector.
func TestTogether(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 120, Limits: "real", Faults: "unstable"})
	var wg sync.WaitGroup
	for _, work := range []func(){
		func() { _, _ = a.Server.Change(source, emulator.Change{}) },
		func() { a.post("/receipts/get", with(inbound, "order", m{"date": "DESC"}, "limit", 10, "offset", 10)) },
		func() { a.post("/postings/get", ever) },
		func() { a.post("/transactions/get", m{"id_by_customer_from": 1000}) },
		func() { a.post("/reports/create/sums", ever) },
		func() { a.post("/reports/get/sums", m{"report_id_by_customer": 501}) },
		func() { _ = a.Server.Truth(&strings.Builder{}, source, "account_ledger") },
		func() { a.service.Reset() },
	} {
		wg.Go(func() {
			for range 6 {
				work()
			}
		})
	}
	wg.Wait()
}
