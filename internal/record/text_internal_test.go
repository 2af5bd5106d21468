package record

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
)

// TestAppendText: what is told of a literal is what the scanner says of it.
func TestAppendText(t *testing.T) {
	for _, text := range []string{"", "plain", `a "b" \c`, "ends\n", "\x00", "a\x00b", "Zoë 漢字 🙂", "\x1f", "\t", strings.Repeat("x", 100) + `"`} {
		b, info, err := appendText([]byte("before"), []byte(text))
		require.NoError(t, err)
		end, want, err := jsonspan.Scan(b, len("before"))
		require.NoError(t, err)
		require.Equal(t, len(b), end, "%q", text)
		require.Equal(t, want, info, "%q", text)
	}
	_, _, err := appendText(nil, []byte("\xff"))
	require.ErrorContains(t, err, "UTF-8")
}
