package httpx

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
)

// ways are the forms in which a vendor may echo a credential.
func ways(s string) map[string]string {
	quoted, _ := json.Marshal(s)
	return map[string]string{
		"plain":           s,
		"query":           url.QueryEscape(s),
		"path":            url.PathEscape(s),
		"lower-case hex":  lowerHex(url.QueryEscape(s)),
		"all encoded":     escapeAll(s),
		"our own query":   escape(s),
		"json":            string(quoted),
		"json, slashes":   strings.ReplaceAll(jsonText(s), "/", `\/`),
		"json, ascii":     asciiJSON(s),
		"go":              strconv.Quote(s),
		"html":            html.EscapeString(s),
		"base64":          base64.StdEncoding.EncodeToString([]byte(s)),
		"base64 url":      base64.RawURLEncoding.EncodeToString([]byte(s)),
		"base64 as user":  base64.StdEncoding.EncodeToString([]byte(s + ":password")),
		"base64 as pass":  base64.StdEncoding.EncodeToString([]byte("user:" + s)),
		"base64 in line":  base64.StdEncoding.EncodeToString([]byte("u:" + s)),
		"base64 in line2": base64.StdEncoding.EncodeToString([]byte("us:" + s + "..")),
	}
}

func TestRedactorMasks(t *testing.T) {
	for _, s := range []string{token, "abcdef123456", "ümläut & <tag> / \\ \"q\" ' 🔑", "1000.abc-def_~.=+%41"} {
		r := NewRedactor(secret.New(s))
		for name, form := range ways(s) {
			got := r.Redact("before " + form + " after")
			require.NotContains(t, got, form, name)
			if !strings.HasPrefix(name, "base64") {
				require.NotContains(t, got, s, name)
				require.Regexp(t, `^before \W?\*\*\*\W? after$`, got, name)
			} else {
				// Whatever base64 is left, no piece of it decodes to much of s.
				require.Contains(t, got, mask, name)
			}
		}
	}
}

func TestRedactorProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.StringN(4, 40, 80).Filter(func(s string) bool { return len(strings.TrimSpace(s)) >= 4 }).Draw(rt, "secret")
		noise := rapid.String().Draw(rt, "noise")
		r := NewRedactor(secret.New(s))
		for name, form := range ways(s) {
			if strings.HasPrefix(name, "base64") && len(s) < 6 {
				continue
			}
			got := r.text(noise+form+noise, 512)
			if strings.Contains(mask, s) || strings.Contains(printable(noise), s) || strings.Contains(noise, form) {
				continue
			}
			if strings.Contains(got, s) {
				rt.Fatalf("%s: %q shows %q", name, got, s)
			}
		}
	})
}

func TestRedactorKnowsShortOnesToo(t *testing.T) {
	r := NewRedactor(secret.New("k1"), secret.Text{}, secret.New(""))
	require.Equal(t, `key=*** "***" mark1 k12 a_k1 ***`, r.Redact(`key=k1 "k1" mark1 k12 a_k1 k1`))
	require.Empty(t, r.Redact(""))
}

func TestRedactorLearns(t *testing.T) {
	r := NewRedactor()
	require.Equal(t, "first second", r.Redact("first second"))
	r.Add(secret.New("first"))
	r.Add(secret.New("second"), secret.New("first"))
	require.Equal(t, "*** ***", r.Redact("first second"))
	require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", r, r, r, r), "first")
	require.Equal(t, "http://***@proxy:1/x?a=b@c", r.Redact("http://me:unknown@proxy:1/x?a=b@c"))
}

func TestForeignText(t *testing.T) {
	r := NewRedactor(secret.New("geheimnis"))
	for _, tc := range []struct{ in, want string }{
		{"a\r\n\tb\x00c\x1b[31m", "a bc[31m"},
		{"\u202eabc\u200b \xff", "abc"},
		{"geh\x00eimnis", "***"},
		{strings.Repeat("é", 300), strings.Repeat("é", 254) + "…"},
		{strings.Repeat("x", 510) + "geheimnis", strings.Repeat("x", 509) + "…"},
	} {
		got := r.text(tc.in, 512)
		require.Equal(t, tc.want, got)
		require.LessOrEqual(t, len(got), 512)
	}
	// A credential on the edge of what is looked at.
	long := strings.Repeat("geheimnis", 8<<10)
	for n := range 9 {
		require.NotContains(t, r.text(long[n:], 1<<20), "geheim")
	}
}

// Whatever a vendor does with our credentials, none of it shows.
func TestEchoedSecretsNeverShow(t *testing.T) {
	var shown []string
	handler := func(form string) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) {
			body, _ := json.Marshal(map[string]string{"detail": form})
			return answer(400, string(body), "Location", "https://"+form), nil
		}
	}
	for name, form := range ways(token) {
		var log strings.Builder
		c := client(t, play(handler(form)), func(o *Options) {
			o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		f := refused(t, c, "x?token="+url.QueryEscape(token), fault.Refused)
		shown = append(shown, f.Error(), f.Hint, log.String(), fmt.Sprintf("%+v", f))
		require.NotContains(t, f.Error(), form, name)
	}
	all := strings.Join(shown, "\n")
	for name, form := range ways(token) {
		if !strings.HasPrefix(name, "base64 as") {
			require.NotContains(t, all, strings.Trim(form, `"`), name)
		}
	}
}
