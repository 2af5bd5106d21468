package stream

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBounds(t *testing.T) {
	filter := func(_ Config, from, to string) []Param { return []Param{{Name: "filter", Value: from + ".." + to}} }
	for name, c := range map[string]struct {
		cursor            Cursor
		want              []Param
		filtered, bounded bool
	}{
		"none":        {Cursor{}, nil, false, false},
		"two names":   {Cursor{From: "a", To: "b"}, []Param{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}}, true, true},
		"lower only":  {Cursor{From: "a"}, []Param{{Name: "a", Value: "1"}}, true, false},
		"literals":    {Cursor{From: "a", In: InBody, Raw: true}, []Param{{Name: "a", Value: "1", In: InBody, Raw: true}}, true, false},
		"filter":      {Cursor{Filter: filter}, []Param{{Name: "filter", Value: "1..2"}}, true, true},
		"open filter": {Cursor{Filter: filter, Open: true}, []Param{{Name: "filter", Value: "1..2"}}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, c.cursor.Bounds(Config{}, "1", "2"))
			require.Equal(t, c.filtered, c.cursor.Filtered())
			require.Equal(t, c.bounded, c.cursor.Bounded())
		})
	}
}

func TestUnits(t *testing.T) {
	at := time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	require.Equal(t, int64(-1), Instant.FromTime(at))
	require.Equal(t, int64(-1), Day.FromTime(at), "the day before the first")
	require.Equal(t, "1969-12-31", Day.Format(-1, ""))
	require.Equal(t, "1969-12-31T23:59:59.999999Z", Instant.Format(-1, ""))
	require.Equal(t, "31.12.1969", Day.Format(-1, "02.01.2006"))
	require.Equal(t, "-7", Int.Format(-7, "x"))
	require.Zero(t, Int.FromTime(at))
}
