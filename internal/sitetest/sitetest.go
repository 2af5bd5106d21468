// Package sitetest owns what the tests of every source need beside what they
// prove: [Visit] opens the vendor's stand-in in virtual time, [Site.Run] runs the
// tap against it as the command does, and [Output] is what a run left behind.
//
// It must never know a vendor: what is one's own (its switches, its values, what
// has to hold in each of its runs) stays in the tests of its source. Nothing but
// those imports it.
package sitetest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/config"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Noon is when tests begin unless they say otherwise: after the last instant of
// every stand-in's data, with a minute and an hour that begin too.
var Noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// Place is what a test visits.
type Place struct {
	Source  *stream.Source
	Plugin  emulator.Plugin
	Options emulator.Options // a zero Seed is 1
	At      time.Time        // when the visit begins, zero is Noon
	Config  map[string]any   // laid over the stand-in's own in every run
	Secrets []string         // what no run may tell
}

// Site is the stand-in, and the config and token store of the tap that reads it,
// run after run.
type Site struct {
	*testing.T
	Server *emulator.Server
	Source *stream.Source // with the streams that Discover found
	place  Place
	store  string
}

// Visit opens the stand-in in a bubble and does something there.
func Visit(t *testing.T, p Place, do func(*Site)) {
	t.Helper()
	s := &Site{Source: p.Source, place: p, store: filepath.Join(t.TempDir(), "tokens.json")}
	p.Options.Seed = cmp.Or(p.Options.Seed, 1)
	if p.At.IsZero() {
		p.At = Noon
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(p.At))
		var err error
		s.T = t
		s.Server, err = emulator.New(p.Options, p.Plugin)
		require.NoError(t, err)
		do(s)
		// A goroutine of a run that stays fails the bubble.
		time.Sleep(2 * time.Minute)
	})
}

// Check checks a config as the command does: the stand-in's own, and more laid
// over it, where nil takes a setting away.
func (s *Site) Check(more map[string]any) (*config.Loaded, error) {
	s.Helper()
	with := map[string]any{"token_store": s.store}
	maps.Copy(with, s.place.Config)
	maps.Copy(with, more)
	raw, err := config.Read([]string{WriteConfig(s.T, s.Server, s.Source.Name, "http://127.0.0.1:1", with)}, nil)
	require.NoError(s, err)
	return raw.Check(s.Source)
}

// WriteConfig writes a stand-in's config, which listens at an origin, and more
// laid over it to a new file.
func WriteConfig(t *testing.T, server *emulator.Server, source, origin string, more map[string]any) (path string) {
	t.Helper()
	values, err := server.Config(source, origin)
	require.NoError(t, err)
	maps.Copy(values, more)
	maps.DeleteFunc(values, func(_ string, v any) bool { return v == nil })
	text, err := json.Marshal(values)
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

// Connect makes the client of a run, which the test has to close.
func (s *Site) Connect(more map[string]any) (*httpx.Client, *config.Loaded) {
	s.Helper()
	return s.connect(more, s.Server.Transport(), slog.New(slog.DiscardHandler))
}

// Discover finds the streams that there are, for every run from now on.
func (s *Site) Discover() {
	s.Helper()
	client, c := s.Connect(nil)
	defer client.Close()
	var err error
	s.Source, err = found(s.Context(), s.Source, client, c.Stream, nil)
	require.NoError(s, err)
}

// Change disturbs the rows of one stream.
func (s *Site) Change(c emulator.Change) emulator.Report {
	s.Helper()
	reports, err := s.Server.Change(s.Source.Name, c)
	require.NoError(s, err)
	require.Len(s, reports, 1)
	return reports[0]
}

// Truth are the rows that a stream should have.
func (s *Site) Truth(name string) []Row {
	s.Helper()
	var b bytes.Buffer
	require.NoError(s, s.Server.Truth(&b, s.Source.Name, name))
	rows := []Row{}
	for line := range bytes.Lines(b.Bytes()) {
		var row Row
		require.NoError(s, json.Unmarshal(line, &row))
		rows = append(rows, row)
	}
	return rows
}
