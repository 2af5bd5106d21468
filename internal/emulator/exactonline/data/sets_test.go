package data_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/exactonline/data"
)

// Every set answers with valid JSON, each row once over its pages, keys that
// are unique and never null, values of their types, and what Truth tells.
func TestEverySet(t *testing.T) {
	s := open(61)
	empty, shapes := 0, map[string]int{}
	sets := edm.Sets()
	for i := range sets {
		e := &sets[i]
		t.Run(e.Name, func(t *testing.T) {
			truth := truthOf(t, s, e, first)
			properties, deferred := e.Properties(), e.Deferred()
			seen := map[string]bool{}
			a, err := ask(s, e, first, query(e))
			require.NoError(t, err)
			if e.Variant == edm.Read {
				shapes[string(a.Body[:min(len(a.Body), 8)])]++
			}
			for {
				require.Len(t, a.IDs, a.Rows)
				for k, r := range a.rows {
					id := a.IDs[k]
					require.False(t, seen[id], id)
					seen[id] = true
					checkTypes(t, e, properties, deferred, r)
					for name, v := range truth[id] {
						if name != "_division" && !reflect.DeepEqual(v, r[name]) {
							require.Equal(t, v, r[name], name)
						}
					}
				}
				if a.next == "" {
					break
				}
				a = follow(t, s, e.Name, a.next)
			}
			require.Len(t, seen, len(truth))
			if len(seen) == 0 {
				empty++
			}
		})
	}
	require.Positive(t, empty)
	require.Less(t, empty, 30)
	require.Subset(t, shapes, map[string]int{`{"d":[{"`: shapes[`{"d":[{"`], `{"d":{"_`: 3, `{"d":{"r`: shapes[`{"d":{"r`]})
}

// truthOf reads what Truth writes about a division, by key.
func truthOf(t *testing.T, s *data.Store, e *edm.Set, division int) map[string]row {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, s.Truth(&b, e))
	out := map[string]row{}
	for line := range strings.Lines(b.String()) {
		var r row
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		if e.Scoped() {
			require.True(t, strings.HasPrefix(line, `{"_division":`), line)
			if r["_division"] != float64(division) {
				continue
			}
		}
		require.NotContains(t, r, "__metadata")
		var key []string
		for _, k := range e.Key {
			require.NotNil(t, r[k])
			switch v := r[k].(type) {
			case float64:
				key = append(key, strconv.FormatFloat(v, 'f', -1, 64))
			default:
				key = append(key, fmt.Sprint(v))
			}
		}
		require.NotContains(t, out, strings.Join(key, ","))
		out[strings.Join(key, ",")] = r
	}
	return out
}

var (
	guidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	dateForm = regexp.MustCompile(`^/Date\(-?\d+\)/$`)
	longForm = regexp.MustCompile(`^-?\d+$`)
)

func checkTypes(t *testing.T, e *edm.Set, properties []edm.Property, deferred []string, r row) {
	t.Helper()
	meta, ok := r["__metadata"].(row)
	require.True(t, ok)
	uri, _ := meta["uri"].(string)
	require.True(t, strings.HasPrefix(uri, address(e, "812345")+"("), meta)
	require.Contains(t, meta["type"], "Exact.Web.Api.Models.")
	for _, name := range deferred {
		require.Equal(t, row{"__deferred": row{"uri": uri + "/" + name}}, r[name])
	}
	for _, p := range properties {
		v, there := r[p.Name]
		if !there || !fits(p.Type, v) {
			require.Fail(t, "a value of another type", "%s: %v", p.Name, v)
		}
	}
}

func fits(kind edm.Type, v any) bool {
	text, isText := v.(string)
	number, isNumber := v.(float64)
	switch kind {
	case edm.String:
		return isText || v == nil
	case edm.Guid:
		return guidForm.MatchString(text) || v == nil
	case edm.Int64:
		return longForm.MatchString(text) || v == nil
	case edm.DateTime:
		return dateForm.MatchString(text) || v == nil
	case edm.Byte, edm.Int16, edm.Int32:
		return isNumber && number == float64(int64(number)) || v == nil
	case edm.Double:
		return isNumber || v == nil
	case edm.Boolean:
		_, ok := v.(bool)
		return ok || v == nil
	case edm.Complex, edm.Any:
		_, ok := v.(row)
		return ok || v == nil
	default: // binaries are null, collections no properties
		return v == nil
	}
}

func TestValues(t *testing.T) {
	s := open(300)
	page := get(t, s, "sync_crm_accounts", "$filter=Timestamp gt 1")
	have := map[string]bool{}
	for _, r := range page.rows {
		require.Len(t, r["Code"], 18)
		require.True(t, strings.HasPrefix(r["Code"].(string), "        "))
		width(t, r["Country"], 3)
		width(t, r["Language"], 10)
		width(t, r["SalesVATCode"], 3)
		require.InDelta(t, first, r["Division"], 0)
		have["null"] = have["null"] || r["City"] == nil
		have["empty"] = have["empty"] || r["City"] == ""
		have["byte"] = have["byte"] || r["IsAccountant"] == 1.0
		have["quote"] = have["quote"] || strings.Contains(r["Name"].(string), `"`)
		have["backslash"] = have["backslash"] || strings.Contains(r["Name"].(string), `\`)
		have["emoji"] = have["emoji"] || strings.Contains(r["Name"].(string), "🚀")
		if at, ok := r["EstablishedDate"].(string); ok {
			have["before 1970"] = have["before 1970"] || strings.HasPrefix(at, "/Date(-")
		}
	}
	require.Equal(t, map[string]bool{
		"null": true, "empty": true, "byte": true, "quote": true, "backslash": true, "emoji": true, "before 1970": true,
	}, have)
	items := get(t, s, "sync_logistics_items", "$filter=Timestamp gt 1", "$select=Unit,Code")
	for _, r := range items.rows {
		width(t, r["Unit"], 8)
	}
	lines := string(get(t, s, "sync_financial_transaction_lines", "$filter=Timestamp gt 1").Body)
	for _, form := range []string{`"AmountDC":0,`, `"AmountDC":\d+,`, `"AmountDC":-?\d+\.\d+,`, `"AmountDC":-`, `"Description":"[^"]*\\n`, `\d+E-05`} {
		require.Regexp(t, form, lines)
	}
}

func width(t *testing.T, v any, want int) {
	t.Helper()
	if v != nil {
		require.Len(t, []rune(v.(string)), want)
	}
}

func TestUndocumentedMembers(t *testing.T) {
	s := open(50)
	require.Contains(t, get(t, s, "salesinvoice_sales_invoices").rows[0], "RowInformation")
	require.NotContains(t, get(t, s, "salesinvoice_sales_invoices", "$select=InvoiceID").rows[0], "RowInformation")
	var b bytes.Buffer
	require.NoError(t, s.Truth(&b, set(t, "salesinvoice_sales_invoices")))
	require.NotContains(t, b.String(), "RowInformation")
}

func TestMe(t *testing.T) {
	s := open(10)
	a, err := ask(s, set(t, "current_me"), 0, nil)
	require.NoError(t, err)
	require.Len(t, a.rows, 1)
	require.False(t, a.bare)
	require.Equal(t, "2026-11-20T10:30:15", a.rows[0]["ServerTime"])
	require.InDelta(t, 3600, a.rows[0]["ServerUtcOffset"], 0)
	require.InDelta(t, first, a.rows[0]["CurrentDivision"], 0)
	require.Equal(t, "00000000-0000-0000-0000-000000000000", a.rows[0]["EmployeeID"])
}

func TestDivisions(t *testing.T) {
	s := open(10)
	list := s.Divisions()
	kinds := map[string]int{}
	for _, d := range list {
		kinds[fmt.Sprint(d.Status, d.BlockingStatus, d.Granted)]++
	}
	require.Equal(t, map[string]int{"1 0 true": 2, "0 0 true": 1, "2 0 true": 1, "1 1 true": 1, "1 0 false": 1}, kinds)
	for name, want := range map[string]int{
		"system_divisions": 5, "system_all_divisions": 6, "hrm_divisions": 6, "system_get_most_recently_used_divisions": 2,
	} {
		// The number in the URL is not looked at.
		a, err := ask(s, set(t, name), 4711, params("$orderby=Code"))
		require.NoError(t, err)
		require.Len(t, a.rows, want, name)
		for k, r := range a.rows {
			d := list[k]
			require.InDelta(t, d.Code, r["Code"], 0)
			require.Equal(t, d.Name, r["Description"])
			require.InDelta(t, d.Status, r["Status"], 0)
			require.InDelta(t, d.BlockingStatus, r["BlockingStatus"], 0)
		}
	}
	r := get(t, s, "system_divisions", "$filter=Code eq 813456").rows[0]
	require.Equal(t, "/Date("+strconv.FormatInt(list[1].MoveDate.UnixMilli()+7200_000, 10)+")/", r["DivisionMoveDate"], "a wall clock of summer")
	require.NotNil(t, r["DivisionHRLinkUnlinkDate"])
	require.Nil(t, get(t, s, "system_divisions", "$filter=Code eq 812345").rows[0]["DivisionMoveDate"])

	_, err := ask(s, set(t, "crm_accounts"), 4711, nil)
	var refused *data.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 403, refused.Status)
}

// Twins show the same rows.
func TestTwins(t *testing.T) {
	s := open(400)
	for _, names := range [][3]string{
		{"sync_crm_accounts", "crm_accounts", "ID"},
		{"sync_crm_accounts", "bulk_crm_accounts", "ID"},
		{"sync_salesorder_sales_order_headers", "bulk_salesorder_sales_orders", "OrderID"},
		{"sync_subscription_subscriptions", "subscription_subscriptions", "EntryID"},
		{"sync_financial_transaction_lines", "financialtransaction_transaction_lines", "ID"},
	} {
		rowsOf := func(name, key string) map[any]any {
			out := map[any]any{}
			list, _, _ := all(t, s, name, append(must(set(t, name)), "$select=Modified,"+key)...)
			for _, r := range list {
				out[r[key]] = r["Modified"]
			}
			require.Len(t, out, len(list))
			return out
		}
		require.Equal(t, rowsOf(names[0], set(t, names[0]).Key[0]), rowsOf(names[1], names[2]), names[1])
	}
	// Twins that show a part: none twice, none lost.
	parts := 0
	for _, name := range []string{"project_wbs_activities", "project_wbs_deliverables", "project_wbs_expenses"} {
		list, _, _ := all(t, s, name, "$select=ID")
		require.NotEmpty(t, list)
		parts += len(list)
	}
	require.Equal(t, 400, parts)
}

func TestDocuments(t *testing.T) {
	s := open(500)
	for name, link := range map[string]string{
		"sync_financial_transaction_lines": "EntryID", "sync_salesinvoice_sales_invoices": "InvoiceID",
		"sync_purchaseorder_purchase_orders": "PurchaseOrderID", "sync_crm_quotations": "QuotationID", "sync_salesorder_sales_orders": "OrderID",
	} {
		list, _, _ := all(t, s, name, "$filter=Timestamp gt 1", "$select=LineNumber,Created,"+link)
		require.Len(t, list, 500)
		documents, previous := map[any]row{}, row{}
		for _, r := range list {
			if r["LineNumber"] == 0.0 {
				require.NotContains(t, documents, r[link])
				documents[r[link]] = r
			} else {
				require.Equal(t, previous[link], r[link])
				require.InDelta(t, previous["LineNumber"].(float64)+1, r["LineNumber"], 0)
				require.Equal(t, documents[r[link]]["Created"], r["Created"])
			}
			previous = r
		}
		require.Greater(t, len(documents), 80)
		require.Less(t, len(documents), 200)
	}
	headers, _, _ := all(t, s, "salesinvoice_sales_invoices", "$select=InvoiceID")
	below, _, _ := all(t, s, "salesinvoice_sales_invoice_lines", "$select=ID")
	require.Equal(t, 500, len(headers)+len(below))
	require.NotEmpty(t, headers)
}

func TestSameSeedSameData(t *testing.T) {
	body := func(s *data.Store, name string) string {
		return string(get(t, s, name, must(set(t, name))...).Body)
	}
	a, b := open(100), open(100)
	sales := set(t, "sync_salesinvoice_sales_invoices")
	// Neither the order of reading nor changes that were forgotten matter.
	before := body(a, "sync_crm_accounts")
	_, err := b.Touch(sales, first, clock, 5)
	require.NoError(t, err)
	_, err = b.Delete(set(t, "crm_accounts"), first, clock, 5)
	require.NoError(t, err)
	require.NotEqual(t, before, body(b, "sync_crm_accounts"))
	b.MoveDivision(first)
	count := a.Count()
	require.Less(t, b.Count(), count+10)
	b.Reset()
	require.Equal(t, count, b.Count())
	require.Equal(t, body(a, "sync_salesinvoice_sales_invoices"), body(b, "sync_salesinvoice_sales_invoices"))
	require.Equal(t, before, body(b, "sync_crm_accounts"))
	other := data.Open(data.Options{Records: 100, Seed: 8})
	require.NotEqual(t, before, body(other, "sync_crm_accounts"))
}

func BenchmarkOpenAndCount(b *testing.B) {
	for b.Loop() {
		open(1000).Count()
	}
}

// BenchmarkPage makes 1,000 rows with all their 150 properties: 5 MB.
func BenchmarkPage(b *testing.B) {
	s := open(1000)
	e := set(b, "sync_crm_accounts")
	q := query(e)
	for b.Loop() {
		_, err := s.Query(e, first, q, address(e, "812345"))
		require.NoError(b, err)
	}
}
