package house

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
)

var (
	quoted = regexp.MustCompile("`([^`]+)`(?: in `([^`]+)`)?")
	// valued are those values of a column that a cell tells.
	valued = regexp.MustCompile("\\(`[^`]+`\\)")
)

// TestReadmeStreams: what the README says is where, is there.
func TestReadmeStreams(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	sources := all.Sources()
	for _, src := range sources {
		var selected int
		for i := range src.Streams {
			if src.Streams[i].Selected {
				selected++
			}
		}
		row := regexp.MustCompile("\\| `" + src.Name + "` \\| .* \\| ([^|]+) \\|").FindStringSubmatch(string(text))
		require.NotNil(t, row, src.Name)
		require.Regexp(t, fmt.Sprintf(`^%d\b`, len(src.Streams)), row[1], src.Name)
		if strings.Contains(row[1], "by default") {
			require.Contains(t, row[1], fmt.Sprintf(" %d by default", selected), src.Name)
		}
	}
	_, table, ok := strings.Cut(string(text), "## Which stream has what")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n## ")
	rows := 0
	for line := range strings.SplitSeq(table, "\n") {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| |") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		require.Len(t, cells, 1+len(sources), line)
		rows++
		for i, src := range sources {
			cell := strings.TrimSpace(cells[i+1])
			require.NotEmpty(t, cell, line)
			for _, m := range quoted.FindAllStringSubmatch(valued.ReplaceAllString(cell, ""), -1) {
				stream, property := m[1], ""
				if m[2] != "" {
					stream, property = m[2], m[1]
				}
				st := src.Stream(stream)
				require.NotNil(t, st, "%s has no stream %s", src.Name, stream)
				schema, err := engine.Schema(src, st)
				require.NoError(t, err)
				if property != "" {
					require.NotNil(t, schema.Property(property), "%s of %s has no %s", stream, src.Name, property)
				}
			}
		}
	}
	require.Greater(t, rows, 15)
}
