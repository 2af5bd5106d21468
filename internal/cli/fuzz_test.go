package cli

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

// FuzzRedirected reads an address that somebody pasted: it gives a code if its state
// is the one that was asked for, that of its query as net/url reads it, and nothing
// of it is told otherwise but what the vendor says of its refusal.
func FuzzRedirected(f *testing.F) {
	const state = "S7ATE"
	for _, seed := range []string{
		"code=abc&state=" + state, "state=" + state + "&code=1000.a%2Fb+c", "error=access_denied&error_description=not+today&state=" + state,
		"code=abc&state=other", "code=abc", "state=" + state, "code=%zz&state=" + state, "state=x&state=" + state + "&code=a&code=b", "&&=&", "code=a;state=" + state, "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		code, err := codeOf(query, "acme", state)
		if err != nil {
			require.Empty(t, code)
			e := fault.As(err)
			require.Equal(t, fault.Auth, e.Kind)
			require.NotEmpty(t, e.Hint)
			require.Less(t, len(err.Error()), 2048)
			require.False(t, strings.ContainsFunc(err.Error(), unicode.IsControl), "%q", err)
			return
		}
		require.NotEmpty(t, code)
		require.Contains(t, query, "state=")
		// A plus is one here, and a repeated name is read by its last value.
		if v, err := url.ParseQuery(strings.ReplaceAll(query, "+", "%2B")); err == nil && len(v["code"]) == 1 && len(v["state"]) == 1 {
			require.Equal(t, state, v.Get("state"))
			require.Equal(t, v.Get("code"), code)
			require.Empty(t, v["error"][:min(len(v["error"]), 1)], "a refusal is none")
		}
	})
}

// FuzzSaveStates feeds anything to state save: all of it is passed on, and the file
// holds the last line that is a JSON object, or nothing was written.
func FuzzSaveStates(f *testing.F) {
	for _, seed := range []string{
		"{\"a\":1}\n{\"a\":2}\n", "x\n{}\n[1]\n", "{\"a\":1}", "{\"a\":1}\r\n{\"a\":\n1}\n", "\n\n", " {\"a\":1} \n{\"a\":2}x\n", "{\"a\":\"\x00\"}\n", "null\n",
		"\f{\"a\":1}\n", "{\"a\":1}\u0085\n",
	} {
		f.Add([]byte(seed))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, in []byte) {
		if bytes.Count(in, []byte("\n")) > 8 {
			return // each is written to the disk
		}
		path := filepath.Join(dir, "state.json")
		_ = os.Remove(path)
		var out bytes.Buffer
		require.NoError(t, saveStates(path, bytes.NewReader(in), &stdout{w: &out}))
		require.Equal(t, string(in), out.String())
		last := ""
		for line := range bytes.Lines(in) {
			var object map[string]json.RawMessage
			if json.Unmarshal(line, &object) == nil && object != nil {
				last = strings.Trim(string(line), " \t\r\n") + "\n"
			}
		}
		got, err := os.ReadFile(path)
		if last == "" {
			require.ErrorIs(t, err, os.ErrNotExist)
			return
		}
		require.NoError(t, err)
		require.Equal(t, last, string(got))
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, left, 1, "files that were left behind")
	})
}
