package slascone

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every switch is a position in which a reader must get the same rows, or one of
// those whose effect is a refusal, a wait, a failure or on writes.
func TestGuesses(t *testing.T) {
	others := []string{
		"page-ignored", "denied-403", "denied-html", "reads-limited", "throttle-window", "retry-zero", "plan-dev", "plan-basic", "plan-silver",
		"product-gone", "conflict", "503-wait", "504-wait", "patch-keeps-active", "patch-null-keeps", "signed",
	}
	told := map[string]bool{}
	for _, name := range others {
		told[name] = true
	}
	for _, position := range guesses {
		for fault := range strings.SplitSeq(position, ",") {
			name, _, _ := strings.Cut(fault, ":")
			require.NotContains(t, others, name)
			told[name] = true
		}
	}
	for name := range known {
		require.True(t, told[name], name)
		delete(told, name)
	}
	require.Empty(t, told)
}
