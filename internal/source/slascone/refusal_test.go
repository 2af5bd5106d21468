package slascone_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

// A service that ignores which page is asked for gives all it has, or is told.
func TestPageIgnored(t *testing.T) {
	visit(t, emulator.Options{Faults: "page-ignored", Records: 230}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"licenses", "license_overview", "license_assignments", "license_users"}})
		require.NoError(t, out.Report.Err)
		for _, name := range []string{"licenses", "license_overview", "license_assignments", "license_users"} {
			broken(out, name)
		}
		require.Contains(t, out.Result("licenses").Err.Error(), "the vendor counts 202 rows, but the pages bring 100")
		require.LessOrEqual(t, len(out.Asked), 60)
		fits := s.run(ask{Only: []string{"licenses", "license_overview"}, Config: map[string]any{"page_size": 230}}).Complete()
		s.whole(fits, "licenses", "license_overview")
	})
}

// Rows that come and go while the pages are read: what is there all the time is
// there in the end.
func TestMoving(t *testing.T) {
	for _, faults := range []string{"", "newest-first", "page-zero", "order-shifts", "page-zero,newest-first,active-only"} {
		t.Run(faults, func(t *testing.T) {
			visit(t, emulator.Options{Faults: faults, Records: 330}, func(t *testing.T, s *site) {
				before := s.truth("licenses")
				n := 0
				s.Server.OnPage(func(p emulator.Page) {
					if p.Source != source.Name || p.Resource != "licenses" || len(p.IDs) < 3 || n >= 6 {
						return
					}
					n++
					s.Change(emulator.Change{Stream: "licenses", IDs: p.IDs[:1], Gone: p.IDs[2:3], Insert: n % 2})
				})
				out := s.run(ask{Only: []string{"licenses"}}).Complete()
				require.Equal(t, 6, n)
				after := s.truth("licenses")
				have := out.Keys("licenses")
				for _, id := range before {
					if slices.Contains(after, id) {
						require.Contains(t, have, id)
					}
				}
			})
		})
	}
}

// What the service says of a wrong key ends the run.
func TestDenied(t *testing.T) {
	for _, faults := range []string{"", "denied-html"} {
		t.Run(faults, func(t *testing.T) {
			visit(t, emulator.Options{Faults: faults}, func(t *testing.T, s *site) {
				out := s.run(ask{Config: map[string]any{"admin_key": "wrong"}})
				require.Equal(t, fault.Auth, fault.KindOf(out.Report.Err))
				require.Len(t, out.Asked, 1)
				// DOC: a wrong account is refused as a wrong key is.
				out = s.run(ask{Config: map[string]any{"isv_id": "3b7f4c1e-9d25-4e86-a1c0-000000000000"}})
				require.Equal(t, fault.Auth, fault.KindOf(out.Report.Err))
				require.Contains(t, fault.As(out.Report.Err).Hint, "check admin_key, isv_id")
			})
		})
	}
	for _, faults := range []string{"denied-403", "denied-403,denied-html"} {
		t.Run(faults, func(t *testing.T) {
			visit(t, emulator.Options{Faults: faults}, func(t *testing.T, s *site) {
				out := s.run(ask{Config: map[string]any{"admin_key": "wrong"}})
				require.NoError(t, out.Report.Err)
				for _, r := range out.Report.Streams {
					require.True(t, r.Skipped, r.Stream) // which makes 3 of all
				}
			})
		})
	}
}

// A stream that may not be read is skipped, the others are whole.
func TestNoRight(t *testing.T) {
	for _, refused := range []string{"license_users", "customer_contacts", "license_history", "resellers", "license_types"} {
		t.Run(refused, func(t *testing.T) {
			visit(t, emulator.Options{Faults: "noright@" + refused, Records: 12}, func(t *testing.T, s *site) {
				out := s.run(ask{Only: []string{"*"}})
				require.NoError(t, out.Report.Err)
				for _, name := range all() {
					needs := source.Stream(name).Needs() == refused
					require.Equal(t, name == refused || needs, out.Result(name).Skipped, name)
					if name != refused && !needs {
						s.whole(out, name)
					}
				}
			})
		})
	}
	// Where the count may not be asked for, the pages are read without.
	visit(t, emulator.Options{Faults: "noright@license_overview", Records: 230}, func(_ *testing.T, s *site) {
		s.whole(s.run(ask{Only: []string{"licenses"}}).Complete(), "licenses")
	})
}

// What refuses the children of one license leaves that one out, with a warning,
// and no bookmark passes what it may have.
func TestConflict(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		only := []string{"license_history", "consumption_heartbeats", "license_users"}
		first := s.run(ask{Only: only}).Complete()
		require.Empty(t, first.Warnings(""))
		time.Sleep(72 * time.Hour)
		for _, name := range only[:2] {
			s.Change(emulator.Change{Stream: name, Insert: 20})
		}
		require.NoError(t, s.behind.Switch("conflict", 0.3))
		held := s.run(ask{Only: only, State: first.State}).Complete()
		require.JSONEq(t, string(first.State), string(held.State), "bookmarks stay")
		warnings := strings.Join(held.Warnings(""), "")
		require.Contains(t, warnings, "License is inactive")
		require.LessOrEqual(t, len(held.Warnings("")), 4*len(only))

		require.NoError(t, s.behind.Switch("conflict", 0))
		last := s.run(ask{Only: only, State: held.State}).Complete()
		require.NotEqual(t, string(first.State), string(last.State))
		for _, name := range only[:2] {
			seen := append(first.Keys(name), last.Keys(name)...)
			slices.Sort(seen)
			require.Subset(t, seen, s.truth(name), name)
			require.GreaterOrEqual(t, len(last.Rows(name)), 20, name)
		}
	})
}

// Histories and consumption: a second run brings what came since, and what lies
// within the lookback.
func TestIncremental(t *testing.T) {
	streams := []string{"product_history", "template_history", "license_history", "license_bundle_history", "consumption_heartbeats"}
	for _, faults := range []string{"", "from-exclusive,to-exclusive", "created-on-arrival", "filter-by-event", "rollback-counter", "offset-times"} {
		t.Run(faults, func(t *testing.T) {
			visit(t, emulator.Options{Faults: faults}, func(t *testing.T, s *site) {
				first := s.run(ask{Only: streams}).Complete()
				s.whole(first, streams...)
				seen := map[string]map[string]bool{}
				for _, name := range streams {
					seen[name] = map[string]bool{}
					for _, k := range first.Keys(name) {
						seen[name][k] = true
					}
				}
				state := first.State
				for range 4 {
					time.Sleep(31 * time.Hour)
					for _, name := range streams {
						// Every second consumption happened 20 hours before.
						s.Change(emulator.Change{Stream: name, Insert: 6})
					}
					time.Sleep(time.Hour)
					next := s.run(ask{Only: streams, State: state}).Complete()
					for _, name := range streams {
						require.NotEmpty(t, next.Rows(name), name)
						require.Less(t, len(next.Rows(name)), 40, "%s reads what is new", name)
						for _, k := range next.Keys(name) {
							seen[name][k] = true
						}
						for _, k := range s.truth(name) {
							require.True(t, seen[name][k], "%s: %s is lost", name, k)
						}
					}
					state = next.State
				}
				for _, e := range s.run(ask{Only: streams[4:], State: state}).Complete().Calls(streams[4]) {
					require.Contains(t, e.Query, "date_from=")
					require.NotContains(t, e.Query, "date_to=")
				}
			})
		})
	}
}

// An upper bound counts in, and the windows fit together, whichever bounds do.
func TestWindows(t *testing.T) {
	for _, faults := range []string{"", "from-exclusive", "to-exclusive", "from-exclusive,to-exclusive"} {
		t.Run(faults, func(t *testing.T) {
			visit(t, emulator.Options{Faults: faults}, func(t *testing.T, s *site) {
				const stream = "consumption_heartbeats"
				whole := s.run(ask{Only: []string{stream}}).Complete()
				at := map[string]string{}
				var instants []string
				for _, row := range whole.Rows(stream) {
					at[key(stream, row)] = row.Text("created_date_utc")
					instants = append(instants, at[key(stream, row)])
				}
				slices.Sort(instants)
				from, to := instants[len(instants)/4], instants[len(instants)/2]
				out := s.run(ask{Only: []string{stream}, Config: map[string]any{"start_date": from, "end_date": to, "date_window_size": 5}}).Complete()
				var want []string
				for k, v := range at {
					if v >= from && v <= to {
						want = append(want, k)
					}
				}
				have := out.Keys(stream)
				slices.Sort(want)
				slices.Sort(have)
				require.Equal(t, want, slices.Compact(have))
			})
		})
	}
}

// Instants have 0 to 7 digits of a second, and compare as instants.
func TestInstants(t *testing.T) {
	visit(t, emulator.Options{Faults: "offset-times"}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"*"}}).Complete()
		seen := map[int]bool{}
		for _, row := range out.Records {
			for member, raw := range row.Row {
				var text string
				if !strings.HasSuffix(member, "_utc") || json.Unmarshal(raw, &text) != nil || text == "" {
					continue
				}
				at, err := time.Parse(time.RFC3339Nano, text)
				require.NoError(t, err)
				require.True(t, strings.HasSuffix(text, "Z"), text)
				require.Less(t, at.Year(), 9999)
				_, fraction, _ := strings.Cut(text, ".")
				seen[len(strings.TrimSuffix(fraction, "Z"))] = true
			}
		}
		require.Greater(t, len(seen), 2, "%v", seen)
		perpetual := 0
		for _, row := range out.Rows("license_overview") {
			if strings.Contains(string(row["_rescued_data"]), "9999-12-31T23:59:59.9999999Z") {
				require.Equal(t, "null", string(row["expiration_date_utc"]))
				perpetual++
			}
		}
		require.Positive(t, perpetual)
		for name, marks := range bookmarks(t, out.State) {
			var last time.Time
			for _, row := range out.Rows(name) {
				at, err := time.Parse(time.RFC3339Nano, row.Text("created_date_utc"))
				require.NoError(t, err)
				if at.After(last) {
					last = at
				}
			}
			require.Equal(t, last, marks, name)
		}
	})
}

func bookmarks(t *testing.T, state json.RawMessage) map[string]time.Time {
	t.Helper()
	var v struct {
		Bookmarks map[string]struct {
			At time.Time `json:"created_date_utc"`
		} `json:"bookmarks"`
	}
	require.NoError(t, json.Unmarshal(state, &v))
	out := map[string]time.Time{}
	for name, b := range v.Bookmarks {
		out[name] = b.At
	}
	require.Len(t, out, 5)
	return out
}

// What is wrong in a config is told before anything is asked.
func TestConfig(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		for _, test := range []struct {
			with map[string]any
			told string
		}{
			{map[string]any{"isv_id": "acme"}, "isv_id"},
			{map[string]any{"isv_id": nil}, "isv_id"},
			{map[string]any{"admin_key": nil}, "admin_key"},
			{map[string]any{"page_size": 0}, "page_size"},
			{map[string]any{"page_size": 10001}, "page_size"},
		} {
			_, err := s.Check(test.with)
			require.ErrorContains(t, err, test.told)
		}
		for _, size := range []any{"250", 1, 9} {
			_, err := s.Check(map[string]any{"start_date": nil, "page_size": size})
			require.NoError(t, err)
		}
	})
}

// A resource that is not there for any parent is no trouble with one of them.
func TestAbsent(t *testing.T) {
	visit(t, emulator.Options{Faults: "404@license_history,404@license_users,404@products/detail"}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"license_history", "license_users", "product_features", "license_tags"}})
		require.NoError(t, out.Report.Err)
		require.Equal(t, fault.Refused, fault.KindOf(out.Result("license_history").Err))
		require.Equal(t, fault.Refused, fault.KindOf(out.Result("product_features").Err))
		require.NoError(t, out.Result("license_users").Err, "there may be none")
		s.whole(out, "license_tags")
		require.NotContains(t, string(out.State), "license_history")
		require.LessOrEqual(t, len(out.Warnings("")), 4*3)
	})
}
