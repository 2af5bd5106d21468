package httpx

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// renewing is an authenticator with a token that can be replaced.
type renewing struct {
	mu      sync.Mutex
	token   int
	asked   int
	again   bool
	err     error
	answers []int
}

func (r *renewing) value() string { return fmt.Sprintf("rotating-token-%d", r.token) }

func (r *renewing) Apply(_ context.Context, req *http.Request) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	req.Header.Set("Authorization", r.value())
	return nil
}

func (r *renewing) BodyParam() (string, secret.Text) { return "", secret.Text{} }

func (r *renewing) Secrets() []secret.Text {
	r.mu.Lock()
	defer r.mu.Unlock()
	return []secret.Text{secret.New(r.value())}
}

func (r *renewing) Refresh(_ context.Context, stale *http.Request, a *stream.Response) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	r.answers = append(r.answers, a.Status)
	if stale.Header.Get("Authorization") == r.value() {
		r.token++
	}
	return r.again, r.err
}

func TestRefreshAfter401(t *testing.T) {
	denied := func(r *http.Request) (*http.Response, error) {
		return answer(401, "no: "+r.Header.Get("Authorization")), nil
	}
	for _, tc := range []struct {
		name  string
		auth  *renewing
		steps []any
		sent  int
		kind  fault.Kind // Internal: none
	}{
		{"mends it", &renewing{again: true}, []any{denied, good}, 2, fault.Internal},
		{"once only", &renewing{again: true}, []any{denied}, 2, fault.Auth},
		{"no use", &renewing{}, []any{denied}, 1, fault.Auth},
		{"fails", &renewing{again: true, err: fault.New(fault.Auth, "sign in again: rotating-token-1", "auth")}, []any{denied}, 1, fault.Auth},
		{"beside retries", &renewing{again: true}, []any{500, denied, 500, good}, 4, fault.Internal},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := play(tc.steps...)
				c := client(t, s, func(o *Options) { o.Auth, o.MaxRetries = tc.auth, 2 })
				resp, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
				require.Len(t, s.asked, tc.sent)
				require.Equal(t, 1, tc.auth.asked)
				require.Equal(t, []int{401}, tc.auth.answers)
				if tc.kind == fault.Internal {
					require.NoError(t, err)
					require.Equal(t, good, string(resp.Body))
					require.Equal(t, "rotating-token-1", s.asked[tc.sent-1].header.Get("Authorization"))
					return
				}
				require.Equal(t, tc.kind, fault.KindOf(err))
				require.NotContains(t, err.Error(), "rotating-token")
			})
		})
	}
	t.Run("not for what is sent once", func(t *testing.T) {
		a := &renewing{again: true}
		c := client(t, play(denied), func(o *Options) { o.Auth = a })
		_, err := c.Do(t.Context(), &stream.Request{URL: "x"}, Call{Once: true})
		require.Equal(t, fault.Auth, fault.KindOf(err))
		require.Zero(t, a.asked)
	})
	t.Run("a token that came with Apply is masked", func(t *testing.T) {
		a := &renewing{}
		c := client(t, play(denied), func(o *Options) { o.Auth = a })
		a.token = 7
		_, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
		require.ErrorContains(t, err, "no: ***")
	})
	t.Run("without retries too", func(t *testing.T) {
		c := client(t, play(denied, good), func(o *Options) { o.Auth, o.MaxRetries = &renewing{again: true}, NoRetries })
		_, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
		require.NoError(t, err)
	})
}
