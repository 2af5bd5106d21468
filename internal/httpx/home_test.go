package httpx

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/budget"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// keeping is an authenticator that has kept where the API lives.
type keeping struct {
	renewing
	home string
	err  error
}

func (k *keeping) Kept(ctx context.Context, name string) (string, error) {
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case k.err != nil:
		return "", k.err
	case name != "domain":
		return "", errors.New("not kept: " + name)
	}
	return k.home, nil
}

// moving is a client of a vendor who tells where the account lives.
func moving(t *testing.T, s *script, k *keeping, change ...func(*Options)) *Client {
	t.Helper()
	return client(t, s, append([]func(*Options){func(o *Options) {
		o.Auth, o.Secrets = k, []secret.Text{secret.New(token)}
		o.Source.Auth = stream.OAuth{Keep: []string{"domain"}, Home: func(c stream.Config, kept func(string) string) (string, string, error) {
			switch told := kept("domain"); {
			case told == "evil":
				return "", "", fault.New(fault.Contract, "told evil, "+token, "look at it")
			case told != "":
				return "https://" + told, "it lives at " + told + " of " + c.Text("account"), nil
			}
			return "", "", nil
		}}
	}}, change...)...)
}

func TestHome(t *testing.T) {
	t.Run("the account lives elsewhere", func(t *testing.T) {
		var log bytes.Buffer
		s := play(`{}`)
		k := &keeping{home: "eu.acme.example"}
		c := moving(t, s, k, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		require.Equal(t, base, c.BaseURL())
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := c.Fetch(t.Context(), &stream.Request{URL: "x"}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for _, a := range s.asked {
			require.Equal(t, "https://eu.acme.example/acme%20inc/api/v1.0/x", a.url)
		}
		require.Equal(t, "https://eu.acme.example/acme%20inc/api/v1.0/", c.BaseURL())
		require.Equal(t, 1, strings.Count(log.String(), "it lives at eu.acme.example of acme inc"), log.String())

		k.home = "us.acme.example"
		_, err := c.Fetch(t.Context(), &stream.Request{URL: "https://eu.acme.example/acme%20inc/api/v1.0/y"})
		require.NoError(t, err, "a run does not move, and links stay where it is")
		f := refused(t, c, base+"x", fault.Contract)
		require.ErrorContains(t, f, "points to another host: s12.acme.example")
		require.Contains(t, f.Hint, "only eu.acme.example is asked")
		require.Contains(t, f.Hint, "check subdomain, api_url")
	})
	t.Run("nothing is told", func(t *testing.T) {
		s := play(`{}`)
		k := &keeping{}
		c := moving(t, s, k)
		for range 2 {
			_, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
			require.NoError(t, err)
		}
		k.home = "eu.acme.example"
		_, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
		require.NoError(t, err)
		require.Equal(t, base+"x "+base+"x https://eu.acme.example/acme%20inc/api/v1.0/x", s.asked[0].url+" "+s.asked[1].url+" "+s.asked[2].url)
	})
	t.Run("nothing is asked", func(t *testing.T) {
		for _, k := range []*keeping{
			{home: "evil"},
			{home: "eu.acme.example/path"},
			{home: "user@eu.acme.example"},
			{err: fault.New(fault.Auth, "no token, "+token, "sign in")},
		} {
			s := play(`{}`)
			_, err := moving(t, s, k).Fetch(t.Context(), &stream.Request{URL: "x"})
			f := fault.As(err)
			require.NotNil(t, f)
			require.True(t, f.Whole || k.err != nil)
			require.NotContains(t, f.Error(), token)
			require.Empty(t, s.asked)
		}
	})
	t.Run("api_url settles it", func(t *testing.T) {
		s := play(`{}`)
		_, err := moving(t, s, &keeping{home: "evil"}, func(o *Options) { o.APIURL = "https://proxy.example/a" }).Fetch(t.Context(), &stream.Request{URL: "x"})
		require.NoError(t, err)
		require.Equal(t, "https://proxy.example/a/acme%20inc/api/v1.0/x", s.asked[0].url)
	})
	t.Run("nobody keeps anything, or no credentials are sent", func(t *testing.T) {
		s := play(`{}`)
		c := moving(t, s, &keeping{home: "evil"})
		_, err := c.Do(t.Context(), &stream.Request{URL: "x"}, Call{Anonymous: true})
		require.NoError(t, err)
		_, err = moving(t, s, nil, func(o *Options) { o.Auth = &renewing{} }).Fetch(t.Context(), &stream.Request{URL: "x"})
		require.NoError(t, err)
	})
	t.Run("a run that is over", func(t *testing.T) {
		cause := errors.New("the user left")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		s := play(`{}`)
		_, err := moving(t, s, &keeping{home: "eu.acme.example"}).Fetch(ctx, &stream.Request{URL: "x"})
		require.Equal(t, cause, err)
		require.Empty(t, s.asked)
	})
}

// TestThrottled: what a source calls throttling is waited out, whatever its
// status, and is a quota in the end.
func TestThrottled(t *testing.T) {
	verdict := func(after time.Duration) func(*Options) {
		return classify(func(r *stream.Response) error {
			if r.Status == 200 {
				return nil
			}
			return &stream.Throttled{After: after, Err: errors.New("credits are spent, says " + token)}
		})
	}
	adapting := func(o *Options) {
		o.Budget = budget.New([]stream.Limit{{Kind: stream.InFlight, Wait: 2 * time.Second}}, budget.Options{})
	}
	for _, tc := range []struct {
		name   string
		status int
		after  time.Duration
		waits  []float64 // seconds
	}{
		{"429", 429, 0, []float64{2.5, 5, 10, 20, 40}},
		{"another status", 400, 0, []float64{2.5, 5, 10, 20, 40}},
		{"told", 429, 7 * time.Second, []float64{7, 7, 7, 7, 7}},
		{"told with another status", 403, 7 * time.Second, []float64{7, 7, 7, 7, 7}},
		{"beyond what is waited for", 429, time.Hour, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := play(tc.status)
				f := refused(t, client(t, s, verdict(tc.after), adapting), "x", fault.Quota)
				require.Len(t, s.asked, len(tc.waits)+1)
				for i, want := range tc.waits {
					require.InDelta(t, want, (s.asked[i+1].at - s.asked[i].at).Seconds(), 0.001)
				}
				require.True(t, f.Whole)
				require.Equal(t, tc.status, f.Status)
				require.Equal(t, tc.after, f.RetryAfter)
				require.ErrorContains(t, f, "Nope.", "the vendor's words")
				require.ErrorContains(t, f, "credits are spent, says ***")
			})
		})
	}
	t.Run("others go on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := client(t, play(429, good), verdict(0), adapting)
			began := time.Now()
			go func() { _, _ = c.Fetch(t.Context(), &stream.Request{URL: "x"}) }()
			synctest.Wait()
			_, err := c.Fetch(t.Context(), &stream.Request{URL: "y"})
			require.NoError(t, err)
			require.Zero(t, time.Since(began))
			time.Sleep(time.Minute)
		})
	})
	t.Run("unless the vendor told how long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := client(t, play(429, good), verdict(7*time.Second), adapting)
			began := time.Now()
			go func() { _, _ = c.Fetch(t.Context(), &stream.Request{URL: "x"}) }()
			synctest.Wait()
			_, err := c.Fetch(t.Context(), &stream.Request{URL: "y"})
			require.NoError(t, err)
			require.Equal(t, 7*time.Second, time.Since(began))
		})
	})
}

// TestTotal: the total is asked for once, and what comes of it.
func TestTotal(t *testing.T) {
	for _, tc := range []struct {
		name  string
		org   any
		kind  fault.Kind // Internal: the read goes on
		total float64
		doubt string
	}{
		{"read", `{"total":1000}`, fault.Internal, 1000, ""},
		{"doubtful", `{"total":1000}`, fault.Internal, 1000, "the edition " + token + " is unknown"},
		{"refused", 403, fault.Internal, 1000, "not readable"},
		{"too much", `{"total":5000}`, fault.Quota, 5000, ""},
		{"the run ends", 401, fault.Auth, 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var log bytes.Buffer
			left := func(n string) func() *http.Response {
				return func() *http.Response { return answer(200, good, "Left", n) }
			}
			s := play(left("200"), tc.org, left("198"))
			if tc.kind == fault.Auth {
				s = play(left("200"), tc.org) // for good
			}
			read := 0
			total := &stream.Total{Ask: stream.Request{URL: "org"}, Read: func(r *stream.Response) (float64, string) {
				read++
				if (r == nil) != (tc.org == 403) {
					t.Error(r)
				}
				return tc.total, tc.doubt
			}}
			c := client(t, s, func(o *Options) {
				o.Budget = budget.New([]stream.Limit{{Kind: stream.Credits, RemainingHeader: "Left", ToldFrom: 0.5, Reserve: 0.1, Total: total}}, budget.Options{})
				o.Log = slog.New(slog.NewTextHandler(&log, nil))
			})
			_, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
			require.NoError(t, err)
			require.Len(t, s.asked, 1)
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					if _, err := c.Fetch(t.Context(), &stream.Request{URL: "x"}); (err == nil) != (tc.kind == fault.Internal) || err != nil && fault.KindOf(err) != tc.kind {
						t.Error(err)
					}
				})
			}
			all.Wait()
			orgs := 0
			for _, a := range s.asked {
				if strings.HasSuffix(a.url, "/org") {
					orgs++
				}
			}
			if tc.kind == fault.Auth {
				require.Equal(t, 4, orgs, "nobody knows yet")
				return
			}
			require.Equal(t, 1, orgs)
			require.Equal(t, 1, read)
			require.Equal(t, tc.doubt != "", strings.Contains(log.String(), "level=WARN"), log.String())
			require.NotContains(t, log.String(), token)
		})
	}
}
