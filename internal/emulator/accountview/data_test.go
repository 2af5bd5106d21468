package accountview

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// streams are the 65 of the source.
const streams = `companies business_objects administrations dictionary_tables dictionary_fields company_settings debtors creditors
relations contact_persons contact_person_roles delivery_addresses employees departments ledger_accounts ledger_transactions
ledger_transactions_previous_year ledger_transactions_history ledger_cards debtor_creditor_cards journals journal_pages
journal_lines cost_centers cost_types distribution_keys vat_codes vat_returns periods open_items reminders payment_proposals
direct_debits payment_conditions articles article_stock article_groups article_history article_history_years
processed_deliveries sales_orders sales_order_lines sales_invoices sales_invoice_lines purchase_order_lines projects countries
currencies iso_currencies banks bank_mutations activities subscriptions subscription_lines fixed_assets fixed_asset_groups
fixed_asset_lines budgets budget_lines time_weeks hour_types time_history document_links journal_messages audit_trail`

// TestEveryStream: each is served, and what is served is the truth.
func TestEveryStream(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 90})
	all := strings.Fields(streams)
	require.Len(t, all, 65)
	for _, stream := range all {
		truth := a.Truth(stream)
		p, ok := streamPart(stream)
		switch {
		case stream == "companies" || stream == "business_objects":
			require.NotEmpty(t, truth)
			continue
		case a.service.companies[0].inactive[p.code]:
			require.Empty(t, truth, stream)
			a.fails(200, a.data(p.code))
			continue
		}
		require.True(t, ok, stream)
		require.NotEmpty(t, truth, stream)
		table := p.table
		ask := []string{}
		if p.child {
			table = p.lines
		}
		if p.short {
			ask = []string{"Fields", strings.Join(shortColumns, ",")}
		}
		var served []map[string]any
		for _, year := range []string{"2024", "2025", "2026"} {
			if !p.yearly() && year < "2026" {
				continue
			}
			for n := 1; ; n++ {
				out := a.object(a.data(p.code, append(slices.Clone(ask), "PageSize", "40", "PageNumber", itoa(n), "BookDate", year+"-07-01")...))
				for _, r := range out[table] {
					if p.yearly() {
						r["_book_year"] = year
					}
					served = append(served, r)
				}
				if len(out[p.table]) < 40 {
					break
				}
			}
		}
		require.Len(t, served, len(truth), stream)
		for k := range truth {
			if year, ok := truth[k]["_book_year"].(float64); ok {
				truth[k]["_book_year"] = itoa(int(year))
			}
		}
		slices.SortStableFunc(truth, func(a, b map[string]any) int {
			x, _ := a["_book_year"].(string)
			y, _ := b["_book_year"].(string)
			return strings.Compare(x, y)
		})
		for k, r := range served {
			delete(r, "EXT_KEY")
			delete(r, p.table+"_Id")
			require.Equal(t, truth[k], r, stream)
		}
	}
	require.Error(t, a.Server.Truth(&strings.Builder{}, source, "nope"))
	require.Error(t, a.Server.Truth(&strings.Builder{}, source, ""))
}

var (
	timeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$`)
	dayForm  = regexp.MustCompile(`^\d{4}-\d\d-\d\dT00:00:00$`)
)

// TestValues: each value is as its letter in the dictionary has it; null is an
// empty date and nothing else.
func TestValues(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 150})
	seen := map[string]bool{}
	see := func(what string, is bool) { seen[what] = seen[what] || is }
	for stream := range strings.FieldsSeq(streams) {
		p, ok := streamPart(stream)
		if !ok {
			continue
		}
		table := p.table
		if p.child {
			table = p.lines
		}
		for _, r := range a.Truth(stream) {
			for name, v := range r {
				c := a.service.tables[table].byName[name]
				if c == nil {
					require.Contains(t, []string{"_book_year", "COMP_LN"}, name)
					continue
				}
				switch value := v.(type) {
				case nil:
					require.Contains(t, "TD", string(c.letter), "%s.%s is null", table, name)
				case bool:
					require.Equal(t, "L", string(c.letter), "%s.%s", table, name)
				case float64:
					require.Contains(t, "NYBI", string(c.letter), "%s.%s", table, name)
					see("whole amount", c.letter == 'Y' && value == float64(int64(value)))
					see("negative", value < 0)
					see("fraction", value != float64(int64(value)))
				case string:
					switch c.letter {
					case 'T':
						require.Regexp(t, timeForm, value, "%s.%s", table, name)
					case 'D':
						require.Regexp(t, dayForm, value, "%s.%s", table, name)
					default:
						require.Contains(t, "CM", string(c.letter), "%s.%s", table, name)
						if c.letter == 'C' {
							require.LessOrEqual(t, len([]rune(value)), c.width, "%s.%s: %q", table, name, value)
							require.Equal(t, strings.TrimRight(value, " "), value, "%s.%s", table, name)
						}
						see("memo with an end of line", strings.HasSuffix(value, "\n"))
						see("é", strings.Contains(value, "é"))
						see("€", strings.Contains(value, "€"))
						see("left padding", strings.HasPrefix(value, "   "))
						see("leading zeros", strings.HasPrefix(value, "00"))
						see("empty", value == "")
					}
				}
				if at, ok := v.(string); ok && c.letter == 'T' {
					require.False(t, at > "2026-03-29T02:00:00" && at < "2026-03-29T03:00:00", "%s was on no clock", at)
					see("the hour that came twice", strings.HasPrefix(at, "2025-10-26T02"))
				}
			}
		}
	}
	for _, what := range []string{
		"whole amount", "negative", "fraction", "memo with an end of line", "é", "€", "left padding", "leading zeros", "empty",
		"the hour that came twice",
	} {
		require.True(t, seen[what], what)
	}
	for _, r := range a.Truth("open_items") {
		require.LessOrEqual(t, min(r["CR_AMT"].(float64), 0), 0.0)
		require.InDelta(t, r["ITEM_REST"], r["DR_AMT"].(float64)+r["CR_AMT"].(float64), 0.001)
		require.NotEqual(t, r["DEB_SHOW"], r["CRED_SHOW"])
		if is(r["DEB_SHOW"]) {
			require.LessOrEqual(t, r["CR_AMT"], 0.0)
		}
	}
	require.Contains(t, a.data("DJ2", "PageSize", "1").Body, `"PAGE_NR":"         1"`)
}

func is(v any) bool { return v.(bool) }

// TestRelations: what a row refers to is there.
func TestRelations(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 100})
	keys := map[string]map[string]bool{}
	load := func(table, stream, key string) {
		keys[table] = map[string]bool{}
		for _, r := range a.Truth(stream) {
			keys[table][r[key].(string)] = true
		}
	}
	load("CONTACT", "relations", "SUB_NR")
	load("LEDGER", "ledger_accounts", "ACCT_NR")
	load("DAILY", "journals", "DJ_CODE")
	load("COST", "cost_centers", "COST_CODE")
	load("VAT", "vat_codes", "VAT_CODE")
	load("ARTICLE", "articles", "ART_CODE")
	load("ART_GRP", "article_groups", "AG_CODE")
	load("PROJECTS", "projects", "PROJ_CODE")
	load("DEL_ADDR", "delivery_addresses", "REC_ID")
	checked := 0
	for stream := range strings.FieldsSeq(streams) {
		p, ok := streamPart(stream)
		if !ok || p.system {
			continue
		}
		table := a.service.tables[p.table]
		if p.child {
			table = a.service.tables[p.lines]
		}
		for _, r := range a.Truth(stream) {
			for _, c := range table.columns {
				text, _ := r[c.name].(string)
				if known := keys[refersTo(c)]; known != nil && !c.key && text != "" {
					checked++
					require.True(t, known[text], "%s.%s: %q", stream, c.name, text)
				}
			}
		}
	}
	require.Greater(t, checked, 2000)
	debtor := map[string]bool{}
	for _, r := range a.Truth("debtors") {
		require.Equal(t, true, r["DEB_SHOW"])
		debtor[r["SUB_NR"].(string)] = true
	}
	for _, r := range a.Truth("journal_pages") {
		if r["DJ_CODE"] == "VRK" {
			require.True(t, debtor[r["SUB_NR"].(string)], "sales have debtors")
		}
	}
	both := 0
	for _, r := range a.Truth("creditors") {
		if debtor[r["SUB_NR"].(string)] {
			both++
		}
	}
	require.Positive(t, both, "some are in both lists")
}

// TestDictionary: tables, views with their bases, columns of the company's own;
// by a fault one column on each side that the other does not know.
func TestDictionary(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	files := map[string]map[string]any{}
	for _, r := range a.list("DCT_FILE", "DBF", "PageSize", "1000") {
		files[r["DBF_NAME"].(string)] = r
	}
	require.Equal(t, "CONTACT", files["ACCT_REC"]["DBF_BASE"])
	require.Equal(t, "AR1", files["ACCT_REC"]["OBJ_CODE"])
	require.Equal(t, "OI1", files["OPENITEM"]["OBJ_CODE"])
	require.Equal(t, "DJ_LINE", files["DJ_PAGE"]["TBL_CHILD"])
	require.Equal(t, "DJ_PAGE", files["DJ_LINE"]["TBL_HDR"])
	require.Equal(t, false, files["SBS_HDR"]["OBJ_ACTIVE"])
	require.Equal(t, true, files["SO_HDR"]["OBJ_ACTIVE"])
	require.NotContains(t, a.get("accountviewsystembusinessobjects").Body, `"SBS"`)
	require.Contains(t, a.get("accountviewbusinessobjects").Body, `{"Code":"AR1","Description":"Debiteuren","InsertAllowed":`)
	fields := func() map[string]map[string]any {
		out := map[string]map[string]any{}
		for _, r := range a.list("DCT_FLD", "FLD", append(by(1, "DBF_NAME", "Equal", "C", "CONTACT "), "PageSize", "1000")...) {
			out[r["FIELD_NAME"].(string)] = r
		}
		return out
	}
	contact := fields()
	require.Equal(t, true, contact["L5_BRANCH"]["REC_CUST"])
	require.Equal(t, true, contact["C_CRIT_01"]["REC_CUST"])
	require.Equal(t, "T", contact["CNG_DATE"]["FIELD_TYPE"])
	require.Equal(t, true, contact["CNG_DATE"]["COM_BLK"])
	row := a.Truth("relations")[0]
	require.Contains(t, row, "L5_BRANCH")
	require.Equal(t, names(row), names(contact))
	require.Contains(t, row, "ITYP_CODEV")
	require.NotContains(t, row, "ITYPE_CODV")
	b := newAPI(t, emulator.Options{}, "stale-dictionary")
	stale := b.data("FLD", append(by(1, "DBF_NAME", "Equal", "C", "CONTACT "), "PageSize", "1000")...).Body
	require.Contains(t, stale, `"ITYPE_CODV"`)
	require.NotContains(t, stale, `"ITYP_CODEV"`)
	require.Equal(t, row, b.Truth("relations")[0])
	var list []map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.get("accountviewfields", "BusinessObject", "AR1", "PageSize", "1000").Body), &list))
	require.Equal(t, "ACCT_BAL", list[0]["Name"])
	a.fails(200, a.get("accountviewfields", "BusinessObject", "x"))
	// Siblings of a file.
	out := a.object(a.data("DBF", "PageSize", "1000"))
	require.Greater(t, len(out["DCT_FLD"]), 1000)
	for _, f := range out["DCT_FLD"] {
		require.Equal(t, out["DCT_FILE"][int(f["DCT_FILE_Id"].(float64))]["DBF_NAME"], f["DBF_NAME"])
	}
	a.company = a.service.companies[1].id
	require.NotContains(t, fields(), "L5_BRANCH", "the other company has no columns of its own")
	require.NotContains(t, a.list("CONTACT", "CM1", "PageSize", "1")[0], "L5_BRANCH")
	a.fails(200, a.data("CM1", "Fields", "L5_BRANCH"))
	a.fails(200, a.data("CM1", by(1, "L5_VIP", "Equal", "L", "true")...))
	a.fails(200, a.data("SO1"))
	require.NotEmpty(t, a.list("SBS_HDR", "SBS"))
}

// TestSameSeed: the same seed gives the same rows, at any hour.
func TestSameSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newAPI(t, emulator.Options{Seed: 4}).Truth("debtors")
		time.Sleep(7 * time.Hour)
		require.Equal(t, one, newAPI(t, emulator.Options{Seed: 4}).Truth("debtors"))
		require.NotEqual(t, one, newAPI(t, emulator.Options{Seed: 5}).Truth("debtors"))
	})
}

// TestAgeing: ages stand still, or are those of today.
func TestAgeing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for faults, days := range map[string]float64{"": 0, "ageing": 3} {
			a := newAPI(t, emulator.Options{}, strings.Fields(faults)...)
			before := a.Truth("open_items")[0]["ITEM_AGE"].(float64)
			time.Sleep(72 * time.Hour)
			require.InDelta(t, before+days, a.Truth("open_items")[0]["ITEM_AGE"], 0)
		}
	})
}

// TestDataFaults: times with an offset and numbers as text, in a share of rows.
func TestDataFaults(t *testing.T) {
	a := newAPI(t, emulator.Options{Faults: "offset-times:0.5@debtors,disputed:0.5@ledger_accounts"})
	zoned := 0
	for _, r := range a.Truth("debtors") {
		at, err := time.Parse(time.RFC3339, r["CNG_DATE"].(string))
		if err == nil {
			zoned++
			_, offset := at.Zone()
			require.Contains(t, []int{3600, 7200}, offset)
		}
	}
	require.InDelta(t, 60, zoned, 25)
	texts := 0
	for _, r := range a.Truth("ledger_accounts") {
		if _, text := r["ACCT_BAL"].(string); text {
			texts++
		}
	}
	require.InDelta(t, 15, texts, 10)
}

// TestScale: a million rows cost no memory each, and any page of them is near.
func TestScale(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 1_000_000})
	require.Greater(t, a.service.Rows(), int64(6_000_000))
	rows := a.list("CONTACT", "CM1", "PageSize", "1000", "LastKey", "77", "Fields", "SUB_NR")
	require.Len(t, rows, 1000)
	require.Len(t, a.list("DJ_PAGE", "DJ2", "PageSize", "1000", "PageNumber", "300", "Fields", "DJ_CODE"), 1000)
	last := a.list("TRANSACT", "GJ1", "PageSize", "1000", "LastKey", "0000332900")
	require.Less(t, len(last), 1000)
	recent, _ := a.turn("DJ_PAGE", "DJ2", 1000, append(by(1, "CNG_DATE", "DateOnOrAfterDate", "T", "{^2026-10-31}"), "Fields", "DJ_CODE,PAGE_NR")...)
	require.NotEmpty(t, recent)
}

func TestLexical(t *testing.T) {
	for _, n := range []int64{1, 9, 10, 11, 99, 100, 1234} {
		var want, have []string
		for k := range n {
			want = append(want, string(integer(int(k+1))))
			have = append(have, string(integer(int(lexical(n, k)))))
		}
		slices.Sort(want)
		require.Equal(t, want, have)
	}
}
