package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/hint"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// tasks returns what is selected: of the given catalog, or of what discovery
// knows, restricted to what --select matches.
func (a *app) tasks(src *stream.Source, given *singer.Catalog, explicitOnly bool) ([]engine.Task, error) {
	c := given
	var err error
	if given == nil {
		c, err = engine.Catalog(src, src.Streams)
	} else {
		err = a.checkCatalog(given, src.Streams)
	}
	if err != nil {
		return nil, err
	}
	tasks := engine.Tasks(c, src.Streams, explicitOnly)
	if len(a.flags.selected) > 0 {
		if err := applyPatterns("--select", a.flags.selected, c, src.Name); err != nil {
			return nil, err
		}
		chosen := engine.Tasks(c, src.Streams, explicitOnly)
		if given != nil {
			chosen = both(tasks, chosen)
		}
		tasks = chosen
	}
	if len(tasks) == 0 {
		return nil, usage("nothing is selected", `set "selected": true in the catalog's metadata, or use --select`)
	}
	return tasks, a.checkFullRefresh(src.Streams, tasks)
}

// applyPatterns writes a choice into a catalog. One that matches nothing is an
// error: it is a typing mistake, and what was meant would not be read.
func applyPatterns(what string, texts []string, c *singer.Catalog, source string) error {
	patterns, err := singer.ParsePatterns(texts)
	if err != nil {
		return err
	}
	var faults []string
	for _, p := range patterns.Apply(c) {
		faults = append(faults, p.String())
	}
	if len(faults) > 0 {
		return usage(what+": "+strings.Join(faults, "; "), strings.TrimSpace("list the streams with: tap-backoffice streams "+source))
	}
	return nil
}

// both restricts the tasks of a given catalog to those that --select names.
func both(given, chosen []engine.Task) []engine.Task {
	var out []engine.Task
	for _, t := range chosen {
		i := slices.IndexFunc(given, func(g engine.Task) bool { return g.Stream == t.Stream })
		if i < 0 {
			continue
		}
		first, second := given[i].Selected, t.Selected
		t.Selected = func(name string) bool { return first(name) && second(name) }
		out = append(out, t)
	}
	return out
}

func (a *app) checkFullRefresh(streams []stream.Stream, tasks []engine.Task) error {
	known := streamNames(streams)
	for i, name := range a.flags.fullRefresh {
		name = strings.TrimSpace(name)
		a.flags.fullRefresh[i] = name
		switch {
		case !slices.Contains(known, name):
			help := "list the streams with: tap-backoffice streams"
			if near := hint.Nearest(name, known); near != "" {
				help = "did you mean " + near + "?"
			}
			return usage(fmt.Sprintf("--full-refresh: no stream is called %q", name), help)
		case !slices.ContainsFunc(tasks, func(t engine.Task) bool { return t.Stream.Name == name }):
			a.log.Warn("--full-refresh: " + name + " is not selected and is not read")
		}
	}
	return nil
}

// givenCatalog reads the catalog that the user hands in to be read by; nil for
// none.
func (a *app) givenCatalog() (*singer.Catalog, error) {
	path := a.flags.catalogPath()
	if path == "" {
		return nil, nil //nolint:nilnil // no catalog is fine
	}
	data, err := readFile(fault.Config, "catalog", path)
	if err != nil {
		return nil, err
	}
	return a.parseCatalog(data)
}

// known tells what a catalog has of a stream; nil where there is none.
func known(c *singer.Catalog) stream.Known {
	if c == nil {
		return nil
	}
	return func(name string) *stream.Schema {
		if e := c.Entry(name); e != nil {
			return e.Schema
		}
		return nil
	}
}

func (a *app) checkCatalog(c *singer.Catalog, streams []stream.Stream) error {
	warnings, err := c.CheckStreams(streamNames(streams))
	a.warnings("catalog", warnings)
	if err != nil {
		return err
	}
	return c.RequireSelection()
}

func (a *app) parseCatalog(data []byte) (*singer.Catalog, error) {
	c, warnings, err := singer.LoadCatalog(data)
	a.warnings("catalog", warnings)
	return c, err
}

func (a *app) warnings(what string, list []string) {
	for _, w := range list {
		a.log.Warn(what + ": " + w)
	}
}

func streamNames(streams []stream.Stream) []string {
	names := make([]string, len(streams))
	for i := range streams {
		names[i] = streams[i].Name
	}
	return names
}
