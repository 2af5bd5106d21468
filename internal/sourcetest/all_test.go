package sourcetest

import (
	"io/fs"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tap-backoffice/tap-backoffice/catalogs"
	emulators "github.com/tap-backoffice/tap-backoffice/internal/emulator/all"
	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
)

func TestMain(m *testing.M) {
	percent := 400 // time is dearer than memory here
	if underRace { // which multiplies the memory by four
		percent = 50
	}
	debug.SetGCPercent(percent)
	goleak.VerifyTestMain(m)
}

// TestSources runs the suite over all registered sources.
func TestSources(t *testing.T) { Run(t, all.Sources(), emulators.Plugins()) }

// TestCatalogs: every golden catalog is embedded and belongs to a source.
func TestCatalogs(t *testing.T) {
	files, err := fs.Glob(catalogs.FS, "*.json")
	require.NoError(t, err)
	var names []string
	for _, src := range all.Sources() {
		names = append(names, src.Name+".json")
	}
	require.ElementsMatch(t, names, files)
}

func TestWaivers(t *testing.T) { checkWaivers(t, all.Sources()) }
