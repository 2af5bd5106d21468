package zohocrm_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/record"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// modulesRead are those in which all kinds of fields are.
var modulesRead = []string{"contacts", "leads", "deals", "products", "cm1", "contacts_x_cm1", "accounts", "meter_readings"}

// TestFilesAreLists: whatever a list gives, the file of a bulk read gives, field
// by field.
func TestFilesAreLists(t *testing.T) {
	visited(t, emulator.Options{Records: 60}, nil, func(p *place) {
		want := p.sync(map[string]any{"read_method": "list"}, modulesRead...)
		got := p.sync(map[string]any{"read_method": "bulk"}, modulesRead...)
		for _, name := range modulesRead {
			require.NotEmpty(p, want.ByKey(name), name)
			require.Positive(p, want.Stats.ByResource[name], name)
			require.Zero(p, got.Stats.ByResource[name], "%s is read from a file: %s", name, got.Log)
			alike(p.T, want.ByKey(name), got.ByKey(name))
		}
		for _, record := range want.ByKey("contacts") {
			require.Len(p, record, len(p.Source.Stream("contacts").Schema.Properties)+1)
		}
		kinds := map[string]bool{}
		for _, name := range modulesRead {
			for _, h := range p.Source.Stream(name).Hints {
				word, _, _ := strings.Cut(h, " ")
				kinds[word] = true
			}
		}
		require.Equal(p, []string{"hints", "image", "json", "layout", "list", "lookup", "rich", "tags", "user"}, slices.Sorted(maps.Keys(kinds)), "kinds of fields that are compared")
	})
}

// TestFilesInParts: a job goes on in another one, by token or by number.
func TestFilesInParts(t *testing.T) {
	for _, fault := range []string{"", ",csv-no-token", ",bulk-token-only", ",csv-lower-id"} {
		t.Run(fault, func(t *testing.T) {
			visited(t, emulator.Options{Records: 130, Faults: "bulk-part:0.0002" + fault}, nil, func(p *place) {
				want := p.sync(map[string]any{"read_method": "list"}, "deals", "leads")
				got := p.sync(map[string]any{"read_method": "bulk"}, "deals", "leads")
				alike(p.T, want.ByKey("deals"), got.ByKey("deals"))
				alike(p.T, want.ByKey("leads"), got.ByKey("leads"))
				require.Zero(p, got.Stats.ByResource["deals"]+got.Stats.ByResource["leads"], got.Log)
				require.EqualValues(p, 4+3+1, got.Stats.ByResource["bulk_download"], "jobs of 40 rows: 130 deals, and of 130 leads the open and the converted ones")
			})
		})
	}
}

// TestFormsThatAreNotKnown: where a guess about files does not hold, the rows
// come page by page, and none is lost.
func TestFormsThatAreNotKnown(t *testing.T) {
	var many map[string]sitetest.Row // of the large table, which is always the same
	type try struct {
		name, stream, method, because, switched, faults string
	}
	for _, tt := range sitetest.Few(3, []try{
		{"tags", "contacts", "auto", `column \"Tag\"`, "bulk-tags-json", ""},
		{"objects", "contacts", "bulk", `column \"Data_Processing_Basis_Details\"`, "bulk-json-id", ""},
		{"tags, insisted", "deals", "bulk", `column \"Tag\"`, "bulk-tags-json", ""},
		{"converted", "leads", "bulk", "leave out the converted leads", "bulk-open-leads", ""},
		{"failure", "contacts", "auto", "the vendor gave the job up: the job could not be processed", "", "bulk-fails"},
		{"no users", "contacts", "bulk", "OAUTH_SCOPE_MISMATCH", "", "noscope@users"},
		{"no files", "contacts", "bulk", "OAUTH_SCOPE_MISMATCH", "", "noscope@bulk"},
		{"no count", "contacts", "auto", "how many rows there are is not told", "no-count", ""},
	}) {
		t.Run(tt.name, func(t *testing.T) {
			// So many rows and fields are worth a file.
			var switches []string
			if tt.switched != "" {
				switches = append(switches, tt.switched)
			}
			records := 2400
			if tt.method == "bulk" {
				records = 60
			}
			visited(t, emulator.Options{Records: records, Faults: tt.faults}, switches, func(p *place) {
				want := many
				if tt.method == "bulk" || many == nil {
					want = p.sync(map[string]any{"read_method": "list"}, tt.stream).ByKey(tt.stream)
				}
				if tt.method == "auto" {
					many = want
				}
				got := p.sync(map[string]any{"read_method": tt.method}, tt.stream)
				require.Len(p, want, records)
				alike(p.T, want, got.ByKey(tt.stream))
				first := int64(0)
				if tt.method == "auto" {
					first = 1 // a page shows that there are more
				}
				require.Greater(p, got.Stats.ByResource[tt.stream], first, got.Log)
				require.Contains(p, got.Log, tt.because)
			})
		})
	}
}

// TestCheapest: the bar of a large table, in auto mode and with the catalog at
// hand: files, but for their price and the few questions around them.
func TestCheapest(t *testing.T) {
	visited(t, emulator.Options{Records: 2600, Limits: "real"}, nil, func(p *place) {
		got := p.sync(nil, "contacts")
		require.Len(p, got.ByKey("contacts"), 2600)
		require.Equal(p, map[string]int{"contacts": 1, "count": 1, "users": 3, "tags": 1, "bulk": 50, "bulk/job": 1, "bulk_download": 1}, nonzero(got.credits))
		require.LessOrEqual(p, got.spent(), 60)
	})
}

func nonzero(m map[string]int) map[string]int {
	out := maps.Clone(m)
	maps.DeleteFunc(out, func(_ string, n int) bool { return n == 0 })
	return out
}

// drive reads a way by hand, as the engine does a job without Poll, and returns
// the records that its rows become.
func (p *place) drive(st *stream.Stream, read stream.Read, after func(n int)) (out map[string]sitetest.Row, times []int64, queries int) {
	p.Helper()
	way := st.Roads.Ways[1]
	require.Equal(p, "query", way.Name)
	full, err := engine.Schema(p.Source, st)
	require.NoError(p, err)
	plan, err := record.Compile(record.Options{Stream: st.Name, Schema: full, Selected: func(name string) bool {
		return strings.HasPrefix(name, "_") || slices.ContainsFunc(read.Fields, func(f stream.Property) bool { return f.Name == name })
	}, Key: st.Key, Cursor: st.Cursor.Field})
	require.NoError(p, err)
	conv := plan.NewConverter()
	client, _ := p.Connect(nil)
	defer client.Close()
	job, err := way.Job.Open(p.Context(), client, read)
	require.NoError(p, err)
	require.True(p, job.Sorted)
	req, err := job.Create(read)
	require.NoError(p, err)
	out = map[string]sitetest.Row{}
	for req != nil {
		queries++
		resp, err := client.Fetch(p.Context(), req)
		if err == stream.NoRows { //nolint:errorlint // as it comes
			break
		}
		require.NoError(p, err)
		req, err = job.Rows(resp.Body, func(row []byte) error {
			line, _, err := conv.Append(nil, row, 0)
			require.NoError(p, err)
			var m struct{ Record sitetest.Row }
			require.NoError(p, json.Unmarshal(line, &m))
			id := m.Record.Text("id")
			require.NotContains(p, out, id, "a row comes once")
			out[id] = m.Record
			at, _ := conv.Cursor()
			times = append(times, at)
			return nil
		})
		require.NoError(p, err)
		if after != nil {
			after(queries)
		}
	}
	return out, times, queries
}

// part is a read of some fields up to now.
func part(st *stream.Stream, fields []stream.Property, from, to string) stream.Read {
	return stream.Read{Config: stream.NewConfig(nil), From: from, To: to, Fields: fields, Hint: func(name string) string { return st.Hints[name] }}
}

const far = "2026-11-20T12:00:00+00:00"

// TestQueriesAreLists: a query gives what a list gives, of all fields, some at a
// time.
func TestQueriesAreLists(t *testing.T) {
	for _, faults := range sitetest.Few(1, []string{"", "coql-200", "coql-50-columns"}) {
		t.Run(faults, func(t *testing.T) {
			visited(t, emulator.Options{Records: 250, Faults: faults}, nil, func(p *place) {
				for _, name := range []string{"contacts", "leads", "deals", "products", "cm1"} {
					want := p.sync(map[string]any{"read_method": "list"}, name)
					st := p.Source.Stream(name)
					always := slices.DeleteFunc(slices.Clone(st.Schema.Properties), func(f stream.Property) bool { return f.Name != "id" && f.Name != "Modified_Time" })
					rest := slices.DeleteFunc(slices.Clone(st.Schema.Properties), func(f stream.Property) bool {
						return f.Name == "id" || f.Name == "Modified_Time" || strings.HasPrefix(st.Hints[f.Name], "image")
					})
					for some := range slices.Chunk(rest, 35) {
						read := part(st, slices.Concat(always, some), "", far)
						if why := st.Roads.Ways[1].Suits(read); name == "leads" {
							require.Contains(p, why, "converted")
						} else {
							require.Empty(p, why)
						}
						got, times, _ := p.drive(st, read, nil)
						require.True(p, slices.IsSorted(times))
						less := map[string]sitetest.Row{}
						for id, full := range want.ByKey(name) {
							less[id] = maps.Clone(full)
							maps.DeleteFunc(less[id], func(field string, _ json.RawMessage) bool {
								return got[id][field] == nil
							})
						}
						require.NotEmpty(p, got)
						alike(p.T, less, got)
					}
				}
			})
		})
	}
}

// TestQueriesGoOn: rows of one second that fill more than an answer, and rows
// that move away meanwhile, whatever the order within a second.
func TestQueriesGoOn(t *testing.T) {
	type try struct {
		name     string
		switches []string
		faults   string
	}
	for _, tt := range sitetest.Few(1, []try{{"in order", nil, ""}, {"few rows", nil, "coql-200"}, {"no order within a second", []string{"coql-no-id-order"}, ""}}) {
		t.Run(tt.name, func(t *testing.T) {
			visited(t, emulator.Options{Records: 2200, Faults: tt.faults}, tt.switches, func(p *place) {
				st := p.Source.Stream("deals")
				read := part(st, slices.DeleteFunc(slices.Clone(st.Schema.Properties), func(f stream.Property) bool { return f.Name != "id" && f.Name != "Modified_Time" }), "", far)
				all, times, queries := p.drive(st, read, nil)
				require.Len(p, all, 2200)
				require.True(p, slices.IsSorted(times))
				if tt.faults == "" {
					require.Equal(p, 2, queries)
				}
				// Each answer is followed by changes, which move rows behind the end.
				time.Sleep(time.Hour)
				moved := map[string]bool{}
				got, _, _ := p.drive(st, read, func(int) {
					for _, id := range p.Change(emulator.Change{Stream: "deals", Rows: 40}).Touched {
						moved[string(id)] = true
					}
				})
				for id := range all {
					require.True(p, got[id] != nil || moved[id], "row %s is lost", id)
				}
				require.NotEmpty(p, moved)
			})
		})
	}
}

// TestWays: what each way can do, and what it costs.
func TestWays(t *testing.T) {
	visited(t, emulator.Options{Records: 20}, nil, func(p *place) {
		suits := func(name, from, to string, fields ...string) (bulk, query string) {
			st := p.Source.Stream(name)
			list := slices.DeleteFunc(slices.Clone(st.Schema.Properties), func(f stream.Property) bool {
				return len(fields) > 0 && f.Name != "id" && !slices.Contains(fields, f.Name)
			})
			read := part(st, list, from, to)
			return st.Roads.Ways[0].Suits(read), st.Roads.Ways[1].Suits(read)
		}
		for _, tt := range []struct {
			stream, to  string
			fields      []string
			bulk, query string
		}{
			{"deals", "", nil, "", "only reads with an upper bound need it"},
			{"deals", far, nil, "", ""},
			{"contacts", far, nil, "", "Photos cannot be asked for"},
			{"contacts", far, []string{"Last_Name", "Account_Name"}, "", ""},
			{"notes", far, []string{"Note_Title"}, "it takes no such module", "it takes no such module"},
			{"attachments", far, nil, "it takes no such module", "it takes no such module"},
			{"tasks", far, nil, "What_Id (lookup) is right in lists alone", "What_Id (lookup) is right in lists alone"},
			{"tasks", far, []string{"Subject", "Who_Id", "Remind_At"}, "", ""},
			{"cases", far, []string{"Product_Name"}, "Product_Name (lookup) is right in lists alone", "Product_Name (lookup) is right in lists alone"},
			{"milestones", far, nil, "Parent_Id (lookup) is right in lists alone", "Parent_Id (lookup) is right in lists alone"},
			{"appointments_rescheduled_history__s", far, []string{"$state"}, "$state is in lists alone", "$state is in lists alone"},
			{"leads", far, []string{"Last_Name"}, "", "whether it gives converted leads is not documented"},
		} {
			bulk, query := suits(tt.stream, "", tt.to, tt.fields...)
			require.Equal(p, tt.bulk+"|"+tt.query, bulk+"|"+query, "%s %v", tt.stream, tt.fields)
		}
		st := p.Source.Stream("deals")
		read := part(st, st.Schema.Properties, "", far)
		read.Hint = nil
		require.Contains(p, st.Roads.Ways[0].Suits(read), "--discover")
		read.Hint = func(name string) string { return map[string]string{"id": "hints 1", "Stage": "sheet of music"}[name] }
		require.Contains(p, st.Roads.Ways[0].Suits(read), "does not know")

		cost := func(name string, way int, rows int64) float64 {
			st := p.Source.Stream(name)
			return st.Roads.Ways[way].Cost(part(st, st.Schema.Properties, "", far), rows)
		}
		require.InDelta(p, 50+3+3+1, cost("deals", 0, 1), 0)
		require.InDelta(p, 50+3+3+1, cost("deals", 0, 200_000), 0)
		require.InDelta(p, 2*53+4, cost("deals", 0, 200_001), 0)
		require.InDelta(p, 2*53+3+1+1+1, cost("leads", 0, 10), 0, "twice, layouts and a count")
		require.InDelta(p, 3+4, cost("deals", 1, 2000), 0)
		require.InDelta(p, 6+4, cost("deals", 1, 2001), 0)
		for _, way := range st.Roads.Ways {
			require.NotNil(p, way.Job.Open)
		}
	})
}
