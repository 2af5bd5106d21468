package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// mark begins every secret of the tests, so that a leak is found by it.
const mark = "Zq7x"

func source() *stream.Source {
	label := func(s string) error {
		if strings.ContainsAny(s, "./: ") {
			return errors.New("one DNS label")
		}
		return nil
	}
	return &stream.Source{
		Name: "saasoptics", Title: "SaaSOptics", Doc: "https://example.com/doc", Window: 60,
		Settings: []stream.Setting{
			{Key: "token", Kind: stream.Secret, Required: true, Doc: "API token."},
			{Key: "account_name", Required: true},
			{Key: "server_subdomain", Required: true, Check: label},
			{Key: "start_date", Required: true},
			{Key: "divisions", Kind: stream.List, Default: "all"},
			{Key: "timezone", Kind: stream.Location, Default: "Europe/Berlin"},
			{Key: "accounts_url"},
			{Key: "other_key", Kind: stream.Secret, Check: func(string) error { return errors.New("must be 40 characters") }},
		},
	}
}

// good is a config that has what is required.
const good = `"token":"Zq7xsecret","account_name":"acme","server_subdomain":"s12","start_date":"2024-01-01"`

func write(t testing.TB, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(path, []byte(body), 0o600))
	return path
}

func load(t testing.TB, body string) (*Loaded, error) {
	t.Helper()
	raw, err := Read([]string{write(t, body)}, nil)
	require.NoError(t, err)
	return raw.Check(source())
}

func environment(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestReadFaults(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large.json")
	require.NoError(t, os.WriteFile(large, []byte("{}"), 0o600))
	require.NoError(t, os.Truncate(large, 50<<20))
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "absent.json"):        "found: no such file",
		dir:                                      "found a directory",
		large:                                    "expected at most 1 MB",
		write(t, ""):                             "found an empty file",
		write(t, " \n"):                          "found an empty file",
		write(t, "token = Zq7x"):                 "found something else at line 1, column 2",
		write(t, "{\n \"a\": 1,\n}"):             "found } at line 3, column 1",
		write(t, "{\"é\": 1, ]"):                 "found ] at line 1, column 10",
		write(t, `{"token": "Zq7x`):              "found its end at line 1, column 16",
		write(t, `{"a": 1} {"b": 2}`):            "found { at line 1, column 10",
		write(t, `["Zq7x"]`):                     "found an array",
		write(t, `"Zq7x"`):                       "found text of 4 characters",
		write(t, `7`):                            "found a number",
		write(t, `null`):                         "found nothing",
		write(t, "{\"token\": \"\xff\"}"):        "not UTF-8",
		write(t, strings.Repeat("[", 1<<15)):     "expected JSON",
		write(t, strings.Repeat(" ", maxFile+1)): "expected at most 1 MB",
	} {
		_, err := Read([]string{path}, nil)
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Config, fault.KindOf(err))
		require.NotContains(t, err.Error(), mark)
		require.NotContains(t, err.Error(), "\n")
	}
	_, err := Read([]string{filepath.Join(dir, "absent.json"), write(t, "[]")}, nil)
	require.Len(t, strings.Split(err.Error(), "\n"), 3, "a line for each file")
}

func TestCheckFaults(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:                                                                   "server_subdomain: expected text, found nothing",
		`{` + good + `,"token":null}`:                                          "token: expected text (or token_file, token_env, token_cmd), found nothing",
		`{` + good + `,"token":12}`:                                            "token: expected text, found a number",
		`{` + good + `,"token":["Zq7x"]}`:                                      "token: expected text, found an array",
		`{` + good + `,"token":"Zq7x\nabc"}`:                                   "token: expected text without line breaks and control characters, found text of 8 characters",
		`{` + good + `,"other_key":"Zq7x"}`:                                    "other_key: expected 40 characters, found text of 4 characters",
		`{` + good + `,"account_name":""}`:                                     "account_name: expected text, found nothing",
		`{` + good + `,"account_name":true}`:                                   "account_name: expected text, found boolean true",
		`{` + good + `,"account_name":{"a":1}}`:                                "account_name: expected text, found an object",
		`{` + good + `,"account_name":["Zq7x"]}`:                               "account_name: expected text, found an array",
		`{` + good + `,"server_subdomain":"a.b"}`:                              `server_subdomain: expected one DNS label, found text "a.b"`,
		`{` + good + `,"server_subdomain":"x.Zq7xsecret"}`:                     "server_subdomain: expected one DNS label, found text of 12 characters",
		`{` + good + `,"server_subdomain":"` + strings.Repeat("a.", 40) + `"}`: `found text "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a…"`,
		`{` + good + `,"start_date":"tomorrow"}`:                               `start_date: expected a time in RFC 3339, YYYY-MM-DD or MM/DD/YYYY, found text "tomorrow"`,
		`{` + good + `,"start_date":20240101}`:                                 "found number 20240101",
		`{` + good + `,"start_date":"2023-02-29"}`:                             `found text "2023-02-29"`,
		`{` + good + `,"start_date":"13/01/2024"}`:                             `found text "13/01/2024"`,
		`{` + good + `,"start_date":"2024-01-01T00:00:00"}`:                    "start_date: expected",
		`{` + good + `,"start_date":"0000-01-01"}`:                             "start_date: expected",
		`{` + good + `,"start_date":"9999-12-31T23:00:00-05:00"}`:              "start_date: expected",
		`{` + good + `,"start_date":[]}`:                                       "start_date: expected",
		`{` + good + `,"end_date":"2023-12-31"}`:                               `end_date: expected a time that is not before start_date, found text "2023-12-31"`,
		`{` + good + `,"max_retries":21}`:                                      "max_retries: expected a whole number from 0 to 20, found number 21",
		`{` + good + `,"max_retries":"five"}`:                                  `max_retries: expected a whole number, found text "five"`,
		`{` + good + `,"max_retries":1.5}`:                                     "max_retries: expected a whole number, found number 1.5",
		`{` + good + `,"max_retries":true}`:                                    "max_retries: expected a whole number, found boolean true",
		`{` + good + `,"date_window_size":"0"}`:                                "date_window_size: expected a whole number from 1 to 3650",
		`{` + good + `,"max_response_mb":4096}`:                                "max_response_mb: expected a whole number from 1 to 2048",
		`{` + good + `,"requests_per_second":0}`:                               "requests_per_second: expected a number above 0",
		`{` + good + `,"requests_per_second":"NaN"}`:                           "requests_per_second: expected a number",
		`{` + good + `,"request_timeout":-1}`:                                  "request_timeout: expected seconds",
		`{` + good + `,"request_timeout":"2 weeks"}`:                           "request_timeout: expected seconds",
		`{` + good + `,"lookback":1e300}`:                                      "lookback: expected seconds",
		`{` + good + `,"exit_zero_on_partial":"maybe"}`:                        "exit_zero_on_partial: expected true or false",
		`{` + good + `,"divisions":[1,{"a":2}]}`:                               "divisions: expected a list or comma-separated text, found an array",
		`{` + good + `,"timezone":"Mars/Olympus"}`:                             "timezone: expected an IANA time zone",
		`{` + good + `,"api_url":"acme.example"}`:                              "api_url: expected an absolute http or https URL",
		`{` + good + `,"api_url":"http://acme.example"}`:                       "api_url: expected an https URL",
		`{` + good + `,"api_url":"https://u:Zq7x@acme.example"}`:               "api_url: expected a URL without user, query and fragment, found text of 27 characters",
		`{` + good + `,"accounts_url":"https://a.example/?k=Zq7x"}`:            "accounts_url: expected a URL without user, query and fragment, found text of 25 characters",
	} {
		_, err := load(t, body)
		require.ErrorContains(t, err, want, body)
		require.NotContains(t, err.Error(), mark, body)
		require.Equal(t, fault.Config, fault.KindOf(err))
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := load(t, `{"tokn":"Zq7x","start_date":"x","max_retries":-1,"lookback":true}`)
	lines := strings.Split(err.Error(), "\n")
	require.Equal(t, "saasoptics: config: 6 faults", lines[0])
	var keys []string
	for _, l := range lines[1:] {
		key, _, _ := strings.Cut(strings.TrimSpace(l), ":")
		keys = append(keys, key)
	}
	require.Equal(t, []string{"token", "account_name", "server_subdomain", "start_date", "max_retries", "lookback"}, keys)
	require.Contains(t, fault.As(err).Hint, "did you mean token?")

	_, err = load(t, `{"token_env":"UNSET","start_date":"x"}`)
	require.Regexp(t, `(?s)4 faults\n  token_env: .*account_name: .*start_date: `, err.Error(), "in the order of the settings")
}

func TestPythonTapConfig(t *testing.T) {
	l, err := load(t, `{"token":"Zq7xsecret","account_name":"acme","server_subdomain":"s12",
		"start_date":"2019-01-01T00:00:00Z","user_agent":"tap-saasoptics <me@acme.example>","date_window_size":"60","request_timeout":0}`)
	require.NoError(t, err)
	require.Empty(t, l.Warnings)
	require.Equal(t, time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC), l.Start)
	require.Equal(t, 60, l.WindowDays)
	require.Equal(t, "tap-saasoptics <me@acme.example>", l.UserAgent)
	require.Equal(t, 300*time.Second, l.Timeout)
	require.Equal(t, "Zq7xsecret", l.Secret("token").Reveal())
	require.Len(t, l.Secrets(), 1)
	require.Equal(t, "acme", l.Stream.Text("account_name"))
	require.Empty(t, l.Stream.Text("token"))
}

func TestDefaultsAndForms(t *testing.T) {
	l, err := load(t, `{`+good+`}`)
	require.NoError(t, err)
	require.Equal(t, "tap-backoffice/"+Version(), l.UserAgent)
	require.Equal(t, 5, l.MaxRetries)
	require.Equal(t, int64(64<<20), l.MaxResponse)
	require.True(t, l.SelectFieldsByDefault)
	require.False(t, l.ExitZeroOnPartial)
	require.True(t, l.End.IsZero())
	require.Equal(t, []string{"all"}, l.Stream.List("divisions"))

	l, err = load(t, `{`+good+`,"start_date":"03/04/2024","end_date":"2024-03-05","api_url":" http://127.0.0.1:80/base/ ","request_timeout":"90.5",
		"max_retries":"0","requests_per_second":"2.50","date_window_size":3e1,"lookback":"24h","select_fields_by_default":"No","exit_zero_on_partial":"on",
		"divisions":[12, "34 ",""],"max_response_mb":"128","token_store":"/tmp/t.json"}`)
	require.NoError(t, err)
	require.Equal(t, "2024-03-04T00:00:00Z", l.Stream.Text("start_date"))
	require.Equal(t, "2024-03-05T23:59:59.999999999Z", l.Stream.Text("end_date"))
	require.True(t, l.EndIsDate)
	require.Equal(t, "http://127.0.0.1:80/base", l.APIURL)
	require.Equal(t, 90500*time.Millisecond, l.Timeout)
	require.Equal(t, 0, l.MaxRetries)
	require.InDelta(t, 2.5, l.RequestsPerSecond, 0)
	require.Equal(t, "2.5", l.Stream.Text("requests_per_second"))
	require.Equal(t, 30, l.WindowDays)
	require.Equal(t, 24*time.Hour, l.Lookback)
	require.Equal(t, "24h0m0s", l.Stream.Text("lookback"))
	require.False(t, l.SelectFieldsByDefault)
	require.True(t, l.ExitZeroOnPartial)
	require.Equal(t, []string{"12", "34"}, l.Stream.List("divisions"))
	require.Equal(t, int64(128<<20), l.MaxResponse)

	l, err = load(t, `{`+good+`,"divisions":" 1, 2,","end_date":"2024-03-05T01:00:00.5+02:00","divisions":"[1,\"2\"]"}`)
	require.NoError(t, err)
	require.Equal(t, "1,2", l.Stream.Text("divisions"))
	require.Equal(t, "2024-03-04T23:00:00.5Z", l.Stream.Text("end_date"))
	require.False(t, l.EndIsDate)
}

func TestLayers(t *testing.T) {
	one := write(t, `{`+good+`,"max_retries":1,"end_date":"2024-06-01"}`)
	two := write(t, `{"max_retries":2,"end_date":null}`)
	env := environment("TAP_BACKOFFICE_MAX_RETRIES", "3", "TAP_BACKOFFICE_ACCOUNT_NAME", "", "TAP_BACKOFFICE_TOKEN_ENV", "TOK", "TOK", "Zq7xenv",
		"TAP_BACKOFFICE_SOURCE", "SaasOptics")
	raw, err := Read([]string{one, two, Env}, env)
	require.NoError(t, err)
	name, err := raw.Source([]string{"zoho_crm", "saasoptics"})
	require.NoError(t, err)
	require.Equal(t, "saasoptics", name)
	l, err := raw.Check(source())
	require.NoError(t, err)
	require.Equal(t, 3, l.MaxRetries)
	require.True(t, l.End.IsZero())
	require.Equal(t, "acme", l.Stream.Text("account_name"))
	require.Equal(t, "Zq7xenv", l.Secret("token").Reveal(), "a later form replaces an earlier one")

	raw, err = Read([]string{Env, one, two}, env)
	require.NoError(t, err)
	l, err = raw.Check(source())
	require.NoError(t, err)
	require.Equal(t, 2, l.MaxRetries)

	raw, err = Read([]string{Env}, environment())
	require.NoError(t, err)
	_, err = raw.Check(source())
	require.ErrorContains(t, err, "account_name: expected text, found nothing (variable TAP_BACKOFFICE_ACCOUNT_NAME)")
}

func TestSource(t *testing.T) {
	known := []string{"saasoptics", "zoho_crm"}
	for body, want := range map[string]string{
		`{}`: "", `{"source":""}`: "", `{"source":"zoho-crm"}`: "zoho_crm", `{"source":"Zoho_CRM"}`: "zoho_crm",
		`{"source":"saasoptic"}`: "source: expected one of saasoptics, zoho_crm, found text \"saasoptic\"",
		`{"source":7}`:           "source: expected one of saasoptics, zoho_crm, found a number",
	} {
		raw, err := Read([]string{write(t, body)}, nil)
		require.NoError(t, err)
		name, err := raw.Source(known)
		if strings.Contains(want, " ") {
			require.ErrorContains(t, err, want)
			require.Equal(t, fault.Config, fault.KindOf(err))
			continue
		}
		require.NoError(t, err)
		require.Equal(t, want, name)
	}
}

func TestSecretForms(t *testing.T) {
	rest := `"account_name":"acme","server_subdomain":"s12","start_date":"2024-01-01"`
	file := write(t, "Zq7xfile\r\n")
	empty := write(t, "\n")
	env := environment("TOK", "Zq7xvar", "EMPTY", "")
	for members, want := range map[string]string{
		`"token_file":"` + file + `"`:                    "Zq7xfile",
		`"token_env":"TOK"`:                              "Zq7xvar",
		`"token_cmd":"echo Zq7xcmd; echo Zq7x >&2"`:      "Zq7xcmd",
		`"token":"","token_cmd":"printf Zq7xa"`:          "Zq7xa",
		`"token":"Zq7x","token_env":"TOK"`:               "token: expected one form, found token and token_env",
		`"token_file":"/no/Zq7x"`:                        "token_file: expected a file that can be read, found no such file",
		`"token_file":"` + empty + `"`:                   "token_file: expected a file that can be read, found an empty one",
		`"token_file":7`:                                 "token_file: expected text, found a number",
		`"token_env":"Zq7x"`:                             "token_env: expected the name of a variable, found one that is not set",
		`"token_env":"EMPTY"`:                            "token_env: expected the name of a variable, found an empty one",
		`"token_cmd":"echo Zq7x; echo Zq7x >&2; exit 3"`: "token_cmd: expected a command that prints the secret, found exit status 3",
		`"token_cmd":"true"`:                             "token_cmd: expected a command that prints the secret, found an empty one",
		`"token_cmd":"sleep 5"`:                          "token_cmd: expected a command that prints the secret, found one that takes longer than 200ms",
		`"token_cmd":"yes Zq7x"`:                         "token_cmd: expected a command that prints the secret, found",
	} {
		raw, err := Read([]string{write(t, `{`+rest+`,`+members+`}`)}, env)
		require.NoError(t, err)
		if strings.Contains(want, "200ms") || strings.Contains(members, "yes") {
			raw.doc.limit = 200 * time.Millisecond
		}
		l, err := raw.Check(source())
		if !strings.Contains(want, " ") {
			require.NoError(t, err, members)
			require.Equal(t, want, l.Secret("token").Reveal())
			continue
		}
		require.ErrorContains(t, err, want, members)
		require.NotContains(t, err.Error(), mark)
	}
}

func TestWarnings(t *testing.T) {
	path := write(t, `{`+good+`,"acount_name":"x","Zq7xsecret":1,"completely_else":1,"token":"Zq7xsecret","start_date":"2999-01-01","source":"zoho_crm"}`)
	require.NoError(t, os.Chmod(path, 0o644))
	raw, err := Read([]string{path}, nil)
	require.NoError(t, err)
	l, err := raw.Check(source())
	require.NoError(t, err)
	all := strings.Join(l.Warnings, "\n")
	for _, want := range []string{
		`"token" is there more than once`, `"acount_name" is not a setting and is ignored, did you mean account_name?`,
		"a key of 10 characters is not a setting", `"completely_else" is not a setting and is ignored` + "\n",
		"chmod 600", "start_date is in the future", "another one than saasoptics",
	} {
		require.Contains(t, all, want)
	}
	passing := filepath.Join(t.TempDir(), ".meltano", "run", "tap-saasoptics", "tap.json")
	require.NoError(t, os.MkdirAll(filepath.Dir(passing), 0o755))
	require.NoError(t, os.WriteFile(passing, []byte(`{`+good+`}`), 0o644))
	again, err := Read([]string{passing}, nil)
	require.NoError(t, err)
	under, err := again.Check(source())
	require.NoError(t, err)
	require.Empty(t, under.Warnings)
	require.NotContains(t, all+fmt.Sprintf("%v %+v %#v %s %v", l, *l, *l, raw, *raw), mark)
}
