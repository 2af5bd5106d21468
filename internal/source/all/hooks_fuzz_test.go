package all_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// verdicts are what a judge of answers may say beside faults.
var verdicts = []error{stream.Accept, stream.NoRows, stream.PastEnd, stream.Restart, stream.Stale, stream.SkipParent, stream.TooEarly}

// emitted is an instant as records have it.
var emitted = regexp.MustCompile(`^"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z"$`)

// FuzzHooks shows an answer to all that a source's table reads one with, but for
// what needs a run: nothing panics, an error says what to do or is one of those
// that the tap acts on, a wait is bounded, what is counted is no less than nothing,
// and what is converted is JSON.
func FuzzHooks(f *testing.F) {
	for _, seed := range []struct {
		status       uint16
		header, path string
		body         string
	}{
		{404, "", "items/", `{"detail":"Invalid page."}`},
		{404, "", "items/", `<html><title>Not Found</title></html>`},
		{401, `WWW-Authenticate: Bearer error="invalid_token", error_description="The+token+is+expired"`, "current/Me", `{}`},
		{403, "Reason: NoDivisionAccess", "812345/crm/Accounts", `{"error":{"code":"","message":{"lang":"","value":"Forbidden - \"scope\" crm"}}}`},
		{400, "", "812345/crm/Accounts", `{"error":{"code":"","message":{"lang":"","value":"Type has no property 'Foo'."}}}`},
		{200, "", "812345/crm/Accounts", `<html><title>Log in</title>Object moved</html>`},
		{429, "Retry-After: 9", "Contacts", `{"code":"TOO_MANY_REQUESTS","details":{"retry_after":"1e300"},"message":"x","status":"error"}`},
		{400, "", "Contacts", `{"code":"INVALID_DATA","details":{"param_name":"fields","Field":"Foo","resource_path_index":2}}`},
		{400, "", "coql", `{"data":[{"code":"PAGINATION_LIMIT_EXCEEDED","message":"x"}]}`},
		{200, "", "token", `{"error":"Access Denied","error_description":"You have made too many requests","status":"failure"}`},
		{200, "", "org", `{"org":[{"license_details":{"paid_type":"Enterprise","users_license_purchased":1e300,"trial_type":"ultimate"}}]}`},
		{200, "", "Contacts/actions/count", `{"count":9223372036854775807}`},
		{200, "", "companydata", `{"ErrorType":"1","ErrorNumbers":[1705],"ErrorMessage":"Kolom FOO.BAR bestaat niet"}`},
		{200, "", "systemdata", ` { "ErrorNumbers" : null , "ErrorMessage" : "In gebruik" }`},
		{400, "", "reports/get/sums", `{"success":false,"error_code":8,"message":"not ready"}`},
		{403, "", "receipts/get", `{"success":false,"error_code":15,"message":"restricted"}`},
		{409, "", "customers", `{"id":2006,"message":"x"}`},
		{200, "", "x", `"/Date(1717158896173)/"`},
		{200, "", "x", `{"__deferred":{"uri":"u"}}`},
	} {
		f.Add(seed.status, seed.header, seed.path, []byte(seed.body))
	}
	sources := all.Sources()
	f.Fuzz(func(t *testing.T, status uint16, header, path string, body []byte) {
		h := http.Header{}
		if name, value, ok := strings.Cut(header, ":"); ok {
			h.Set(name, strings.TrimSpace(value))
		}
		for _, src := range sources {
			a := &stream.Response{Status: 100 + int(status)%500, Header: h, Body: slices.Clone(body), URL: "https://host/api/v1/" + path}
			if src.Classify != nil {
				understood(t, src.Name, src.Classify(a))
			}
			if src.Granted != nil {
				src.Granted(a)
			}
			if rules, ok := src.Auth.(stream.OAuth); ok {
				if rules.Judge != nil {
					understood(t, src.Name, rules.Judge(a))
				}
				if rules.Home != nil {
					kept := func(string) string { return string(body) }
					_, _, err := rules.Home(stream.NewConfig(map[string]string{"region": "eu"}), kept)
					understood(t, src.Name, err)
				}
			}
			for _, l := range src.Limits {
				if l.Total != nil && l.Total.Read != nil {
					total, _ := l.Total.Read(a)
					require.True(t, total > 0 && total < 1e12, "%s: a total of %g", src.Name, total)
				}
			}
			if src.Ignore != nil && json.Valid(body) {
				src.Ignore([]byte("x"), body)
			}
			if src.Instant != nil && json.Valid(body) {
				for _, property := range []string{"Modified", "OrderDate"} {
					converted(t, src.Instant(stream.NewConfig(nil), property), body)
				}
			}
			for i := range src.Streams {
				st := &src.Streams[i]
				if st.Roads != nil && st.Roads.Counted != nil {
					n, ok := st.Roads.Counted(a)
					require.True(t, !ok || n >= 0)
				}
				if c := st.Cursor; c != nil {
					if c.Begin != nil {
						c.Begin.Read(a)
					}
					if c.Proof != nil {
						c.Proof(string(body), 1)
					}
				}
			}
			require.Equal(t, string(body), string(a.Body), "%s changes the answer", src.Name)
		}
	})
}

// converted wants what a conversion makes of a value to be an instant, or nothing.
func converted(t *testing.T, convert func(dst, raw []byte) ([]byte, bool), raw []byte) {
	t.Helper()
	if convert == nil {
		return
	}
	out, ok := convert([]byte("x"), raw)
	if ok && len(out) > 1 {
		require.Regexp(t, emitted, string(out[1:]))
		_, err := time.Parse(time.RFC3339Nano, string(out[2:len(out)-1]))
		require.NoError(t, err)
	}
}

// understood wants a verdict that the tap knows what to do with.
func understood(t *testing.T, source string, err error) {
	t.Helper()
	if err == nil || slices.ContainsFunc(verdicts, func(v error) bool { return errors.Is(err, v) }) {
		return
	}
	if x, ok := errors.AsType[*stream.Throttled](err); ok {
		require.True(t, x.After >= 0 && x.After < 366*24*time.Hour, "%s: a wait of %s", source, x.After)
		return
	}
	if u, ok := errors.AsType[*stream.UnknownField](err); ok {
		require.NotEmpty(t, u.Names, source)
		for _, name := range u.Names {
			require.NotEmpty(t, name, source)
		}
		return
	}
	e := fault.As(err)
	require.NotNil(t, e, "%s: %v", source, err)
	require.NotEqual(t, fault.Internal, e.Kind, "%s: %v", source, err)
	require.NotEmpty(t, e.Error(), source)
	require.True(t, e.Hint != "" || e.Kind == fault.Auth, "%s: %v has no hint", source, err) // auth adds that of a sign-in
	require.True(t, e.RetryAfter >= 0 && e.RetryAfter < 366*24*time.Hour, "%s: a wait of %s", source, e.RetryAfter)
}
