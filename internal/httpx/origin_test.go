package httpx

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func TestNewChecksTheOrigin(t *testing.T) {
	for _, tc := range []struct{ api, want string }{
		{"https://proxy.example", ""},
		{"https://proxy.example:8443/some/path/", ""},
		{"http://localhost:8080", ""},
		{"http://LOCALHOST", ""},
		{"http://127.0.0.1:1/x", ""},
		{"http://127.9.9.9", ""},
		{"http://[::1]:80", ""},
		{"http://proxy.example", "http, which is for this machine only"},
		{"http://localhost.evil.example", "this machine only"},
		{"http://127.0.0.1.evil.example", "this machine only"},
		{"http://10.0.0.1", "this machine only"},
		{"http://0.0.0.0", "this machine only"},
		{"https://user:s3cret@proxy.example", "user name"},
		{"https://proxy.example?key=s3cret", "query"},
		{"https://proxy.example#s3cret", "fragment"},
		{"https://proxy.example/a/../b", "dot segments"},
		{"https://proxy.example/%2e%2e/b", "dot segments"},
		{"ftp://proxy.example", "no https://"},
		{"proxy.example", "no https://"},
		{"https:///path", "no https://"},
		{"https://s3cret\x7f", "cannot be read"},
	} {
		t.Run(tc.api, func(t *testing.T) {
			_, err := New(Options{Source: source(), Config: config, APIURL: tc.api})
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.want)
			f := fault.As(err)
			require.Equal(t, fault.Config, f.Kind)
			require.Contains(t, f.Hint, "api_url")
			require.NotContains(t, f.Error()+f.Hint, "s3cret")
		})
	}
	src := source()
	_, err := New(Options{Source: src, Config: stream.NewConfig(map[string]string{"subdomain": "evil.example/x", "account": "a"})})
	require.ErrorContains(t, err, "holds a path")
	require.Contains(t, fault.As(err).Hint, "check subdomain:", "the keys behind the host are named")
	_, err = New(Options{Source: src, Config: stream.NewConfig(map[string]string{"subdomain": "s1", "account": ".."})})
	require.Equal(t, fault.Config, fault.KindOf(err))
}

func TestAPIURL(t *testing.T) {
	for _, tc := range []struct{ ref, want string }{
		{"x", "http://127.0.0.1:8080/saasoptics/acme%20inc/api/v1.0/x"},
		{"/x", "http://127.0.0.1:8080/saasoptics/x"},
		{"http://127.0.0.1:8080/saasoptics/acme%20inc/api/v1.0/x?p=1", "http://127.0.0.1:8080/saasoptics/acme%20inc/api/v1.0/x?p=1"},
		{"http://127.0.0.1:8080/acme%20inc/api/v1.0/x?p=1", ""}, // forgets the path of api_url
		{"https://s12.acme.example/acme%20inc/api/v1.0/x?p=1", ""},
	} {
		s := play(`{}`)
		c := client(t, s, func(o *Options) { o.APIURL = "http://127.0.0.1:8080/saasoptics" })
		_, err := c.Fetch(t.Context(), &stream.Request{URL: tc.ref})
		if tc.want == "" {
			require.Equal(t, fault.Contract, fault.KindOf(err), tc.ref)
			require.Contains(t, fault.As(err).Hint, "api_url")
			require.Empty(t, s.asked)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, tc.want, s.asked[0].url)
	}
}

func TestForeignLinksAreRefused(t *testing.T) {
	const path = "/acme%20inc/api/v1.0/"
	for _, tc := range []struct{ link, want string }{
		{"https://evil.example" + path + "?token=s3cret", "another host: evil.example"},
		{"//evil.example" + path, "another host: evil.example"},
		{"https://s12.acme.example.evil.example" + path, "another host"},
		{"https://s12.acme.example:8443" + path, "another host: s12.acme.example:8443"},
		{"https://s12.acme.example." + path, "another host"},
		{"https://ſ12.acme.example" + path, "another host"}, // folds to s
		{"http://s12.acme.example" + path, "changes https to http"},
		{"ftp://s12.acme.example" + path, "changes https to ftp"},
		{"https://s12.acme.example@evil.example" + path, "user name"},
		{"https://user:s3cret@s12.acme.example" + path, "user name"},
		{"https://s12.acme.example\\@evil.example" + path, "backslash"},
		{"https://s12.acme.example/\\evil.example" + path, "backslash"},
		{"https://evil.example#@s12.acme.example" + path, "another host"},
		{"https://evil.example?@s12.acme.example" + path, "another host"},
		{base + "../../../admin", "dot segments"},
		{base + "x/%2e%2E/%2e%2e/%2e./admin", "dot segments"},
		{base + "x/%252e%252e/admin", "dot segments"},
		{base + "x/..;a=b/admin", "dot segments"},
		{base + "x/..%2f..%2fadmin", "dot segments"},
		{base + "x/..%5c..%5cadmin", "dot segments"},
		{base + "x%5cy", "backslash"},
		{base + "x%00y", "control characters"},
		{base + "x%0d%0aHost:evil", "control characters"},
		{"https://s12.acme.example/other/api/v1.0/x?token=s3cret", "leaves the API: /other/api/v1.0/x"},
		{"https://s12.acme.example/acme%20inc/api/v1.0evil/x", "leaves the API"},
		{"https://s12.acme.example", "leaves the API"},
		{"../../../admin", "dot segments"},
		{"/acme/../../admin", "dot segments"},
		{"https://[::1" + path, "no URL"},
		{"https://" + path, "no host"},
		{"https:///" + path, "no host"},
		{" https://evil.example/", "no URL"},
		{"\thttps://evil.example/", "no URL"},
		{"x/%zz", "no URL"},
	} {
		t.Run(tc.link, func(t *testing.T) {
			s := play(`{}`)
			f := refused(t, client(t, s), tc.link, fault.Contract)
			require.Empty(t, s.asked, "nothing is sent")
			require.ErrorContains(t, f, tc.want)
			require.NotContains(t, f.Error()+f.Hint, "s3cret", "a query is never shown")
			if strings.Contains(tc.want, "another host") {
				require.Contains(t, f.Hint, "subdomain")
			}
		})
	}
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{"x", "/x", base + "x?y=z", "//evil/x", "https://evil", base + "%2e%2e/", `\\evil`, "x;..", "?#"} {
		f.Add(s)
	}
	o, err := newOrigin(source(), config, "https://host.example:444/root")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, ref string) {
		u, err := o.resolve(ref)
		if err != nil {
			return
		}
		require.Equal(t, "https", u.Scheme)
		require.Equal(t, "host.example:444", u.Host)
		require.Nil(t, u.User)
		require.True(t, strings.HasPrefix(u.EscapedPath(), "/root"), u.EscapedPath())
		require.NotContains(t, u.Path, "/../")
		require.NotContains(t, u.Path, `\`)
		require.NotContains(t, u.RequestURI(), " ")
	})
}
