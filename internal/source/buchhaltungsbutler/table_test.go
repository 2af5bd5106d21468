package buchhaltungsbutler_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func TestTable(t *testing.T) {
	require.Empty(t, source.Validate(func(s *stream.Stream) (*singer.Schema, error) { return engine.Schema(source, s) }))
	require.Len(t, source.Streams, 15)
}

// usual are the streams of the default selection.
var usual = []string{"receipts", "transactions", "postings", "accounts", "posting_accounts", "debtors", "creditors", "cost_locations"}

// all are those, and what is asked for row by row.
var all = append([]string{"receipt_details", "transaction_details", "receipt_transactions", "transaction_receipts"}, usual...)

// TestCheck asks each stream that has no parent once, and makes no report.
func TestCheck(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		client, loaded := s.Connect(nil)
		defer client.Close()
		found, err := engine.Check(t.Context(), source, loaded.Stream, client, loaded.Start, source.Streams)
		require.NoError(t, err)
		require.Len(t, found, len(usual))
		for _, c := range found {
			require.NoError(t, c.Err, c.Stream)
		}
		log, err := s.Server.Log(source.Name)
		require.NoError(t, err)
		require.Len(t, log, len(usual))
	})
}

func TestWhole(t *testing.T) {
	for _, n := range []int{60, 230, 1300} {
		t.Run("", func(t *testing.T) {
			visit(t, emulator.Options{Records: n}, func(t *testing.T, s *site) {
				out := s.run(ask{}).Complete()
				s.whole(out, usual...)
				t.Logf("%d rows: %d calls, %d in a minute, %s", n, out.Stats.Requests, out.Stats.MaxPerMinute, out.Took)
				for _, e := range usual {
					t.Logf("%-18s %4d records %3d calls", e, len(out.Rows(e)), len(out.Calls(e)))
				}
			})
		})
	}
}
