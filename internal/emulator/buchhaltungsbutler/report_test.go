package buchhaltungsbutler

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// created makes a report and returns its number.
func (a *api) created(kind string, members m) json.Number {
	a.Helper()
	r := a.post("/reports/create/"+kind, members)
	require.Equal(a, http.StatusOK, r.Status, r.Body)
	var e struct {
		ID string `json:"id_by_customer"`
	}
	require.NoError(a, json.Unmarshal([]byte(r.Body), &e))
	require.NotContains(a, r.Body, `"data"`)
	return json.Number(e.ID)
}

type bwa struct {
	IntegrityError           bool
	StandardChart            string
	PostingsRecordsCount     int
	UncompletedPostingsCount int
	UsedNumbers              []int `json:"usedPostingaccountsNumbers"`
	Sums                     json.RawMessage
	Groups                   map[string]struct {
		GroupName, GroupDisplayName string
		AmountsSum                  json.Number
		Empty                       bool
		Classes                     map[string]struct {
			ClassName, ClassDisplayName string
			AmountsSum                  json.Number
			Empty                       bool
			Accounts                    json.RawMessage `json:"postingaccounts"`
		}
	}
	Totals map[string]struct {
		TotalName, TotalDisplayName, After string
		AmountsSum                         json.Number
		Empty                              bool
	}
}

func (a *api) fetched(kind string, id json.Number) bwa {
	a.Helper()
	for range 2 {
		a.refused(400, 8, "/reports/get/"+kind, m{"report_id_by_customer": id})
	}
	r := a.post("/reports/get/"+kind, m{"report_id_by_customer": id})
	require.Equal(a, http.StatusOK, r.Status, r.Body)
	require.NotContains(a, r.Body, `"data"`)
	require.NotContains(a, r.Body, `"rows"`)
	var e struct{ Report bwa }
	decode(a, r.Body, &e)
	return e.Report
}

// Point 11: reports are made, waited for, and replaced.
func TestReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{Records: 300})
		first := a.created("bwa", ever)
		a.refused(400, 12, "/reports/create/bwa", ever)
		sums := a.created("sums", ever) // of another kind
		b := a.fetched("bwa", first)
		require.Equal(t, "skr03", b.StandardChart)
		require.Positive(t, b.UncompletedPostingsCount)
		var filled, blank int
		for _, g := range b.Groups {
			for _, k := range g.Classes {
				if string(k.Accounts) == "[]" {
					require.True(t, k.Empty)
					blank++
				} else {
					require.Equal(t, byte('{'), k.Accounts[0])
					filled++
				}
			}
		}
		require.Positive(t, filled)
		require.Positive(t, blank)
		require.Len(t, b.Totals, 1)

		second := a.created("bwa", ever)
		require.NotEqual(t, first, second)
		a.refused(400, 7, "/reports/get/bwa", m{"report_id_by_customer": first})
		a.refused(400, 7, "/reports/get/sums", m{"report_id_by_customer": second})
		time.Sleep(30 * time.Second)
		require.Equal(t, http.StatusOK, a.post("/reports/get/bwa", m{"report_id_by_customer": second}).Status, "nobody has to poll")

		s := a.post("/reports/get/sums", m{"report_id_by_customer": sums})
		var e struct {
			Report struct {
				Sums map[string]struct {
					Account            struct{ Number any } `json:"postingaccount"`
					BalanceAfterDebit  json.Number
					BalanceAfterCredit json.Number
				}
			}
		}
		decode(t, s.Body, &e)
		require.NotEmpty(t, e.Report.Sums)
		require.Contains(t, s.Body, `"postingaccount_number":"`)
		require.Regexp(t, `"postingaccount_number":\d`, s.Body)
		a.key = NewKey
		a.refused(400, 7, "/reports/get/bwa", m{"report_id_by_customer": second})
		id := a.created("sums", ever)
		require.JSONEq(t, `[]`, string(a.fetched("sums", id).Sums), "an empty list of PHP")
	})
}

func TestReportFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{Records: 60, Faults: "report-busy=2@report_bwa"})
		a.refused(400, 12, "/reports/create/bwa", ever)
		a.refused(400, 12, "/reports/create/bwa", ever)
		a.fetched("bwa", a.created("bwa", ever))

		a = newAPI(t, emulator.Options{Records: 60, Faults: "report-stuck"})
		id := a.created("sums", ever)
		for range 50 {
			time.Sleep(time.Minute)
			a.refused(400, 8, "/reports/get/sums", m{"report_id_by_customer": id})
		}
		a.refused(400, 12, "/reports/create/sums", ever)

		a = newAPI(t, emulator.Options{Records: 60, Faults: "report-replaced=1"})
		id = a.created("sums", ever)
		a.refused(400, 7, "/reports/get/sums", m{"report_id_by_customer": id})
		a.fetched("sums", a.created("sums", ever))
	})
}

// Ledgers: every line of the truth is in the ledger of its account, whatever the
// months it is asked in, and the sums are those of the report.
func TestLedgers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)))
		for _, faults := range []string{"", "ledger-twice"} {
			a := newAPI(t, emulator.Options{Records: 250, Faults: faults})
			truth := a.truth("account_ledger")
			keys := map[string]int{}
			for _, row := range truth {
				keys[fmt.Sprint(row["postingaccount_number"], row["id_by_customer"], row["record_side"])]++
			}
			require.Equal(t, faults != "", len(keys) < len(truth), "a posting has one line on a side")
			var got []m
			for number := range unique(values(truth, "postingaccount_number")) {
				for year := 2023; year < 2028; year++ {
					r := a.post("/reports/get/sums/ledger", m{
						"postingaccount_number": json.Number(number), "date_from": fmt.Sprint(year, "-01-01"), "date_to": fmt.Sprint(year, "-12-31"),
					})
					require.Equal(t, http.StatusOK, r.Status, r.Body)
					var e struct {
						Ledger struct {
							Number string `json:"postingaccount_number"`
							Lines  []m    `json:"postingaccountLedger"`
						} `json:"report_sums_postingaccount_ledger"`
					}
					decode(t, r.Body, &e)
					require.Equal(t, number, e.Ledger.Number)
					for _, row := range e.Ledger.Lines {
						row["postingaccount_number"] = number
						got = append(got, row)
					}
				}
			}
			sameRows(t, truth, got)
			sums := a.truth("report_sums")
			require.NotEmpty(t, sums)
			require.Subset(t, unique(values(truth, "postingaccount_number")), unique(values(sums, "postingaccount_number")))
			require.Equal(t, "2026-11-20", sums[0]["date_to"])
			id := a.created("sums", m{"date_from": "2023-01-01", "date_to": "2026-11-20"})
			require.Equal(t, fmt.Sprint(sums[0]["report_id_by_customer"]), id.String())
			var list map[string]m
			decode(t, string(a.fetched("sums", id).Sums), &list)
			require.Len(t, list, len(sums))
			for _, row := range sums {
				number := row["postingaccount_number"].(string)
				require.Equal(t, list[number], without([]m{row}, "date_from", "date_to", "base", "report_id_by_customer", "postingaccount_number")[0])
			}
		}
		a := newAPI(t, emulator.Options{Records: 60})
		require.NotEmpty(t, a.truth("report_bwa"))
		require.NotEqual(t,
			a.post("/reports/get/sums/ledger", with(ever, "postingaccount_number", 4120)).Body,
			a.post("/reports/get/sums/ledger", with(ever, "postingaccount_number", 4830, "base", "date_delivery_else_date")).Body)
	})
}
