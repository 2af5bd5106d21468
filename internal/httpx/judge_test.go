package httpx

import (
	"compress/gzip"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// once sends without retries.
func once(o *Options) { o.MaxRetries = NoRetries }

func TestDefaultRules(t *testing.T) {
	for _, tc := range []struct {
		status     int
		body       string
		kind       fault.Kind
		whole      bool
		want, hint string
	}{
		{200, "", fault.Contract, false, "an empty body in place of JSON", base},
		{200, "<!DOCTYPE html><title>Sign in</title>", fault.Contract, false, "HTML in place of JSON from GET " + base + "x", base},
		{200, "<?xml version=\"1.0\"?>", fault.Contract, false, "XML in place of JSON", base},
		{200, "OK", fault.Contract, false, "something else in place of JSON", base},
		{200, `{"a":[1`, fault.Contract, false, "cut off in place of JSON", ""},
		{400, `{"modified__gte":["Enter a valid date/time."]}`, fault.Refused, false, `answered 400 Bad Request: {"modified__gte":["Enter a valid date/time."]}`, "compare"},
		{401, `{"detail":"Invalid token."}`, fault.Auth, true, "answered 401 Unauthorized: Invalid token.", "check token"},
		{401, ``, fault.Auth, true, "answered 401 Unauthorized", ""},
		{402, `{"message":"Not in your plan"}`, fault.Permission, false, "Not in your plan", "deselect"},
		{403, `{"error":{"code":"","message":{"lang":"","value":"Forbidden - scope"}}}`, fault.Permission, false, ": Forbidden - scope", ""},
		{404, `{"detail":"Not found."}`, fault.Refused, false, "404 Not Found: Not found.", "subdomain, account"},
		{408, ``, fault.Transient, false, "408", ""},
		{409, `{"id":4000,"message":"Unknown customer","help":null}`, fault.Refused, false, "Unknown customer", ""},
		{429, `{"error":{"message":"slow down"}}`, fault.Quota, true, "slow down", ""},
		{500, `<html><head><TITLE>Server &amp; Error (500)</TITLE></head>`, fault.Transient, false, "HTML page “Server & Error (500)”", ""},
		{501, `{"error":"not built"}`, fault.Transient, false, ": not built", ""},
		{503, `{"error":"invalid","error_description":"maintenance\r\n\u001b[31m window"}`, fault.Transient, false, ": maintenance [31m window", ""},
		{418, `{"ErrorType":"AccountViewError","ErrorNumbers":null,"ErrorMessage":"Administratie geblokkeerd"}`, fault.Refused, false, "Administratie geblokkeerd", ""},
		{599, `plain words`, fault.Transient, false, "plain words", ""},
		{700, `{}`, fault.Transient, false, "700", ""},
	} {
		t.Run(fmt.Sprint(tc.status, tc.body), func(t *testing.T) {
			f := refused(t, client(t, play(func() *http.Response { return answer(tc.status, tc.body) }), once), "x?q=hidden", tc.kind)
			require.Equal(t, tc.whole, f.Whole)
			require.Equal(t, tc.status, f.Status)
			require.ErrorContains(t, f, tc.want)
			require.Contains(t, f.Hint, tc.hint)
			require.NotContains(t, f.Error()+f.Hint, "hidden", "a query is never shown")
		})
	}
}

func TestAcceptedByDefault(t *testing.T) {
	for _, body := range []string{`{}`, ` [] `, `"uuid"`, `12`, `-1.5`, `true`, `null`} {
		resp, err := client(t, play(body), once).Fetch(t.Context(), &stream.Request{URL: "x"})
		require.NoError(t, err)
		require.Equal(t, body, string(resp.Body))
	}
	resp, err := client(t, play(func() *http.Response { return answer(202, "") }), once).Fetch(t.Context(), &stream.Request{URL: "x"})
	require.NoError(t, err)
	require.Empty(t, resp.Body)
}

func TestNoRows(t *testing.T) {
	since := []stream.Param{{Name: "If-Modified-Since", Value: "Wed, 01 Jan 2025 00:00:00 GMT", In: stream.InHeader}}
	for _, req := range []struct {
		status int
		params []stream.Param
	}{{204, nil}, {304, since}} {
		_, err := client(t, play(func() *http.Response { return answer(req.status, "") })).Fetch(t.Context(), &stream.Request{URL: "x", Params: req.params})
		require.ErrorIs(t, err, stream.NoRows)
	}
}

// What was kept back is not what is not there.
func TestPartsAreRefused(t *testing.T) {
	for status, body := range map[int]string{304: "", 206: good} {
		_, err := client(t, play(func() *http.Response { return answer(status, body) })).Fetch(t.Context(), &stream.Request{URL: "x"})
		require.Equal(t, fault.Contract, fault.KindOf(err))
	}
}

func TestClassifyComesFirst(t *testing.T) {
	own := &fault.Error{Kind: fault.Config, Whole: true, Hint: "look at " + token, Err: errors.New("wrong account, says " + token)}
	for _, tc := range []struct {
		name    string
		step    any
		verdict error
		check   func(*testing.T, *stream.Response, error)
	}{
		{"accept a download", "PK\x03\x04", stream.Accept, accepted},
		{"accept an empty body", "", stream.Accept, accepted},
		{"accept an error", 404, stream.Accept, accepted},
		{"accept after retries", 503, stream.Accept, accepted},
		{"accept what looks cut off", "[section]\na=b", stream.Accept, accepted},
		{"past the end", 404, stream.PastEnd, is(stream.PastEnd)},
		{"begin anew", 400, stream.Restart, is(stream.Restart)},
		{"wrapped sentinel", 400, fmt.Errorf("page 3: %w", stream.SkipParent), is(stream.SkipParent)},
		{"no rows with 200", `{"success":true}`, stream.NoRows, is(stream.NoRows)},
		{"a fault with 200", `{"success":false}`, own, func(t *testing.T, _ *stream.Response, err error) {
			f := fault.As(err)
			require.Equal(t, fault.Config, f.Kind)
			require.True(t, f.Whole)
			require.Equal(t, "acme", f.Source)
			require.Equal(t, 200, f.Status)
			require.Equal(t, "acme: wrong account, says ***", f.Error())
			require.Equal(t, "look at ***", f.Hint)
		}},
		{"a fault on a redirect", 302, own, func(t *testing.T, _ *stream.Response, err error) {
			require.Equal(t, fault.Config, fault.KindOf(err))
		}},
		{"any other error", 400, errors.New("odd " + token), func(t *testing.T, _ *stream.Response, err error) {
			require.Equal(t, fault.Contract, fault.KindOf(err))
			require.NotContains(t, err.Error(), token)
		}},
		{"quotes too much", `{}`, fault.New(fault.Refused, strings.Repeat("long ", 1000), "h"), func(t *testing.T, _ *stream.Response, err error) {
			require.Less(t, len(err.Error()), maxText+20)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			calls := 0
			c := client(t, play(tc.step), func(o *Options) { o.Rand, o.MaxRetries = func() float64 { return 0 }, 2 }, classify(func(*stream.Response) error {
				calls++
				return tc.verdict
			}))
			resp, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
			tc.check(t, resp, err)
			require.Equal(t, 1, calls, "an answer is judged once")
		})
	}
	require.NotEqual(t, "acme", own.Source, "the source's own value is left alone")
}

func accepted(t *testing.T, resp *stream.Response, err error) {
	require.NoError(t, err)
	require.NotNil(t, resp)
	require.NotNil(t, resp.Header)
}

func is(target error) func(*testing.T, *stream.Response, error) {
	return func(t *testing.T, resp *stream.Response, err error) {
		require.Nil(t, resp)
		require.Equal(t, target, err)
	}
}

func TestRedirectIsRefused(t *testing.T) {
	for _, tc := range []struct{ location, want string }{
		{"https://login.evil.example/?token=s3cret", "redirects (302) to host login.evil.example"},
		{"/login?token=s3cret", "redirects (302) to host s12.acme.example"},
		{"https://login\x7fs3cret", "an address that cannot be read"},
		{"", "nowhere"},
	} {
		s := play(func() *http.Response { return answer(302, "", "Location", tc.location) })
		f := refused(t, client(t, s), "x", fault.Contract)
		require.Len(t, s.asked, 1)
		require.ErrorContains(t, f, tc.want)
		require.NotContains(t, f.Error()+f.Hint, "s3cret")
		require.Equal(t, 302, f.Status)
	}
}

func TestTransportFaults(t *testing.T) {
	dns := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "s12.acme.example", IsNotFound: true}}
	proxy := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "proxy.local", IsNotFound: true}}
	for _, tc := range []struct {
		err        error
		kind       fault.Kind
		want, hint string
	}{
		{dns, fault.Transient, "no such host", "the host s12.acme.example was not found: check subdomain"},
		{proxy, fault.Transient, "no such host", "check the proxy"},
		{&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, fault.Transient, "refused", "nothing answers at s12.acme.example: check subdomain"},
		{syscall.ECONNRESET, fault.Transient, "reset", "s12.acme.example broke"},
		{errors.New("invalid proxy address http://me:s3cret@proxy"), fault.Transient, "http://***@proxy", ""},
		{http.ErrSchemeMismatch, fault.Config, "HTTP response to HTTPS client", "could not be verified"},
	} {
		f := refused(t, client(t, play(tc.err), once), "x?q=hidden", tc.kind)
		require.ErrorContains(t, f, tc.want)
		require.Contains(t, f.Hint, tc.hint)
		require.NotContains(t, f.Error(), "hidden")
		require.NotContains(t, f.Error(), "s3cret")
	}
	f := refused(t, client(t, play(dns), once, func(o *Options) { o.APIURL = "https://s12.acme.example/p" }), "x", fault.Transient)
	require.Contains(t, f.Hint, "check api_url")
}

// What does not keep to HTTP is asked again, and in the end no matter of the
// connection.
func TestNotHTTP(t *testing.T) {
	for text, want := range map[string]fault.Kind{
		"net/http: HTTP/1.x transport connection broken: malformed HTTP status code \"OK\"":                        fault.Contract,
		"net/http: HTTP/1.x transport connection broken: net/http: server response headers exceeded 1048576 bytes": fault.Contract,
		"invalid byte in chunk length":         fault.Contract,
		gzip.ErrHeader.Error():                 fault.Transient, // only gzip's own
		"read tcp: connection reset by peer":   fault.Transient,
		"stream error: stream ID 1; CANCELLED": fault.Transient,
	} {
		s := play(errors.New(text))
		_, err := client(t, s, once).Fetch(t.Context(), &stream.Request{URL: "x"})
		require.Equal(t, want, fault.KindOf(err), text)
	}
	_, err := client(t, play(gzip.ErrHeader), once).Fetch(t.Context(), &stream.Request{URL: "x"})
	require.Equal(t, fault.Contract, fault.KindOf(err))
}
