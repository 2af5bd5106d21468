package zohocrm_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	stand "github.com/tap-backoffice/tap-backoffice/internal/emulator/zohocrm"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
	"github.com/tap-backoffice/tap-backoffice/internal/source/zohocrm"
)

// place is the stand-in and what only this one has.
type place struct {
	*sitetest.Site
	behind *stand.Service
}

// visited opens the stand-in, finds its modules and does something.
func visited(t *testing.T, o emulator.Options, switches []string, do func(*place)) {
	t.Helper()
	o.Limits = cmp.Or(o.Limits, "off")
	p := &place{}
	at := sitetest.Place{
		Source: zohocrm.Source(), Plugin: stand.Watched(&p.behind), Options: o, Config: map[string]any{"start_date": "2010-01-01"},
		Secrets: []string{stand.ClientSecret, stand.RefreshToken},
	}
	sitetest.Visit(t, at, func(s *sitetest.Site) {
		p.Site = s
		for _, name := range switches {
			require.NoError(s, p.behind.Switch(name, true))
		}
		s.Discover()
		do(p)
	})
}

// catalog is what discovery writes.
func (p *place) catalog() []byte {
	p.Helper()
	c, err := engine.Catalog(p.Source, p.Source.Streams)
	require.NoError(p, err)
	return c.AppendJSON(nil)
}

// outcome is what a run left behind, and what it cost the account.
type outcome struct {
	*sitetest.Output
	credits map[string]int
}

// run reads, and tells what it costs; every stream has to come to its end.
func (p *place) run(a sitetest.Ask) *outcome {
	p.Helper()
	spent := p.behind.Credits()
	a.Catalog = p.catalog() // hints are what a catalog keeps of them
	out := &outcome{p.Run(a).Complete(), p.behind.Credits()}
	for name, n := range spent {
		out.credits[name] -= n
	}
	return out
}

// sync reads some streams, whose modules are known.
func (p *place) sync(more map[string]any, only ...string) *outcome {
	p.Helper()
	return p.run(sitetest.Ask{Only: only, Config: more})
}

// spent are all credits of the run.
func (o *outcome) spent() (sum int) {
	for _, n := range o.credits {
		sum += n
	}
	return sum
}

// alike compares records field by field. Lists cut rich text.
func alike(t *testing.T, want, got map[string]sitetest.Row) {
	t.Helper()
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
	for id, record := range want {
		other := got[id]
		require.Equal(t, slices.Sorted(maps.Keys(record)), slices.Sorted(maps.Keys(other)))
		for name, raw := range record {
			if name == "Bio" { // hinted as rich
				var short, long *string
				require.NoError(t, json.Unmarshal(raw, &short))
				require.NoError(t, json.Unmarshal(other[name], &long))
				require.Equal(t, short == nil, long == nil)
				if short != nil {
					require.True(t, strings.HasPrefix(*long, *short), "lists cut rich text")
				}
				continue
			}
			if !bytes.Equal(raw, other[name]) { // the members of lookups have another order
				require.JSONEq(t, string(raw), string(other[name]), "%s of %s", name, id)
			}
		}
	}
}
