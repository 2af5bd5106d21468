package accountview_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// TestEverything: all streams that the company has come as they are.
func TestEverything(t *testing.T) {
	visit(t, emulator.Options{Records: 60}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"*"}, Discover: true, Config: wide})
		require.NoError(t, out.Report.Err)
		read := 0
		for i := range source.Streams {
			st := &source.Streams[i]
			res := out.Result(st.Name)
			if res.Skipped {
				require.Contains(t, []string{"subscriptions", "subscription_lines", "time_weeks"}, st.Name)
				require.ErrorContains(t, res.Err, "De module voor dit business object is niet actief in de licentie.")
				continue
			}
			require.NoError(t, res.Err, st.Name)
			s.whole(out, st.Name)
			read++
		}
		require.Equal(t, 62, read)
	})
}
