package auth

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// TestLostAnswers counts the tries and the time they take.
func TestLostAnswers(t *testing.T) {
	down := &fault.Error{Kind: fault.Transient, Err: errors.New("connection refused")}
	for _, tc := range []struct {
		name  string
		lost  any // *stream.Response or error
		times int
		asked int
		kind  fault.Kind
		least time.Duration
	}{
		{"empty", reply(200, ""), 4, 5, 0, 3750 * time.Millisecond},
		{"blank", reply(200, " \r\n"), 1, 2, 0, 250 * time.Millisecond},
		{"HTML", reply(200, "<html>maintenance"), 2, 3, 0, 0},
		{"half", reply(200, `{"access_token":"`), 1, 2, 0, 0},
		{"no token", reply(200, `{}`), 1, 2, 0, 0},
		{"server error", reply(503, "<html>"), 1, 2, 0, 0},
		{"asked to wait", reply(503, "", "Retry-After", "9"), 1, 2, 0, 9 * time.Second},
		{"asked to wait by a clock ahead of ours", reply(503, "", "Date", "Fri, 01 Jan 2100 00:00:00 GMT", "Retry-After", "Fri, 01 Jan 2100 00:00:09 GMT"), 1, 2, 0, 9 * time.Second},
		{"throttled", reply(429, ""), 3, 4, 0, 0},
		{"no connection", down, 4, 5, 0, 0},
		{"never an answer", reply(200, ""), 99, 5, fault.Contract, 0},
		{"always down", down, 99, 5, fault.Transient, 0},
		{"always throttled", reply(429, ""), 99, 5, fault.Quota, 0},
		{"told to go away", reply(503, "", "Retry-After", "3600"), 99, 1, fault.Transient, 0},
		{"elsewhere", reply(404, "<html>"), 99, 1, fault.Config, 0},
		{"a login page", reply(302, ""), 99, 1, fault.Config, 0},
		{"untrusted", &fault.Error{Kind: fault.Config, Whole: true, Err: errors.New("certificate")}, 99, 1, fault.Config, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				asked := 0
				r.opt.Ask = func(_ context.Context, req *stream.Request) (*stream.Response, error) {
					if asked++; asked <= tc.times {
						if err, ok := tc.lost.(error); ok {
							return nil, err
						}
						return tc.lost.(*stream.Response), nil
					}
					return r.answer(formOf(req)), nil
				}
				began := time.Now()
				got, err := apply(t.Context(), r.start(t))
				require.Equal(t, tc.asked, asked)
				require.GreaterOrEqual(t, time.Since(began), tc.least)
				if tc.kind == 0 {
					require.NoError(t, err)
					require.Equal(t, "access-token-1", got)
					return
				}
				f := fault.As(err)
				require.NotNil(t, f, "%v", err)
				require.Equal(t, tc.kind, f.Kind, "%v", err)
				require.True(t, f.Whole)
				require.NotEmpty(t, f.Hint+fault.As(err).Err.Error())
			})
		})
	}
	t.Run("the last minute of a token", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			o := r.start(t)
			_, err := apply(t.Context(), o)
			require.NoError(t, err)
			r.strange = func(int, url.Values) *stream.Response { return reply(500, "") }
			time.Sleep(572 * time.Second)
			got, err := apply(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, "access-token-1", got, "it is still good")
			time.Sleep(30 * time.Second)
			_, err = apply(t.Context(), o)
			require.Equal(t, fault.Transient, fault.KindOf(err))
			r.strange = nil
			got, err = apply(t.Context(), o)
			require.NoError(t, err, "the vendor's trouble is not held against it")
			require.Equal(t, "access-token-2", got)
		})
	})
	t.Run("an answer that was the new token", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.strange = func(n int, f url.Values) *stream.Response {
				if n == 1 {
					_ = r.grant(f)
					return reply(200, "")
				}
				return nil
			}
			_, err := apply(t.Context(), r.start(t))
			require.Equal(t, fault.Auth, fault.KindOf(err))
			require.ErrorContains(t, err, "Old refresh token used")
			require.ErrorContains(t, err, "was lost")
		})
	})
}

// TestRefusals are answers that no other try can mend.
func TestRefusals(t *testing.T) {
	signIn := "tap-backoffice auth exact_online --config FILE"
	for _, tc := range []struct {
		name   string
		answer *stream.Response
		hint   string
		says   string
	}{
		{"reuse", oauthError(401, "unauthorized_client", "Old refresh token used."), signIn, "Old refresh token used."},
		{"expired", oauthError(400, "invalid_request", "The refresh token expired at 10/11/2022 9:18:20 PM and it is now 11/11/2022"), signIn, "expired at"},
		{"grant", oauthError(400, "invalid_grant", ""), signIn, "invalid_grant"},
		{"with 200", oauthError(200, "invalid_code", ""), signIn, "invalid_code"},
		{"client", oauthError(401, "invalid_client", "who?"), "client_id and client_secret", "who?"},
		{"gateway", reply(401, `{"fault":{"faultstring":"Invalid ApiKey","detail":{"errorcode":"messaging.adaptors.http.flow.ApplicationNotFound"}}}`), signIn, "Invalid ApiKey"},
		{"an echo", oauthError(400, "invalid_grant", "refresh-token-0 of app with "+clientSecret+" and\nrefresh-\u0000token-0"), signIn, "*** of app with *** and ***"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.strange = func(int, url.Values) *stream.Response { return tc.answer }
				o := r.start(t)
				for range 2 {
					_, err := apply(t.Context(), o)
					f := fault.As(err)
					require.NotNil(t, f)
					require.Equal(t, fault.Auth, f.Kind)
					require.True(t, f.Whole)
					require.Contains(t, f.Hint, tc.hint)
					require.ErrorContains(t, err, tc.says)
					require.NotContains(t, err.Error(), "s3cret")
					require.NotContains(t, err.Error(), "token-0")
				}
				require.Equal(t, 1, r.requests())
			})
		})
	}
}

func TestLifetime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`{"expires_in":"600"}`:                         10 * time.Minute,
		`{"expires_in":600}`:                           10 * time.Minute,
		`{"expires_in":600.5}`:                         600500 * time.Millisecond,
		`{"expires_in":" 600 "}`:                       10 * time.Minute,
		`{"expires_in":3600000,"expires_in_sec":3600}`: time.Hour,
		`{}`:                     0,
		`{"expires_in":null}`:    0,
		`{"expires_in":"soon"}`:  0,
		`{"expires_in":-5}`:      0,
		`{"expires_in":"NaN"}`:   0,
		`{"expires_in":1e300}`:   longestLife,
		`{"expires_in":{"a":1}}`: 0,
	} {
		o := &OAuth{}
		a, err := o.granted(decode([]byte(text)))
		require.NoError(t, err)
		require.Equal(t, want, a.lifetime, text)
	}
}
