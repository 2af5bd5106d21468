package buchhaltungsbutler

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

var (
	inbound  = m{"list_direction": "inbound"}
	outbound = m{"list_direction": "outbound"}
	ever     = m{"date_from": "1990-01-01", "date_to": "2100-12-31"}
)

func with(a m, pairs ...any) m {
	out := without([]m{a})[0]
	for k := 0; k < len(pairs); k += 2 {
		out[pairs[k].(string)] = pairs[k+1]
	}
	return out
}

// Point 1: methods and paths.
func TestPaths(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60})
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		require.Equal(t, "400/2", refusalOf(t, a.ask(method, "/receipts/get", `{}`)))
	}
	for _, path := range []string{
		"/", "/receipts", "/receipts/get/", "/nothing", "/transactions/get/id_by_customer", "/receipts/get/id_by_customer/2",
		"/transactions/get/", "/settings/get", mount + "/receipts/get",
	} {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			r := a.ask(method, path, `{"api_key":"`+Key+`"}`)
			require.Equal(t, http.StatusNotFound, r.Status, path)
			require.Equal(t, "text/html; charset=UTF-8", r.Header.Get("Content-Type"))
			require.Greater(t, len(r.Body), 5000)
		}
	}
	a.refused(400, 5, "/receipts/get/id_by_customer", m{"id_by_customer": 301})
	r := a.post("/receipts/get/301", nil)
	require.Equal(t, http.StatusOK, r.Status)
	require.NotContains(t, r.Body, `"rows"`)
	require.Equal(t, http.StatusOK, a.post("/transactions/get/1001", nil).Status)
	a.refused(400, 5, "/receipts/get/300", nil)
	a.refused(400, 5, "/receipts/get/abc", nil)
	a.refused(400, 6, "/receipts/get/301", m{"get_file": "yes"})
	a.refused(400, 5, "/transactions/get/0", nil)
	a.refused(400, 6, "/transactions/get/1000", nil)
	require.Contains(t, a.post("/receipts/get/301", m{"get_file": true}).Body, `"file_type":"pdf"`)
}

// Point 2: what is looked at, in which order.
func TestRefusals(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60})
	pair := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	good := `{"api_key":"` + Key + `","list_direction":"inbound"}`
	for _, header := range []string{"", "Bearer x", pair(Client, "x"), pair("x", Secret), pair("", "")} {
		require.Equal(t, "401/3", refusalOf(t, a.ask(http.MethodPost, "/receipts/get", good, "Authorization", header)))
		require.Equal(t, "401/3", refusalOf(t, a.ask(http.MethodPost, "/receipts/get", "", "Authorization", header)), "the pair comes first")
	}
	latin := base64.StdEncoding.EncodeToString([]byte(Client + ":Gr\xfcn:7f3c9a1e5b2d4860"))
	require.Equal(t, "401/3", refusalOf(t, a.ask(http.MethodPost, "/receipts/get", good, "Authorization", "Basic "+latin)), "the secret is UTF-8")

	for _, key := range []any{nil, "", "x", 5, ForeignKey} {
		a.refused(401, 4, "/receipts/get", m{"api_key": key, "limit": -1})
	}
	require.Equal(t, "401/4", refusalOf(t, a.ask(http.MethodPost, "/receipts/get?api_key="+Key, `{"list_direction":"inbound"}`, "api_key", Key)))
	for path, long := range map[string]bool{
		"/receipts/get": false, "/cost-locations/get": true, "/transactions/assigned-receipts/get": true, "/reports/get/bwa": true,
	} {
		r := a.post(path, m{"api_key": ForeignKey})
		require.Equal(t, long, strings.Contains(r.Body, "invalid api client for customer"), path)
	}
	a.refused(403, 11, "/receipts/get", m{"api_key": SuspendedKey})
	for _, body := range []string{"", "x", "[1]", "null", `{"api_key":`} {
		require.Equal(t, "400/23", refusalOf(t, a.ask(http.MethodPost, "/receipts/get", body)), body)
	}
	for _, kind := range []string{"", "text/plain", "application/xml", "multipart/form-data; boundary=x"} {
		require.Equal(t, "400/23", refusalOf(t, a.ask(http.MethodPost, "/receipts/get", good, "Content-Type", kind)), kind)
	}
	a.refused(400, 5, "/receipts/get", m{"limit": -1, "order": "x"})
	a.refused(400, 7, "/receipts/get", with(inbound, "date_from", "x", "limit", -1))
	a.refused(400, 5, "/transactions/get", m{"date_from": "x", "limit": -1})
	a.refused(400, 17, "/postings/get", with(ever, "order", "x", "limit", -1))
}

func TestForms(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60})
	form := func(path string, pairs ...string) reply {
		values := url.Values{"api_key": {Key}}
		for k := 0; k < len(pairs); k += 2 {
			values.Set(pairs[k], pairs[k+1])
		}
		return a.ask(http.MethodPost, path, values.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	}
	require.Equal(t, http.StatusOK, form("/receipts/get", "list_direction", "inbound", "limit", "2", "deleted", "true").Status)
	require.Equal(t, http.StatusOK, form("/settings/get/postingaccounts").Status)
	require.Equal(t, "400/6", refusalOf(t, form("/settings/get/postingaccounts", "limit", "10")), "typed values need JSON there")
	require.Equal(t, "400/9", refusalOf(t, form("/settings/get/postingaccounts", "exclude_accounts", "true")))
	a.refused(400, 10, "/receipts/get", with(inbound, "limit", "10"))
	a.refused(400, 14, "/receipts/get", with(inbound, "deleted", "true"))
}

// Every code of the tables of the specification.
func TestCodes(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60})
	ledger := with(ever, "postingaccount_number", 410)
	for _, c := range []struct {
		path, name string
		value      any
		code       int
		from       m
	}{
		{"/receipts/get", "list_direction", "sideways", 5, inbound},
		{"/receipts/get", "list_direction", nil, 5, inbound},
		{"/receipts/get", "payment_status", "late", 6, inbound},
		{"/receipts/get", "date_from", "2026-13-01", 7, inbound},
		{"/receipts/get", "date_to", 5, 8, inbound},
		{"/receipts/get", "counterparty", 5, 9, inbound},
		{"/receipts/get", "limit", 501, 10, inbound},
		{"/receipts/get", "limit", 0, 10, inbound},
		{"/receipts/get", "limit", 1.5, 10, inbound},
		{"/receipts/get", "offset", -1, 12, inbound},
		{"/receipts/get", "include_offers", "1", 13, inbound},
		{"/receipts/get", "deleted", 1, 14, inbound},
		{"/receipts/get", "order", m{"field": "ASC"}, 15, inbound},
		{"/receipts/get", "order", "date ASC", 15, inbound},
		{"/receipts/get", "order", m{"date": "asc"}, 16, inbound},
		{"/receipts/get", "invoicenumber", 5, 17, inbound},
		{"/receipts/get", "due_date", "x", 18, inbound},
		{"/receipts/get", "date_since_last_modified", "", 19, inbound},
		{"/transactions/get", "date_from", "x", 5, nil},
		{"/transactions/get", "date_to", "x", 6, nil},
		{"/transactions/get", "account", 99, 7, nil},
		{"/transactions/get", "account", "1200", 7, nil},
		{"/transactions/get", "to_from", "Papier", 8, nil},
		{"/transactions/get", "limit", 501, 9, nil},
		{"/transactions/get", "offset", "0", 10, nil},
		{"/transactions/get", "id_by_customer_from", -1, 12, nil},
		{"/transactions/get", "id_by_customer_to", "9", 13, nil},
		{"/transactions/get", "date_since_last_modified", "", 14, nil},
		{"/receipts/assigned-transactions/get", "receipt_id_by_customer", nil, 5, nil},
		{"/receipts/assigned-transactions/get", "receipt_id_by_customer", 300, 6, nil},
		{"/receipts/assigned-transactions/get", "confirmed_only", "x", 7, m{"receipt_id_by_customer": 301}},
		{"/transactions/assigned-receipts/get", "transaction_id_by_customer", "1001", 5, nil},
		{"/transactions/assigned-receipts/get", "transaction_id_by_customer", 1000, 6, nil},
		{"/transactions/assigned-receipts/get", "confirmed_only", 1, 7, m{"transaction_id_by_customer": 1001}},
		{"/postings/get", "date_from", nil, 5, ever},
		{"/postings/get", "date_to", nil, 6, ever},
		{"/postings/get", "account", "some", 7, ever},
		{"/postings/get", "postingaccount", "x", 8, ever},
		{"/postings/get", "posting_status", "x", 9, ever},
		{"/postings/get", "limit", 1001, 10, ever},
		{"/postings/get", "limit", 5000, 10, ever},
		{"/postings/get", "offset", -1, 12, ever},
		{"/postings/get", "cost_location", 5, 13, ever},
		{"/postings/get", "date_last_action_from", "x", 14, ever},
		{"/postings/get", "date_last_action_to", "x", 16, ever},
		{"/postings/get", "order", "id_by_customer asc", 17, ever},
		{"/settings/get/postingaccounts", "limit", 1001, 6, nil},
		{"/settings/get/postingaccounts", "offset", -1, 7, nil},
		{"/settings/get/postingaccounts", "order", "number ASC", 8, nil},
		{"/settings/get/postingaccounts", "exclude_accounts", "true", 9, nil},
		{"/settings/get/postingaccounts", "exclude_postingaccounts", 1, 10, nil},
		{"/settings/get/postingaccounts", "exclude_creditors", 1, 12, nil},
		{"/settings/get/postingaccounts", "exclude_debtors", 1, 13, nil},
		{"/settings/get/debtors", "limit", 501, 6, nil},
		{"/settings/get/creditors", "offset", -1, 7, nil},
		{"/cost-locations/get", "limit", 1001, 5, nil},
		{"/cost-locations/get", "offset", -1, 6, nil},
		{"/cost-locations/get", "code", 5, 7, nil},
		{"/reports/create/sums", "date_from", nil, 6, ever},
		{"/reports/create/sums", "date_to", "x", 7, ever},
		{"/reports/create/sums", "base", "x", 8, ever},
		{"/reports/create/sums", "file_pdf", "x", 9, ever},
		{"/reports/create/sums", "file_csv", "x", 10, ever},
		{"/reports/create/sums", "archive_export", "x", 13, ever},
		{"/reports/create/bwa", "date_from", nil, 6, ever},
		{"/reports/create/bwa", "date_to", nil, 7, ever},
		{"/reports/get/sums", "report_id_by_customer", nil, 6, nil},
		{"/reports/get/bwa", "report_id_by_customer", "1", 6, nil},
		{"/reports/get/bwa", "report_id_by_customer", 1, 7, nil},
		{"/reports/get/sums", "get_files", "x", 9, m{"report_id_by_customer": 1}},
		{"/reports/get/sums/ledger", "postingaccount_number", nil, 10, ledger},
		{"/reports/get/sums/ledger", "date_from", nil, 12, ledger},
		{"/reports/get/sums/ledger", "date_to", nil, 13, ledger},
		{"/reports/get/sums/ledger", "base", "x", 14, ledger},
		{"/reports/get/sums/ledger", "postingaccount_number", 123456, 16, ledger},
	} {
		if c.from == nil {
			c.from = m{}
		}
		a.refused(400, c.code, c.path, with(c.from, c.name, c.value))
	}
}

// Point 3: envelopes of lists; details and reports have their own tests.
func TestEnvelope(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60})
	r := a.post("/transactions/get", m{"limit": 1, "offset": 1_000_000})
	require.Equal(t, http.StatusOK, r.Status)
	require.Equal(t, `{"success":true,"message":"","rows":0,"data":[]}`, r.Body)
	for name, want := range map[string]string{
		"Content-Type": "application/json; charset=utf-8", "Server": "nginx", "Pragma": "no-cache",
		"Expires": "Thu, 19 Nov 1981 08:52:00 GMT", "Cache-Control": "no-store, no-cache, must-revalidate",
	} {
		require.Equal(t, want, r.Header.Get(name))
	}
	require.Equal(t, `{"success":false,"error_code":10,"message":"invalid limit specified"}`, a.post("/receipts/get", with(inbound, "limit", 501)).Body)
	require.Equal(t, `{"success":false,"error_code":3,"message":"API credentials unknown or invalid"}`, a.ask(http.MethodPost, "/accounts/get", "{}", "Authorization", "").Body)
}

// Point 4: defaults and maxima.
func TestPageSizes(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 2600})
	for path, want := range map[string]struct {
		from          m
		standard, max int
	}{
		"/receipts/get":                 {inbound, 500, 500},
		"/transactions/get":             {m{}, 500, 500},
		"/postings/get":                 {ever, 1000, 1000},
		"/settings/get/postingaccounts": {m{}, 1000, 1000},
		"/settings/get/debtors":         {m{}, 25, 500},
		"/settings/get/creditors":       {m{}, 25, 500},
	} {
		require.Len(t, a.list(path, want.from), want.standard, path)
		require.Len(t, a.list(path, with(want.from, "limit", want.max)), want.max, path)
		require.Equal(t, http.StatusBadRequest, a.post(path, with(want.from, "limit", want.max+1)).Status, path)
		require.Empty(t, a.list(path, with(want.from, "offset", 100_000)), path)
	}
	require.Len(t, a.list("/cost-locations/get", nil), 65)

	small := newAPI(t, emulator.Options{Records: 2600, Faults: "small-default,hidden-cap"})
	require.Len(t, small.list("/postings/get", ever), 25)
	require.Len(t, small.list("/cost-locations/get", nil), 25)
	for path, rows := range map[string]int{"/settings/get/debtors": 1300, "/settings/get/creditors": 1300, "/settings/get/postingaccounts": 3782} {
		require.Len(t, small.list(path, m{"limit": 500}), 100, path)
		require.Len(t, unique(values(small.all(path, 500, nil), "postingaccount_number")), rows, path)
	}
}

// Point 5: types on the wire.
func TestWireTypes(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 400})
	row := func(path string, members m) map[string]json.RawMessage {
		var e struct{ Data json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(a.post(path, members).Body), &e))
		var list []map[string]json.RawMessage
		if json.Unmarshal(e.Data, &list) == nil {
			return list[0]
		}
		var one map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(e.Data, &one))
		return one
	}
	r := row("/receipts/get", inbound)
	require.JSONEq(t, `"301"`, string(r["id_by_customer"]))
	require.Regexp(t, `^"-?\d+\.\d\d"$`, string(r["amount"]))
	require.Equal(t, `"0"`, string(r["deleted"]))
	require.Equal(t, `"0.00"`, string(r["amount_paid"]))
	require.Contains(t, r, "delivery_date")
	require.NotContains(t, r, "date_delivery")
	r = row("/receipts/get/301", nil)
	require.NotContains(t, r, "delivery_date")
	require.Contains(t, r, "date_payment_due")
	require.Regexp(t, `^\d$`, string(r["e_invoice_type"]))
	r = row("/transactions/get", m{"id_by_customer_from": 0})
	require.Len(t, r, 6)
	require.Equal(t, `1001`, string(r["id_by_customer"]))
	require.Regexp(t, `^"-?\d+\.\d\d"$`, string(r["amount"]))
	require.Regexp(t, `^"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"$`, string(r["booking_date"]))
	r = row("/transactions/get/1001", nil)
	require.Len(t, r, 13)
	require.Regexp(t, `^\d+$`, string(r["account"]))
	r = row("/receipts/assigned-transactions/get", m{"receipt_id_by_customer": 301})
	require.Equal(t, `1001`, string(r["id_by_customer"]))
	r = row("/transactions/assigned-receipts/get", m{"transaction_id_by_customer": 1001})
	require.Equal(t, `301`, string(r["id_by_customer"]))
	require.Len(t, r, 2)
	r = row("/postings/get", with(ever, "order", "id_by_customer ASC"))
	require.Equal(t, `"901"`, string(r["id_by_customer"]))
	require.Equal(t, `901`, string(r["booking_number"]))
	require.Regexp(t, `^"\d{4}-\d\d-\d\d 00:00:00"$`, string(r["date"]))
	require.Regexp(t, `^"\d{4}-\d\d-\d\d"$`, string(r["date_vat_effective"]))

	require.Contains(t, values(a.list("/accounts/get", nil), "postingaccount_number"), "<nil>")
	accounts := a.all("/settings/get/postingaccounts", 1000, nil)
	require.Contains(t, values(accounts, "postingaccount_number"), "27", "no zeros in front")
	kinds := unique(values(accounts, "type"))
	require.Len(t, kinds, 6)
	require.Contains(t, kinds, "creditor collective")
	for _, row := range accounts {
		if row["parent_name"] == nil {
			require.Empty(t, row["parent_postingaccount_number"])
		}
		require.Equal(t, strings.HasPrefix(row["type"].(string), "debtor") || strings.HasPrefix(row["type"].(string), "creditor"), row["subtype"] == nil)
	}
	for path, kind := range map[string]string{"/settings/get/debtors": "debitor", "/settings/get/creditors": "creditor"} {
		list := a.all(path, 500, nil)
		require.Equal(t, map[string]bool{kind: true}, unique(values(list, "type")))
		for _, name := range []string{"uid_ch", "email"} {
			require.Contains(t, values(list, name), "<nil>", name)
		}
		require.Contains(t, values(list, "contact_person_name"), "")
	}
	// Nulls where they were seen.
	for _, list := range [][]m{a.truth("receipts"), a.truth("receipt_details"), a.truth("transactions"), a.truth("transaction_details"), a.truth("postings")} {
		nulls := map[string]bool{}
		for _, row := range list {
			for name, v := range row {
				nulls[name] = nulls[name] || v == nil
			}
		}
		for _, name := range []string{
			"due_date", "link_to_receipt_id_by_customer", "payment_date", "invoicenumber", "amount_original", "exchangerate", "vat_rate",
			"date_delivery", "date_payment_due", "purpose", "bank_name", "type_of", "booking_text", "transaction_amount",
			"transaction_id_by_customer", "receipt_id_by_customer",
		} {
			if _, there := nulls[name]; there {
				require.True(t, nulls[name], name)
			}
		}
	}
	require.Contains(t, a.TruthText("postings"), ", ", "joined lists")
}

func TestDisputedTypes(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 400, Faults: "disputed:1.0,more-columns"})
	require.Contains(t, a.TruthText("transactions"), `"id_by_customer":"1001"`)
	require.Contains(t, a.TruthText("transaction_receipts"), `"id_by_customer":"301"`)
	require.Contains(t, a.TruthText("receipt_details"), `"e_invoice_type":"1"`)
	require.Contains(t, a.TruthText("postings"), `"booking_number":"901"`)
	require.Contains(t, a.TruthText("postings"), `"cost_location_two":null`)
	require.Contains(t, a.TruthText("debtors"), `"import_pending":"0"`)
	require.Contains(t, a.TruthText("receipts"), `"labels":["neu"`)
	mixed := newAPI(t, emulator.Options{Records: 400, Faults: "disputed:0.5"}).TruthText("transactions")
	require.Contains(t, mixed, `"id_by_customer":"`)
	require.Regexp(t, `"id_by_customer":\d`, mixed)
}

// Unknown members of the body.
func TestUnknownMembers(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60})
	require.NotEmpty(t, a.list("/receipts/get", with(inbound, "get_file", true, "dat_from", "2099-01-01")), "a misspelt filter gives everything")
	for _, path := range []string{"/transactions/get", "/accounts/get", "/settings/get/debtors", "/transactions/get/1001", "/receipts/get/301"} {
		a.refused(400, 46, path, m{"dat_from": "2026-01-01"})
	}
	a.refused(400, 46, "/postings/get", with(ever, "deleted", true))
	a.refused(400, 46, "/reports/create/bwa", with(ever, "base", "date"))
	lax := newAPI(t, emulator.Options{Records: 60, Faults: "lax-body"})
	require.NotEmpty(t, lax.list("/transactions/get", m{"dat_from": "2099-01-01"}))
}

// Point 12: a right that is missing, and the path that nobody has.
func TestMissingRight(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60, Faults: "noright@postings"})
	a.refused(401, 4, "/postings/get", ever)
	a.refused(401, 4, "/postings-reservations/get", nil)
	require.NotEmpty(t, a.list("/accounts/get", nil))
	require.Empty(t, a.truth("postings"))
}

// Point 13: cookies.
func TestCookies(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60})
	first := a.post("/accounts/get", nil)
	cookies := first.Header.Values("Set-Cookie")
	require.Len(t, cookies, 3)
	for k, name := range []string{"bbutler=", "AWSALB=", "AWSALBCORS="} {
		require.True(t, strings.HasPrefix(cookies[k], name))
	}
	pair, _, _ := strings.Cut(cookies[0], ";")
	again := a.ask(http.MethodPost, "/accounts/get", `{"api_key":"`+Key+`"}`, "Cookie", pair)
	require.Equal(t, first.Body, again.Body)
	require.Equal(t, first.Header, again.Header)
	require.Equal(t, "401/4", refusalOf(t, a.ask(http.MethodPost, "/accounts/get", `{"api_key":"x"}`, "Cookie", pair)))
}

func TestNewTenant(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60})
	a.key = NewKey
	require.Empty(t, a.list("/receipts/get", inbound))
	require.Empty(t, a.list("/cost-locations/get", nil))
	require.NotEmpty(t, a.list("/accounts/get", nil))
	_, err := a.Server.Change(source, emulator.Change{Insert: 3})
	require.NoError(t, err)
	require.Empty(t, a.list("/postings/get", ever), "tenants are apart")
}

func TestSameSeedSameData(t *testing.T) {
	a, b, c := newAPI(t, emulator.Options{Records: 120, Seed: 7}), newAPI(t, emulator.Options{Records: 120, Seed: 7}), newAPI(t, emulator.Options{Records: 120, Seed: 8})
	for _, stream := range streams {
		require.Equal(t, a.TruthText(stream), b.TruthText(stream), stream)
	}
	require.NotEqual(t, a.TruthText("receipts"), c.TruthText("receipts"))
}

func TestNoRows(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60, Faults: "norows"})
	for _, stream := range streams {
		if stream == "report_sums" || stream == "report_bwa" {
			continue
		}
		require.Empty(t, a.truth(stream), stream)
	}
	require.Empty(t, a.list("/receipts/get", inbound))
	require.Empty(t, a.list("/accounts/get", nil))
	require.Empty(t, a.list("/settings/get/postingaccounts", nil))
	one := newAPI(t, emulator.Options{Records: 60, Faults: "norows@debtors"})
	require.Empty(t, one.list("/settings/get/debtors", nil))
	require.NotEmpty(t, one.list("/settings/get/creditors", nil))
	for _, stream := range []string{"receipt_details", "receipt_transactions", "transaction_receipts", "transaction_details", "account_ledger", "report_sums", "report_bwa"} {
		none := newAPI(t, emulator.Options{Records: 60, Faults: "norows@" + stream})
		require.Empty(t, none.truth(stream), stream)
		require.NotEmpty(t, none.truth("receipts"))
	}
}

// TestTruth reads every stream by its endpoint and compares with the truth.
func TestTruth(t *testing.T) {
	for _, faults := range []string{"", "unstable", "zone-utc,uploads-modified,ledger-twice"} {
		a := newAPI(t, emulator.Options{Records: 333, Faults: faults})
		same := func(stream string, got []m, added ...string) {
			t.Helper()
			require.NotEmpty(t, got, stream)
			sameRows(t, without(a.truth(stream), added...), got, stream)
		}
		var receipts []m
		for _, direction := range []m{inbound, outbound} {
			for _, deleted := range []bool{false, true} {
				for _, row := range a.list("/receipts/get", with(direction, "deleted", deleted)) {
					require.Equal(t, map[bool]string{true: "1", false: "0"}[deleted], row["deleted"])
					row["list_direction"] = direction["list_direction"]
					receipts = append(receipts, row)
				}
			}
		}
		same("receipts", receipts)
		same("transactions", a.keyset(nil))
		same("postings", a.all("/postings/get", 100, with(ever, "order", "id_by_customer ASC")))
		same("accounts", a.list("/accounts/get", nil))
		same("posting_accounts", a.all("/settings/get/postingaccounts", 100, m{"order": "postingaccount_number ASC"}))
		same("debtors", a.list("/settings/get/debtors", m{"limit": 500}))
		same("creditors", a.list("/settings/get/creditors", m{"limit": 500}))
		same("cost_locations", a.list("/cost-locations/get", nil))
		var details, paid, assigned, single []m
		for _, row := range receipts {
			id := row["id_by_customer"].(string)
			var e struct{ Data m }
			decode(t, a.post("/receipts/get/"+id, nil).Body, &e)
			require.Equal(t, row["list_direction"], e.Data["list_direction"])
			details = append(details, e.Data)
			for _, p := range a.list("/receipts/assigned-transactions/get", m{"receipt_id_by_customer": json.Number(id)}) {
				p["receipt_id_by_customer"] = json.Number(id)
				paid = append(paid, p)
			}
		}
		for _, row := range a.keyset(nil) {
			id := row["id_by_customer"].(json.Number)
			var e struct{ Data m }
			decode(t, a.post("/transactions/get/"+id.String(), nil).Body, &e)
			single = append(single, e.Data)
			for _, r := range a.list("/transactions/assigned-receipts/get", m{"transaction_id_by_customer": id}) {
				r["transaction_id_by_customer"] = id
				assigned = append(assigned, r)
			}
		}
		same("receipt_details", details)
		same("receipt_transactions", paid)
		same("transaction_details", single)
		same("transaction_receipts", assigned)
		pairs := func(list []m, a, b string) []string {
			var out []string
			for _, row := range list {
				out = append(out, fmt.Sprint(row[a], "-", row[b]))
			}
			slices.Sort(out)
			return out
		}
		require.Equal(t, pairs(paid, "receipt_id_by_customer", "id_by_customer"), pairs(assigned, "id_by_customer", "transaction_id_by_customer"), "one relation, two ends")
	}
	a := newAPI(t, emulator.Options{Records: 60})
	require.ErrorContains(t, a.Server.Truth(&strings.Builder{}, source, "nothing"), `no stream "nothing"`)
}
