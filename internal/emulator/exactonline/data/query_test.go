package data_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/exactonline/data"
)

// The next links are those of the dossier's samples, character by character.
func TestNextLinks(t *testing.T) {
	s := open(1100)
	a := get(t, s, "sync_crm_accounts", "$select=ID,Code,Timestamp", "$filter=Timestamp gt 1")
	require.Equal(t, root+"812345/sync/CRM/Accounts?$filter=Timestamp%20gt%201&$select=ID,Code,Timestamp&$skiptoken="+
		a.rows[999]["Timestamp"].(string)+"L", a.next)
	require.Contains(t, string(a.Body), `"__next":"`+a.next+`"}}`)

	a = get(t, s, "crm_contacts")
	require.Equal(t, root+"812345/crm/Contacts?$skiptoken=guid'"+a.rows[59]["ID"].(string)+"'", a.next)

	a = get(t, s, "salesorder_sales_orders", "$top=100", "$select=OrderID,Modified", "$orderby=Modified asc")
	require.Regexp(t, `^`+regexp.QuoteMeta(root)+`812345/salesorder/SalesOrders\?\$orderby=Modified%20asc`+
		`&\$select=OrderID,Modified&\$top=40&\$skiptoken=datetime'\d{4}-\d\d-\d\dT\d\d%3A\d\d%3A\d\d(\.\d{1,3})?',guid'`+
		a.rows[59]["OrderID"].(string)+`'$`, a.next)

	a = get(t, s, "crm_contacts", "$filter=Modified ge datetime'2025-01-31T00:00:00' and LastName ne 'O''Neil'")
	require.Contains(t, a.next, "/Contacts?$filter=Modified%20ge%20datetime'2025-01-31T00%3A00%3A00'%20and%20LastName%20ne%20'O''Neil'&$skiptoken=")
	require.Contains(t, string(a.Body), `{"__metadata":{"uri":"`+root+"812345/crm/Contacts(guid'"+a.rows[0]["ID"].(string)+
		`')","type":"Exact.Web.Api.Models.Contact"},"ID":"`)
}

// Walking the links gives each row once, in order, and a full last page is
// followed by an empty one.
func TestWalks(t *testing.T) {
	s := open(120)
	for _, c := range []struct {
		name, query string
		rows, pages int
	}{
		{"crm_accounts", "", 120, 3},
		{"crm_accounts", "$orderby=Modified", 120, 3},
		{"crm_accounts", "$orderby=Modified asc", 120, 3},
		{"crm_accounts", "$orderby=Modified desc", 120, 3},
		{"crm_accounts", "$orderby=Modified desc,Code", 120, 3},
		{"crm_accounts", "$orderby=Country,Name desc", 120, 3}, // nulls, equal values, quotes
		{"crm_accounts", "$orderby=CreditLineSales", 120, 3},
		{"crm_accounts", "$orderby=IsSales,Source desc", 120, 3},
		{"crm_accounts", "$orderby=ID desc", 120, 3},
		{"crm_accounts", "$top=70", 70, 2},
		{"crm_accounts", "$top=120", 120, 2},
		{"crm_accounts", "$top=121", 120, 3},
		{"sync_crm_accounts", "$filter=Timestamp gt 0L", 120, 1},
		{"bulk_crm_accounts", "$filter=Modified gt datetime'2000-01-01T00:00:00'", 120, 1},
		{"general_currencies", "$orderby=Code desc", 20, 1},
		{"purchaseentry_purchase_entries", "", 120, 3},
	} {
		t.Run(c.name+" "+c.query, func(t *testing.T) {
			key := set(t, c.name).Key[0]
			list, ids, pages := all(t, s, c.name, "$select="+key, c.query)
			require.Len(t, list, c.rows)
			require.Equal(t, c.pages, pages)
			slices.Sort(ids)
			require.Len(t, slices.Compact(ids), c.rows)
		})
	}
	for records, pages := range map[int]int{999: 1, 1000: 2, 1001: 2} {
		s := open(records)
		for _, name := range []string{"sync_crm_accounts", "bulk_crm_accounts"} {
			list, _, n := all(t, s, name, append(must(set(t, name)), "$select=ID")...)
			require.Len(t, list, records)
			require.Equal(t, pages, n)
		}
	}
}

func TestOrders(t *testing.T) {
	s := open(300)
	list, _, _ := all(t, s, "crm_accounts", "$select=ID")
	require.True(t, slices.IsSortedFunc(list, func(a, b row) int { return strings.Compare(a["ID"].(string), b["ID"].(string)) }))

	list, _, _ = all(t, s, "crm_accounts", "$orderby=Modified asc", "$select=ID,Modified")
	ties, border := 0, 0
	for i := 1; i < len(list); i++ {
		a, b := millis(t, list[i-1]["Modified"]), millis(t, list[i]["Modified"])
		require.LessOrEqual(t, a, b)
		if a == b {
			require.Less(t, list[i-1]["ID"], list[i]["ID"])
			ties++
			if i%60 == 0 {
				border++
			}
		}
	}
	require.Greater(t, ties, 75, "bulk imports stamp many rows alike")
	require.Positive(t, border, "equal values on a border of pages")

	list, _, _ = all(t, s, "sync_crm_accounts", "$filter=Timestamp gt 1", "$select=Timestamp,Modified")
	back := 0
	for i := 1; i < len(list); i++ {
		require.Less(t, number(t, list[i-1]["Timestamp"]), number(t, list[i]["Timestamp"]))
		if millis(t, list[i-1]["Modified"]) > millis(t, list[i]["Modified"]) {
			back++
		}
	}
	require.Positive(t, back, "row versions know nothing of time")
	require.Greater(t, number(t, list[0]["Timestamp"]), int64(6_999_999_999))
}

func number(t *testing.T, v any) int64 {
	t.Helper()
	n, err := strconv.ParseInt(v.(string), 10, 64)
	require.NoError(t, err)
	return n
}

func millis(t *testing.T, v any) int64 {
	t.Helper()
	text, ok := strings.CutPrefix(v.(string), "/Date(")
	require.True(t, ok)
	return number(t, strings.TrimSuffix(text, ")/"))
}

func TestTop(t *testing.T) {
	s := open(150)
	for _, c := range []struct {
		query string
		rows  int
		bare  bool
		next  bool
	}{
		{"$top=0", 0, true, false},
		{"$top=5", 5, true, false},
		{"$top=60", 60, true, false},
		{"$top=61", 60, false, true},
		{"$filter=Code eq 'x'", 0, false, false},
	} {
		a := get(t, s, "crm_contacts", c.query)
		require.Equal(t, []any{c.rows, c.bare, c.next}, []any{a.Rows, a.bare, a.Next}, c.query)
	}
	a := get(t, s, "crm_contacts", "$top=61")
	a = follow(t, s, "crm_contacts", a.next)
	require.Equal(t, 1, a.Rows)
	require.True(t, a.bare, "what is left of $top fits a page")
	// The page of SalesInvoices is smaller (REC).
	require.False(t, get(t, s, "salesinvoice_sales_invoices", "$top=60").bare)
	require.Equal(t, `{"d":{"results":[]}}`, string(get(t, s, "crm_contacts", "$filter=ID eq guid'00000000-0000-0000-0000-000000000000'").Body))
	require.Equal(t, `{"d":[]}`, string(get(t, s, "sync_crm_contacts", "$filter=Timestamp gt 9999999999999L", "$top=9").Body))
}

func TestCountAndExpand(t *testing.T) {
	s := open(150)
	a := get(t, s, "crm_contacts", "$inlinecount=allpages")
	require.Equal(t, "150", a.count)
	require.Equal(t, "150", follow(t, s, "crm_contacts", a.next).count)
	require.Empty(t, get(t, s, "crm_contacts", "$inlinecount=none").count)
	a = get(t, s, "crm_contacts", "$inlinecount=allpages", "$top=2")
	require.Equal(t, []any{2, "150", false}, []any{a.Rows, a.count, a.bare})

	r := get(t, s, "salesorder_sales_orders", "$expand=SalesOrderLines").rows[0]
	require.Equal(t, row{"results": []any{}}, r["SalesOrderLines"])
	r = get(t, s, "salesorder_sales_orders", "$select=OrderID").rows[0]
	require.Len(t, r, 2)
	r = get(t, s, "salesorder_sales_orders", "$select=OrderID,SalesOrderLines").rows[0]
	require.Contains(t, r["SalesOrderLines"], "__deferred")
}

func TestSelectKeepsTheServicesOrder(t *testing.T) {
	s := open(3)
	body := string(get(t, s, "crm_accounts", "$select=Name,Code , ID").Body)
	require.Regexp(t, `"type":"Exact.Web.Api.Models.Account"},"ID":"[^"]+","Code":"[^"]+","Name":`, body)
}

func TestFilters(t *testing.T) {
	s := open(300)
	list, _, _ := all(t, s, "crm_accounts")
	byTime, _, _ := all(t, s, "crm_accounts", "$orderby=Modified", "$select=ID,Modified")
	pivot := byTime[100]
	modified := time.UnixMilli(millis(t, pivot["Modified"])).UTC().Format("2006-01-02T15:04:05.999")
	at := millis(t, pivot["Modified"])
	is := func(v any, want bool) bool { b, ok := v.(bool); return ok && b == want }
	text := func(r row, name string) string { v, _ := r[name].(string); return v }
	for _, c := range []struct {
		filter string
		holds  func(r row) bool
	}{
		{"Modified ge datetime'" + modified + "'", func(r row) bool { return millis(t, r["Modified"]) >= at }},
		{"Modified gt datetime'" + modified + "'", func(r row) bool { return millis(t, r["Modified"]) > at }},
		{"Modified lt datetime'" + modified + "'", func(r row) bool { return millis(t, r["Modified"]) < at }},
		{"Modified le datetime'" + modified + "'", func(r row) bool { return millis(t, r["Modified"]) <= at }},
		{"Modified eq datetime'" + modified + "'", func(r row) bool { return millis(t, r["Modified"]) == at }},
		{"Modified ge datetime'2025-06-01' and Modified lt datetime'2025-07-01T00:00:00'", func(r row) bool {
			m := time.UnixMilli(millis(t, r["Modified"])).UTC()
			return m.Year() == 2025 && m.Month() == time.June
		}},
		// A Z is shifted into the wall clock: 22:00 UTC is midnight in summer.
		{"Modified ge datetime'2025-05-31T22:00:00Z' and Modified lt datetime'2025-06-30T22:00:00.000Z'", func(r row) bool {
			m := time.UnixMilli(millis(t, r["Modified"])).UTC()
			return m.Year() == 2025 && m.Month() == time.June
		}},
		{"ID eq guid'" + text(pivot, "ID") + "'", func(r row) bool { return r["ID"] == pivot["ID"] }},
		{"ID gt guid'" + strings.ToUpper(text(pivot, "ID")) + "'", func(r row) bool { return text(r, "ID") > text(pivot, "ID") }},
		{"City eq null", func(r row) bool { return r["City"] == nil }},
		{"City ne null", func(r row) bool { return r["City"] != nil }},
		{"City eq '''s-Hertogenbosch'", func(r row) bool { return r["City"] == "'s-Hertogenbosch" }},
		{"not (City eq 'Delft' or City eq 'Utrecht')", func(r row) bool { return r["City"] != "Delft" && r["City"] != "Utrecht" }},
		{"IsSales eq true and Blocked eq false", func(r row) bool { return is(r["IsSales"], true) && is(r["Blocked"], false) }},
		{"IsSales", func(r row) bool { return is(r["IsSales"], true) }},
		{"IsMailing eq 1 or Source eq 0", func(r row) bool { return r["IsMailing"] == 1.0 || r["Source"] == 0.0 }},
		{"CreditLineSales gt 1000.5", func(r row) bool { n, ok := r["CreditLineSales"].(float64); return ok && n > 1000.5 }},
		{"CreditLineSales lt -1M or CreditLineSales eq 0.00D", func(r row) bool {
			n, ok := r["CreditLineSales"].(float64)
			return ok && (n < -1 || n == 0)
		}},
		{"Division eq 812345L", func(row) bool { return true }},
		{"Code eq '                 7'", func(r row) bool { return r["Code"] == "                 7" }},
		{"trim(Code) eq '7'", func(r row) bool { return strings.TrimSpace(text(r, "Code")) == "7" }},
		{"startswith(Name,'Café') eq true", func(r row) bool { return strings.HasPrefix(text(r, "Name"), "Café") }},
		{"substringof('&',Name) and endswith(Name,'GmbH')", func(r row) bool { return text(r, "Name") == "Müller & Söhne GmbH" }},
		{"(((Country eq 'NL ')))", func(r row) bool { return r["Country"] == "NL " }},
	} {
		t.Run(c.filter, func(t *testing.T) {
			var want []any
			for _, r := range list {
				if c.holds(r) {
					want = append(want, r["ID"])
				}
			}
			require.NotEmpty(t, want)
			var got []any
			found, _, _ := all(t, s, "crm_accounts", "$filter="+c.filter, "$select=ID")
			for _, r := range found {
				got = append(got, r["ID"])
			}
			require.Equal(t, want, got)
		})
	}
}

func TestRefusals(t *testing.T) {
	s := open(10)
	const other = "This $filter parameter is not supported for this resource"
	for _, c := range []struct{ name, query, message string }{
		{"crm_accounts", "$select=ID,Naam", "Could not find a property named 'Naam' on type 'Exact.Web.Api.Models.Account'."},
		{"crm_accounts", "$filter=Naam eq 'x'", "Could not find a property named 'Naam' on type 'Exact.Web.Api.Models.Account'."},
		{"crm_accounts", "$orderby=modified", "Could not find a property named 'modified' on type 'Exact.Web.Api.Models.Account'."},
		{"crm_accounts", "$expand=Contacts2", "Could not find a property named 'Contacts2' on type 'Exact.Web.Api.Models.Account'."},
		{"crm_accounts", "$filter=Parent/Name eq 'x'", "Could not find a property named 'Parent/Name' on type 'Exact.Web.Api.Models.Account'."},
		{"crm_accounts", "$filter=ID eq guid'5'", "Unrecognized 'Edm.Guid' literal 'guid'5'' in '0'."},
		{"crm_accounts", "$filter=Modified ge datetime'yesterday'", "Unrecognized 'Edm.DateTime' literal 'datetime'yesterday'' in '0'."},
		{"crm_accounts", "$filter=Modified ge '2024-01-01'", "Operator 'ge' incompatible with operand types 'Edm.DateTime' and 'Edm.String' at position 9."},
		{"crm_accounts", "$filter=Modified ge Created", "Operator 'ge' is supported between a property and a value only."},
		{"crm_accounts", "$filter=Name like 'x'", "Syntax error at position 5."},
		{"crm_accounts", "$filter=Name eq 'x' and", "Syntax error at position 15."},
		{"crm_accounts", "$filter=(Name eq 'x'", "Syntax error at position 12."},
		{"crm_accounts", "$filter=Name eq 'x", "Unterminated string literal at position 0 in ''x'."},
		{"crm_accounts", "$filter=", "Syntax error at position 0."},
		{"crm_accounts", "$filter=concat(Name,'x') eq 'x'", "Unknown function 'concat' at position 16."},
		{"crm_accounts", "$filter=Logo eq 'x'", "Operator 'eq' incompatible with operand types 'a complex type' and 'Edm.String' at position 5."},
		{"crm_accounts", "$orderby=Modified up", "Syntax error at position 8."},
		{"crm_accounts", "$skip=60", "Query option '$skip' is not supported."},
		{"crm_accounts", "$apply=x", "The query parameter '$apply' begins with a system-reserved '$' character but is not recognized."},
		{"crm_accounts", "$top=-1", "Incorrect format for $top argument '-1'."},
		{"crm_accounts", "$inlinecount=all", "Unknown $inlinecount option, only 'allpages' and 'none' are supported."},
		{"crm_accounts", "$skiptoken=60", "Syntax error in the skip token: '60' is no Edm.Guid."},
		{"bulk_crm_accounts", "", "The $select parameter is mandatory for this endpoint."},
		{"logistics_supplier_item", "$filter=Division eq 1", "Filtering on these fields is not supported: Division"},
		{"sync_crm_accounts", "", "This endpoint has mandatory filtering applied. A GET request for this endpoint must have a $filter parameter" +
			" with one of the following fields in the url:Timestamp."},
		{"sync_crm_accounts", "$filter=Modified ge datetime'2024-01-01T00:00:00'", "Filtering on these fields is not supported: Modified"},
		{"sync_crm_accounts", "$filter=Timestamp gt 1 and Code eq 'x'", "Filtering on these fields is not supported: Code"},
		{"sync_crm_accounts", "$filter=Timestamp ge 1", other},
		{"sync_crm_accounts", "$filter=not (Timestamp gt 1)", other},
		{"sync_crm_accounts", "$filter=Timestamp gt 1 and Timestamp gt 2", other},
		{"sync_deleted", "$filter=EntityType eq 2", other},
		{"sync_deleted", "$filter=Timestamp gt 1 or EntityType eq 2", other},
		{"sync_crm_accounts", "$filter=Timestamp gt null", other},
	} {
		err := refusal(t, s, c.name, c.query)
		require.Equal(t, data.Error{Status: 400, Message: c.message}, *err, c.query)
	}
	require.Equal(t, 400, refusal(t, s, "sync_crm_accounts", "$filter=Timestamp gt 1", "$orderby=Modified").Status)
}

func TestFamilyRules(t *testing.T) {
	s := open(10)
	sets := edm.Sets()
	stars := 0
	for i := range sets {
		e := &sets[i]
		if e.NoStar {
			stars++
			require.Equal(t, 400, refusal(t, s, e.Name, "$filter=Timestamp gt 1", "$select=*").Status, e.Name)
		}
	}
	require.Equal(t, 22, stars)
	for _, name := range []string{
		"bulk_crm_addresses", "bulk_crm_contacts", "bulk_crm_quotations", "bulk_cashflow_payments", "bulk_cashflow_receivables",
		"bulk_financial_gl_classifications", "bulk_logistics_sales_item_prices", "bulk_salesorder_goods_deliveries",
		"bulk_salesorder_goods_delivery_lines",
	} {
		err := refusal(t, s, name, "$select=Division", "$filter=Modified ge datetime'2020-01-01T00:00:00'")
		require.Equal(t, "Filtering on these fields is not supported: Modified", err.Message, name)
	}
	for _, name := range []string{"bulk_crm_accounts", "bulk_documents_documents", "bulk_financial_gl_accounts", "bulk_project_project_wbs"} {
		require.Equal(t, 10, get(t, s, name, "$select=ID", "$filter=Modified ge datetime'2020-01-01T00:00:00'").Rows, name)
	}
}

func TestMandatoryFiltering(t *testing.T) {
	s := open(10)
	require.Equal(t, 10, get(t, s, "crm_accounts").Rows, "not enforced for every client id (REC)")
	s.SetMandatory(true)
	require.Equal(t, "This endpoint has mandatory filtering applied. A GET request for this endpoint must have a $filter parameter"+
		" with one of the following fields in the url:Code,Created,ID,Modified,Name.", refusal(t, s, "crm_accounts").Message)
	require.Equal(t, 400, refusal(t, s, "crm_accounts", "$filter=City eq 'Delft'").Status)
	require.Equal(t, 10, get(t, s, "crm_accounts", "$filter=Modified ge datetime'2020-01-01T00:00:00'").Rows)
	get(t, s, "crm_bank_accounts") // no sync twin
	get(t, s, "sync_crm_accounts", "$filter=Timestamp gt 1")
	s.Reset()
	get(t, s, "crm_accounts")
}

func TestForeignParametersStayInTheLink(t *testing.T) {
	s := open(100)
	next := get(t, s, "crm_contacts", "b=2 x", "a=1").next
	require.Contains(t, next, "/Contacts?a=1&b=2%20x&$skiptoken=guid'")
	require.Equal(t, 40, follow(t, s, "crm_contacts", next).Rows)
	require.NotEmpty(t, fmt.Sprint(data.Error{Status: 400, Message: "x"}))
}
