//go:build unix

package cli_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
)

// TestSecretsOfProxies has proxies with credentials in all that can be wrong
// with them. They are the environment's, not the config's.
func TestSecretsOfProxies(t *testing.T) {
	t.Parallel()
	tap, err := built()
	require.NoError(t, err)
	for number, odd := range []bool{false, true} {
		src := all.Sources()[number] // one with a token, one that signs in
		t.Run(src.Name, func(t *testing.T) {
			t.Parallel()
			s := newSuspect(t, src, "https://vendor.invalid", odd)
			password := s.known.add("proxy password", credential(odd))
			service := newLeaky(t, s.known, odd)
			service.once = odd // else it spells anew what base64 makes of it
			heard := false
			proxies := map[string]func(http.ResponseWriter, *http.Request, string){
				"wants more": status(http.StatusProxyAuthRequired), "refuses": status(http.StatusForbidden), "is lost": status(http.StatusBadGateway),
				"is no proxy": body(object), "is no HTTP": raw(func(echo string) string { return echo }),
				"talks on": raw(func(echo string) string { return "HTTP/1.1 200 " + echo + "\r\n\r\n" + echo }), "hangs up": raw(func(string) string { return "" }),
				"has a bad header": raw(func(echo string) string { return "HTTP/1.1 502 " + echo + "\r\n" + echo + "\r\n\r\n" }),
			}
			var begun []*running
			run := func(i int, proxy string) {
				for _, key := range []string{"HTTPS_PROXY", "https_proxy"} {
					if *every || key == "HTTPS_PROXY" {
						ways := said(i)
						args := slices.Concat([]string{src.Name, "-c", s.config(nil), "--timeout", "1s"}, ways[i%len(ways)])
						begun = append(begun, s.start(tap, []string{key + "=" + proxy, "HTTP_PROXY=" + proxy}, args...))
					}
				}
			}
			search := func() {
				for _, r := range begun {
					code := r.search(3 * time.Second)
					require.NotContains(t, []int{0, 70}, code, r.stderr.String())
				}
				begun = nil
			}
			host := strings.TrimPrefix(service.URL, "http://")
			i := 0
			for _, api := range proxies {
				service.answers(api)
				run(i, (&url.URL{Scheme: "http", User: url.UserPassword("me", password), Host: host}).String())
				search()
				heard = heard || service.heard(base64.StdEncoding.EncodeToString([]byte("me:"+password)))
				i++
			}
			require.True(t, heard, "the proxies are asked")
			closed := httptest.NewServer(nil)
			closed.Close()
			for _, proxy := range []string{
				"http://me:%s@" + strings.TrimPrefix(closed.URL, "http://"), "http://me:%s@proxy.invalid:3128", "https://me:%s@" + host, "socks5://me:%s@" + host, "socks5h://me:%s@" + host,
				"me:%s@" + host, "http://%s@" + host, "http://%s:x@" + host, "http://me:%s@127.0.0.1:port", "http://me:%s@", "ftp://me:%s@" + host, "http:/me:%s@" + host,
				"http://me:%s@" + host + "/%zz", "://me:%s@" + host, "http://me:%s%%zz@" + host, "http://me:x/%s@" + host, "http://me: %s@" + host, "http://" + host + "/?password=%s", "http://[me:%s@" + host,
			} {
				for n, spell := range []func(string) string{func(s string) string { return s }, url.QueryEscape, url.PathEscape} {
					if !*every && n != (i+number)%3 {
						i++
						continue
					}
					run(i, strings.Replace(proxy, "%s", spell(password), 1))
					i++
				}
				search()
			}
			s.searchFiles()
			t.Logf("%d proxies, no credential found", i)
		})
	}
}

// TestSecretsOfTLS has a peer that speaks no TLS, or none that can be trusted.
func TestSecretsOfTLS(t *testing.T) {
	t.Parallel()
	tap, err := built()
	require.NoError(t, err)
	plain, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = plain.Close() })
	go func() {
		for {
			conn, err := plain.Accept()
			if err != nil {
				return
			}
			_, _ = fmt.Fprint(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			_, _ = io.CopyN(io.Discard, conn, 5)
			_ = conn.Close()
		}
	}()
	signed := httptest.NewUnstartedServer(http.NotFoundHandler())
	signed.Config.ErrorLog = log.New(io.Discard, "", 0)
	signed.StartTLS() // by nobody who is trusted
	t.Cleanup(signed.Close)
	for _, src := range all.Sources() {
		for _, origin := range []string{"https://" + plain.Addr().String(), signed.URL} {
			s := newSuspect(t, src, origin, false)
			r := s.start(tap, nil, src.Name, "-c", s.config(nil), "--timeout", "1s", "--log-level", "debug")
			code := r.search(3 * time.Second)
			require.NotContains(t, []int{0, 70}, code, r.stderr.String())
			s.searchFiles()
		}
	}
}
