package zohocrm_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// contacts is how many rows TestManyContacts reads.
var contacts = flag.Int("contacts", 3_000, "rows of TestManyContacts; make bars reads 100,000")

// tallied counts the records and keeps the other lines.
type tallied struct {
	kept    bytes.Buffer
	records int
}

func (c *tallied) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		if bytes.HasPrefix(line, []byte(`{"type":"RECORD"`)) {
			c.records++
		} else {
			_, _ = c.kept.Write(line) // a buffer takes everything
		}
	}
	return len(p), nil
}

// state is the last one.
func (c *tallied) state(t *testing.T) *singer.State {
	t.Helper()
	var last json.RawMessage
	for line := range bytes.Lines(c.kept.Bytes()) {
		var m struct {
			Type  string
			Value json.RawMessage
		}
		require.NoError(t, json.Unmarshal(line, &m))
		if m.Type == "STATE" {
			last = m.Value
		}
	}
	state, err := singer.LoadState(last)
	require.NoError(t, err)
	return state
}

// paid is what a run of the command cost the account.
type paid struct {
	calls   map[string]int64 // by resource
	all     int64
	credits int
}

// run is the command with a catalog: it discovers with it, and reads some
// streams, the default ones where none is named.
func (p *place) run(more map[string]any, catalog *singer.Catalog, state *singer.State, out io.Writer) paid {
	p.Helper()
	p.connect(more)
	require.NoError(p, p.server.Reset(p.src.Name)) // what is counted, not what is spent
	spent := p.credits()
	src := *p.src
	found, err := src.Discover(p.Context(), p.client, p.loaded.Stream, func(name string) *stream.Schema {
		if e := catalog.Entry(name); e != nil {
			return e.Schema
		}
		return nil
	})
	require.NoError(p, err)
	src.Streams = append([]stream.Stream(nil), p.src.Streams...)
	for _, st := range found {
		*src.Stream(st.Name) = st
	}
	report := engine.Run(p.Context(), engine.Options{
		Source: &src, Config: p.loaded.Stream, Tasks: engine.Tasks(catalog, src.Streams, false), State: state, Fetcher: p.client,
		Out: singer.NewWriter(out), Log: slog.New(slog.DiscardHandler), Concurrency: 4, Start: p.loaded.Start,
	})
	require.NoError(p, report.Err)
	for _, r := range report.Streams {
		require.NoError(p, r.Err, r.Stream)
	}
	stats, err := p.server.Stats(p.src.Name)
	require.NoError(p, err)
	cost := paid{calls: stats.ByResource}
	for name, n := range stats.ByResource {
		cost.all += n
		if name == "fields" {
			require.Zero(p, n, "a catalog is given")
		}
	}
	cost.credits = p.credits() - spent
	return cost
}

// credits are all that were spent so far.
func (p *place) credits() (sum int) {
	for _, n := range p.behind.Credits() {
		sum += n
	}
	return sum
}

// catalog is what discovery wrote, with some streams selected; nil leaves it as
// it is.
func (p *place) catalog(only ...string) *singer.Catalog {
	p.Helper()
	c, err := engine.Catalog(p.src, p.src.Streams)
	require.NoError(p, err)
	c, _, err = singer.LoadCatalog(c.AppendJSON(nil))
	require.NoError(p, err)
	if len(only) > 0 {
		patterns, err := singer.ParsePatterns(only)
		require.NoError(p, err)
		require.Empty(p, patterns.Apply(c))
	}
	return c
}

// TestManyContacts reads 100,000 contacts of 120 fields: page by page 500 pages
// with two more batches of fields each, asked for by 100 ids (DOC); and by the
// cheapest road, a file.
func TestManyContacts(t *testing.T) {
	rows := *contacts
	visited(t, emulator.Options{Records: rows, Limits: "real"}, nil, func(p *place) {
		chosen := p.catalog("contacts")
		require.Len(p, chosen.Entry("contacts").Schema.Properties, 120+1, "and what is rescued")
		out := &tallied{}
		list := p.run(map[string]any{"read_method": "list"}, chosen, singer.NewState(), out)
		require.Equal(p, rows, out.records)
		p.Logf("list: %d calls, %d of contacts", list.all, list.calls["contacts"])
		require.LessOrEqual(p, list.all, int64(rows/200*5+10), "2,510 of 100,000")

		out = &tallied{}
		auto := p.run(nil, chosen, singer.NewState(), out)
		require.Equal(p, rows, out.records)
		p.Logf("auto: %d credits in %d calls: %v", auto.credits, auto.all, auto.calls)
		require.LessOrEqual(p, auto.credits, 60)

		state := out.state(p.T)
		out = &tallied{}
		again := p.run(nil, chosen, state, out)
		p.Logf("unchanged: %d calls: %v", again.all, again.calls)
		require.Equal(p, int64(1), again.calls["contacts"])
		require.LessOrEqual(p, again.all, int64(2), "the modules, and one page")
		require.Less(p, out.records, 20, "ties")
	})
}

// TestUnchangedModules reads the whole default selection twice: the second time
// each module costs one call.
func TestUnchangedModules(t *testing.T) {
	visited(t, emulator.Options{Records: 250, Limits: "real"}, nil, func(p *place) {
		everything := p.catalog()
		out := &tallied{}
		first := p.run(nil, everything, singer.NewState(), out)
		state := out.state(p.T)
		time.Sleep(time.Hour)
		second := p.run(nil, everything, state, &tallied{})
		modules := 0
		for i := range p.src.Streams {
			st := &p.src.Streams[i]
			if st.Roads == nil || !st.Selected || st.Cursor == nil {
				continue
			}
			modules++
			require.LessOrEqual(p, second.calls[st.Name], int64(1), st.Name)
		}
		p.Logf("%d modules: %d calls the first time, %d unchanged, %d credits", modules, first.all, second.all, second.credits)
		require.Greater(p, modules, 30)
	})
}
