package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

func TestVerifier(t *testing.T) {
	const schemaLine = `{"type":"SCHEMA","stream":"s","schema":{"type":"object","properties":{"id":{"type":"integer"},"at":{"type":["null","string"],"format":"date-time"}}},"key_properties":["id"]}` + "\n"
	for name, c := range map[string]struct{ lines, want string }{
		"good":             {schemaLine + `{"type":"RECORD","stream":"s","record":{"id":1,"at":"2026-01-02T03:04:05Z"}}` + "\n", ""},
		"wrong type":       {schemaLine + `{"type":"RECORD","stream":"s","record":{"id":"1","at":null}}` + "\n", "a record of s does not fit its schema"},
		"wrong format":     {schemaLine + `{"type":"RECORD","stream":"s","record":{"id":1,"at":"yesterday"}}` + "\n", "a record of s does not fit its schema"},
		"no schema":        {`{"type":"RECORD","stream":"s","record":{"id":1}}` + "\n", "comes before its schema"},
		"not JSON":         {"{\n", "not JSON"},
		"an unusable type": {strings.Replace(schemaLine, `"integer"`, `"whole"`, 1), "schema of s"},
		"state":            {`{"type":"STATE","value":{}}` + "\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			v := newVerifier(&out)
			for r := strings.NewReader(c.lines); r.Len() > 0; {
				_, err := io.CopyN(v, r, min(7, int64(r.Len()))) // lines come in pieces
				require.NoError(t, err)
			}
			require.Equal(t, c.lines, out.String(), "everything is passed on")
			if c.want == "" {
				require.NoError(t, v.err)
				return
			}
			require.ErrorContains(t, v.err, c.want)
			require.Equal(t, fault.Internal, fault.KindOf(v.err))
		})
	}
}
