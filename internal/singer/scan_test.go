package singer

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// skips reports whether the scanner takes data as one JSON value.
func skips(s *scanner, data []byte) bool {
	s.reset(data)
	return s.skip(0) && s.next() == 0 && s.i == len(data)
}

func TestScannerAgrees(t *testing.T) {
	var s scanner
	for _, in := range []string{
		`1`, `-0`, `01`, `1.`, `1.5e+3`, `1e`, `-`, `.5`, `+1`, `true`, `tru`, `nul`, `false`, `"`, `"a`, `"\x"`, `"\u12"`, `"\u12g4"`,
		"\"\x01\"", `"\"\\\/\b\f\n\r\t"`, `{}`, `{"a":1,}`, `{"a" 1}`, `{a:1}`, `{"a":1 "b":2}`, `[]`, `[1,]`, `[1 2]`, `[`, `{`, `{"a":[{}, [ ] ]}`, ``, ` `, `1 1`, "[1\x00]", "\x00",
	} {
		require.Equal(t, json.Valid([]byte(in)), skips(&s, []byte(in)), "%q", in)
	}
}

func TestScannerFindsDoubles(t *testing.T) {
	var s scanner
	members := make([]string, 0, 1000)
	for i := range 1000 {
		members = append(members, `"m`+strings.Repeat("x", i)+`":{"y":1}`)
	}
	require.True(t, skips(&s, []byte("{"+strings.Join(members, ",")+"}")))
	require.Empty(t, s.twice)
	require.True(t, skips(&s, []byte("{"+strings.Join(append(members, `"mxx":1`), ",")+"}")))
	require.Equal(t, "mxx", s.twice)
	require.True(t, skips(&s, []byte(`{"a":{"b":1,"c":{"b":2}},"b":{"a":1}}`)))
	require.Empty(t, s.twice, "names of other objects do not count")
	require.True(t, skips(&s, []byte(`{"a":1,"\u0061":1}`)))
	require.Equal(t, "a", s.twice)
}

func FuzzScanner(f *testing.F) {
	for _, in := range []string{`{"a":[1,-2.5e3,"\ud83d\ude00",null,true,{}]}`, `"\u0000"`, `{"a":1,"a":2}`} {
		f.Add([]byte(in))
	}
	var s scanner
	f.Fuzz(func(t *testing.T, data []byte) {
		got := skips(&s, data)
		if strings.Count(string(data), "[")+strings.Count(string(data), "{") < maxDepth {
			require.Equal(t, json.Valid(data), got)
		}
		if got {
			require.Equal(t, !utf8.Valid(data), s.bad&textUTF8 != 0)
		}
	})
}
