package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// The refusal of a stream, of which the vendor does not tell the reason, is asked
// for; one that comes after rows is none of the stream.
func TestAppeal(t *testing.T) {
	no := &fault.Error{Kind: fault.Refused, Status: 400, Err: errors.New("no such thing")}
	for _, c := range []struct {
		name    string
		refuse  func(call) bool
		as      error
		kind    fault.Kind
		asked   int
		skipped bool
	}{
		{"for lack of a right", func(call) bool { return true }, &fault.Error{Kind: fault.Permission, Err: errors.New("not in the licence")}, fault.Permission, 1, true},
		{"as it was", func(call) bool { return true }, no, fault.Refused, 1, false},
		{"after rows", func(c call) bool { return c.get("page") == "2" }, &fault.Error{Kind: fault.Permission}, fault.Refused, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, whole("orders"), whole("items"))
			w.table("orders", 4, func(tt *table) { tt.cursor = "" })
			w.table("items", 4, func(tt *table) { tt.cursor = "" })
			asked := 0
			w.src.Appeal = func(_ context.Context, _ stream.Fetcher, _ stream.Config, s *stream.Stream, refusal error) error {
				asked++
				require.Equal(t, "orders", s.Name)
				require.ErrorContains(t, refusal, "no such thing")
				return c.as
			}
			w.v.before = func(at call) error {
				if at.path == "orders" && c.refuse(at) {
					return no
				}
				return nil
			}
			res := w.run("")
			require.Len(t, res.records("items"), 4)
			require.Equal(t, c.kind, fault.KindOf(res.result("orders").Err))
			require.Equal(t, c.skipped, res.result("orders").Skipped)
			require.Equal(t, c.asked, asked)
			if c.asked > 0 {
				checked, err := Check(t.Context(), w.src, stream.Config{}, w.v, time.Time{}, w.src.Streams)
				require.NoError(t, err)
				require.Equal(t, c.kind, fault.KindOf(checked[0].Err))
			}
		})
	}
}

// A hook's warning is in the log of the run.
func TestHookWarns(t *testing.T) {
	w := newWorld(t, whole("orders"))
	w.table("orders", 1, func(tt *table) { tt.cursor = "" })
	w.src.Open = func(ctx context.Context, _ stream.Fetcher, _ stream.Config) ([]stream.Param, error) {
		stream.Warn(ctx, "a list is refused", "reason", "no right")
		return nil, nil
	}
	w.good("")
	require.Contains(t, w.log.String(), `level=WARN msg="a list is refused" reason="no right"`)
}
