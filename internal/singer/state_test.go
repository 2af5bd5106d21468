package singer

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

func text(s *State) string { return string(s.AppendJSON(nil)) }

func TestLoadStateDialects(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"nothing":             {"", `{"bookmarks":{},"currently_syncing":null}`},
		"white space":         {" \r\n\t", `{"bookmarks":{},"currently_syncing":null}`},
		"byte order mark":     {"\xef\xbb\xbf", `{"bookmarks":{},"currently_syncing":null}`},
		"empty object":        {`{}`, `{"bookmarks":{},"currently_syncing":null}`},
		"null":                {`null`, `{"bookmarks":{},"currently_syncing":null}`},
		"null bookmarks":      {`{"bookmarks":null}`, `{"bookmarks":{},"currently_syncing":null}`},
		"only syncing":        {`{"currently_syncing":"s"}`, `{"bookmarks":{},"currently_syncing":"s"}`},
		"ours":                {`{"bookmarks":{"s":{"k":"v","_a":1}},"currently_syncing":"s"}`, `{"bookmarks":{"s":{"k":"v","_a":1}},"currently_syncing":"s"}`},
		"order kept":          {`{"bookmarks":{"z":{"k":1},"s":{"k":2},"a":{"k":3}}}`, `{"bookmarks":{"z":{"k":1},"s":{"k":2},"a":{"k":3}},"currently_syncing":null}`},
		"digits kept":         {`{"bookmarks":{"s":{"k":12345678901234567890.10}}}`, `{"bookmarks":{"s":{"k":12345678901234567890.10}},"currently_syncing":null}`},
		"partitions":          {`{"bookmarks":{"s":{"partitions":{"1":{"k":1},"2":null}}}}`, `{"bookmarks":{"s":{"partitions":{"1":{"k":1},"2":null}}},"currently_syncing":null}`},
		"partition scalar":    {`{"bookmarks":{"s":{"partitions":{"1":"x"}}}}`, `{"bookmarks":{"s":{"partitions":{"1":{"k":"x"}}}},"currently_syncing":null}`},
		"bare string":         {`{"bookmarks":{"s":"2026-01-02"}}`, `{"bookmarks":{"s":{"k":"2026-01-02"}},"currently_syncing":null}`},
		"bare number":         {`{"bookmarks":{"s":7}}`, `{"bookmarks":{"s":{"k":7}},"currently_syncing":null}`},
		"bare null":           {`{"bookmarks":{"s":null}}`, `{"bookmarks":{"s":null},"currently_syncing":null}`},
		"SDK":                 {`{"bookmarks":{"s":{"replication_key":"k","replication_key_value":"v","starting_replication_value":"a","replication_key_signpost":"b","progress_markers":{"replication_key_value":"w"}}}}`, `{"bookmarks":{"s":{"k":"v"}},"currently_syncing":null}`},
		"SDK, key left out":   {`{"bookmarks":{"s":{"replication_key_value":"v"}}}`, `{"bookmarks":{"s":{"k":"v"}},"currently_syncing":null}`},
		"SDK, another key":    {`{"bookmarks":{"s":{"replication_key":"other","replication_key_value":"v"}}}`, `{"bookmarks":{"s":{"other":"v"}},"currently_syncing":null}`},
		"SDK, only progress":  {`{"bookmarks":{"s":{"starting_replication_value":"a","progress_markers":{"replication_key_value":"w"}}}}`, `{"bookmarks":{"s":{}},"currently_syncing":null}`},
		"SDK merged to ours":  {`{"bookmarks":{"s":{"replication_key":"k","replication_key_value":"old","k":"new"}}}`, `{"bookmarks":{"s":{"k":"new"}},"currently_syncing":null}`},
		"SDK over null":       {`{"bookmarks":{"s":{"replication_key":"k","replication_key_value":"v","k":null}}}`, `{"bookmarks":{"s":{"k":"v"}},"currently_syncing":null}`},
		"SDK partitions":      {`{"bookmarks":{"s":{"partitions":[{"context":{"division":1001},"replication_key":"k","replication_key_value":"v"},{"context":{"m":"Leads"}},{"context":{"a":1,"b":"x"},"replication_key_value":2}]}}}`, `{"bookmarks":{"s":{"partitions":{"1001":{"k":"v"},"Leads":{},"1/x":{"k":2}}}},"currently_syncing":null}`},
		"SDK no partitions":   {`{"bookmarks":{"s":{"partitions":[]}}}`, `{"bookmarks":{"s":{"partitions":{}}},"currently_syncing":null}`},
		"foreign composite":   {`{"bookmarks":{"s":{"k":1,"window":{"a":[1]}}}}`, `{"bookmarks":{"s":{"k":1,"window":null}},"currently_syncing":null}`},
		"unknown stream":      {`{"bookmarks":{"u":{"partitions":[{"context":{"a":1}}],"x":[1, 2]},"v":"x"}}`, `{"bookmarks":{"u":{"partitions":[{"context":{"a":1}}],"x":[1,2]},"v":"x"},"currently_syncing":null}`},
		"STATE message":       {`{"type":"STATE","value":{"bookmarks":{"s":"v"},"currently_syncing":"s"}}`, `{"bookmarks":{"s":{"k":"v"}},"currently_syncing":"s"}`},
		"empty STATE message": {`{"type":"STATE","value":{}}`, `{"bookmarks":{},"currently_syncing":null}`},
		"singer_state":        {`{"singer_state":{"bookmarks":{"s":{"k":1}}}}`, `{"bookmarks":{"s":{"k":1}},"currently_syncing":null}`},
		"completed":           {`{"completed":{"singer_state":{"bookmarks":{"s":{"k":1},"t":{"k":5}}}},"partial_state":{"singer_state":{"bookmarks":{"s":{"k":2}},"currently_syncing":"s"}}}`, `{"bookmarks":{"s":{"k":2},"t":{"k":5}},"currently_syncing":"s"}`},
		"completed only":      {`{"completed":{"singer_state":{"bookmarks":{"s":1}}},"partial":{}}`, `{"bookmarks":{"s":{"k":1}},"currently_syncing":null}`},
		"completed null":      {`{"completed_state":null,"partial_state":null}`, `{"bookmarks":{},"currently_syncing":null}`},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := LoadState([]byte(c.in))
			require.NoError(t, err)
			require.NoError(t, s.Normalize("s", "k"))
			require.NoError(t, s.Normalize("absent", "k"))
			require.Equal(t, c.want, text(s))
			require.NoError(t, s.Normalize("s", "k"), "again")
			require.Equal(t, c.want, text(s))
			again, err := LoadState([]byte(text(s)))
			require.NoError(t, err)
			require.Equal(t, c.want, text(again))
		})
	}
}

func TestStateWithoutKey(t *testing.T) {
	s, err := LoadState([]byte(`{"bookmarks":{"s":"x","t":{"replication_key_value":1},"u":{"replication_key":"m","replication_key_value":1}}}`))
	require.NoError(t, err)
	for _, stream := range s.Streams() {
		require.NoError(t, s.Normalize(stream, ""))
	}
	require.Equal(t, `{"bookmarks":{"s":null,"t":{},"u":{"m":1}},"currently_syncing":null}`, text(s))
}

func TestStateFaults(t *testing.T) {
	for name, c := range map[string]struct{ in, want, hint string }{
		"cut off":           {`{"bookmarks":{`, "state: line 1: the JSON document ends in the middle", "last line"},
		"not JSON":          {"{\n\n'a'}", "state: line 3: invalid character", "last line"},
		"an array":          {`[{}]`, `state: is a list, must be an object {"bookmarks": {…}}`, "last line"},
		"a string":          {`"x"`, "state: is a string", "last line"},
		"bookmarks list":    {`{"bookmarks":[]}`, "bookmarks is a list, must be an object", "last line"},
		"syncing a number":  {`{"bookmarks":{},"currently_syncing":1}`, "currently_syncing is a number", "last line"},
		"another file":      {`{"client_id":"x"}`, "has no bookmarks", "last line"},
		"value a string":    {`{"type":"STATE","value":"x"}`, "state: is a string", "last line"},
		"bad partial":       {`{"completed":{},"partial":{"singer_state":[]}}`, "partial: singer_state: is a list", "last line"},
		"wrapped for ever":  {`{"singer_state":{"singer_state":{"singer_state":{"singer_state":{"singer_state":{"x":1}}}}}}`, "has no bookmarks", "last line"},
		"context twice":     {`{"bookmarks":{"u":{"partitions":[{"context":{"a":1,"b":2}},{"context":{"b":2,"a":1}}]}}}`, `u: partitions: context {"a":1,"b":2} is there twice`, "last line"},
		"several lines":     {"{\"bookmarks\":{}}\n{\"bookmarks\":{}}\n", "several JSON documents in one file", "state save"},
		"several, one cut":  {"{\"bookmarks\":{}}\n{\"book", "several JSON documents in one file", "state save"},
		"text behind":       {`{"bookmarks":{}} x`, "text after the end", "last line"},
		"invalid UTF-8":     {"{\"bookmarks\":{\"\xff\":1}}", "is not UTF-8 text", "last line"},
		"bottomless nests":  {`{"bookmarks":` + nest(150) + `}`, "nests deeper than", "last line"},
		"depth of encoding": {`{"bookmarks":` + nest(20_000) + `}`, "nests deeper than", "last line"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadState([]byte(c.in))
			require.ErrorContains(t, err, c.want)
			require.Equal(t, fault.State, fault.KindOf(err))
			require.Contains(t, fault.As(err).Hint, c.hint)
		})
	}
}

func nest(n int) string {
	b := make([]byte, 0, 7*n)
	for range n {
		b = append(b, `{"a":`...)
	}
	b = append(b, '1')
	for range n {
		b = append(b, '}')
	}
	return string(b)
}

func TestNormalizeFaults(t *testing.T) {
	for entry, want := range map[string]string{
		`true`:                                  "is a boolean",
		`[]`:                                    "is a list",
		`{"k":{}}`:                              "k is an object",
		`{"k":[1]}`:                             "k is a list",
		`{"_own":[1]}`:                          "_own is a list",
		`{"replication_key_value":[1]}`:         "replication_key_value is a list",
		`{"partitions":"x"}`:                    "partitions is a string",
		`{"partitions":{"1":[]}}`:               "partitions: 1: is a list",
		`{"partitions":{"1":{"k":{}}}}`:         "partitions: 1: k is an object",
		`{"partitions":[1]}`:                    "partitions: an element has no context",
		`{"partitions":[{"context":{}}]}`:       "partitions: an element has no context",
		`{"partitions":[{"context":{"a":[]}}]}`: `partitions: context member "a" is a list`,
		`{"partitions":[{"context":{"a":1}},{"context":{"b":1}}]}`: `partitions: two contexts stand for "1"`,
	} {
		s, err := LoadState([]byte(`{"bookmarks":{"s":` + entry + `}}`))
		require.NoError(t, err)
		before := text(s)
		err = s.Normalize("s", "k")
		require.ErrorContains(t, err, "s: state: "+want)
		require.Equal(t, fault.State, fault.KindOf(err))
		require.Equal(t, before, text(s))
	}
}

func TestStateMethods(t *testing.T) {
	s := NewState()
	require.True(t, s.Empty())
	s.Set("a", "k", json.RawMessage(`"2026"`))
	s.SetPartition("b", "1001", "k", json.RawMessage(`7`))
	s.SetPartition("b", "7", "k", json.RawMessage(`8`))
	s.SetMember("b", "1001", "_move", json.RawMessage(`"x"`))
	s.SetMember("a", "", "_deleted", json.RawMessage(`null`))
	s.SetCurrentlySyncing("b")
	require.False(t, s.Empty())
	require.Equal(t, `{"bookmarks":{"a":{"k":"2026","_deleted":null},"b":{"partitions":{"1001":{"k":7,"_move":"x"},"7":{"k":8}}}},"currently_syncing":"b"}`, text(s))
	require.Equal(t, "b", s.CurrentlySyncing())
	require.Equal(t, []string{"a", "b"}, s.Streams())
	require.Equal(t, []string{"1001", "7"}, s.Partitions("b"))
	require.Empty(t, s.Partitions("a"))
	require.Equal(t, []string{"b"}, s.Unknown(func(name string) bool { return name == "a" }))

	raw, ok := s.Bookmark("a", "k")
	require.True(t, ok)
	require.Equal(t, `"2026"`, string(raw))
	raw, ok = s.Partition("b", "1001", "k")
	require.True(t, ok)
	require.Equal(t, `7`, string(raw))
	raw, ok = s.Member("b", "1001", "_move")
	require.True(t, ok)
	require.Equal(t, `"x"`, string(raw))
	for _, miss := range [][3]string{{"a", "", "_deleted"}, {"a", "", "x"}, {"a", "1", "k"}, {"b", "2", "k"}, {"x", "", "k"}} {
		_, ok = s.Member(miss[0], miss[1], miss[2])
		require.False(t, ok, miss)
	}

	c := s.Clone()
	c.ClearPartition("b", "1001")
	c.ClearPartition("b", "absent")
	require.Equal(t, `{"bookmarks":{"a":{"k":"2026","_deleted":null},"b":{"partitions":{"1001":{"k":null,"_move":null},"7":{"k":8}}}},"currently_syncing":"b"}`, text(c))
	c.Clear("b")
	c.Clear("a")
	c.Clear("absent")
	c.SetCurrentlySyncing("")
	require.Equal(t, `{"bookmarks":{"a":{"k":null,"_deleted":null},"b":{"partitions":{"1001":{"k":null,"_move":null},"7":{"k":null}}}},"currently_syncing":null}`, text(c))
	_, ok = s.Partition("b", "7", "k")
	require.True(t, ok, "a clone is independent")

	for _, bad := range []string{``, `{}`, `[1]`, `x`, `1 2`} {
		require.Panics(t, func() { s.Set("a", "k", json.RawMessage(bad)) }, bad)
	}
	loaded, err := LoadState([]byte(`{"bookmarks":{"a":"x","b":{"partitions":[]}},"version":1}`))
	require.NoError(t, err)
	require.Equal(t, []string{`member "version" is not part of a state of ours and is left out`}, loaded.Warnings())
	loaded.Set("a", "k", json.RawMessage(`1`))
	loaded.SetPartition("b", "1", "k", json.RawMessage(`2`))
	require.Equal(t, `{"bookmarks":{"a":{"k":1},"b":{"partitions":{"1":{"k":2}}}},"currently_syncing":null}`, text(loaded))
}

// A set is one call of SetMember.
type set struct {
	stream, id, name string
	value            int
}

func sets() *rapid.Generator[[]set] {
	return rapid.SliceOfDistinct(rapid.Custom(func(t *rapid.T) set {
		return set{
			rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "stream"), rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "id"),
			rapid.SampledFrom([]string{"k", "_own"}).Draw(t, "name"), rapid.IntRange(0, 9).Draw(t, "value"),
		}
	}), func(s set) [3]string { return [3]string{s.stream, s.id, s.name} })
}

func build(list []set) *State {
	s := NewState()
	for _, one := range list {
		s.SetMember(one.stream, one.id, one.name, json.RawMessage(fmt.Sprint(one.value)))
	}
	return s
}

func TestStateOrderFree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := sets().Draw(t, "sets")
		want := text(build(list))
		require.Equal(t, want, text(build(append(slices.Clone(list), list...))), "setting twice")
		require.JSONEq(t, want, text(build(rapid.Permutation(list).Draw(t, "order"))))

		cut := rapid.IntRange(0, len(list)).Draw(t, "cut")
		one, two := build(list[:cut]), build(list[cut:])
		forth, back := one.Clone(), two.Clone()
		forth.Merge(two)
		back.Merge(one)
		require.JSONEq(t, want, text(forth))
		require.JSONEq(t, want, text(back))
		again := text(forth)
		forth.Merge(two)
		forth.Merge(forth.Clone())
		require.Equal(t, again, text(forth))

		loaded, err := LoadState([]byte(want))
		require.NoError(t, err)
		require.Equal(t, want, text(loaded))
	})
}

func TestManyPartitions(t *testing.T) {
	s := NewState()
	for i := range 1000 {
		s.SetPartition("s", fmt.Sprint(i), "k", json.RawMessage(fmt.Sprint(i)))
	}
	for i := range 1000 {
		raw, ok := s.Partition("s", fmt.Sprint(i), "k")
		require.True(t, ok)
		require.Equal(t, fmt.Sprint(i), string(raw))
	}
	require.Len(t, s.Partitions("s"), 1000)
	_, ok := s.Partition("s", "1000", "k")
	require.False(t, ok)
}

func FuzzLoadState(f *testing.F) {
	seed(f, "state")
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := LoadState(data)
		if err != nil {
			require.Equal(t, fault.State, fault.KindOf(err))
			return
		}
		once := text(s)
		again, err := LoadState([]byte(once))
		require.NoError(t, err)
		require.Equal(t, once, text(again))
		for _, stream := range s.Streams() {
			if s.Normalize(stream, "k") != nil {
				continue
			}
			normal := text(s)
			require.NoError(t, s.Normalize(stream, "k"))
			require.Equal(t, normal, text(s))
			s.Set(stream, "k", json.RawMessage(`1`))
			s.SetPartition(stream, "p", "k", json.RawMessage(`1`))
		}
		_, err = LoadState([]byte(text(s)))
		require.NoError(t, err)
	})
}
