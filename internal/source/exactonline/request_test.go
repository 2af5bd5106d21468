package exactonline_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// TestURLLength: an address is at most 6,000 characters long (DOC), whatever is
// selected: every stream with all its fields, at the longest host, in a division
// with the longest number, from the greatest bookmark on.
func TestURLLength(t *testing.T) {
	const (
		longestHost     = "https://start.exactonline.co.uk"
		longestDivision = "2147483647"
		longestVersion  = "9223372036854775807"
	)
	visit(t, emulator.Options{Records: 3, Limits: "off", Faults: "norows"}, func(t *testing.T, s *site) {
		var mu sync.Mutex
		longest, which := 0, ""
		asked := map[string]bool{}
		network := sitetest.Between(func(r *http.Request, _ http.RoundTripper) *http.Response {
			// RequestURI is what goes over the wire, encoded.
			path, query, _ := strings.Cut(r.URL.RequestURI(), "?")
			path = strings.TrimPrefix(path, "/exact_online")
			mu.Lock()
			defer mu.Unlock()
			asked[canonical(path)] = true
			n := len(longestHost) + len(path) - len(first) + len(longestDivision) + 1 + len(query) + len(".999")
			if filter, _ := url.ParseQuery(query); strings.HasPrefix(filter.Get("$filter"), "Timestamp") {
				n += len(longestVersion) - len(strings.TrimSuffix(strings.TrimPrefix(filter.Get("$filter"), "Timestamp gt "), "L"))
			}
			if n > longest {
				longest, which = n, path
			}
			return nil
		})
		out := s.run(ask{Only: []string{"*"}, Network: network, Config: map[string]any{"divisions": first}})
		require.NoError(t, out.Report.Err)
		require.Len(t, out.Report.Streams, 375)
		for _, set := range edm.Sets() {
			require.True(t, asked[canonical("/api/v1/"+strings.ReplaceAll(set.Path, "{division}", first))], set.Name)
		}
		t.Logf("the longest address has %d characters: %s", longest, which)
		require.LessOrEqual(t, longest, 6000)
		require.Greater(t, longest, 2400, "or else nothing was selected")
	})
}

func canonical(path string) string { return strings.ToLower(path) }

// TestSelect: what is not emitted is not asked for, and nothing of the tap's own.
func TestSelect(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{accounts + ".Name", "vat_vat_codes.Description", "general_currencies", "sync_deleted"}, Config: map[string]any{"include_deleted": true}}).Complete()
		want := map[string][]string{
			accounts:        {"ID", "Name", "Timestamp"},
			"vat_vat_codes": {"Description", "ID", "Modified"},
		}
		for line := range strings.Lines(string(out.Text)) {
			var m struct {
				Type, Stream string
				Schema       struct{ Properties map[string]json.RawMessage }
			}
			require.NoError(t, json.Unmarshal([]byte(line), &m))
			if m.Type != "SCHEMA" {
				continue
			}
			var names []string
			for name := range m.Schema.Properties {
				if !strings.HasPrefix(name, "_") {
					names = append(names, name)
				}
			}
			slices.Sort(names)
			if want[m.Stream] != nil {
				require.Equal(t, want[m.Stream], names)
			}
			want[m.Stream] = names
		}
		require.Len(t, want, 4)
		for stream, names := range want {
			for _, e := range calls(out, stream, "") {
				q, err := url.ParseQuery(e.Query)
				require.NoError(t, err)
				selected := strings.Split(q.Get("$select"), ",")
				slices.Sort(selected)
				if stream == "sync_deleted" && len(selected) < len(names) {
					require.Equal(t, []string{"DeletedDate", "EntityKey", "EntityType", "Timestamp"}, selected, "the list of deletions asks for what it needs")
					continue
				}
				require.Equal(t, names, selected, stream)
			}
		}
	})
}

// TestMandatoryFilters: a single set with a sync twin may want a filter (CLIENT,
// picqer#591), and is read all the same.
func TestMandatoryFilters(t *testing.T) {
	visit(t, emulator.Options{Faults: "mandatory", Limits: "off", Records: 5}, func(t *testing.T, s *site) {
		var twins []string
		for _, set := range edm.Sets() {
			if set.Twin != "" && set.Variant == edm.Single {
				twins = append(twins, set.Name)
			}
		}
		require.Greater(t, len(twins), 40)
		out := s.run(ask{Only: thin(twins)})
		require.NoError(t, out.Report.Err)
		var refused []string
		for _, r := range out.Report.Streams {
			if r.Err != nil && fault.KindOf(r.Err) != fault.Permission {
				refused = append(refused, r.Stream+": "+r.Err.Error())
			}
		}
		require.Empty(t, refused)
		require.Zero(t, out.Stats.ByStatus["400"])
	})
}

// TestCheck: the check names what the app or the user may not read, one of them
// although its list is only empty (DOC, Tips), and wastes no call.
func TestCheck(t *testing.T) {
	visit(t, emulator.Options{Faults: "noscope@vat_vat_codes,noright@sync_crm_accounts,404@financial_journals,norows@financial_exchange_rates"}, func(t *testing.T, s *site) {
		client, loaded := s.Connect(nil)
		defer client.Close()
		found, err := engine.Check(t.Context(), source, loaded.Stream, client, loaded.Start, source.Streams)
		require.NoError(t, err)
		require.Len(t, found, 375)
		for _, c := range found {
			set := edm.Find(c.Stream)
			switch {
			case c.Stream == "vat_vat_codes", set.Scope == "Communication mailboxes":
				require.Equal(t, fault.Permission, fault.KindOf(c.Err), c.Stream)
				require.ErrorContains(t, c.Err, "Application Scope Violated")
			case c.Stream == accounts, c.Stream == "webhooks_webhook_subscriptions":
				require.Equal(t, fault.Permission, fault.KindOf(c.Err), c.Stream)
				require.ErrorContains(t, c.Err, "no right")
			case c.Stream == "financial_journals":
				require.ErrorIs(t, c.Err, engine.ErrAbsent)
			default:
				require.NoError(t, c.Err, c.Stream)
			}
		}
		stats, err := s.Server.Stats(source.Name)
		require.NoError(t, err)
		t.Logf("%d calls for 375 streams", stats.Requests)
		require.Zero(t, stats.ByStatus["429"])
		require.False(t, s.behind.Blocked())
	})
}
