package config

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzCheck merges any document with one that holds a secret: nothing panics
// and no message shows the secret.
func FuzzCheck(f *testing.F) {
	for _, doc := range []string{
		`{` + good[len(`"token":"Zq7xsecret",`):] + `}`, `{"token":null,"token_env":"HOME"}`, `[1`, `{"a":{"b":[]},"a":1}`, `{"start_date":"2024-01-01","end_date":"01/02/2003"}`,
		`{"divisions":["a",1],"lookback":"1e3","max_retries":1e99,"api_url":"http://[::1]/x","timezone":"../x"}`,
	} {
		f.Add([]byte(doc), "secret")
	}
	f.Add([]byte(`{}`), "a\nb")
	f.Fuzz(func(t *testing.T, doc []byte, hidden string) {
		var members map[string]json.RawMessage
		_ = json.Unmarshal(bytes.TrimPrefix(doc, []byte("\ufeff")), &members)
		for k := range members {
			if strings.HasSuffix(k, "_cmd") || strings.HasSuffix(k, "_file") {
				t.Skip("runs what the fuzzer writes")
			}
		}
		if strings.Contains(string(doc), mark) {
			t.Skip()
		}
		body, err := json.Marshal(map[string]string{"token": mark + hidden, "other_key": mark + "x" + hidden})
		require.NoError(t, err)
		raw, err := Read([]string{write(t, string(doc)), write(t, string(body))}, environment("HOME", mark))
		if err != nil {
			require.NotContains(t, err.Error(), mark)
			return
		}
		_, err = raw.Source([]string{"saasoptics"})
		if err != nil {
			require.NotContains(t, err.Error(), mark)
		}
		src := source()
		_, err = raw.Check(src)
		require.Error(t, err, "other_key is refused")
		require.NotContains(t, err.Error(), mark)
		src.Settings = src.Settings[:len(src.Settings)-1]
		l, err := raw.Check(src)
		if err != nil {
			require.NotContains(t, err.Error(), mark)
			return
		}
		require.NotContains(t, strings.Join(l.Warnings, "\n"), mark)
	})
}
