package buchhaltungsbutler_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	stand "github.com/tap-backoffice/tap-backoffice/internal/emulator/buchhaltungsbutler"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func TestCredentials(t *testing.T) {
	t.Run("wrong pair", func(t *testing.T) {
		visit(t, emulator.Options{}, func(t *testing.T, s *site) {
			out := s.run(ask{Config: map[string]any{"api_secret": "another"}})
			require.Equal(t, fault.Auth, fault.KindOf(out.Report.Err))
			require.LessOrEqual(t, out.Stats.Requests, int64(8), "one for each lane, and those that were begun meanwhile")
		})
	})
	t.Run("suspended", func(t *testing.T) {
		visit(t, emulator.Options{}, func(t *testing.T, s *site) {
			out := s.run(ask{Config: map[string]any{"api_key": stand.SuspendedKey}})
			require.Equal(t, fault.Auth, fault.KindOf(out.Report.Err))
			require.ErrorContains(t, out.Report.Err, "not active")
		})
	})
	t.Run("another's company", func(t *testing.T) {
		visit(t, emulator.Options{}, func(t *testing.T, s *site) {
			out := s.run(ask{Config: map[string]any{"api_key": stand.ForeignKey}})
			require.NoError(t, out.Report.Err)
			for _, r := range out.Report.Streams {
				require.True(t, r.Skipped, r.Stream)
				require.Equal(t, fault.Permission, fault.KindOf(r.Err))
			}
		})
	})
	t.Run("a new company", func(t *testing.T) {
		visit(t, emulator.Options{}, func(t *testing.T, s *site) {
			out := s.run(ask{Only: append([]string{"account_ledger", "report_sums", "report_bwa"}, all...), Config: map[string]any{"api_key": stand.NewKey}}).Complete()
			require.Empty(t, out.Rows("receipts"))
			require.Empty(t, out.Rows("report_sums"))
		})
	})
	for _, stream := range append([]string{"account_ledger", "report_sums"}, all...) {
		t.Run("no right to "+stream, func(t *testing.T) {
			visit(t, emulator.Options{Faults: "noright@" + stream, Records: 12}, func(t *testing.T, s *site) {
				out := s.run(ask{Only: append([]string{"account_ledger", "report_sums"}, all...)})
				require.NoError(t, out.Report.Err)
				require.True(t, out.Result(stream).Skipped)
				for _, r := range out.Report.Streams {
					table := source.Stream(r.Stream)
					if r.Stream != stream && table.Needs() != stream {
						require.NoError(t, r.Err, r.Stream)
					}
				}
			})
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Run("a web page", func(t *testing.T) {
		visit(t, emulator.Options{Faults: "404@debtors"}, func(t *testing.T, s *site) {
			out := s.run(ask{})
			require.Equal(t, fault.Contract, fault.KindOf(out.Result("debtors").Err))
			s.whole(out, "receipts", "creditors")
		})
	})
	t.Run("throttled for ever", func(t *testing.T) {
		visit(t, emulator.Options{Faults: "restricted@debtors"}, func(t *testing.T, s *site) {
			out := s.run(ask{})
			require.Equal(t, fault.Quota, fault.KindOf(out.Report.Err))
			require.GreaterOrEqual(t, out.Took, 5*time.Minute)
		})
	})
	t.Run("failing for ever", func(t *testing.T) {
		visit(t, emulator.Options{Faults: "internal-error@debtors"}, func(t *testing.T, s *site) {
			out := s.run(ask{})
			require.Equal(t, fault.Transient, fault.KindOf(out.Result("debtors").Err))
			require.ErrorContains(t, out.Result("debtors").Err, "error while processing the request")
			s.whole(out, "receipts", "postings")
		})
	})
	t.Run("late for ever", func(t *testing.T) {
		visit(t, emulator.Options{Faults: "timeout-504@postings"}, func(t *testing.T, s *site) {
			out := s.run(ask{})
			require.Equal(t, fault.Transient, fault.KindOf(out.Result("postings").Err))
			s.whole(out, "receipts", "transactions")
		})
	})
	t.Run("a transaction goes before its details", func(t *testing.T) {
		visit(t, emulator.Options{Records: 60}, func(t *testing.T, s *site) {
			var once atomic.Bool
			var gone []emulator.ID
			s.Server.OnPage(func(p emulator.Page) {
				if p.Resource == "transactions" && len(p.IDs) > 8 && !once.Swap(true) {
					gone = s.Change(emulator.Change{Stream: "transactions", Gone: p.IDs[:8], At: time.Now()}).Deleted
				}
			})
			out := s.run(ask{Only: []string{"transactions", "transaction_details", "transaction_receipts"}}).Complete()
			require.NotEmpty(t, gone)
			require.Len(t, out.Rows("transaction_details"), len(out.Rows("transactions"))-len(gone))
		})
	})
}

// TestCodes: what the same code means on one path and on another.
func TestCodes(t *testing.T) {
	body := func(code string) []byte { return []byte(`{"success":false,"error_code":` + code + `,"message":"m"}`) }
	for _, tc := range []struct {
		path   string
		status int
		code   string
		want   error
	}{
		{"receipts/get/7", 400, "5", stream.SkipParent},
		{"receipts/get", 400, "5", nil},
		{"receipts/get", 400, "15", nil}, // a field to sort by, no throttling
		{"transactions/get/7", 400, "6", stream.SkipParent},
		{"transactions/get/7", 400, "5", nil},
		{"transactions/get", 400, "6", nil},
		{"receipts/assigned-transactions/get", 400, "6", stream.SkipParent},
		{"transactions/assigned-receipts/get", 400, "6", stream.SkipParent},
		{"transactions/assigned-receipts/get", 400, "5", nil},
		{"reports/get/sums/ledger", 400, "16", stream.SkipParent},
		{"reports/get/sums/ledger", 400, "8", nil},
		{"reports/get/sums", 400, "8", stream.Accept},
		{"reports/get/bwa", 400, "8", stream.Accept},
		{"reports/create/bwa", 400, "12", stream.Accept},
		{"reports/get/bwa", 400, "12", nil},
		{"receipts/get", 403, "12", nil},
		{"receipts/get", 400, "23", nil},
		{"postings/get", 504, "30", nil},
	} {
		// The envelope may be laid out otherwise: what it says is the same.
		for _, form := range []string{
			`{"success":false,"error_code":` + tc.code + `,"message":"m"}`,
			"{\n  \"success\" : false, \"error_code\" : " + tc.code + ", \"message\": \"m\"\n}",
			`{"message":"` + strings.Repeat("m", 300) + `","error_code":"` + tc.code + `","rows":0,"data":[],"success":"false"}`,
		} {
			got := source.Classify(&stream.Response{Status: tc.status, Body: []byte(form), URL: "https://webapp.buchhaltungsbutler.de/api/v1/" + tc.path, Header: stream.Header{}})
			require.Equal(t, tc.want, got, "%s %s", tc.path, form)
		}
	}
	for _, tc := range []struct {
		status int
		body   string
		after  time.Duration
		header stream.Header
	}{
		{429, "<html>", time.Minute, stream.Header{}},
		{429, "", 0, stream.Header{"Retry-After": {"7"}}},
		{403, string(body("15")), time.Minute, stream.Header{}},
	} {
		var got *stream.Throttled
		require.ErrorAs(t, source.Classify(&stream.Response{Status: tc.status, Body: []byte(tc.body), Header: tc.header}), &got)
		require.Equal(t, tc.after, got.After)
	}
	require.NoError(t, source.Classify(&stream.Response{Status: 200, Body: []byte(`{"success":true,"rows":0,"data":[]}`)}))
	require.NoError(t, source.Classify(&stream.Response{Status: 200, Body: []byte(`{"success":true,"data":{"purpose":"\"success\":false"}}`)}))
	require.NoError(t, source.Classify(&stream.Response{Status: 200, Body: []byte(`{"data":[{"success":false}],"success":true}`)}))
	err := source.Classify(&stream.Response{Status: 200, Body: []byte(`{"success": false, "error_code": 4, "message": "m", "rows": 0, "data": []}`), URL: "u"})
	require.Equal(t, fault.Refused, fault.KindOf(err), "no empty list")
	err = source.Classify(&stream.Response{Status: 200, Body: body("7"), URL: "u"})
	require.Equal(t, fault.Refused, fault.KindOf(err), "to be checked on 200 too")
}

// TestRequests: what every call carries, and what none does.
func TestRequests(t *testing.T) {
	visit(t, emulator.Options{Records: 12}, func(t *testing.T, s *site) {
		watch := func(inner http.RoundTripper) http.RoundTripper {
			return sitetest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				text, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				r.Body = io.NopCloser(bytes.NewReader(text))
				var body map[string]json.RawMessage
				require.NoError(t, json.Unmarshal(text, &body))
				require.Equal(t, http.MethodPost, r.Method)
				require.Equal(t, "application/json", r.Header.Get("Content-Type"))
				require.Equal(t, `"`+stand.Key+`"`, string(body["api_key"]))
				require.Empty(t, r.URL.RawQuery)
				require.Empty(t, r.Header.Values("Cookie"), "no cookie is kept")
				require.NotContains(t, r.URL.String(), stand.Key)
				for name, raw := range body {
					switch name {
					case "limit", "offset", "id_by_customer_from", "receipt_id_by_customer", "transaction_id_by_customer", "report_id_by_customer", "postingaccount_number":
						require.NotContains(t, string(raw), `"`, name)
					case "deleted", "include_offers":
						require.Contains(t, []string{"true", "false"}, string(raw), name)
					}
					require.NotEqual(t, `""`, string(raw), "%s: empty text is refused", name)
				}
				return inner.RoundTrip(r)
			})
		}
		s.run(ask{Only: append([]string{"account_ledger", "report_sums", "report_bwa"}, all...), Network: watch}).Complete()
	})
}

// TestZone: times without a zone are the config's.
func TestZone(t *testing.T) {
	visit(t, emulator.Options{Records: 60}, func(t *testing.T, s *site) {
		only := []string{"transactions"}
		german := s.run(ask{Only: only}).Complete().Values("transactions", "booking_date")
		utc := s.run(ask{Only: only, Config: map[string]any{"timezone": "UTC"}}).Complete().Values("transactions", "booking_date")
		for k := range german {
			a, err := time.Parse(time.RFC3339, german[k])
			require.NoError(t, err)
			b, err := time.Parse(time.RFC3339, utc[k])
			require.NoError(t, err)
			_, east := a.In(berlin).Zone()
			require.Equal(t, b, a.Add(time.Duration(east)*time.Second))
		}
		require.True(t, strings.HasSuffix(german[0], "Z"))
	})
}

// TestLedgerTwice: two lines of a posting on one side of an account have one key,
// as far as is known; both are written.
func TestLedgerTwice(t *testing.T) {
	visit(t, emulator.Options{Records: 20, Faults: "ledger-twice"}, func(t *testing.T, s *site) {
		plain := s.run(ask{Only: []string{"account_ledger"}}).Complete()
		byKey := map[string]int{}
		for _, key := range plain.Keys("account_ledger") {
			byKey[key]++
		}
		twice := 0
		for _, n := range byKey {
			if n > 1 {
				twice++
			}
		}
		require.Positive(t, twice)
		require.Equal(t, 1, strings.Count(plain.Log, "share a key"))
	})
}
