package httpx

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// FuzzText tells of any answer what a person is told: one short line that can be
// printed, without the credential, however it is written there; and reads how long
// to stay away, which is what package time and a plain count of seconds say.
func FuzzText(f *testing.F) {
	for _, seed := range []string{
		`{"message":"no such thing"}`, `{"error":{"message":{"value":"x"}}}`, `{"errors":[{"detail":"a"},"b"]}`, `<html><title>Log in &amp; go</title>`, `<TITLE>`, "a\r\nb\x00\u202e", "\xff\xfe", `{"code":"X","message":"s3cr3t-t0ken"}`,
		strings.Repeat("a", 600), `{"detail":"s3cr3t\u002dt0ken"}`, "s3cr3t\x01-t0ken", "czNjcjN0LXQwa2Vu",
	} {
		f.Add([]byte(seed), "120")
	}
	for _, after := range []string{"", "-1", "1e9", " 7 ", "99999999999999999999", "Fri, 20 Nov 2026 12:00:00 GMT", "Friday, 31-Dec-99 23:59:59 GMT", "0.5", "NaN"} {
		f.Add([]byte("x"), after)
	}
	const hidden = "s3cr3t-t0ken"
	r := NewRedactor(secret.New(hidden))
	f.Fuzz(func(t *testing.T, body []byte, after string) {
		said := r.text(vendorText(body), maxText)
		require.LessOrEqual(t, len(said), maxText)
		require.True(t, utf8.ValidString(said))
		require.False(t, strings.ContainsFunc(said, func(c rune) bool { return !unicode.IsPrint(c) }), "%q", said)
		require.NotContains(t, said, hidden)
		require.Equal(t, said, r.text(said, maxText), "said once more it is the same")
		notJSON(body)
		synctest.Test(t, func(t *testing.T) {
			now := time.Now()
			wait, told := stream.RetryAfter(http.Header{"Retry-After": {after}}, now)
			require.GreaterOrEqual(t, wait, time.Duration(0))
			if at, err := http.ParseTime(after); err == nil {
				require.True(t, told)
				require.True(t, at.Before(now) || wait >= at.Sub(now), "%s", wait)
			}
			if !told {
				require.Zero(t, wait)
			}
		})
	})
}
