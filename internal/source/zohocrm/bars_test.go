package zohocrm_test

import (
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// contacts is how many rows TestManyContacts reads.
var contacts = flag.Int("contacts", 3_000, "rows of TestManyContacts; make bars reads 100,000")

// counted is the command with a catalog: it discovers with it, and reads what ask
// tells, without keeping the records.
func (p *place) counted(a sitetest.Ask) *outcome {
	p.Helper()
	a.Discover, a.Tally = true, true
	out := p.run(a)
	require.Zero(p, out.Stats.ByResource["fields"], "a catalog is given")
	return out
}

// TestManyContacts reads 100,000 contacts of 120 fields: page by page 500 pages
// with two more batches of fields each, asked for by 100 ids (DOC); and by the
// cheapest road, a file.
func TestManyContacts(t *testing.T) {
	rows := *contacts
	visited(t, emulator.Options{Records: rows, Limits: "real"}, nil, func(p *place) {
		catalog, _, err := singer.LoadCatalog(p.catalog())
		require.NoError(p, err)
		require.Len(p, catalog.Entry("contacts").Schema.Properties, 120+1, "and what is rescued")
		only := []string{"contacts"}
		list := p.counted(sitetest.Ask{Only: only, Config: map[string]any{"read_method": "list"}})
		require.Equal(p, rows, list.Count)
		p.Logf("list: %d calls, %d of contacts", list.Stats.Requests, list.Stats.ByResource["contacts"])
		require.LessOrEqual(p, list.Stats.Requests, int64(rows/200*5+10), "2,510 of 100,000")

		auto := p.counted(sitetest.Ask{Only: only})
		require.Equal(p, rows, auto.Count)
		p.Logf("auto: %d credits in %d calls: %v", auto.spent(), auto.Stats.Requests, auto.Stats.ByResource)
		require.LessOrEqual(p, auto.spent(), 60)

		again := p.counted(sitetest.Ask{Only: only, State: auto.State})
		p.Logf("unchanged: %d calls: %v", again.Stats.Requests, again.Stats.ByResource)
		require.Equal(p, int64(1), again.Stats.ByResource["contacts"])
		require.LessOrEqual(p, again.Stats.Requests, int64(2), "the modules, and one page")
		require.Less(p, again.Count, 20, "ties")
	})
}

// TestUnchangedModules reads the whole default selection twice: the second time
// each module costs one call.
func TestUnchangedModules(t *testing.T) {
	visited(t, emulator.Options{Records: 250, Limits: "real"}, nil, func(p *place) {
		first := p.counted(sitetest.Ask{})
		time.Sleep(time.Hour)
		second := p.counted(sitetest.Ask{State: first.State})
		modules := 0
		for i := range p.Source.Streams {
			st := &p.Source.Streams[i]
			if st.Roads == nil || !st.Selected || st.Cursor == nil {
				continue
			}
			modules++
			require.LessOrEqual(p, second.Stats.ByResource[st.Name], int64(1), st.Name)
		}
		p.Logf("%d modules: %d calls the first time, %d unchanged, %d credits", modules, first.Stats.Requests, second.Stats.Requests, second.spent())
		require.Greater(p, modules, 30)
	})
}
