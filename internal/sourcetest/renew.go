package sourcetest

import (
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// renewCases are about credentials that are renewed while a source is read.
var renewCases = []conformance{
	{"tokens are renewed", renewals},
	{"token dies", tokenDies},
	{"token endpoint trouble", tokenTrouble},
	{"burnt refresh token", burntToken},
}

// renewedAt are the requests to the token endpoint, oldest first.
func (s *subject) renewedAt(out *output) []emulator.Entry {
	rules := s.src.Auth.(stream.OAuth)
	return slices.DeleteFunc(slices.Clone(out.asked), func(e emulator.Entry) bool { return e.Path != rules.Token })
}

// handful are a few streams with bookmarks.
func (s *subject) handful(t testing.TB) []*stream.Stream {
	t.Helper()
	list := s.incremental(t)
	return list[:min(4, len(list))]
}

// renewals: a run that is longer than a token lives, against real limits, renews
// it in time and never before the vendor allows; the next run uses what is left
// of it, a later one renews it first. What rotates is kept.
func renewals(t *testing.T, s *subject) {
	rules, ok := s.src.Auth.(stream.OAuth)
	if !ok {
		return
	}
	// As slow as it takes for the run to be long enough.
	usual := s.usual(t) // what discovery asks, it may ask at once
	lifetime := s.lifetime(t, rules)
	latency := max(25*time.Second, 5*lifetime/2/time.Duration(len(usual.asked)-usual.finding))
	server := s.open(t, emulator.Options{Records: s.small(), Seed: 1, Limits: "real", Latency: latency})
	a := ask{config: wide, only: s.some(t), store: filepath.Join(t.TempDir(), "tokens.json"), concurrency: 1}
	first := s.sync(t, server, a)
	first.complete(t)
	require.Greater(t, first.took, 2*lifetime, "the run is long enough to tell")
	asked := s.renewedAt(first)
	require.GreaterOrEqual(t, len(asked), int(first.took/lifetime))
	for i, e := range asked {
		require.Equal(t, http.StatusOK, e.Status, "token request %d", i+1)
		if i > 0 {
			require.GreaterOrEqual(t, e.Time.Sub(asked[i-1].Time), rules.MinAge, "token request %d", i+1)
		}
	}
	require.Zero(t, first.stats.ByStatus["401"], "no request is sent with a token that has run out")
	tokens := storedTokens(t, a.store)
	require.Len(t, tokens, 1)
	if rules.Rotates {
		require.NotEqual(t, s.config(t, server)[rules.RefreshToken], tokens[0].Refresh)
	}

	few := a
	few.only, few.state = s.handful(t)[:1], first.final(t)
	few.at = first.ended.Add(time.Second)
	next := s.sync(t, server, few)
	next.complete(t)
	require.LessOrEqual(t, len(s.renewedAt(next)), 1, "a run right after another needs a new token only if the old one ends")
	few.state, few.at = next.final(t), next.ended.Add(2*lifetime)
	later := s.sync(t, server, few)
	later.complete(t)
	require.Len(t, s.renewedAt(later), 1)
	require.Zero(t, later.stats.ByStatus["401"])
	few.state, few.at = later.final(t), later.ended.Add(time.Second)
	again := s.sync(t, server, few)
	again.complete(t)
	require.Empty(t, s.renewedAt(again), "the token of the last run is still good")
}

// lifetime is that of an access token: the vendor's, or where none is known what
// the answer tells.
func (s *subject) lifetime(t *testing.T, rules stream.OAuth) time.Duration {
	t.Helper()
	if rules.Lifetime > 0 {
		return rules.Lifetime
	}
	store := filepath.Join(t.TempDir(), "tokens.json")
	s.sync(t, s.openSmall(t), ask{config: wide, only: s.handful(t)[:1], keys: true, store: store}).complete(t)
	tokens := storedTokens(t, store)
	require.Len(t, tokens, 1)
	require.True(t, tokens[0].Expires.After(tokens[0].Obtained), "the token file tells how long the token is good")
	return tokens[0].Expires.Sub(tokens[0].Obtained)
}

// tokenDies: a token that the vendor refuses before its time is renewed, however
// the refusal looks, and the request is sent once more.
func tokenDies(t *testing.T, s *subject) {
	if !s.renews() {
		return
	}
	list := s.handful(t)
	for _, faults := range []string{"stale-token=1@" + list[0].Name, "stale-token=1@" + list[0].Name + ",object-moved"} {
		server := s.open(t, emulator.Options{Records: s.small(), Seed: 1, Faults: faults})
		out := s.sync(t, server, ask{config: wide, only: list})
		out.complete(t)
		require.GreaterOrEqual(t, len(s.renewedAt(out)), 2, "%s: the token was renewed", faults)
		for _, st := range list {
			require.Equal(t, keys(s.everyRecord(t, st.Name)), keys(out.records(t, st.Name)), st.Name)
		}
	}
}

// tokenTrouble: answers of the token endpoint that get lost are asked for again.
func tokenTrouble(t *testing.T, s *subject) {
	if !s.renews() {
		return
	}
	list := s.handful(t)[:1]
	at := s.renewedAt(s.usual(t))
	require.NotEmpty(t, at)
	for _, f := range []string{"empty=2", "500=2", "503=1", "cut=1", "html=1"} {
		server := s.open(t, emulator.Options{Records: s.small(), Seed: 1, Faults: f + "@" + at[0].Resource})
		out := s.sync(t, server, ask{config: wide, only: list})
		out.complete(t)
		require.GreaterOrEqual(t, len(s.renewedAt(out)), 2, f)
		require.Equal(t, keys(s.everyRecord(t, list[0].Name)), keys(out.records(t, list[0].Name)), f)
	}
}

// burntToken: where refresh tokens are burnt by their use, one that another
// machine has used ends the run at once and says what to do; it is not tried
// again.
func burntToken(t *testing.T, s *subject) {
	rules, ok := s.src.Auth.(stream.OAuth)
	if !ok || !rules.Rotates {
		return
	}
	server := s.open(t, emulator.Options{Records: s.small(), Seed: 1, Limits: "real"})
	list := s.handful(t)[:1]
	s.sync(t, server, ask{config: wide, only: list}).complete(t)
	out := s.sync(t, server, ask{config: wide, only: list, at: today.Add(time.Hour), partial: true}) // with a store of its own
	s.telling(t, fault.As(out.report.Err), fault.Auth)
	require.Contains(t, fault.As(out.report.Err).Hint, "auth")
	require.Len(t, s.renewedAt(out), 1)
	require.Empty(t, recordLines(out))
}
