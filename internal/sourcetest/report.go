package sourcetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/config"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
)

// discreet checks that no credential is in anything that is told.
func (s *subject) discreet(t testing.TB, c *config.Loaded, out *output, err error) {
	t.Helper()
	said := []string{out.log, string(out.text), fmt.Sprint(err), c.String()}
	if out.report != nil {
		said = append(said, everything(out.report.Err))
		for _, r := range out.report.Streams {
			said = append(said, everything(r.Err))
		}
	}
	var hidden []string
	for _, secret := range c.Secrets() {
		hidden = append(hidden, secret.Reveal())
	}
	for _, token := range storedTokens(t, out.store) {
		hidden = append(hidden, token.Access, token.Refresh)
	}
	for _, secret := range hidden {
		for i, text := range said {
			if secret != "" && strings.Contains(text, secret) { // and not in the test's words again
				require.Fail(t, "a credential is told", "in place %d", i)
			}
		}
	}
}

// storedToken is what the file of tokens holds of a grant, as any program reads
// it.
type storedToken struct {
	Access   string    `json:"access_token"`
	Refresh  string    `json:"refresh_token"`
	Obtained time.Time `json:"obtained_at"`
	Expires  time.Time `json:"expires_at"`
}

// storedTokens are those of a file; none where there is no file.
func storedTokens(t testing.TB, path string) []storedToken {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		require.ErrorIs(t, err, os.ErrNotExist)
		return nil
	}
	var file struct {
		Tokens []storedToken `json:"tokens"`
	}
	require.NoError(t, json.Unmarshal(text, &file), "the file of tokens")
	return file.Tokens
}

// everything renders an error with its hint, however it is printed.
func everything(err error) string {
	if err == nil {
		return ""
	}
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	if e := fault.As(err); e != nil {
		text += " " + e.Hint
	}
	return text
}

// loads runs the linter behind conform over a whole run.
func (s *subject) loads(t testing.TB, out *output) {
	t.Helper()
	report, err := singer.Lint(bytes.NewReader(out.text))
	require.NoError(t, err)
	require.True(t, report.OK(), "%s", report.AppendText(nil))
}

// complete checks that every stream of a run came to its end, but for those
// that the account of the stand-in may not read: of them it has no truth.
func (o *output) complete(t testing.TB) {
	t.Helper()
	require.NoError(t, o.report.Err)
	for _, r := range o.report.Streams {
		if r.Skipped && fault.KindOf(r.Err) == fault.Permission && o.truthless(r.Stream) {
			continue
		}
		require.NoError(t, r.Err, r.Stream)
		require.Empty(t, r.Refused, r.Stream)
	}
}

// skipped tells whether a stream may not be read.
func (o *output) skipped(name string) bool {
	return slices.ContainsFunc(o.report.Streams, func(r engine.Result) bool { return r.Stream == name && r.Skipped })
}

// failed tells whether a stream of the run did not come to its end.
func (o *output) failed(name string) bool {
	for _, r := range o.report.Streams {
		if r.Stream == name {
			return r.Err != nil
		}
	}
	return o.report.Err != nil
}
