package saasoptics

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/standintest"
)

func TestAuthentication(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	const none, invalid = "Authentication credentials were not provided.", "Invalid token."
	for header, text := range map[string]string{
		"":                   none,
		"Bearer " + Token:    none,
		"Basic dTpw":         none,
		Token:                none,
		"Token":              "Invalid token header. No credentials provided.",
		"Token a b":          "Invalid token header. Token string should not contain spaces.",
		"Token nonsense":     invalid,
		"Token " + Token[1:]: invalid,
	} {
		r := a.ask(http.MethodGet, standintest.Origin+"/saasoptics/acme/api/v1.0/contracts/", header)
		require.Equal(t, http.StatusUnauthorized, r.Status, "%q", header)
		require.JSONEq(t, `{"detail":"`+text+`"}`, r.Body, "%q", header)
		require.Equal(t, "Token", r.Header.Get("WWW-Authenticate"))
		require.Equal(t, "application/json", r.Header.Get("Content-Type"))
	}
	require.Equal(t, http.StatusOK, a.ask(http.MethodGet, standintest.Origin+"/saasoptics/acme/api/v1.0/items/", "token "+Token).Status)
}

func TestPaths(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	const html, json = "text/html; charset=utf-8", "application/json"
	for path, want := range map[string]struct {
		status int
		kind   string
	}{
		"/saasoptics/acme/api/v1.0/contracts/":                          {200, json},
		"/saasoptics/acme/api/v1.0/contracts":                           {200, json},
		"/saasoptics/acme/api/v1.0/contracts/40001":                     {200, json},
		"/saasoptics/acme/api/v1.0/contracts/40001/":                    {200, json},
		"/saasoptics/acme/api/v1.0/contracts/deleted":                   {200, json},
		"/saasoptics/acme/api/v1.0/transactions/60001/revenue_entries":  {200, json},
		"/saasoptics/acme/api/v1.0/transactions/60001/revenue_entries/": {200, json},
		"/saasoptics/acme/api/v1.0/transactions/1/revenue_entries/":     {404, json},
		"/saasoptics/acme/api/v1.0/contracts/40021/":                    {404, json}, // deleted before
		"/saasoptics/acme/api/v1.0/contracts/0/":                        {404, json},
		"/saasoptics/acme/api/v1.0/contracts/x/":                        {404, json},
		"/saasoptics/acme/api/v1.0/items/deleted/":                      {404, json}, // items have no such list
		"/saasoptics/acme/api/v1.0/currency_codes/EUR/":                 {200, json},
		"/saasoptics/acme/api/v1.0/currency_codes/XXX/":                 {404, json},
		"/saasoptics/acme/api/v1.0/deleted_contracts/":                  {404, json}, // a stream's name is no path
		"/saasoptics/acme/api/v1.0/":                                    {404, json},
		"/saasoptics/acme/api/v1.0/contracts/40001/revenue_entries/":    {404, json},
		"/saasoptics/acme/api/v1.0//contracts/":                         {404, json},
		"/saasoptics/ACME/api/v1.0/contracts/":                          {404, html},
		"/saasoptics/other/api/v1.0/contracts/":                         {404, html},
		"/saasoptics/acme/api/v2.0/contracts/":                          {404, html},
		"/saasoptics//acme/api/v1.0/contracts/":                         {404, html},
		"/saasoptics/api/v1.0/contracts/":                               {404, html},
		"/saasoptics/":                                                  {404, html},
		"/saasoptics":                                                   {404, html},
		"//saasoptics/acme/api/v1.0/contracts/":                         {404, html},
		"/acme/api/v1.0/contracts/":                                     {404, html},
		"/":                                                             {404, html},
	} {
		r := a.get(standintest.Origin + path)
		require.Equal(t, want.status, r.Status, path)
		require.Equal(t, want.kind, r.Header.Get("Content-Type"), path)
		if want.status == 404 && want.kind == json {
			require.JSONEq(t, `{"detail":"Not found."}`, r.Body)
		}
	}
	require.Equal(t, http.StatusMethodNotAllowed, a.ask(http.MethodPost, standintest.Origin+"/saasoptics/acme/api/v1.0/contracts/", "Token "+Token).Status)
}

func TestPageSizeIs100Whatever(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 250})
	for _, query := range []string{"", "?page_size=1", "?page_size=1000&limit=7", "?per_page=5"} {
		e := a.page("customers/" + query)
		require.Len(t, e.Results, 100)
		require.Equal(t, int64(250), e.Count)
	}
	require.Len(t, a.page("customers/?page=3").Results, 50)
}

func TestLinks(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 250})
	base := standintest.Origin + "/saasoptics/acme/api/v1.0/customers/"
	link := func(s string) *string { return &s }
	for _, c := range []struct {
		path           string
		next, previous *string
	}{
		{"customers/", link(base + "?page=2"), nil},
		{"customers/?page=1", link(base + "?page=2"), nil},
		{"customers/?page=2", link(base + "?page=3"), link(base)},
		{"customers/?page=3", nil, link(base + "?page=2")},
		{"customers/?page=last", nil, link(base + "?page=2")},
		{"customers/?page=", link(base + "?page=2"), nil},
		// a path without the slash stays so
		{"customers", link(strings.TrimSuffix(base, "/") + "?page=2"), nil},
		// sorted by name, percent-encoded, unknown ones echoed, empty and repeated ones kept
		{
			"customers/?zeta=ü&page=2&modified__gte=2023-01-01T00:00:00.000000Z&limit=5&empty=&a=2&a=1&sp=a b",
			link(base + "?a=2&a=1&empty=&limit=5&modified__gte=2023-01-01T00%3A00%3A00.000000Z&page=3&sp=a+b&zeta=%C3%BC"),
			link(base + "?a=2&a=1&empty=&limit=5&modified__gte=2023-01-01T00%3A00%3A00.000000Z&sp=a+b&zeta=%C3%BC"),
		},
	} {
		e := a.page(strings.ReplaceAll(c.path, " ", "%20"))
		require.Equal(t, c.next, e.Next, c.path)
		require.Equal(t, c.previous, e.Previous, c.path)
	}
	e := a.page("http://sandbox.test/saasoptics/acme/api/v1.0/customers/")
	require.Equal(t, "http://sandbox.test/saasoptics/acme/api/v1.0/customers/?page=2", *e.Next, "the host of the request")
}

func TestInvalidPages(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 200})
	for _, page := range []string{"0", "-1", "3", "999999999999999999999", "x", "1.0", "LAST", "1,2"} {
		r := a.get("items/?page=" + page)
		require.Equal(t, http.StatusNotFound, r.Status, page)
		require.JSONEq(t, `{"detail":"Invalid page."}`, r.Body)
	}
	require.Len(t, a.page("items/?page=2").Results, 100)
}

func TestEmptyList(t *testing.T) {
	a := newAPI(t, emulator.Options{Faults: "norows@registers"})
	const empty = `{"count":0,"next":null,"previous":null,"results":[]}`
	for _, path := range []string{"registers/", "registers/?page=last", "contracts/?modified__gte=2090-01-01", "contracts/?customer=7"} {
		r := a.get(path)
		require.Equal(t, http.StatusOK, r.Status)
		require.Equal(t, empty, r.Body, path)
	}
	require.NotEmpty(t, newAPI(t, emulator.Options{}).page("registers/").Results)
}

func TestStreams(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 330})
	sizes := map[string]int{
		"country_codes": 250, "currency_codes": 153, "registers": 3, "accounts": 24, "billing_descriptions": 4,
		"auto_renewal_profiles": 5, "billing_methods": 8, "payment_terms": 9, "revenue_recognition_methods": 6,
	}
	// How many members a row has at least, nested ones not counted; in invoices
	// and transactions the columns auditentry_* are one member.
	members := map[string]int{
		"customers": 50, "contracts": 29, "invoices": 74, "items": 51, "transactions": 74, "billing_descriptions": 4,
		"accounts": 8, "auto_renewal_profiles": 6, "billing_methods": 2, "country_codes": 3, "currency_codes": 2,
		"payment_terms": 8, "registers": 6, "revenue_entries": 7, "revenue_recognition_methods": 2,
		"sales_orders": 131, "payments": 137,
	}
	require.Len(t, definitions, 23)
	for _, d := range definitions {
		texts, count := a.all(d.path + "/")
		want, ok := sizes[d.name]
		switch {
		case strings.HasPrefix(d.name, "deleted_"):
			want = 330 / 20
			members[d.name] = 3
		case !ok:
			want = 330
		}
		require.Len(t, texts, want, d.name)
		require.Equal(t, int64(want), count)
		require.Equal(t, a.truth(d.name), texts, d.name)
		seen := make(map[string]bool)
		for _, text := range texts {
			row := member(t, text).(map[string]any)
			if d.name == "currency_codes" {
				require.NotContains(t, row, "id")
				row["id"] = row["code"]
			}
			key := fmt.Sprint(row["id"])
			require.False(t, seen[key], "%s %s twice", d.name, key)
			seen[key] = true
			if d.name != "invoices" || row["auditentry"] != nil {
				require.GreaterOrEqual(t, len(row), members[d.name], "%s: %s", d.name, text)
			}
		}
	}
}

// TestSmallTables makes sure that no number of records is too small.
func TestSmallTables(t *testing.T) {
	for records := 1; records < 25; records++ {
		a := newAPI(t, emulator.Options{Records: records})
		for _, d := range definitions {
			texts, _ := a.all(d.path)
			if d.size == 0 && !strings.HasPrefix(d.name, "deleted_") {
				require.Len(t, texts, records)
			}
		}
		_, err := a.Server.Change("saasoptics", emulator.Change{Insert: 3, Delete: 1, Rows: 2})
		require.NoError(t, err)
	}
}

func TestWireForms(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 1000})
	t.Run("contracts are about as long as the sample", func(t *testing.T) {
		total := 0
		for _, row := range a.truth("contracts") {
			total += len(row)
			require.Len(t, member(t, row, "billing_profile"), 48)
		}
		require.InDelta(t, 1750, total/1000, 150)
	})
	t.Run("decimals are strings", func(t *testing.T) {
		digits := make(map[int]bool)
		for _, text := range a.truth("transactions")[:200] {
			row := member(t, text).(map[string]any)
			for _, name := range []string{"local_amount", "home_amount", "local_arr_amount", "foreign_exchange_rate"} {
				text, ok := row[name].(string)
				require.True(t, ok, name)
				_, err := strconv.ParseFloat(text, 64)
				require.NoError(t, err)
				_, fraction, _ := strings.Cut(text, ".")
				digits[len(fraction)] = true
			}
		}
		require.Greater(t, len(digits), 2, "not always the same number of digits")
	})
	t.Run("dates are dates", func(t *testing.T) {
		for _, row := range a.truth("transactions") {
			require.Regexp(t, `"start_date":"\d{4}-\d\d-01"`, row)
			require.Regexp(t, `"end_date":"\d{4}-\d\d-(28|29|30|31)"`, row)
		}
	})
	t.Run("some instants have no fraction", func(t *testing.T) {
		whole := 0
		fraction := 0
		for _, row := range a.truth("items") {
			whole += len(regexp.MustCompile(`"modified":"[^."]*Z"`).FindAllString(row, -1))
			fraction += len(regexp.MustCompile(`"modified":"[^."]*\.\d{6}Z"`).FindAllString(row, -1))
		}
		require.Equal(t, 999, whole+fraction)
		require.InDelta(t, 62, whole, 40)
	})
	t.Run("disputed types, on request", func(t *testing.T) {
		other := regexp.MustCompile(`"(default_theme|default_class|sales_rep|customer_type|entity_use_code)":"\d+"`)
		require.NotRegexp(t, other, strings.Join(a.truth("customers"), "\n"))
		require.Regexp(t, other, strings.Join(newAPI(t, emulator.Options{Faults: "disputed"}).truth("customers"), "\n"))
	})
	t.Run("nulls, empty strings, odd numbers", func(t *testing.T) {
		text := strings.Join(a.truth("customers"), "\n")
		require.Regexp(t, `"(do_not_sync|enable_autopay)":null`, text)
		require.Regexp(t, `"text_field1":""`, text)
		require.Regexp(t, `"number_field\d":"(n/a|1,234\.50|12,5 %|-|see notes)"`, text)
		require.Contains(t, text, `"c_region_tier":`)
		require.Less(t, strings.Count(text, `"c_region_tier":`), 900, "not in every row")
		require.Contains(t, text, "株式会社サンプル")
		require.Contains(t, text, `\"`)
		require.Contains(t, text, `🚀`)
	})
	t.Run("invoices without an audit entry", func(t *testing.T) {
		missing, null, nullModified := 0, 0, 0
		for _, row := range a.truth("invoices") {
			object := member(t, row).(map[string]any)
			switch entry, ok := object["auditentry"]; {
			case !ok:
				missing++
			case entry == nil:
				null++
			case entry.(map[string]any)["modified"] == nil:
				nullModified++
			}
		}
		require.Equal(t, 20, missing)
		require.Equal(t, 1, null)
		require.Equal(t, 1, nullModified)
	})
	t.Run("one row of each large stream has no instant", func(t *testing.T) {
		for stream, column := range map[string]string{
			"customers": "modified", "contracts": "modified", "items": "modified", "transactions": "modified",
			"revenue_entries": "modified", "payments": "modified", "sales_orders": "created",
		} {
			nulls := 0
			for _, row := range a.truth(stream) {
				if strings.Contains(row, `"`+column+`":null`) && member(t, row, column) == nil {
					nulls++
				}
			}
			require.Equal(t, 1, nulls, stream)
		}
	})
}

func TestForeignKeys(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 300})
	known := make(map[string]map[string]bool)
	for _, stream := range []string{"customers", "contracts", "transactions", "items", "invoices"} {
		known[stream] = make(map[string]bool)
		for _, id := range ids(t, a.truth(stream)) {
			known[stream][id] = true
		}
	}
	for _, c := range []struct{ stream, member, target string }{
		{"contracts", "customer", "customers"},
		{"invoices", "contract", "contracts"},
		{"transactions", "contract", "contracts"},
		{"transactions", "item", "items"},
		{"revenue_entries", "transaction", "transactions"},
		{"payments", "customer", "customers"},
		{"payments", "contract", "contracts"},
	} {
		for _, row := range a.truth(c.stream) {
			id := fmt.Sprint(member(t, row, c.member))
			require.True(t, known[c.target][id], "%s.%s %s", c.stream, c.member, id)
		}
	}
	for _, row := range a.truth("invoices") {
		for _, line := range member(t, row, "line_items").([]any) {
			require.Equal(t, member(t, row, "id"), line.(map[string]any)["invoice"])
		}
	}
}

func TestMoneyFits(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 60})
	cents := func(v any) int64 {
		n, err := strconv.ParseInt(strings.Replace(v.(string), ".", "", 1), 10, 64)
		require.NoError(t, err)
		return n
	}
	for _, text := range a.truth("invoices") {
		row := member(t, text).(map[string]any)
		var lines int64
		for _, line := range row["line_items"].([]any) {
			lines += cents(line.(map[string]any)["local_amount"])
		}
		require.Equal(t, lines, cents(row["subtotal"]))
		require.Equal(t, cents(row["local_amount"]), cents(row["subtotal"])+cents(row["sales_tax"]))
		require.Equal(t, cents(row["local_amount"]), cents(row["applied_amount"])+cents(row["balance"]))
		require.Equal(t, row["is_paid"], row["balance"] == "0.00")
	}
}

func TestNestedRevenueEntries(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 100})
	whole := a.page("revenue_entries/?transaction=60003")
	nested := a.page("transactions/60003/revenue_entries/")
	require.Equal(t, int64(12), nested.Count)
	require.Len(t, nested.Results, 12)
	for k, row := range nested.Results {
		require.Nil(t, member(t, string(row), "transaction"))
		require.NotContains(t, string(row), "transaction")
		require.Equal(t, strings.Replace(string(whole.Results[k]), `,"transaction":60003`, "", 1), string(row))
	}
	require.Zero(t, a.page("transactions/60050/revenue_entries/").Count, "a transaction without entries")

	a.Change(emulator.Change{Stream: "transactions", Gone: []emulator.ID{"60003"}})
	require.Equal(t, http.StatusNotFound, a.get("transactions/60003/revenue_entries/").Status)
}

func TestOneRow(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 100})
	for _, text := range a.truth("payments")[:5] {
		r := a.get("payments/" + fmt.Sprint(member(t, text, "id")) + "/")
		require.Equal(t, text, r.Body)
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	one, two := newAPI(t, emulator.Options{Seed: 5}), newAPI(t, emulator.Options{Seed: 5})
	other := newAPI(t, emulator.Options{Seed: 6})
	for _, d := range definitions {
		path := d.path + "/?modified__gte=2024-01-01&page=1"
		first, second := one.get(path), two.get(path)
		first.Header.Del("Date") // the clock goes on
		second.Header.Del("Date")
		require.Equal(t, first, second)
		if d.size == 0 && d.fields != "" {
			require.NotEqual(t, one.get(path).Body, other.get(path).Body, d.name)
		}
	}
	for range 3 {
		require.Equal(t, change(t, one), change(t, two), "changes too")
	}
	require.Equal(t, one.truth("contracts"), two.truth("contracts"))
}

func change(t *testing.T, a *api) string {
	t.Helper()
	reports, err := a.Server.Change("saasoptics", emulator.Change{At: lastModified})
	require.NoError(t, err)
	text, err := json.Marshal(reports)
	require.NoError(t, err)
	return string(text)
}
