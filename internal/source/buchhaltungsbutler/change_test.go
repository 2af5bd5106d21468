package buchhaltungsbutler_test

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// last are the last versions of rows over several runs, by key.
func last(stream string, runs ...*output) []row {
	var rows []row
	for _, out := range runs {
		rows = append(rows, out.Rows(stream)...)
	}
	return slices.Collect(maps.Values(byKey(rows, stream)))
}

// without takes away what was deleted, which no run can tell.
func without(rows []row, ids ...emulator.ID) []row {
	return slices.DeleteFunc(rows, func(r row) bool {
		return slices.Contains(ids, emulator.ID(r.Text("id_by_customer")))
	})
}

// TestTransactions: new ones come by their number, edited ones by the time of the
// edit, whatever clock the service has; a quiet run is two calls.
func TestTransactions(t *testing.T) {
	for _, faults := range []string{"", "zone-utc", "uploads-modified", "disputed:1.0", "stable-offset", "unstable-fixed"} {
		t.Run(faults, func(t *testing.T) {
			visit(t, emulator.Options{Records: 1300, Faults: faults}, func(t *testing.T, s *site) {
				only := []string{"transactions"}
				first := s.run(ask{Only: only}).Complete()
				s.whole(first, "transactions")
				require.Equal(t, "2026-11-20T12:00:00.000000Z", first.Bookmark("transactions", "", "_read_at"))

				time.Sleep(time.Hour)
				quiet := s.run(ask{Only: only, State: first.State}).Complete()
				require.Empty(t, quiet.Rows("transactions"))
				require.Equal(t, first.Bookmark("transactions", "", "id_by_customer"), quiet.Bookmark("transactions", "", "id_by_customer"))
				require.Equal(t, "2026-11-20T13:00:00.000000Z", quiet.Bookmark("transactions", "", "_read_at"))
				require.EqualValues(t, 2, quiet.Stats.Requests)

				changed := s.Change(emulator.Change{Stream: "transactions", Rows: 7, Insert: 3, Delete: 2})
				time.Sleep(time.Minute)
				next := s.run(ask{Only: only, State: quiet.State}).Complete()
				got := next.Values("transactions", "id_by_customer")
				for _, id := range append(slices.Clone(changed.Touched), changed.Inserted...) {
					require.Contains(t, got, string(id))
				}
				require.LessOrEqual(t, len(got), 2*(7+3+2), "and nothing else")
				s.holds(without(last("transactions", first, quiet, next), changed.Deleted...), s.truth("transactions"), "transactions")
			})
		})
	}
}

// TestEditsOfABrokenRun: what was read by a run that did not come to its end, and
// edited since, comes too.
func TestEditsOfABrokenRun(t *testing.T) {
	visit(t, emulator.Options{Records: 1300}, func(t *testing.T, s *site) {
		only := []string{"transactions", "transaction_details"}
		state := json.RawMessage(`{"bookmarks":{"transactions":{"id_by_customer":1800}}}`)
		// A bookmark of which nobody knows when it was set: every edit is asked for.
		out := s.run(ask{Only: only[:1], State: state}).Complete()
		require.Contains(t, out.Values("transactions", "id_by_customer"), "1801")
		require.Greater(t, len(out.Rows("transactions")), 1300-900)

		broken := s.run(ask{Only: only[:1], Config: map[string]any{"max_retries": 0}, Network: failing(3)})
		require.Error(t, broken.Result("transactions").Err)
		require.NotEmpty(t, broken.Bookmark("transactions", "", "id_by_customer"))
		require.Equal(t, "2026-11-20T12:00:00.000000Z", broken.Bookmark("transactions", "", "_read_at"))
		time.Sleep(time.Hour)
		edited := s.Change(emulator.Change{Stream: "transactions", IDs: []emulator.ID{emulator.ID(broken.Values("transactions", "id_by_customer")[5])}})
		time.Sleep(48 * time.Hour)
		rest := s.run(ask{Only: only[:1], State: broken.State}).Complete()
		require.Contains(t, rest.Values("transactions", "id_by_customer"), string(edited.Touched[0]))
		s.holds(last("transactions", broken, rest), s.truth("transactions"), "transactions")
	})
}

// TestDetails: details are asked for of new and of edited transactions alone.
func TestDetails(t *testing.T) {
	visit(t, emulator.Options{Records: 60}, func(t *testing.T, s *site) {
		for _, only := range [][]string{{"transaction_details"}, {"transactions", "transaction_details"}, {"transactions", "transaction_details", "transaction_receipts"}} {
			first := s.run(ask{Only: only}).Complete()
			s.whole(first, "transaction_details")
			time.Sleep(36 * time.Hour)
			changed := s.Change(emulator.Change{Stream: "transactions", Rows: 3, Insert: 2})
			time.Sleep(36 * time.Hour)
			next := s.run(ask{Only: only, State: first.State}).Complete()
			want := append(slices.Clone(changed.Touched), changed.Inserted...)
			require.GreaterOrEqual(t, len(next.Calls("transaction_details")), 5)
			require.LessOrEqual(t, len(next.Calls("transaction_details")), 6, "the row of the bookmark")
			for _, id := range want {
				require.Contains(t, next.Values("transaction_details", "id_by_customer"), string(id))
			}
			s.holds(last("transaction_details", first, next), s.truth("transaction_details"), "transaction_details")
			time.Sleep(36 * time.Hour)
			quiet := s.run(ask{Only: only, State: next.State}).Complete()
			require.LessOrEqual(t, len(quiet.Calls("transaction_details")), 1)
		}
	})
}

// TestPostings: whatever zone the service has, and whenever a run begins, nothing
// of what happened around midnight is missed.
func TestPostings(t *testing.T) {
	for _, faults := range []string{"", "zone-utc", "unstable-fixed", "disputed:1.0", "silent-comments"} {
		for _, began := range []time.Time{
			sitetest.Noon,
			time.Date(2026, 11, 20, 23, 10, 0, 0, time.UTC), // the next day in Germany
			time.Date(2026, 11, 20, 22, 50, 0, 0, time.UTC), // shortly before
			time.Date(2026, 7, 20, 22, 30, 0, 0, time.UTC),  // in summer
			time.Date(2026, 11, 21, 0, 20, 0, 0, time.UTC),
		} {
			t.Run(faults+began.Format(" 01-02 15:04"), func(t *testing.T) {
				visitAt(t, began, emulator.Options{Records: 230, Faults: faults}, func(t *testing.T, s *site) {
					only := []string{"postings"}
					first := s.run(ask{Only: only}).Complete()
					s.whole(first, "postings")
					for _, day := range first.Values("postings", "date_last_action") {
						require.Equal(t, "null", day, "not stamped")
					}
					require.Equal(t, began.In(berlin).Format(time.DateOnly), first.Bookmark("postings", "", "date_last_action"))
					runs := []*output{first}
					var gone []emulator.ID
					for range 6 {
						time.Sleep(time.Minute)
						c := s.Change(emulator.Change{Stream: "postings", Rows: 5, Insert: 2, Delete: 2})
						gone = append(gone, c.Deleted...)
						time.Sleep(25 * time.Minute)
						runs = append(runs, s.run(ask{Only: only, State: runs[len(runs)-1].State}).Complete())
					}
					time.Sleep(26 * time.Hour)
					runs = append(runs, s.run(ask{Only: only, State: runs[len(runs)-1].State}).Complete())
					end := runs[len(runs)-1]
					require.LessOrEqual(t, end.Stats.Requests, int64(6))
					if faults == "silent-comments" {
						return // which nothing tells
					}
					s.holds(without(last("postings", runs...), gone...), s.truth("postings"), "postings")
				})
			})
		}
	}
}

// TestPostingsAreStamped with the day of the last action in the service's zone.
func TestPostingsAreStamped(t *testing.T) {
	visit(t, emulator.Options{Records: 230}, func(t *testing.T, s *site) {
		only := []string{"postings"}
		first := s.run(ask{Only: only}).Complete()
		time.Sleep(30 * time.Hour)
		at := time.Now()
		c := s.Change(emulator.Change{Stream: "postings", Insert: 3})
		time.Sleep(72 * time.Hour)
		next := s.run(ask{Only: only, State: first.State}).Complete()
		require.Len(t, next.Rows("postings"), 3)
		for _, day := range next.Values("postings", "date_last_action") {
			require.Equal(t, at.In(berlin).Format(time.DateOnly), day)
		}
		require.Len(t, c.Inserted, 3)
		require.Equal(t, at.In(berlin).Format(time.DateOnly), next.Bookmark("postings", "", "date_last_action"))
		anew := s.run(ask{Only: only, State: next.State, FullRefresh: only}).Complete()
		s.whole(anew, "postings")
		require.Equal(t, time.Now().In(berlin).Format(time.DateOnly), anew.Bookmark("postings", "", "date_last_action"))
		since := s.run(ask{Only: only, State: next.State, Since: at.Add(-24 * time.Hour)}).Complete()
		require.Len(t, since.Rows("postings"), 3)
	})
}

// TestReceiptsThatMove: receipts that are deleted, restored, edited, recognised
// and added between two pages, or between two lists, are not lost.
func TestReceiptsThatMove(t *testing.T) {
	for _, faults := range []string{"", "unstable-fixed", "hidden-cap"} {
		for seed := range 6 {
			t.Run(faults, func(t *testing.T) {
				visit(t, emulator.Options{Records: 1300, Faults: faults, Seed: int64(seed + 1)}, func(t *testing.T, s *site) {
					before := s.truth("receipts")
					var mu sync.Mutex
					n := 0
					s.Server.OnPage(func(p emulator.Page) {
						mu.Lock()
						defer mu.Unlock()
						if p.Resource != "receipts" || len(p.IDs) == 0 {
							return
						}
						if n++; n == 1+seed || n == 4+seed {
							live := p.Query.Get("deleted") == "false"
							id := p.IDs[(n*37+seed*11)%len(p.IDs)]
							c := emulator.Change{Stream: "receipts", IDs: []emulator.ID{id}, At: time.Now()}
							if live {
								c = emulator.Change{Stream: "receipts", Gone: []emulator.ID{id}, At: time.Now()}
							}
							_, _ = s.Server.Change(source.Name, c)
						}
					})
					out := s.run(ask{Only: []string{"receipts"}}).Complete()
					s.Server.OnPage(nil)
					got := out.ByKey("receipts")
					for id := range before {
						require.NotNil(t, got[id], "%s is missing", id)
					}
				})
			})
		}
	}
}

// TestListsThatShrink: a row that goes while a list is read lets another one be
// skipped by offset, which is seen.
func TestListsThatShrink(t *testing.T) {
	for _, stream := range []string{"postings", "cost_locations"} {
		for seed := range 4 {
			t.Run(stream, func(t *testing.T) {
				visit(t, emulator.Options{Records: 2600, Seed: int64(seed + 1)}, func(t *testing.T, s *site) {
					before := s.truth(stream)
					var mu sync.Mutex
					n := 0
					gone := map[string]bool{}
					s.Server.OnPage(func(p emulator.Page) {
						mu.Lock()
						defer mu.Unlock()
						if p.Resource != stream || len(p.IDs) < 4 || n > 2 {
							return
						}
						n++
						id := p.IDs[(seed*13+n)%(len(p.IDs)-1)]
						if r, err := s.Server.Change(source.Name, emulator.Change{Stream: stream, Gone: []emulator.ID{id}, At: time.Now()}); err == nil {
							for _, id := range r[0].Deleted {
								gone[string(id)] = true
							}
						}
					})
					out := s.run(ask{Only: []string{stream}}).Complete()
					s.Server.OnPage(nil)
					got := out.ByKey(stream)
					for key := range before {
						require.True(t, got[key] != nil || gone[key], "%s is missing", key)
					}
				})
			})
		}
	}
}

// TestReceiptsKeepNoState: a table that is read whole has nothing to remember, by
// direction neither, and is the same again.
func TestReceiptsKeepNoState(t *testing.T) {
	visit(t, emulator.Options{Records: 230}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"receipts", "receipt_transactions"}}).Complete()
		require.JSONEq(t, `{"bookmarks":{},"currently_syncing":null}`, string(out.State))
		ids := out.Values("receipts", "id_by_customer")
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(ids))), len(ids), "none comes twice")
		eight := s.run(ask{Only: []string{"receipts", "receipt_transactions"}, Concurrency: 8}).Complete()
		require.Equal(t, ids, eight.Values("receipts", "id_by_customer"), "in the same order")

		live := s.run(ask{Only: []string{"receipts"}, Config: map[string]any{"include_deleted": false}}).Complete()
		require.NotContains(t, live.Values("receipts", "deleted"), "true")
		require.Contains(t, out.Values("receipts", "deleted"), "true")
		require.Len(t, live.Calls("receipts"), 4)

		offers := s.run(ask{Only: []string{"receipts"}, Config: map[string]any{"include_offers": true}}).Complete()
		want := s.truth("receipts")
		maps.Copy(want, s.truth("receipts/offers"))
		s.holds(offers.Rows("receipts"), want, "receipts")
	})
}

// TestLivePostings: what is confirmed, fixed and added while postings are read
// comes with that run or with the next.
// TestPostingsEnd: an end_date is a day of the account, and no later one is asked
// for or becomes the bookmark.
func TestPostingsEnd(t *testing.T) {
	visitAt(t, time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), emulator.Options{Records: 40}, func(t *testing.T, s *site) {
		only, end := []string{"postings"}, map[string]any{"end_date": "2026-11-10"}
		first := s.run(ask{Only: only, Config: end}).Complete()
		require.Equal(t, "2026-11-10", first.Bookmark("postings", "", "date_last_action"))
		state := json.RawMessage(`{"bookmarks":{"postings":{"date_last_action":"2026-11-07"}}}`)
		next := s.run(ask{Only: only, Config: end, State: state}).Complete()
		for _, day := range next.Values("postings", "date_last_action") {
			require.LessOrEqual(t, day, "2026-11-10")
		}
		require.Equal(t, int64(4), next.Stats.Requests, "a day each, the bookmark's and the last included")
	})
}

func TestLivePostings(t *testing.T) {
	for _, faults := range []string{"", "zone-utc", "hidden-cap,unstable-fixed"} {
		for seed := range 5 {
			t.Run(faults, func(t *testing.T) {
				at := time.Date(2026, 11, 20, 22, 58, 0, 0, time.UTC) // midnight passes meanwhile
				visitAt(t, at, emulator.Options{Records: 2300, Faults: faults, Seed: int64(seed + 1), Latency: 45 * time.Second}, func(t *testing.T, s *site) {
					var mu sync.Mutex
					n := 0
					gone := map[emulator.ID]bool{}
					s.Server.OnPage(func(p emulator.Page) {
						mu.Lock()
						defer mu.Unlock()
						if p.Resource != "postings" || n > 3 {
							return
						}
						n++
						c := emulator.Change{Stream: "postings", Rows: 5, Insert: 2, At: time.Now()}
						if n == 2 {
							c.Delete = 2
						}
						for _, id := range s.Change(c).Deleted {
							gone[id] = true
						}
					})
					only := []string{"postings"}
					first := s.run(ask{Only: only}).Complete()
					s.Server.OnPage(nil)
					require.Equal(t, "2026-11-20", first.Bookmark("postings", "", "date_last_action"), "the day on which it began")
					next := s.run(ask{Only: only, State: first.State}).Complete()
					s.holds(without(last("postings", first, next), slices.Collect(maps.Keys(gone))...), s.truth("postings"), "postings")
				})
			})
		}
	}
}
