package record_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/record"
)

// A literal of the table's stands for null and for what is absent, in keys too; it
// is not held against what the tap supplies, and nothing of it is rescued.
func TestFill(t *testing.T) {
	s := newSubject(t, record.Options{
		Stream: "s", Schema: object(property("id", "string"), property("n", "integer"), property("up", "integer"), rescued()), Key: []string{"id"},
		Fill: map[string]string{"id": `"0000"`, "n": "7"}, Inject: []string{"up"},
	})
	c := s.plan.NewConverter()
	hashes := map[uint64]bool{}
	for row, want := range map[string]string{
		`{}`:                           `{"id":"0000","n":7,"up":3,"_rescued_data":null}`,
		`{"id":null,"n":null}`:         `{"id":"0000","n":7,"up":3,"_rescued_data":null}`,
		`{"n":1,"id":"a","up":3}`:      `{"id":"a","n":1,"up":3,"_rescued_data":null}`,
		`{"id":"","n":"x","up":null}`:  `{"id":"","n":null,"up":3,"_rescued_data":"{\"n\":\"x\"}"}`,
		`{"id":"0000","n":7,"more":1}`: `{"id":"0000","n":7,"up":3,"_rescued_data":"{\"more\":1}"}`,
	} {
		c.SetInject(0, []byte("3"))
		out, _, err := c.Append(nil, []byte(row), 0)
		require.NoError(t, err)
		_, got, _ := strings.Cut(strings.TrimSuffix(string(out), "}\n"), `"record":`)
		require.Equal(t, want, got, row)
		hashes[c.KeyHash()] = true
	}
	require.Len(t, hashes, 3)
}
