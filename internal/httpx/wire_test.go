package httpx

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// serve makes a client of a real listener, below a path so that a mistake with
// absolute URLs shows.
func serve(t *testing.T, h http.HandlerFunc, change ...func(*Options)) (*Client, string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/sandbox/acme inc/api/v1.0/") {
			t.Errorf("asked outside of the API: %s", r.URL.Path)
		}
		h(w, r)
	}))
	t.Cleanup(srv.Close)
	change = append([]func(*Options){func(o *Options) {
		o.APIURL, o.Transport = srv.URL+"/sandbox", nil
		o.Rand = func() float64 { return 0 }
	}}, change...)
	return client(t, nil, change...), srv.URL
}

func TestWireGzip(t *testing.T) {
	page := []byte(`[` + strings.Repeat(`{"a":"b"},`, 200_000) + `1]`)
	zipped := gzipped(t, page)
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("gzip is not asked for: %v", r.Header)
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(zipped)
	})
	for range 3 {
		resp, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
		require.NoError(t, err)
		require.True(t, bytes.Equal(page, resp.Body))
		resp.Release()
	}
}

func TestWireGzipBomb(t *testing.T) {
	bomb := gzipped(t, make([]byte, 8<<20))
	require.Less(t, len(bomb), 10<<10)
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb)
	}, func(o *Options) { o.MaxResponse = 1 << 20 })
	f := refused(t, c, "x", fault.Contract)
	require.Contains(t, f.Hint, "max_response_mb")
}

func TestWireCutBodies(t *testing.T) {
	zipped := gzipped(t, []byte(good))
	for name, begin := range map[string]func(http.ResponseWriter){
		"length": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, good)
		},
		"chunk": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, good)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
		"gzip": func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(zipped[:len(zipped)-4])
		},
		"before the header": func(w http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"garbage": func(w http.ResponseWriter) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "not http at all\r\n\r\n")
				_ = conn.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int32
			c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if n.Add(1) <= 2 {
					begin(w)
					return
				}
				_, _ = io.WriteString(w, good)
			})
			resp, err := c.Fetch(t.Context(), &stream.Request{Method: "POST", URL: "x"})
			require.NoError(t, err)
			require.Equal(t, good, string(resp.Body), "delivered once")
			require.EqualValues(t, 3, n.Load())
		})
	}
}

func TestWireSlowBody(t *testing.T) {
	var n atomic.Int32
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			_, _ = io.WriteString(w, good[:4])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, good)
	}, func(o *Options) { o.Timeout = 100 * time.Millisecond })
	resp, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
	require.NoError(t, err)
	require.Equal(t, good, string(resp.Body))
}

func TestWireRedirects(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{"/sandbox/acme%20inc/api/v1.0/y", "https://login.example/?next=" + token, "", "http://[::bad"} {
			var n atomic.Int32
			c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				n.Add(1)
				if location != "" {
					w.Header()["Location"] = []string{location}
				}
				w.WriteHeader(status)
			})
			f := refused(t, c, "x", fault.Contract)
			require.Equal(t, status, f.Status)
			require.EqualValues(t, 1, n.Load(), "neither followed nor tried again")
		}
	}
}

func TestWireNextLinks(t *testing.T) {
	c, origin := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"uri":%q}`, r.RequestURI)
	})
	link := origin + "/sandbox/acme%20inc/api/v1.0/contracts/?modified__gte=2026-10-01T00%3A00%3A00.000000Z&page=2"
	resp, err := c.Fetch(t.Context(), &stream.Request{URL: link})
	require.NoError(t, err)
	require.JSONEq(t, `{"uri":"/sandbox/acme%20inc/api/v1.0/contracts/?modified__gte=2026-10-01T00%3A00%3A00.000000Z&page=2"}`, string(resp.Body), "verbatim")
}

func TestWireUntrustedCertificate(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := client(t, nil, func(o *Options) { o.APIURL, o.Transport = srv.URL, nil })
	f := refused(t, c, "x", fault.Config)
	require.True(t, f.Whole)
	require.NotContains(t, f.Error(), "attempts", "not tried again")
	require.Contains(t, f.Hint, "api_url")
}

func TestWireRefusedConnection(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	url := srv.URL
	srv.Close()
	c := client(t, nil, func(o *Options) { o.APIURL, o.Transport, o.MaxRetries = url, nil, NoRetries })
	f := refused(t, c, "x", fault.Transient)
	require.Contains(t, f.Hint, "nothing answers at 127.0.0.1")
	require.Contains(t, f.Hint, "api_url")
}

func TestWireHTTP2(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `[%d]`, r.ProtoMajor)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	tr := newTransport()
	tr.TLSClientConfig.RootCAs = srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	c := client(t, tr, func(o *Options) { o.APIURL = srv.URL })
	resp, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
	require.NoError(t, err)
	require.Equal(t, "[2]", string(resp.Body))
}

func TestWireEmptyAnswers(t *testing.T) {
	for _, status := range []int{204, 304} {
		c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		_, err := c.Fetch(t.Context(), &stream.Request{URL: "x", Params: []stream.Param{{Name: "If-None-Match", Value: `"x"`, In: stream.InHeader}}})
		require.Equal(t, stream.NoRows, err)
	}
}

// Connections are kept: an answer that was read whole gives its own back.
func TestWireConnectionsAreReused(t *testing.T) {
	peers := map[string]bool{}
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		peers[r.RemoteAddr] = true
		if len(peers) > 0 && r.URL.Query().Get("bad") != "" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, good)
	})
	for i := range 6 {
		url := "x"
		if i%2 == 1 {
			url = "x?bad=1"
		}
		_, err := c.Fetch(t.Context(), &stream.Request{URL: url})
		require.Equal(t, i%2 == 1, err != nil)
	}
	require.Len(t, peers, 1)
}
