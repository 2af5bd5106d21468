package long

import (
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	standins "github.com/tap-backoffice/tap-backoffice/internal/emulator/all"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
)

var nights = flag.Int("nights", 4, "nights of TestNights")

// TestNights runs the tap each night from what the last one left, while a few rows
// change by day: the state and the calls of a night do not grow with the nights,
// and in the end each row has come in its last version.
func TestNights(t *testing.T) {
	for _, c := range []struct {
		source  string
		streams []string
		config  map[string]any
		moving  []string // beginnings of members that change without the row being told to have changed
	}{
		{"saasoptics", []string{"contracts", "invoices", "revenue_entries", "billing_methods", "deleted_contracts"}, nil, nil},
		{"zoho_crm", []string{"contacts", "deals", "invoiced_items", "deleted_records"}, map[string]any{"include_deleted": true}, []string{"created_by", "deleted_by", "display_name", "type"}}, // of what is gone for good after 60 days
		{"slascone", []string{"customers", "licenses", "license_overview", "consumption_heartbeats"}, nil, []string{"remaining", "balance"}},                                                    // of all that was used
		{"accountview", []string{"debtors", "sales_orders", "sales_order_lines", "ledger_transactions"}, nil, nil},
		{"exact_online", []string{"sync_crm_accounts", "sync_financial_gl_accounts", "crm_contacts", "sync_deleted"}, map[string]any{"include_deleted": true}, nil},
		{"buchhaltungsbutler", []string{"receipts", "transactions", "postings", "debtors"}, nil, []string{"date_last_action", "receipt", "transaction"}}, // the day that was asked for, and what other rows tell
	} {
		t.Run(c.source, func(t *testing.T) {
			sources, plugins := all.Sources(), standins.Plugins()
			place := sitetest.Place{Options: emulator.Options{Records: 40}, Config: c.config}
			for i := range sources {
				if sources[i].Name == c.source {
					place.Source = sources[i]
				}
			}
			place.Plugin = plugins[slices.IndexFunc(plugins, func(p emulator.Plugin) bool { return p.Name == c.source })]
			sitetest.Visit(t, place, func(s *sitetest.Site) {
				if s.Source.Discover != nil {
					s.Discover()
				}
				ask := sitetest.Ask{Only: c.streams}
				first := s.Run(ask).Complete()
				joined := map[string]map[string]sitetest.Row{}
				keep := func(out *sitetest.Output) {
					for _, name := range c.streams {
						if joined[name] == nil {
							joined[name] = map[string]sitetest.Row{}
						}
						maps.Copy(joined[name], out.ByKey(name))
					}
				}
				keep(first)
				ask.State = first.State
				var sizes, calls []int
				for night := range *nights {
					time.Sleep(12 * time.Hour)
					change(s, c.streams[night%len(c.streams)])
					time.Sleep(12 * time.Hour)
					out := s.Run(ask).Complete()
					keep(out)
					ask.State = out.State
					sizes, calls = append(sizes, len(out.State)), append(calls, len(out.Asked))
				}
				half := *nights / 2
				s.Logf("state of %d bytes after the first run, at most %d in the first half of %d nights, %d in the second; calls %d, %d and %d",
					len(first.State), slices.Max(sizes[:half]), *nights, slices.Max(sizes[half:]), len(first.Asked), slices.Max(calls[:half]), slices.Max(calls[half:]))
				require.LessOrEqual(s, slices.Max(sizes[half:]), slices.Max(sizes[:half])+16, "the state grows")
				require.LessOrEqual(s, slices.Max(calls[half:]), slices.Max(calls[:half])+2, "the calls grow")
				now := s.Run(sitetest.Ask{Only: c.streams}).Complete()
				for _, name := range c.streams {
					for key, row := range now.ByKey(name) {
						old := joined[name][key]
						require.NotNil(s, old, "%s: the row %s never came", name, key)
						for member, value := range row {
							if !slices.ContainsFunc(c.moving, func(m string) bool { return strings.HasPrefix(member, m) }) {
								require.Equal(s, string(value), string(old[member]), "%s %s: %s", name, key, member)
							}
						}
					}
				}
			})
		})
	}
}

// change disturbs a few rows of a stream, as many new ones come as go. Lists of
// what was deleted have none of their own.
func change(s *sitetest.Site, name string) {
	s.Helper()
	_, _ = s.Server.Change(s.Source.Name, emulator.Change{Stream: name, Rows: 3, Insert: 1, Delete: 1})
}
