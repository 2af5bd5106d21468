package engine

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// waiting is a stream whose job is asked for again after a while, until done.
func waiting(after time.Duration, done func(polls int) bool) stream.Stream {
	s := tabled("orders")
	polls := 0
	ready := s.Job.Poll
	s.Job.Poll = func(r *stream.Response) (stream.Step, error) {
		if polls++; done(polls) {
			return ready(r)
		}
		return stream.Step{Ask: &stream.Request{URL: "jobs/7"}, After: after}, nil
	}
	return s
}

func TestJobWaitsGrow(t *testing.T) {
	for _, tc := range []struct {
		after time.Duration
		want  []time.Duration // between the calls
	}{
		{0, []time.Duration{1, 2, 4, 8, 16, 30, 30, 0}},
		{5 * time.Second, []time.Duration{5, 5, 5, 8, 16, 30, 30, 0}},
		{time.Minute, []time.Duration{60, 60, 60, 60, 60, 60, 60, 0}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, waiting(tc.after, func(polls int) bool { return polls > 7 }))
			w.v.says("jobs", "7 3")
			w.v.says("jobs/7", "7 3")
			w.v.says("files/7", archive(t, entry{name: "7.csv", text: threeRows}))
			var got []time.Duration
			last := time.Now()
			w.v.before = func(c call) error {
				if c.path != "jobs" {
					got = append(got, time.Since(last)/time.Second)
				}
				last = time.Now()
				return nil
			}
			res := w.runFiled("")
			require.NoError(t, res.result("orders").Err)
			require.Equal(t, ids(3), res.records("orders"))
			require.Equal(t, tc.want, got)
		})
	}
}

func TestJobThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, waiting(0, func(int) bool { return false }))
		w.v.says("jobs", "7")
		w.v.says("jobs/7", "7")
		began := time.Now()
		res := w.runFiled(`{"bookmarks":{"orders":{"modified":"2026-01-04T00:00:00Z"}}}`)
		f := fault.As(res.result("orders").Err)
		require.Equal(t, fault.Transient, f.Kind)
		require.ErrorContains(t, f, "the vendor has not made the file within 2h0m0s")
		require.Equal(t, "2026-01-04T00:00:00Z", res.bookmark("orders", "modified"))
		require.InDelta(t, jobPatience.Seconds(), time.Since(began).Seconds(), 30)
		require.Less(t, len(w.v.calls), 250)
	})
}

func TestJobThatFails(t *testing.T) {
	s := tabled("orders")
	ready := s.Job.Poll
	s.Job.Poll = func(r *stream.Response) (stream.Step, error) {
		if string(r.Body) == "FAILURE" {
			return stream.Step{}, &fault.Error{Kind: fault.Transient, Err: errors.New("the vendor gave the job up: Internal error occurred"), Hint: "run again later"}
		}
		return ready(r)
	}
	w := newWorld(t, s)
	w.v.says("jobs", "FAILURE")
	res := w.runFiled("")
	require.Equal(t, fault.Transient, fault.KindOf(res.result("orders").Err))
	require.EqualError(t, res.result("orders").Err, "toy: orders: page 1: the vendor gave the job up: Internal error occurred")
	require.Empty(t, res.bookmark("orders"))

	// The second file of two: what the first one held is written, and comes again.
	w.v.on["jobs"] = func(c call) (string, error) {
		if c.get("token") == "" {
			return "7 3 b", nil
		}
		return "FAILURE", nil
	}
	w.v.says("files/7", archive(t, entry{name: "7.csv", text: threeRows}))
	res = w.runFiled("")
	require.ErrorContains(t, res.result("orders").Err, "page 2: the vendor gave the job up")
	require.Equal(t, ids(3), res.records("orders"))
	require.Empty(t, res.bookmark("orders"))

	w.v.says("jobs", "7 3")
	res = w.runFiled(res.state())
	require.NoError(t, res.result("orders").Err)
	require.Equal(t, ids(3), res.records("orders"), "made anew")
	require.Equal(t, "2026-01-09", res.bookmark("orders", "modified"))
}

func TestJobIsToldAtDebug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, waiting(0, func(polls int) bool { return polls > 2 }))
		w.v.says("jobs", "7 3")
		w.v.says("jobs/7", "7 3")
		w.v.says("files/7", archive(t, entry{name: "7.csv", text: threeRows}))
		var log bytes.Buffer
		o := w.options("")
		o.Fetcher, o.Out = filed{w.v}, singer.NewWriter(&bytes.Buffer{})
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		require.NoError(t, Run(t.Context(), o).Err)
		require.Equal(t, 2, bytes.Count(log.Bytes(), []byte("waiting for a bulk job")))
		require.Contains(t, log.String(), "wait=2s waited=3s")
	})
}

// What a file brings with a later version than its deletion is there again.
func TestJobAndDeletions(t *testing.T) {
	s, gone := tabled("orders"), changing("gone")
	s.Deletions = &stream.Deletions{Stream: "gone", Key: "entity", At: "when"}
	gone.Schema = schemaOf(modified, singer.Property{Name: "entity", Schema: nullable("integer", "")}, singer.Property{Name: "when", Schema: nullable("string", "date-time")})
	w := newWorld(t, s, gone).unselect("gone")
	w.src.Deletions = true
	w.v.says("jobs", "7 3")
	w.v.says("files/7", archive(t, entry{name: "7.csv", text: threeRows}))
	w.table("gone", 0, func(tt *table) {
		for i, entity := range []int{2, 3, 20} { // on January 8: 2 is of the 9th, 3 of the 7th
			tt.rows = append(tt.rows, trow{id: int64(900 + i), at: day(1, 8), more: fmt.Sprintf(`,"entity":%d,"when":"2026-01-08T00:00:00Z"`, entity)})
		}
	})
	res := w.runFiled("")
	require.NoError(t, res.result("orders").Err)
	require.Equal(t, []string{"1.1", "2.1", "3.1", "3.<nil>", "20.<nil>"}, res.records("orders"))
}

func TestJobIsValidated(t *testing.T) {
	for _, tc := range []struct {
		change func(*stream.Job)
		want   []string
	}{
		{func(*stream.Job) {}, nil},
		{func(j *stream.Job) { j.Poll = nil }, []string{"toy: orders: Job needs Create, and Poll for what it does not answer at once"}},
		{func(j *stream.Job) { j.Table.Columns = nil }, []string{"toy: orders: Table needs Columns"}},
		{func(j *stream.Job) {
			j.Rows = func([]byte, func([]byte) error) (*stream.Request, error) { return nil, nil }
		}, []string{"toy: orders: Table and Rows exclude each other"}},
	} {
		s := tabled("orders")
		tc.change(s.Job)
		src := stream.Source{
			Name: "toy", Doc: "toy", Base: "/", Streams: []stream.Stream{s},
			Origin: func(stream.Config) string { return "https://toy.example" },
		}
		require.Equal(t, tc.want, src.Validate(func(s *stream.Stream) (*singer.Schema, error) { return s.Schema, nil }))
	}
}
