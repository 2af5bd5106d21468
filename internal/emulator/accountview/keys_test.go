package accountview

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// TestKeys: whatever the size of a table, its keys ascend, they fit their
// columns, and those of added rows are new. All looking up stands on it.
func TestKeys(t *testing.T) {
	for _, records := range []int{1, 2, 7, 50, 333} {
		s := newAPI(t, emulator.Options{Records: records}).service
		for _, c := range s.companies {
			for _, st := range c.all() {
				seen := map[string]bool{}
				last := ""
				for i := range st.size + 20 {
					key := st.t.text(st, i)
					if i >= st.size && key == "" {
						break // no more rows can be added
					}
					require.NotEmpty(t, key, st.t.name)
					require.False(t, seen[key], "%s: %q twice", st.t.name, key)
					seen[key] = true
					if i < st.size {
						require.Greater(t, key, last, st.t.name)
						last = key
						var r row
						if st.row(&r, i) {
							found, ok := st.find(key)
							require.True(t, ok, "%s: %q", st.t.name, key)
							require.Equal(t, i, found.i)
						}
						require.Equal(t, i+1, st.after(key).i)
					}
					if column := st.t.byName[st.t.key[0]]; len(st.t.key) == 1 && column.letter == 'C' && !st.t.fixed {
						require.LessOrEqual(t, len([]rune(key)), column.width, "%s: %q", st.t.name, key)
					}
				}
			}
		}
	}
}

// TestNoRows: a sandbox without large tables answers all the same.
func TestNoRows(t *testing.T) {
	server, err := emulator.New(emulator.Options{Records: 0}, Plugin)
	require.NoError(t, err)
	require.Equal(t, []string{source}, server.Sources())
	for _, size := range []int64{0, 1, 2} {
		tables, err := makeTables(options{
			records: size, on: func(string, string) bool { return false }, share: func(string, string, float64) float64 { return 0 },
			clock: func() int64 { return lastReading },
		})
		require.NoError(t, err)
		o := options{records: size, on: func(string, string) bool { return false }, clock: func() int64 { return lastReading }}
		for _, c := range makeCompanies(o, tables) {
			for _, st := range c.all() {
				h := sheet{table: st.t, every: true}
				for _, column := range c.shown(st.t) {
					h.fields = append(h.fields, field{column, column.name})
				}
				st.scan(place{}, func(r *row, _ place) bool {
					require.NotEmpty(t, h.append(nil, r, st.t.name, 0, 0))
					return true
				})
			}
		}
	}
}

// TestClock: the clock of the Netherlands, its change included.
func TestClock(t *testing.T) {
	show := func(reading int64, zoned bool) string { return string(appendTime(nil, reading, zoned)) }
	for instant, want := range map[string]string{
		"2026-01-05T12:00:00Z": `"2026-01-05T13:00:00"`, "2026-07-05T12:00:00Z": `"2026-07-05T14:00:00"`,
		"2026-10-25T00:30:00Z": `"2026-10-25T02:30:00"`, "2026-10-25T01:30:00Z": `"2026-10-25T02:30:00"`,
		"2026-03-29T00:59:59Z": `"2026-03-29T01:59:59"`, "2026-03-29T01:00:00Z": `"2026-03-29T03:00:00"`,
	} {
		at, err := time.Parse(time.RFC3339, instant)
		require.NoError(t, err)
		require.Equal(t, want, show(wall(at), false))
	}
	left := date(2026, 3, 29) + 2*hour
	require.Equal(t, `"2026-03-29T03:00:00"`, show(shown(left), false))
	require.Equal(t, `"2026-03-29T01:59:59"`, show(shown(left-1), false))
	require.Equal(t, `"2026-03-29T03:00:00"`, show(shown(left+hour), false))
	require.Equal(t, `"2026-10-25T02:30:00+02:00"`, show(date(2026, 10, 25)+2*hour+30*minute, true))
	require.Equal(t, `"2026-12-25T02:30:00+01:00"`, show(date(2026, 12, 25)+2*hour+30*minute, true))
}
