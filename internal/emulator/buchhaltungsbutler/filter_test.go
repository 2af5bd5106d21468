package buchhaltungsbutler

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// keep are the rows that pass a test.
func keep(list []m, pass func(m) bool) []m {
	return slices.DeleteFunc(slices.Clone(list), func(row m) bool { return !pass(row) })
}

func text(row m, name string) string {
	s, _ := row[name].(string)
	return s
}

// Point 7: dates of receipts are inclusive, deleted is a switch, offers must be
// asked for, and a receipt without a date is in no window.
func TestReceiptFilters(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 400})
	live := keep(a.truth("receipts"), func(r m) bool { return r["deleted"] == "0" && r["list_direction"] == "inbound" })
	live = without(live, "list_direction")
	undated := keep(live, func(r m) bool { return r["date"] == nil })
	require.NotEmpty(t, undated)
	one := text(live[0], "date")
	for name, c := range map[string]struct {
		more m
		pass func(m) bool
	}{
		"day":     {m{"date_from": one, "date_to": one}, func(r m) bool { return r["date"] == one }},
		"from":    {m{"date_from": one}, func(r m) bool { return r["date"] != nil && text(r, "date") >= one }},
		"to":      {m{"date_to": one}, func(r m) bool { return r["date"] != nil && text(r, "date") <= one }},
		"nothing": {m{"date_from": "2026-02-01", "date_to": "2026-01-01"}, func(m) bool { return false }},
		"paid":    {m{"payment_status": "paid"}, func(r m) bool { return r["payment_date"] != nil }},
		"unpaid":  {m{"payment_status": "unpaid"}, func(r m) bool { return r["payment_date"] == nil }},
		"party":   {m{"counterparty": live[0]["counterparty"]}, func(r m) bool { return r["counterparty"] == live[0]["counterparty"] }},
		"part":    {m{"counterparty": text(live[0], "counterparty")[:3]}, func(m) bool { return false }},
		"number":  {m{"invoicenumber": live[0]["invoicenumber"]}, func(r m) bool { return r["invoicenumber"] == live[0]["invoicenumber"] }},
		"due":     {m{"due_date": live[0]["due_date"]}, func(r m) bool { return r["due_date"] == live[0]["due_date"] }},
		"offers":  {m{"include_offers": true}, func(m) bool { return true }},
	} {
		sameRows(t, keep(live, c.pass), a.all("/receipts/get", 50, with(c.more, "list_direction", "inbound", "deleted", false)), name)
	}
	offers := without(a.truth("receipts/offers"), "list_direction")
	require.NotEmpty(t, offers)
	require.Subset(t, a.list("/receipts/get", with(outbound, "include_offers", true)), offers)
	require.NotSubset(t, a.list("/receipts/get", outbound), offers)

	match := newAPI(t, emulator.Options{Records: 400, Faults: "undated-match"})
	require.Subset(t, match.list("/receipts/get", with(inbound, "date_from", one, "date_to", one)), undated)
	kinds := unique(values(live, "type"))
	require.Contains(t, kinds, "credit outbound", "the direction does not follow from the type")
}

// The order of receipts: the whole of it, whatever the page.
func TestReceiptOrder(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 700})
	live := without(keep(a.truth("receipts"), func(r m) bool { return r["deleted"] == "0" && r["list_direction"] == "inbound" }), "list_direction")
	amount := func(r m) float64 {
		if r["amount"] == nil {
			return -1e12
		}
		v, err := strconv.ParseFloat(text(r, "amount"), 64)
		require.NoError(t, err)
		return v
	}
	keys := map[string]func(a, b m) int{
		"date":           func(a, b m) int { return cmp.Compare(text(a, "date"), text(b, "date")) },
		"amount":         func(a, b m) int { return cmp.Compare(amount(a), amount(b)) },
		"invoicenumber":  func(a, b m) int { return cmp.Compare(text(a, "invoicenumber"), text(b, "invoicenumber")) },
		"invoicingparty": func(a, b m) int { return cmp.Compare(text(a, "counterparty"), text(b, "counterparty")) },
	}
	for _, order := range []string{
		`{"date":"ASC","amount":"ASC","invoicenumber":"ASC","invoicingparty":"ASC"}`, `{"date":"DESC","amount":"ASC"}`,
		`{"amount":"DESC","date":"ASC"}`, `{"invoicingparty":"ASC"}`, `{"date":"ASC"}`,
	} {
		for _, limit := range []int{500, 37, 1} {
			if limit == 1 && order != `{"date":"ASC"}` {
				continue
			}
			got := a.all("/receipts/get", limit, with(inbound, "order", json.RawMessage(order)))
			sameRows(t, live, got, "%s by %d", order, limit)
			require.True(t, slices.IsSortedFunc(got, func(x, y m) int {
				for word := range strings.SplitSeq(strings.Trim(order, "{}"), ",") {
					name, direction, _ := strings.Cut(strings.ReplaceAll(word, `"`, ""), ":")
					if n := keys[name](x, y); n != 0 {
						if direction == "DESC" {
							return -n
						}
						return n
					}
				}
				return 0
			}), "%s by %d", order, limit)
		}
	}
	// Receipts that were uploaded twice: no order tells them apart.
	twins := map[string]int{}
	for _, r := range keep(live, func(r m) bool { return r["date"] != nil && r["invoicenumber"] != nil }) {
		twins[text(r, "date")+text(r, "amount")+text(r, "invoicenumber")+text(r, "counterparty")]++
	}
	require.Contains(t, slices.Collect(mapsValues(twins)), 2)
}

func mapsValues(in map[string]int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for _, v := range in {
			if !yield(v) {
				return
			}
		}
	}
}

// Point 7: bounds of the id are exclusive and sort by it, also with dates; the
// newest come first without.
func TestTransactionIDs(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 400})
	get := func(members m) []string { return values(a.list("/transactions/get", members), "id_by_customer") }
	require.Equal(t, []string{"1017"}, get(m{"id_by_customer_from": 1016, "id_by_customer_to": 1018}))
	require.Empty(t, get(m{"id_by_customer_from": 1017, "id_by_customer_to": 1017}))
	require.Equal(t, []string{"1029", "1030", "1032"}, get(m{"id_by_customer_from": 1028, "limit": 3}), "ids have gaps")
	require.Equal(t, []string{"1030", "1032"}, get(m{"id_by_customer_from": 1028, "limit": 2, "offset": 1}))
	newest := get(m{"limit": 400})
	require.Len(t, newest, 400)
	slices.Reverse(newest)
	require.Equal(t, newest, values(a.truth("transactions"), "id_by_customer"))

	row := a.truth("transactions")[5]
	booked := text(row, "booking_date")[:10]
	window := m{"date_from": booked, "date_to": booked}
	require.Contains(t, get(window), row["id_by_customer"].(json.Number).String())
	for _, list := range [][]m{a.keyset(m{"date_from": booked}), a.keyset(m{"account": 1200}), a.keyset(m{"to_from": row["to_from"]})} {
		require.NotEmpty(t, list)
		require.True(t, slices.IsSortedFunc(list, func(x, y m) int {
			return cmp.Compare(x["id_by_customer"].(json.Number), y["id_by_customer"].(json.Number))
		}))
	}
	var all []string
	for _, number := range []int{1000, 1200, 1210, 1361, 1201} {
		list := a.keyset(m{"account": number})
		require.Equal(t, number == 1201, len(list) == 0)
		all = append(all, values(list, "id_by_customer")...)
		if len(list) > 0 {
			r := a.post("/transactions/get/"+list[0]["id_by_customer"].(json.Number).String(), nil)
			require.Contains(t, r.Body, `"account":`+strconv.Itoa(number)+",")
		}
	}
	require.ElementsMatch(t, newest, all, "every transaction has one account")
}

// Point 6: date_since_last_modified is strict, to the second, by the clock of
// the site, and says nothing of uploads.
func TestModifiedSince(t *testing.T) {
	for faults, want := range map[string]struct {
		clock   string
		uploads bool
	}{"": {"2026-11-10 11:00:00", false}, "zone-utc": {"2026-11-10 10:00:00", false}, "uploads-modified": {"2026-11-10 11:00:00", true}} {
		a := newAPI(t, emulator.Options{Records: 100, Faults: faults})
		at := time.Date(2026, 11, 10, 10, 0, 0, 0, time.UTC)
		day, before := want.clock[:10], want.clock
		before = before[:11] + strconv.Itoa(mustInt(t, before[11:13])-1) + ":59:59"
		for _, stream := range []string{"receipts", "transactions"} { // the first touch of a receipt is an edit
			path, from := "/"+stream+"/get", m{}
			if stream == "receipts" {
				from = inbound
			}
			touched := a.Change(emulator.Change{Stream: stream, IDs: []emulator.ID{map[string]emulator.ID{"receipts": "301", "transactions": "1001"}[stream]}, At: at})
			require.Empty(t, touched.Note)
			a.Change(emulator.Change{Stream: stream, Insert: 8, At: at})
			count := func(since string) int {
				return len(a.list(path, with(from, "date_since_last_modified", since)))
			}
			if !want.uploads {
				require.Equal(t, 1, count(before))
			} else {
				require.Greater(t, count(before), 4)
			}
			require.Zero(t, count(want.clock), "strictly later")
			require.Zero(t, count(day), "the day means its last second")
			require.Equal(t, count(before), count("2026-11-09"))
			require.NotContains(t, a.TruthText(stream), "date_updated")
		}
	}
}

func mustInt(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n
}

// Point 9: what is confirmed, in which order, by which days.
func TestPostingFilters(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 600})
	every := func(more ...any) []m { return a.all("/postings/get", 90, with(ever, more...)) }
	all := a.truth("postings")
	require.Len(t, all, 600)
	sameRows(t, all, every())
	ids := unique(values(all, "id_by_customer"))
	require.NotContains(t, ids, "926", "an unconfirmed one has no filter that gives it")
	for _, order := range []string{"default", "date ASC", "date DESC", "date_last_action ASC", "date_last_action DESC", "id_by_customer ASC", "id_by_customer DESC"} {
		got := every("order", order)
		sameRows(t, all, got, order)
		name, direction, _ := strings.Cut(order, " ")
		compare := func(x, y m) int { return cmp.Compare(text(x, "date"), text(y, "date")) }
		switch name {
		case "id_by_customer":
			compare = func(x, y m) int { return cmp.Compare(mustInt(t, text(x, name)), mustInt(t, text(y, name))) }
		case "date_last_action":
			continue // nothing shows it
		}
		require.True(t, slices.IsSortedFunc(got, func(x, y m) int {
			if direction == "DESC" {
				x, y = y, x
			}
			return compare(x, y)
		}), order)
	}
	fixed, unfixed := every("posting_status", "fixed"), every("posting_status", "unfixed")
	require.Len(t, all, len(fixed)+len(unfixed))
	require.Equal(t, map[string]bool{"1": true}, unique(values(fixed, "fixed")))
	require.Equal(t, map[string]bool{"0": true}, unique(values(unfixed, "fixed")))
	number := text(all[0], "debit_postingaccount_number")
	sameRows(t, keep(all, func(r m) bool {
		return r["debit_postingaccount_number"] == number || r["credit_postingaccount_number"] == number
	}), every("postingaccount", number))
	sameRows(t, keep(all, func(r m) bool { return r["cost_location"] == "KST-1" }), every("cost_location", "KST-1"))
	require.Equal(t, every("account", "free booking"), keep(every(), func(r m) bool {
		return r["transaction_id_by_customer"] == nil && r["receipt_id_by_customer"] == nil
	}))
	require.Less(t, len(every("account", "all financial accounts")), len(all))
	require.Len(t, every("account", "all", "postingaccount", "all", "posting_status", "all"), len(all))

	// The days of last actions partition the postings.
	sum, some := 0, 0
	for at := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2027; at = at.AddDate(0, 0, 1) {
		day := at.Format(time.DateOnly)
		n := len(a.list("/postings/get", with(ever, "date_last_action_from", day, "date_last_action_to", day)))
		sum += n
		some += min(n, 1)
	}
	require.Equal(t, 600, sum)
	require.Greater(t, some, 200)
	later := keep(all, func(r m) bool { return text(r, "date") > "2026-11-20" })
	require.NotEmpty(t, later, "some are dated in the future")
}

// The days of last actions are those of the site's clock.
func TestLastActionDay(t *testing.T) {
	for faults, want := range map[string]string{"": "2026-07-11", "zone-utc": "2026-07-10"} {
		a := newAPI(t, emulator.Options{Records: 60, Faults: faults})
		at := time.Date(2026, 7, 10, 22, 30, 0, 0, time.UTC) // half past midnight in Germany
		added := a.Change(emulator.Change{Stream: "postings", Insert: 1, At: at})
		list := a.list("/postings/get", with(ever, "date_last_action_from", want, "date_last_action_to", want))
		require.Contains(t, values(list, "id_by_customer"), string(added.Inserted[0]), faults)
	}
}

func TestSettingsFilters(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 1000})
	get := func(members m) []m { return a.all("/settings/get/postingaccounts", 700, members) }
	all := get(nil)
	require.Greater(t, len(all), 1000)
	count := func(kind string) int {
		return len(keep(all, func(r m) bool { return strings.HasPrefix(text(r, "type"), kind) }))
	}
	require.Len(t, get(m{"exclude_debtors": true}), len(all)-count("debtor"))
	require.Len(t, get(m{"exclude_creditors": true}), len(all)-count("creditor"))
	require.Len(t, get(m{"exclude_postingaccounts": true}), len(all)-count("postingaccount"))
	require.Len(t, get(m{"exclude_accounts": true}), len(all)-count("account"))
	for _, order := range []string{"postingaccount_number ASC", "postingaccount_number DESC", "name ASC", "name DESC", "type ASC", "type DESC"} {
		got := get(m{"order": order})
		sameRows(t, all, got)
		name, direction, _ := strings.Cut(order, " ")
		require.True(t, slices.IsSortedFunc(got, func(x, y m) int {
			if direction == "DESC" {
				x, y = y, x
			}
			if name == "postingaccount_number" { // by value
				return cmp.Compare(mustInt(t, text(x, name)), mustInt(t, text(y, name)))
			}
			return cmp.Compare(text(x, name), text(y, name))
		}), order)
	}
	code := a.list("/cost-locations/get", nil)[1]["code"]
	require.Equal(t, []string{code.(string)}, values(a.list("/cost-locations/get", m{"code": code}), "code"))
	require.Empty(t, a.list("/cost-locations/get", m{"code": "nowhere"}))
	for _, row := range a.list("/cost-locations/get", nil) {
		require.LessOrEqual(t, len([]rune(text(row, "code"))), 10)
	}
}

// Point 8: offsets that do not fit together.
func TestUnstable(t *testing.T) {
	lost := func(a *api, path string, limit int, members m) (rows, distinct int) {
		name := "id_by_customer"
		if strings.HasPrefix(path, "/settings") {
			name = "postingaccount_number"
		}
		got := values(a.all(path, limit, members), name)
		return len(got), len(unique(got))
	}
	a := newAPI(t, emulator.Options{Records: 400})
	rows, distinct := lost(a, "/transactions/get", 30, m{"date_from": "2023-01-01"})
	require.Equal(t, 400, rows)
	require.Less(t, distinct, 400, "a filtered list repeats ids and loses others")
	require.Len(t, unique(values(a.keyset(m{"date_from": "2023-01-01", "limit": 30}), "id_by_customer")), 400, "the id cursor does not")
	rows, distinct = lost(a, "/transactions/get", 30, nil)
	require.Equal(t, rows, distinct)
	rows, distinct = lost(newAPI(t, emulator.Options{Records: 400, Faults: "stable-offset"}), "/transactions/get", 30, m{"date_from": "2023-01-01"})
	require.Equal(t, rows, distinct)

	for _, fault := range []string{"unstable", "unstable-fixed"} {
		a := newAPI(t, emulator.Options{Records: 400, Faults: fault})
		for _, c := range []struct {
			path    string
			members m
		}{
			{"/receipts/get", with(inbound, "order", m{"date": "ASC"})},
			{"/transactions/get", nil},
			{"/postings/get", ever},
			{"/settings/get/debtors", nil},
			{"/settings/get/postingaccounts", nil},
		} {
			rows, distinct := lost(a, c.path, 30, c.members)
			require.Less(t, distinct, rows, "%s %s", fault, c.path)
			var seen []string
			for range 8 {
				seen = append(seen, values(a.all(c.path, 30, c.members), map[bool]string{true: "postingaccount_number", false: "id_by_customer"}[strings.HasPrefix(c.path, "/settings")])...)
			}
			require.Equal(t, fault == "unstable", len(unique(seen)) == rows, "%s %s: whether asking again helps", fault, c.path)
		}
		for _, c := range []struct {
			path    string
			members m
		}{
			{"/postings/get", with(ever, "order", "id_by_customer ASC")},
			{"/settings/get/postingaccounts", m{"order": "postingaccount_number ASC"}},
		} {
			rows, distinct := lost(a, c.path, 30, c.members)
			require.Equal(t, rows, distinct, "%s %s: a unique order", fault, c.path)
		}
	}

	same := newAPI(t, emulator.Options{Records: 400, Faults: "offset-ignored@debtors"})
	first := same.list("/settings/get/debtors", nil)
	require.Equal(t, first, same.list("/settings/get/debtors", m{"offset": 25}))
	require.NotEqual(t, same.list("/settings/get/creditors", nil), same.list("/settings/get/creditors", m{"offset": 25}))
	all := newAPI(t, emulator.Options{Records: 400, Faults: "offset-ignored"})
	require.Equal(t, all.post("/settings/get/postingaccounts", m{"limit": 10}).Body, all.post("/settings/get/postingaccounts", m{"limit": 10, "offset": 10}).Body)
	require.Equal(t, http.StatusOK, all.post("/postings/get", with(ever, "offset", 1)).Status)
}
