package sourcetest

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// wayCases are about streams that can be read in several ways.
var wayCases = []conformance{{"ways agree", waysAgree}}

// insistedCases are run once more for each way that a config can insist on: all
// that reads rows and does not look at the pages on which they come.
func insistedCases() []conformance {
	return slices.Concat(valueCases, selectionCases, bookmarkCases, startCases, resumeCases, deletionCases, catalogCases,
		[]conformance{{"live table", liveTable}, {"live table, slow clock", liveSlowClock}, {"never quiet", neverQuiet}, {"bookmark", tapTesterBookmark}})
}

// pagesWay is what Roads.Only calls the pages.
const pagesWay = "list"

// insist returns the subject with a config that wants a way; nil where no setting
// does.
func (s *subject) insist(way string) *subject {
	for i := range s.src.Streams {
		roads := s.src.Streams[i].Roads
		if roads == nil || roads.Only == nil {
			continue
		}
		for _, setting := range s.src.Settings {
			if setting.Kind != stream.Text || setting.Check == nil || setting.Check(way) != nil {
				continue
			}
			if roads.Only(stream.NewConfig(map[string]string{setting.Key: way})) == way {
				return &subject{src: s.src, plugin: s.plugin, root: s.root, way: way, settings: map[string]any{setting.Key: way}}
			}
		}
	}
	return nil
}

// insisting are the subject once for each way that its config can insist on.
func (s *subject) insisting() []*subject {
	var out []*subject
	names := []string{pagesWay}
	for i := range s.src.Streams {
		if roads := s.src.Streams[i].Roads; roads != nil {
			for _, way := range roads.Ways {
				if !slices.Contains(names, way.Name) {
					names = append(names, way.Name)
				}
			}
		}
	}
	for _, name := range names {
		if one := s.insist(name); one != nil {
			out = append(out, one)
		}
	}
	return out
}

// otherwise tells whether a stream may be read by something else than its pages.
func (s *subject) otherwise(st *stream.Stream) bool { return st.Roads != nil && s.way != pagesWay }

// same compares a value of two records. What comes by another way than pages is
// not the vendor's bytes, and means the same; what is an object or array may have its
// members in another order where each answer does.
func (s *subject) same(t testing.TB, st *stream.Stream, want, got json.RawMessage, name, key string) {
	t.Helper()
	if string(want) == string(got) || st.Roads != nil && sameJSON(string(want), string(got)) {
		return
	}
	if s.shuffles(t) && reordered(string(want), string(got)) {
		return
	}
	a, _ := textOf(want)
	if b, ok := textOf(got); ok && st.Roads != nil && a == b || longer(st, string(want), string(got)) || longer(st, string(got), string(want)) {
		return // escaped in another way, or cut where it came on a page
	}
	require.Equal(t, string(want), string(got), "%s.%s of %s", st.Name, name, key)
}

// waysAgree: whatever way a config insists on, the records and the bookmarks are
// the same, and those of a stream with more than one way do come by it.
func waysAgree(t *testing.T, s *subject) {
	for _, other := range s.insisting() {
		t.Run(other.way, func(t *testing.T) {
			o := emulator.Options{Records: fewer(230), Seed: 4}
			want := s.sync(t, s.open(t, o), ask{config: wide, only: s.some(t), fixed: true})
			got := other.sync(t, other.open(t, o), ask{config: wide, only: s.some(t), fixed: true})
			want.complete(t)
			got.complete(t)
			sameState(t, want.final(t), got.final(t), "the bookmarks do not depend on the way")
			byWay := 0
			for _, name := range want.streamNames() {
				s.alike(t, s.table(t, name), want.records(t, name), got.records(t, name))
				if s.table(t, name).Roads != nil && got.stats.ByResource[name] == 0 && len(got.records(t, name)) > 0 {
					byWay++
				}
			}
			require.Equal(t, other.way != pagesWay, byWay > 0, "rows came without a page")
		})
	}
}

// restless calls do after each answer of the service: rows are to move between
// requests also where they do not come on pages.
type restless struct {
	http.RoundTripper
	do func()
}

// RoundTrip asks, and lets rows move.
func (r restless) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.RoundTripper.RoundTrip(req)
	r.do()
	return resp, err
}

// disturbing lets a disturber move rows of streams that do not come on pages, one
// after the other.
func (s *subject) disturbing(d *disturber, list []*stream.Stream) func(http.RoundTripper) http.RoundTripper {
	var names []string
	for _, st := range list {
		if st.Roads != nil && d.touch[st.Name] {
			names = append(names, st.Name)
		}
	}
	if len(names) == 0 || s.way == pagesWay || s.way == "" {
		return nil
	}
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(uint64(d.moves), 7))
	return func(n http.RoundTripper) http.RoundTripper {
		return restless{n, func() {
			mu.Lock()
			name := names[rng.IntN(len(names))]
			mu.Unlock()
			d.hook(emulator.Page{Resource: name})
		}}
	}
}
