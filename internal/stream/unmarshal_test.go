package stream

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUnmarshal(t *testing.T) {
	many := func(text string, n int) string { return "[" + strings.Repeat(text+",", n) + text + "]" }
	for name, c := range map[string]struct {
		body string
		ok   bool
	}{
		"an object":               {`{"a":[1,2,{"b":"c"}]}`, true},
		"as many rows as are few": {many(`{"a":1,"b":[],"c":"x"}`, 10_000), true},
		"text that looks like it": {`["` + strings.Repeat(`{[,\"`, maxElements) + `"]`, true},
		"objects":                 {many(`{}`, maxElements), false},
		"numbers":                 {many(`0`, maxElements), false},
		"numbers and colons":      {`["` + strings.Repeat(":", maxElements) + `",` + many(`0`, maxElements) + `]`, false},
		"members":                 {`{` + strings.Repeat(`"a":0,`, maxMembers) + `"b":0}`, false},
		"half a text":             {`["a\`, false},
	} {
		var v any
		require.Equal(t, c.ok, Unmarshal([]byte(c.body), &v) == nil, name)
	}
}
