package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/auth"
	"github.com/tap-backoffice/tap-backoffice/internal/budget"
	"github.com/tap-backoffice/tap-backoffice/internal/config"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/oracle"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// A place is a source and its stand-in.
type place struct {
	src     *stream.Source // with the streams that discovery found
	bare    *stream.Source
	plugin  emulator.Plugin
	full    *singer.Catalog // all streams, all properties
	deletes *singer.Catalog // with deleted rows
	chosen  []candidate
}

// A candidate is a stream that episodes may choose.
type candidate struct {
	name   string
	usual  bool
	weight int
}

// prepare looks at a source once: which streams there are, and which have a truth.
func prepare(ctx context.Context, src *stream.Source, plugin emulator.Plugin) (*place, error) {
	p := &place{bare: src, src: src, plugin: plugin}
	shared, err := share(plugin, emulator.Options{Records: 12, Seed: 1, Limits: "off"})
	if err != nil {
		return nil, err
	}
	c, done, err := p.client(shared)
	if err != nil {
		return nil, err
	}
	defer done()
	if src.Discover != nil {
		found, err := src.Discover(ctx, c.client, c.config, nil)
		if err != nil {
			return nil, err
		}
		p.src = src.Finding(found)
	}
	for _, deletions := range []bool{false, true} {
		with := *p.src
		with.Deletions = deletions
		catalog, err := engine.Catalog(&with, with.Streams)
		if err != nil {
			return nil, err
		}
		// As from a file: what a catalog does not carry must not be known either.
		if catalog, _, err = singer.LoadCatalog(catalog.AppendJSON(nil)); err != nil {
			return nil, err
		}
		if deletions {
			p.deletes = catalog
		} else {
			p.full = catalog
		}
	}
	for i := range p.src.Streams {
		st := &p.src.Streams[i]
		rows, err := shared.rows(oracle.TruthName(st))
		if err != nil {
			return nil, fmt.Errorf("no truth of %s: %w", st.Name, err)
		}
		cand := candidate{name: st.Name, usual: st.Selected, weight: 1}
		if st.Selected {
			cand.weight = 4
		}
		if len(rows) == 0 {
			cand.weight = 1
		}
		p.chosen = append(p.chosen, cand)
	}
	return p, nil
}

// rows are the live rows of a stream.
func (s *sharing) rows(name string) ([]json.RawMessage, error) {
	var b bytes.Buffer
	if err := s.base.Truth(&b, s.source, name); err != nil {
		return nil, err
	}
	var out []json.RawMessage
	for line := range bytes.Lines(b.Bytes()) {
		out = append(out, bytes.TrimSpace(line))
	}
	return out, nil
}

// asking is a client of the stand-in in this process, for what the oracle has to
// know of the account: no weather is between them.
type asking struct {
	client *httpx.Client
	config stream.Config
}

func (p *place) client(shared *sharing) (*asking, func(), error) {
	const origin = "http://127.0.0.1:1"
	dir, err := os.MkdirTemp("", "storm-ask-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() { _ = os.RemoveAll(dir) }
	c, err := p.connect(shared, origin, dir)
	if err != nil {
		remove()
		return nil, nil, err
	}
	return c, func() { c.client.Close(); remove() }, nil
}

func (p *place) connect(shared *sharing, origin, dir string) (*asking, error) {
	values, err := shared.base.Config(p.src.Name, origin)
	if err != nil {
		return nil, err
	}
	values["token_store"] = filepath.Join(dir, "tokens.json")
	path := filepath.Join(dir, "config.json")
	if err := writeJSON(path, values); err != nil {
		return nil, err
	}
	raw, err := config.Read([]string{path}, nil)
	if err != nil {
		return nil, err
	}
	loaded, err := raw.Check(p.bare)
	if err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	opt := httpx.Options{
		Source: p.bare, Config: loaded.Stream, APIURL: loaded.APIURL,
		Budget:  budget.New(nil, budget.Options{Config: loaded.Stream}),
		Timeout: 2 * time.Second, MaxRetries: 6, MaxResponse: loaded.MaxResponse,
		Transport: shared.base.Transport(), Log: quiet, Secrets: loaded.Secrets(),
		Rand: func() float64 { return 0.5 },
	}
	if opt.Auth, err = httpx.Authenticator(opt, auth.OAuthOptions{Lookup: loaded.Secret, Store: loaded.TokenStore}); err != nil {
		return nil, err
	}
	client, err := httpx.New(opt)
	return &asking{client, loaded.Stream}, err
}

// partitions are those that can be read, by their scope.
func (p *place) partitions(ctx context.Context, shared *sharing) (map[string][]stream.Partition, error) {
	out := map[string][]stream.Partition{}
	if len(p.src.Scopes) == 0 {
		return out, nil
	}
	c, done, err := p.client(shared)
	if err != nil {
		return nil, err
	}
	defer done()
	with := c.config
	if p.src.Open != nil {
		more, err := p.src.Open(ctx, c.client, with)
		if err != nil {
			return nil, err
		}
		with = with.With(more)
	}
	for name, scope := range p.src.Scopes {
		list, err := scope.Expand(ctx, c.client, with)
		if err != nil {
			return nil, err
		}
		out[name] = slices.DeleteFunc(list, func(p stream.Partition) bool { return p.Skip != "" })
	}
	return out, nil
}

// catalog is the file in which these streams are selected.
func (p *place) catalog(names []string, deletions bool) []byte {
	from := p.full
	if deletions {
		from = p.deletes
	}
	out := &singer.Catalog{}
	for _, name := range names {
		if e := from.Entry(name); e != nil {
			copied := *e
			copied.Metadata = slices.Clone(e.Metadata)
			for i := range copied.Metadata {
				copied.Metadata[i].Values = slices.Clone(copied.Metadata[i].Values)
			}
			copied.Root().Set("selected", json.RawMessage("true"))
			out.Streams = append(out.Streams, copied)
		}
	}
	return out.AppendJSON(nil)
}

var errNoStream = errors.New("no such stream")

// schema is what a stream has, also what is not selected.
func (p *place) schema(name string, deletions bool) (*singer.Schema, error) {
	from := p.full
	if deletions {
		from = p.deletes
	}
	if e := from.Entry(name); e != nil {
		return e.Schema, nil
	}
	return nil, fmt.Errorf("%w: %s", errNoStream, name)
}

func writeJSON(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
