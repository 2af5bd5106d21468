package auth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// TestWindow is the life of Exact's token: 600 s, not to be replaced before
// 570 s (DOC).
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		o := r.start(t)
		began := time.Now()
		require.Zero(t, r.requests(), "nothing is asked before it is needed")
		for _, step := range []struct {
			at   time.Duration
			want int // tokens made
		}{
			{0, 1},
			{569999 * time.Millisecond, 1},
			{570 * time.Second, 2},
			{1139999 * time.Millisecond, 2},
			{1140 * time.Second, 3},
			{5000 * time.Second, 4},
		} {
			time.Sleep(time.Until(began.Add(step.at)))
			got, err := apply(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("access-token-%d", step.want), got, "at %s", step.at)
		}
		require.Empty(t, r.refusals)
		require.Equal(t, url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {"refresh-token-3"},
			"client_id": {"app"}, "client_secret": {clientSecret},
		}, r.forms[3])
		require.Equal(t, "refresh-token-4", r.stored(t).Refresh)
	})
}

// TestNextRun starts again with what the store has.
func TestNextRun(t *testing.T) {
	for _, tc := range []struct {
		name   string
		after  time.Duration
		config string // refresh token of the second run
		asked  int
		token  string
		kind   fault.Kind
	}{
		{"right after", time.Second, "refresh-token-0", 1, "access-token-1", 0},
		{"without the token in the config", time.Second, "", 1, "access-token-1", 0},
		{"later", 571 * time.Second, "refresh-token-0", 2, "access-token-2", 0},
		{"days later", 200 * time.Hour, "", 2, "access-token-2", 0},
		{"with another token", time.Hour, "refresh-token-1", 2, "access-token-2", 0},
		{"with another token that is dead", time.Hour, "dead", 2, "", fault.Auth},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				_, err := apply(t.Context(), r.start(t))
				require.NoError(t, err)
				time.Sleep(tc.after)
				r.config["refresh_token"] = tc.config
				got, err := apply(t.Context(), r.start(t))
				require.Len(t, r.asked, tc.asked)
				if tc.kind != 0 {
					require.Equal(t, tc.kind, fault.KindOf(err))
					return
				}
				require.NoError(t, err)
				require.Equal(t, tc.token, got)
			})
		})
	}
}

func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		asked := r.opt.Ask
		r.opt.Ask = func(ctx context.Context, req *stream.Request) (*stream.Response, error) {
			time.Sleep(3 * time.Second)
			return asked(ctx, req)
		}
		o := r.start(t)
		for round := 1; round <= 3; round++ {
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					got, err := apply(t.Context(), o)
					if err != nil || got != fmt.Sprintf("access-token-%d", round) {
						t.Error(got, err)
					}
				})
			}
			all.Wait()
			require.Equal(t, round, r.requests())
			time.Sleep(580 * time.Second)
		}
		// A waiter leaves when its own time is over, and the renewal goes on.
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := apply(t.Context(), o); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		_, err := apply(ctx, o)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		all.Wait()
		require.Empty(t, r.refusals)
	})
}

// TestRefused is the 401 that says that the token ran out.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.minAge = 0
		o := r.start(t)
		token, err := apply(t.Context(), o)
		require.NoError(t, err)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if again, err := refresh(t.Context(), o, token); !again || err != nil {
					t.Error(again, err)
				}
			})
		}
		all.Wait()
		require.Equal(t, 2, r.requests(), "eight refusals of one token make one renewal")
		again, err := refresh(t.Context(), o, "an older one")
		require.NoError(t, err)
		require.True(t, again)
		require.Equal(t, 2, r.requests(), "it has been replaced long since")

		r.minAge = 570 * time.Second
		again, err = refresh(t.Context(), o, "access-token-2")
		require.NoError(t, err)
		require.True(t, again, "the vendor says that it is good: it is tried once more")
		require.Equal(t, 3, r.requests())
	})
}

// The service was set up anew: the stored sign-in is over, the config's is good.
func TestConfigIsTheLastResort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		_, err := apply(t.Context(), r.start(t))
		require.NoError(t, err)
		time.Sleep(time.Hour)
		r.good, r.made = "refresh-token-0", time.Time{}
		got, err := apply(t.Context(), r.start(t))
		require.NoError(t, err)
		require.Equal(t, "access-token-2", got)
		require.Len(t, r.asked, 3, "the stored one, then the config's")

		r.good = "nobody's"
		time.Sleep(time.Hour)
		_, err = apply(t.Context(), r.start(t))
		require.Equal(t, fault.Auth, fault.KindOf(err))
		require.Len(t, r.asked, 5, "each is tried once")
	})
}

// TestTooEarly is the vendor who does not replace a token yet.
func TestTooEarly(t *testing.T) {
	t.Run("the token at hand is used", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.minAge = 575 * time.Second // its clock is not ours
			o := r.start(t)
			_, err := apply(t.Context(), o)
			require.NoError(t, err)
			time.Sleep(571 * time.Second)
			for range 9 {
				got, err := apply(t.Context(), o)
				require.NoError(t, err)
				require.Equal(t, "access-token-1", got)
			}
			require.Equal(t, 2, r.requests(), "not every request asks again")
			time.Sleep(6 * time.Second)
			got, err := apply(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, "access-token-2", got)
		})
	})
	t.Run("another program got one, when is not known", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.made = time.Now()
			began := time.Now()
			got, err := apply(t.Context(), r.start(t))
			require.NoError(t, err)
			require.Equal(t, "access-token-1", got)
			require.Equal(t, 570*time.Second, time.Since(began))
			require.Equal(t, 2, r.requests())
		})
	})
	t.Run("and goes on getting them", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.strange = func(int, url.Values) *stream.Response {
				return oauthError(400, "access_denied", "Rate limit exceeded: access_token not expired")
			}
			o := r.start(t)
			_, err := apply(t.Context(), o)
			require.Equal(t, fault.Auth, fault.KindOf(err))
			require.Equal(t, 2, r.requests())
			_, err = apply(t.Context(), o)
			require.Equal(t, fault.Auth, fault.KindOf(err))
			require.Equal(t, 2, r.requests(), "what is lost is not asked for again")
		})
	})
	t.Run("a short life is waited for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.life = 100 * time.Second
			o := r.start(t)
			_, err := apply(t.Context(), o)
			require.NoError(t, err)
			time.Sleep(101 * time.Second)
			began := time.Now()
			got, err := apply(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, "access-token-2", got)
			require.Equal(t, 469*time.Second, time.Since(began))
			require.Empty(t, r.refusals)
		})
	})
}

// TestOthersRotate is a store that changes while a request is on its way, from a
// place where locks do not reach.
func TestOthersRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		_, err := apply(t.Context(), r.start(t))
		require.NoError(t, err)
		time.Sleep(time.Hour)
		o := r.start(t)
		r.strange = func(n int, _ url.Values) *stream.Response {
			if n != 2 {
				return nil
			}
			v := r.grant(url.Values{"client_id": {"app"}, "client_secret": {clientSecret}, "refresh_token": {r.good}})
			a, err := o.judge(v)
			require.NoError(t, err)
			d, _, err := o.store.read()
			require.NoError(t, err)
			e, err := o.choose(d)
			require.NoError(t, err)
			data, err := d.with(o.key, o.entryOf(e, a, time.Now(), time.Now()))
			require.NoError(t, err)
			write(t, r.opt.Store, data)
			return nil
		}
		got, err := apply(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, "access-token-2", got)
		require.Equal(t, 2, r.requests())
	})
}

// TestStopped is a run that is over while the vendor answers: the answer is
// waited for and stored.
func TestStopped(t *testing.T) {
	for _, tc := range []struct {
		name   string
		takes  time.Duration
		stored bool
		after  time.Duration
	}{
		{"the answer comes", 400 * time.Millisecond, true, 400 * time.Millisecond},
		{"too late", time.Hour, false, 100*time.Millisecond + lastWords},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.opt.Ask = func(ctx context.Context, req *stream.Request) (*stream.Response, error) {
					if err := sleep(ctx, tc.takes); err != nil {
						return nil, err
					}
					return r.answer(formOf(req)), nil
				}
				cause := errors.New("stopped")
				ctx, stop := context.WithCancelCause(t.Context())
				time.AfterFunc(100*time.Millisecond, func() { stop(cause) })
				began := time.Now()
				_, err := apply(ctx, r.start(t))
				require.Equal(t, tc.after, time.Since(began))
				if tc.stored {
					require.NoError(t, err)
					require.Equal(t, "refresh-token-1", r.stored(t).Refresh)
					return
				}
				require.ErrorIs(t, err, cause)
				require.NoFileExists(t, r.opt.Store)
				require.NoFileExists(t, r.opt.Store+".new")
			})
		})
	}
}

// TestNotRotating is a vendor like Zoho CRM: the refresh token stays, tokens live
// for an hour, ten in ten minutes are granted, errors come with 200.
func TestNotRotating(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.keeps, r.minAge, r.life = true, 0, time.Hour
		r.rules(func(a *stream.OAuth) {
			a.Rotates, a.MinAge, a.Early, a.MaxRenewals, a.RenewalPeriod = false, 0, time.Minute, 10, 10*time.Minute
			a.Keep = []string{"token_type"}
			a.Judge = func(resp *stream.Response) error {
				if strings.Contains(string(resp.Body), "Access Denied") {
					return &fault.Error{Kind: fault.Quota, Err: errors.New("too many requests")}
				}
				return nil
			}
		})
		o := r.start(t)
		kept, err := o.Kept(t.Context(), "token_type")
		require.NoError(t, err)
		require.Equal(t, "Bearer", kept)
		time.Sleep(59*time.Minute - time.Second)
		got, err := apply(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, "access-token-1", got)
		time.Sleep(time.Second)
		for n := 2; n <= 11; n++ {
			o = r.start(t) // the cap holds for all runs together
			got, err = apply(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("access-token-%d", n), got)
			if n < 11 {
				again, err := refresh(t.Context(), o, got)
				require.NoError(t, err)
				require.True(t, again)
			}
			time.Sleep(10 * time.Second)
		}
		_, err = refresh(t.Context(), o, got)
		require.Equal(t, fault.Quota, fault.KindOf(err))
		require.Equal(t, 500*time.Second, fault.As(err).RetryAfter)
		require.Equal(t, 11, r.requests())
		require.Equal(t, "refresh-token-0", r.stored(t).Refresh)
		require.Equal(t, map[string]string{"token_type": "Bearer"}, r.stored(t).Kept)

		time.Sleep(2 * time.Hour)
		r.strange = func(int, url.Values) *stream.Response {
			return reply(200, `{"error_description":"You have made too many requests","error":"Access Denied","status":"failure"}`)
		}
		_, err = apply(t.Context(), r.start(t))
		require.Equal(t, fault.Quota, fault.KindOf(err))
	})
	t.Run("without a place for the store", func(t *testing.T) {
		r := newRig(t)
		r.keeps = true
		r.rules(func(a *stream.OAuth) { a.Rotates = false })
		require.NoError(t, mkdir(filepath.Join(r.opt.Store+".lock", "x")))
		got, err := apply(t.Context(), r.start(t))
		require.NoError(t, err)
		require.Equal(t, "access-token-1", got)
		require.NoFileExists(t, r.opt.Store)
	})
	t.Run("a life that is not told", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.life, r.minAge = 0, 0
			r.rules(func(a *stream.OAuth) { a.MinAge = 0 })
			o := r.start(t)
			_, err := apply(t.Context(), o)
			require.NoError(t, err)
			time.Sleep(1000 * time.Hour)
			got, err := apply(t.Context(), r.start(t))
			require.NoError(t, err)
			require.Equal(t, "access-token-1", got, "until it is refused")
			_, err = refresh(t.Context(), o, got)
			require.NoError(t, err)
			got, err = apply(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, "access-token-2", got)
		})
	})
}
