package cli_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/saasoptics"
	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// broken is a source with a defect, which prints its token for good measure. The
// variable TAP_BROKEN names another place for it, and DEFECT what it prints.
func broken() []*stream.Source {
	sources := all.Sources()
	defect := func() { panic("a defect near " + saasoptics.Token) }
	if text := os.Getenv("DEFECT"); text != "" {
		defect = map[string]func(){
			"text":   func() { panic(text) },
			"error":  func() { panic(fmt.Errorf("near %q", text)) },
			"struct": func() { panic(struct{ Near, Again any }{text, &text}) },
			"index":  func() { _ = []string{text}[len(text)] },
			"type":   func() { _ = any(text).(fmt.Stringer) },
		}[os.Getenv("TAP_BROKEN_BY")]
	}
	for _, s := range sources {
		switch place := os.Getenv("TAP_BROKEN"); place {
		case "":
			if s.Name == "saasoptics" {
				s.Origin = func(stream.Config) string { defect(); return "" }
				s.Classify = func(*stream.Response) error { defect(); return nil }
			}
		case "origin":
			s.Origin = func(stream.Config) string { defect(); return "" }
		case "classify":
			s.Classify = func(*stream.Response) error { defect(); return nil }
		case "fields": // which some ask for side by side
			s.Classify = func(r *stream.Response) error {
				if strings.Contains(r.URL, "/settings/fields") {
					defect()
				}
				return nil
			}
		case "discover":
			s.Discover = func(context.Context, stream.Fetcher, stream.Config, stream.Known) ([]stream.Stream, error) {
				defect()
				return nil, nil
			}
		case "check":
			s.Settings = slices.Clone(s.Settings)
			for i := range s.Settings {
				s.Settings[i].Check = func(string) error { defect(); return nil }
			}
		case "expand":
			s.Discover, s.Open = nil, nil // which would ask before
			for name, scope := range s.Scopes {
				scope.Expand = func(context.Context, stream.Fetcher, stream.Config) ([]stream.Partition, error) {
					defect()
					return nil, nil
				}
				s.Scopes[name] = scope
			}
		case "judge":
			if rules, ok := s.Auth.(stream.OAuth); ok {
				rules.Judge = func(*stream.Response) error { defect(); return nil }
				s.Auth = rules
			}
		}
	}
	return sources
}
