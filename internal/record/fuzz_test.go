package record_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzValue holds one value against the oracle, as it is written and as text, in
// members of every type: dates, instants with and without a zone, numbers.
func FuzzValue(f *testing.F) {
	for _, seed := range []string{
		`2026-10-19T08:41:07.553201Z`, `2026-10-19 08:41:07,5532019+02:00`, `2026-10-25T02:30:00`, `2026-03-29T02:30:00.1`, `2026-10-19T08:41`,
		`2026-10-19`, `2024-02-29`, `2023-02-29`, `0000-00-00 00:00:00`, `0001-01-01T00:00:00+01:00`, `9998-12-31T23:59:59.9999999Z`, `2026-10-19T08:41:07-05`,
		`12.50`, `-0`, `1.5e-7`, `9223372036854775807`, `922337203685477580.7e1`, `1e309`, ` 1 `, `007`, `1,234.50`, `true`, `null`, `"x"`, `{"street":"Kade","no":1e2}`, `[{"no":1}]`,
	} {
		f.Add(seed)
	}
	s := newSubject(f, richOptions())
	c := s.plan.NewConverter()
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<12 {
			return
		}
		quoted, err := json.Marshal(text)
		require.NoError(t, err)
		for _, value := range []string{text, string(quoted)} {
			row := `{"id":1`
			for _, name := range []string{"n", "i", "y", "t", "d", "s", "trimmed", "o", "l", "any"} {
				row += `,"` + name + `":` + value
			}
			s.check(t, c, []byte(row+`}`))
			s.check(t, c, []byte(`{"id":1,"o":`+strings.Repeat(`{"no":`, 2)+value+`}}}`))
		}
	})
}
