package config

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

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
	for _, text := range []string{"a\nb", "2024-02-29T23:59:60+02:00", "02/30/2024", "-1h", "1e300", "NaN", "0x10", "https://user:pw@host/", "Europe/../x"} {
		f.Add([]byte(`{}`), text)
	}
	f.Fuzz(func(t *testing.T, doc []byte, hidden string) {
		fromEnvironment(t, hidden)
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

// fromEnvironment gives a text to one setting after the other: what is taken is what
// package time reads, and a duration or a count is never less than nothing.
func fromEnvironment(t *testing.T, text string) {
	t.Helper()
	src := source()
	src.Settings = src.Settings[:len(src.Settings)-1]
	for _, key := range []string{"ACCOUNT_NAME", "SERVER_SUBDOMAIN", "START_DATE", "END_DATE", "DIVISIONS", "TIMEZONE", "LOOKBACK", "MAX_RETRIES", "REQUEST_TIMEOUT", "REQUESTS_PER_SECOND", "DATE_WINDOW_SIZE", "MAX_RESPONSE_MB", "API_URL"} {
		pairs := []string{envPrefix + key, text}
		for name, value := range map[string]string{"TOKEN": mark + "x", "ACCOUNT_NAME": "acme", "SERVER_SUBDOMAIN": "s12", "START_DATE": "2024-01-01"} {
			if name != key {
				pairs = append(pairs, envPrefix+name, value)
			}
		}
		raw, err := Read([]string{Env}, environment(pairs...))
		require.NoError(t, err)
		l, err := raw.Check(src)
		if err != nil {
			require.NotContains(t, err.Error(), mark)
			continue
		}
		require.NotContains(t, strings.Join(l.Warnings, "\n"), mark)
		require.True(t, l.Lookback >= 0 && l.Timeout > 0 && l.MaxRetries >= 0 && l.RequestsPerSecond >= 0 && l.WindowDays >= 0 && l.MaxResponse > 0, "%s=%q: %+v", key, text, l)
		if at, err := time.Parse(time.RFC3339, strings.TrimSpace(text)); err == nil && key == "START_DATE" {
			require.True(t, at.Equal(l.Start), "%q is read as %s", text, l.Start)
		}
	}
}
