package auth

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/secret"
)

// FuzzDocument puts an entry into any file: what can be read can be written,
// holds the entry then, and has lost nothing else.
func FuzzDocument(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"tokens":[]}`, `{"tokens":null}`, `{"tokens":[1,"a",null,{}],"x":[1.50]}`,
		`{"tokens":[{"source":"s","token_url":"u","client_id":"c","refresh_token":"r","more":{"a":1e400}}]}`,
		`{"tokens":[{"source":"s","token_url":"u","client_id":"c","kept":null},{"source":"s","token_url":"u","client_id":"c"}]}`,
		`{"tokens":[{"source":"s","token_url":"u","client_id":"c","obtained_at":"yesterday"}]}`, `null`, `[]`, ``, `{"tokens":{}}`, ` {} {}`,
	} {
		f.Add([]byte(s))
	}
	key := entryKey{"s", "u", "c"}
	e := entry{
		access: secret.New("a"), refresh: secret.New("r\"\n<é"), obtained: time.Unix(1, 5).UTC(), expires: time.Unix(601, 0).UTC(),
		config: "h", kept: map[string]string{"api_domain": "https://x"},
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := parseDocument(data)
		if err != nil {
			return
		}
		_, at, err := d.find(key)
		if err != nil {
			return
		}
		out, err := d.with(key, e)
		require.NoError(t, err)
		again, err := parseDocument(out)
		require.NoError(t, err)
		got, now, err := again.find(key)
		require.NoError(t, err)
		require.Equal(t, e, got)
		want := len(d.entries)
		if at < 0 {
			at, want = want, want+1
		}
		require.Equal(t, at, now)
		require.Len(t, again.entries, want)
		for i, raw := range d.entries {
			if i != at {
				require.Equal(t, spelling(t, raw), spelling(t, again.entries[i]))
			}
		}
		for name := range d.members {
			require.Contains(t, again.members, name)
		}
		require.True(t, json.Valid(out))
	})
}

// spelling is JSON as encoding/json writes it, numbers as they are.
func spelling(t *testing.T, raw []byte) string {
	var plain, escaped bytes.Buffer
	require.NoError(t, json.Compact(&plain, raw))
	json.HTMLEscape(&escaped, plain.Bytes())
	return escaped.String()
}
