package sourcetest

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

var faultCases = []conformance{
	{"credentials refused", credentialsRefused},
	{"not permitted", notPermitted},
	{"no such resource", noSuchResource},
	{"everything refused", everythingRefused},
	{"lasting trouble", lastingTrouble},
	{"passing trouble", passingTrouble},
	{"retry after", retryAfter},
	{"never told when", throttledForGood},
	{"later page fails", laterPageFails},
	{"slow answers", slowAnswers},
}

// retries is the default of max_retries.
const retries = 5

// pair is a large stream to make trouble for, and another one that must not
// suffer from it.
func (s *subject) pair(t testing.TB) (target, other *stream.Stream) {
	t.Helper()
	var list, optional []*stream.Stream
	first := s.opened(t) // whose trouble is that of the whole run
	for _, st := range rather(s.incremental(t), 2) {
		switch {
		case len(s.everyRecord(t, st.Name)) <= 2:
		case slices.ContainsFunc(first, func(e emulator.Entry) bool { return e.Resource == st.Name }):
		case st.Optional:
			optional = append(optional, st)
		default:
			list = append(list, st)
		}
	}
	if len(list) < 2 { // there are sources whose vendor promises nothing to anybody
		list = optional
	}
	require.GreaterOrEqual(t, len(list), 2)
	return list[0], list[len(list)-1]
}

// trouble runs target and other against a stand-in with faults.
func (s *subject) trouble(t testing.TB, faults string, a ask, list ...*stream.Stream) *output {
	t.Helper()
	server := s.open(t, emulator.Options{Records: s.small(), Seed: 1, Faults: faults})
	a.only = list
	if a.config == nil {
		a.config = wide
	}
	return s.sync(t, server, a)
}

// result is what a run reports of a stream.
func (o *output) result(t testing.TB, name string) (err *fault.Error, skipped, absent bool) {
	t.Helper()
	for _, r := range o.report.Streams {
		if r.Stream == name {
			if r.Err != nil {
				require.NotNil(t, fault.As(r.Err), "%s: %v", name, r.Err)
			}
			return fault.As(r.Err), r.Skipped, r.Absent
		}
	}
	return nil, false, false
}

// telling checks that a fault names where it happened and what to do.
func (s *subject) telling(t testing.TB, err *fault.Error, kind fault.Kind) {
	t.Helper()
	require.NotNil(t, err)
	require.Equal(t, kind, err.Kind, "%v", err)
	require.NotEmpty(t, err.Hint, "%v", err)
	require.False(t, strings.HasSuffix(err.Hint, "."), "a hint is a sentence without a full stop: %s", err.Hint)
	require.Contains(t, err.Error(), s.src.Name)
	require.LessOrEqual(t, len(err.Error()), 2000)
	require.NotContains(t, err.Error(), "\n")
}

// unharmed checks that a stream is whole in spite of another one's trouble, and
// that the other one's bookmark did not move.
func (s *subject) unharmed(t testing.TB, out *output, other, target *stream.Stream) {
	t.Helper()
	err, _, _ := out.result(t, other.Name)
	require.Nil(t, err)
	require.Equal(t, keys(s.everyRecord(t, other.Name)), keys(out.records(t, other.Name)), other.Name)
	p := readState(t, out.final(t))
	require.NotEmpty(t, s.marks(t, p, other), other.Name)
	require.Empty(t, s.marks(t, p, target), "%s: a stream that failed has no bookmark", target.Name)
	require.Nil(t, p.Syncing)
}

// attempts is the greatest number of times that one and the same request of a
// stream was sent; 0 where requests tell themselves apart only by their bodies.
func (o *output) attempts(name string) int {
	byRequest := map[string]int{}
	most := 0
	for _, e := range o.asked {
		if e.Resource != name {
			continue
		}
		if e.Method != http.MethodGet {
			return 0
		}
		k := e.Path + "?" + e.Query
		byRequest[k]++
		most = max(most, byRequest[k])
	}
	return most
}

// ends checks that a run ends with a STATE, however early.
func (o *output) ends(t testing.TB) {
	t.Helper()
	require.NotEmpty(t, o.lines)
	require.Equal(t, "STATE", o.lines[len(o.lines)-1].Type)
}

// renews tells whether the source's credentials are renewed while it is read.
func (s *subject) renews() bool {
	_, ok := s.src.Auth.(stream.OAuth)
	return ok
}

// credentialsRefused: 401 ends the whole run, without a retry storm, and says
// which settings to check.
func credentialsRefused(t *testing.T, s *subject) {
	target, other := s.pair(t)
	faults := "401"
	if s.renews() { // or the token endpoint would speak as no such endpoint does
		faults = "401@" + target.Name + ",401@" + other.Name
	}
	out := s.trouble(t, faults, ask{partial: true}, target, other)
	err := fault.As(out.report.Err)
	s.telling(t, err, fault.Auth)
	require.Equal(t, http.StatusUnauthorized, err.Status)
	refused := 0
	for _, e := range out.asked {
		if e.Status == http.StatusUnauthorized {
			refused++
		}
	}
	require.LessOrEqual(t, refused, 2*defaultConcurrency)
	require.Empty(t, recordLines(out))
	out.ends(t)
	require.Empty(t, readState(t, out.final(t)).Bookmarks[target.Name])
}

// notPermitted: a stream that the account may not read is skipped; the others
// are complete.
func notPermitted(t *testing.T, s *subject) {
	target, other := s.pair(t)
	out := s.trouble(t, "403@"+target.Name, ask{}, target, other)
	require.NoError(t, out.report.Err)
	err, skipped, absent := out.result(t, target.Name)
	s.telling(t, err, fault.Permission)
	require.True(t, skipped)
	require.False(t, absent)
	require.Equal(t, http.StatusForbidden, err.Status)
	require.LessOrEqual(t, out.attempts(target.Name), 1, "a refusal is not asked again")
	s.unharmed(t, out, other, target)
	for _, r := range out.report.Streams {
		require.True(t, r.Chosen, "the catalog selected it")
	}
}

// noSuchResource: 404 skips a stream that not every account has, and is a
// failure of any other.
func noSuchResource(t *testing.T, s *subject) {
	target, other := s.pair(t)
	if !target.Optional {
		kind := fault.Refused
		look := func(n http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				resp, err := n.RoundTrip(r)
				if err == nil && resp.StatusCode == http.StatusNotFound && strings.Contains(resp.Header.Get("Content-Type"), "html") {
					kind = fault.Contract // HTML for JSON (contract.md §2): no such path at all
				}
				return resp, err
			})
		}
		out := s.trouble(t, "404@"+target.Name, ask{network: look, concurrency: 1}, target, other)
		require.NoError(t, out.report.Err)
		err, skipped, _ := out.result(t, target.Name)
		s.telling(t, err, kind)
		require.False(t, skipped)
		require.LessOrEqual(t, out.attempts(target.Name), 1)
		s.unharmed(t, out, other, target)
	}
	first := s.askedFirst(t)
	for _, st := range s.looked(t) {
		if !st.Optional || st.Needs() != "" || st.Name == s.src.Probe || st.Name == other.Name {
			continue
		}
		out := s.trouble(t, "404@"+st.Name, ask{}, st, other)
		if first[st.Name] {
			s.nothingRead(t, out, fault.Refused)
			continue
		}
		require.NoError(t, out.report.Err)
		err, skipped, absent := out.result(t, st.Name)
		require.True(t, skipped && absent, st.Name)
		require.NotEmpty(t, err.Hint)
		s.unharmed(t, out, other, st)
	}
}

// everythingRefused: every stream is skipped and told so; where even the questions
// before the first stream are refused, the run is.
func everythingRefused(t *testing.T, s *subject) {
	target, other := s.pair(t)
	for _, faults := range []string{"403", "403@" + target.Name + ",403@" + other.Name} {
		out := s.trouble(t, faults, ask{partial: true}, target, other)
		require.Empty(t, recordLines(out))
		if out.report.Err != nil {
			require.Equal(t, "403", faults)
			require.True(t, s.src.Open != nil || s.src.Discover != nil)
			require.Contains(t, []fault.Kind{fault.Permission, fault.Auth}, fault.KindOf(out.report.Err))
			continue
		}
		s.loads(t, out)
		require.Len(t, out.report.Streams, 2)
		for _, r := range out.report.Streams {
			require.True(t, r.Skipped, r.Stream)
			s.telling(t, fault.As(r.Err), fault.Permission)
		}
	}
}

// lastingTrouble: what does not go away fails the stream with the right kind,
// after as many attempts as are of use, and leaves the others alone.
func lastingTrouble(t *testing.T, s *subject) {
	target, other := s.pair(t)
	for _, tc := range []struct {
		fault    string
		kinds    []fault.Kind
		attempts int
	}{
		{"500", []fault.Kind{fault.Transient}, 1 + retries},
		{"502", []fault.Kind{fault.Transient}, 1 + retries},
		{"503", []fault.Kind{fault.Transient}, 1 + retries},
		{"cut", []fault.Kind{fault.Transient}, 1 + retries},
		{"truncated", []fault.Kind{fault.Contract}, 1 + retries},
		{"empty", []fault.Kind{fault.Contract}, 1 + retries},
		{"html", []fault.Kind{fault.Contract}, 1},
		// Often a wrong account: a source may know better.
		{"redirect", []fault.Kind{fault.Contract, fault.Config, fault.Auth}, 1},
		{"garbage", []fault.Kind{fault.Contract}, 0}, // behind the last brace it looks cut off
		{"deep", []fault.Kind{fault.Contract}, 1},
		{"dup", []fault.Kind{fault.Contract}, 1},
		{"huge", []fault.Kind{fault.Contract}, 1},
		{"next-self", []fault.Kind{fault.Contract}, 2}, // the link may be spelt in another way
		{"next-foreign", []fault.Kind{fault.Contract}, 1},
	} {
		t.Run(tc.fault, func(t *testing.T) {
			if _, links := target.Page.(stream.NextLink); strings.HasPrefix(tc.fault, "next-") && !links {
				return // there is no link to spoil
			}
			out := s.trouble(t, tc.fault+"@"+target.Name, ask{partial: true, config: with(wide, "max_response_mb", 2)}, target, other)
			err, skipped, _ := out.result(t, target.Name)
			require.False(t, skipped)
			whole := fault.As(out.report.Err)
			if whole != nil {
				err = whole
			}
			require.NotNil(t, err)
			require.Contains(t, tc.kinds, err.Kind, "%v", err)
			s.telling(t, err, err.Kind)
			if tc.fault == "html" {
				require.Contains(t, err.Error(), "HTML", "what came in place of JSON is said")
			}
			if n := out.attempts(target.Name); n > 0 && tc.attempts > 0 && (tc.fault != "redirect" || !s.renews()) {
				require.Equal(t, tc.attempts, n)
			}
			require.Empty(t, s.marks(t, readState(t, out.final(t)), target))
			if whole == nil {
				s.loads(t, out)
				s.unharmed(t, out, other, target)
			} else {
				require.True(t, whole.Whole)
			}
			for _, e := range out.asked {
				require.NotContains(t, e.Path, "/login", "redirects are not followed")
			}
		})
	}
	t.Run("no retries", func(t *testing.T) {
		out := s.trouble(t, "500@"+target.Name, ask{config: with(wide, "max_retries", 0)}, target, other)
		require.LessOrEqual(t, out.attempts(target.Name), 1)
		s.unharmed(t, out, other, target)
	})
}

// passingTrouble: what goes away is asked again until it does, and nothing is
// missing or twice.
func passingTrouble(t *testing.T, s *subject) {
	target, other := s.pair(t)
	for _, f := range []string{"500=3", "502=2", "503=5", "429=2", "429-date=2", "429-bare=2", "cut=3", "truncated=2", "empty=2", "500:0.2", "cut:0.2"} {
		t.Run(f, func(t *testing.T) {
			out := s.trouble(t, f+"@"+target.Name, ask{config: map[string]any{"date_window_size": 700}}, target, other)
			out.complete(t)
			for _, st := range []*stream.Stream{target, other} {
				require.Equal(t, keys(s.everyRecord(t, st.Name)), keys(out.records(t, st.Name)), st.Name)
			}
			if _, k, ok := strings.Cut(f, "="); ok {
				n, err := strconv.Atoi(k)
				require.NoError(t, err)
				failed := 0
				for _, e := range out.asked {
					if e.Fault != "" {
						failed++
					}
				}
				require.Equal(t, n, failed, "each fault cost one request")
			}
		})
	}
	for _, f := range s.plugin.Passing {
		t.Run(f, func(t *testing.T) {
			whole := s.trouble(t, "", ask{}, target, other)
			out := s.trouble(t, f+"@"+target.Name, ask{}, target, other)
			out.complete(t)
			for _, st := range []*stream.Stream{target, other} {
				require.Equal(t, keys(s.everyRecord(t, st.Name)), keys(out.records(t, st.Name)), st.Name)
			}
			require.Greater(t, len(out.asked), len(whole.asked), "the fault cost a request")
		})
	}
}

// retryAfter: nobody asks before the vendor's Retry-After is over, in seconds
// or as a date, and not much later either.
func retryAfter(t *testing.T, s *subject) {
	target, other := s.pair(t)
	for _, f := range []string{"429=3", "429-date=3"} {
		out := s.trouble(t, f+"@"+target.Name, ask{}, target, other)
		out.complete(t)
		refused := 0
		for i, e := range out.asked {
			if e.RetryAfter == "" {
				continue
			}
			refused++
			until := e.Time
			if n, err := strconv.Atoi(e.RetryAfter); err == nil {
				until = until.Add(time.Duration(n) * time.Second)
			} else {
				at, err := http.ParseTime(e.RetryAfter)
				require.NoError(t, err)
				until = at
			}
			for _, later := range out.asked[i+1:] {
				if later.Time.After(e.Time) {
					require.False(t, later.Time.Before(until), "%s: %s is asked %s too early", f, later.Resource, until.Sub(later.Time))
				}
			}
		}
		require.Equal(t, 3, refused)
		most := time.Minute
		for _, l := range s.src.Limits {
			if l.Firm { // which the vendor wants to pass, whatever it tells
				most += 3 * l.Wait
			}
		}
		require.Less(t, out.took, most)
	}
}

// throttledForGood: a 429 that does not end, ends the run as a quota: come back
// later.
func throttledForGood(t *testing.T, s *subject) {
	target, other := s.pair(t)
	for _, f := range []string{"429", "429-bare"} {
		out := s.trouble(t, f, ask{partial: true}, target, other)
		err := fault.As(out.report.Err)
		s.telling(t, err, fault.Quota)
		require.True(t, err.Whole)
		require.Empty(t, recordLines(out))
		if n := out.attempts(target.Name); n > 0 {
			require.Equal(t, 1+retries, n)
		}
		out.ends(t)
	}
}

// tripping answers 500 in place of the service, once it was tripped.
type tripping struct {
	http.RoundTripper
	on func() bool
}

// RoundTrip asks; what the service says may come too late.
func (tr tripping) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := tr.RoundTripper.RoundTrip(r)
	if err != nil || !tr.on() {
		return resp, err
	}
	_ = resp.Body.Close()
	return &http.Response{
		StatusCode: http.StatusInternalServerError, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader("<h1>Server Error (500)</h1>")), Request: r,
	}, nil
}

// laterPageFails: a page after the first fails for good; of a child's pages one for
// another parent. The rows of the first page, the newest among them, must not have
// moved the bookmark; the next run delivers the rest.
func laterPageFails(t *testing.T, s *subject) {
	_, other := s.pair(t)
	tried := 0
	for _, st := range s.representatives(t) {
		if st.Cursor == nil || st.Parent == nil && s.pageSize(t, st) == allAtOnce {
			continue
		}
		tried++
		t.Run(st.Name, func(t *testing.T) { s.laterPageFails(t, st, other) })
	}
	require.Positive(t, tried)
}

func (s *subject) laterPageFails(t *testing.T, target, other *stream.Stream) {
	t.Helper()
	server := s.open(t, emulator.Options{Records: s.severalPages(t, target), Seed: 1})
	var mu sync.Mutex
	tripped := false
	state := func(set bool) bool {
		mu.Lock()
		defer mu.Unlock()
		tripped = tripped || set
		return tripped
	}
	full := 0 // pages with rows: those of one parent may have none
	first := s.sync(t, server, ask{
		config: wide, only: []*stream.Stream{target}, concurrency: 1, keys: true,
		page: func(p emulator.Page) {
			if p.Resource != target.Name {
				return
			}
			if len(p.IDs) > 0 {
				full++
			}
			state(p.Number > 1 || target.Parent != nil && full > 1)
		},
		network: func(n http.RoundTripper) http.RoundTripper { return tripping{n, func() bool { return state(false) }} },
	})
	err, _, _ := first.result(t, target.Name)
	s.telling(t, err, fault.Transient)
	require.NotEmpty(t, first.records(t, target.Name), "the first page was written")
	if !target.Cursor.Sorted {
		require.Empty(t, s.marks(t, readState(t, first.final(t)), target), "and moved nothing")
	}
	s.covered(t, first, nil)
	next := s.sync(t, server, ask{config: wide, only: []*stream.Stream{target, other}, keys: true, state: first.final(t), at: today.Add(time.Hour)})
	next.complete(t)
	whole := certain(s.since(t, server, target, s.keySchema(t, target), nil))
	require.Len(t, union(first.records(t, target.Name), next.records(t, target.Name)), len(whole))
	s.delivered(t, server, next, first, next)
}

// slowAnswers: a body that drips is waited for, unless it takes longer than
// request_timeout.
func slowAnswers(t *testing.T, s *subject) {
	target, other := s.pair(t)
	out := s.trouble(t, "slow", ask{}, target, other)
	out.complete(t)
	require.Equal(t, keys(s.everyRecord(t, target.Name)), keys(out.records(t, target.Name)))
	out = s.trouble(t, "slow@"+target.Name, ask{config: with(with(wide, "request_timeout", 1), "max_retries", 2)}, target, other)
	err, _, _ := out.result(t, target.Name)
	s.telling(t, err, fault.Transient)
	require.Contains(t, err.Hint, "request_timeout")
	if n := out.attempts(target.Name); n > 0 {
		require.Equal(t, 3, n)
	}
	s.unharmed(t, out, other, target)
}

// foreign fails on requests to another host than the stand-in's.
type foreign struct {
	http.RoundTripper
	hosts *strays
}

// strays are the hosts that should not have been asked.
type strays struct {
	mu   sync.Mutex
	list []string
}

// RoundTrip asks the stand-in.
func (f foreign) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme+"://"+r.URL.Host != origin {
		f.hosts.mu.Lock()
		f.hosts.list = append(f.hosts.list, r.URL.Host)
		f.hosts.mu.Unlock()
		return nil, fmt.Errorf("sourcetest: %s was asked", r.URL.Host)
	}
	return f.RoundTripper.RoundTrip(r)
}

func (s *strays) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}
