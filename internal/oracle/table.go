package oracle

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// New makes the judge of a stream's records from the SCHEMA that was written and that
// of all properties. Told are the members of a row of the truth, which may hold what
// the tap fills in; nil for the vendor's own rows.
func New(src *stream.Source, st *stream.Stream, emitted json.RawMessage, full *singer.Schema, told map[string]json.RawMessage) (*Oracle, error) {
	o := &Oracle{Stream: st, Schema: &singer.Schema{}, Full: full, Zone: Zone(src), Wall: src.Instant != nil, Inject: injected(src, st)}
	if err := json.Unmarshal(emitted, o.Schema); err != nil {
		return nil, fmt.Errorf("the SCHEMA of %s: %w", st.Name, err)
	}
	o.Inject = slices.DeleteFunc(o.Inject, func(name string) bool { return told[name] != nil })
	o.Unlisted = st.Select == "" && slices.ContainsFunc(src.Streams, func(o stream.Stream) bool { return o.Select != "" })
	o.Index()
	return o, nil
}

// Zone is a source's time zone, where nothing else is configured.
func Zone(src *stream.Source) *time.Location {
	if src.Zone == nil {
		return time.UTC
	}
	return src.Zone(stream.NewConfig(map[string]string{}))
}

// injected are the properties that the tap fills in by itself.
func injected(src *stream.Source, st *stream.Stream) []string {
	var out []string
	if st.Scope != "" {
		out = append(out, src.Scopes[st.Scope].Inject...)
	}
	var binds []stream.Bind
	switch {
	case st.Parent != nil:
		binds = st.Parent.Bind
	case st.With != nil:
		binds = st.With.Inject
	}
	for _, b := range binds {
		if b.Inject != "" {
			out = append(out, b.Inject)
		}
	}
	return out
}

// Stamped tells the streams whose replication value no row shows: the vendor filters
// by a day, and the tap stamps what it gets with the day that it asked for
// (contract.md §5).
func Stamped(st *stream.Stream) bool { return st.Cursor != nil && st.Cursor.Stamp != nil }

// TruthName is what a stand-in calls the truth of a stream that has all replication
// values: for a stamped one it tells the days in a truth of its own.
func TruthName(st *stream.Stream) string {
	if Stamped(st) {
		return st.Name + "/" + st.Cursor.Field
	}
	return st.Name
}

// Exclusive tells whether the vendor leaves out the lower bound itself.
func Exclusive(st *stream.Stream) bool {
	if st.Cursor == nil {
		return false
	}
	if p, ok := st.Page.(stream.Keyset); ok && p.Param == st.Cursor.From {
		return true // it asks for what follows a key
	}
	return slices.ContainsFunc(st.Cursor.Bounds(stream.NewConfig(nil), "5", ""), func(p stream.Param) bool {
		return strings.Contains(p.Value, " gt ")
	})
}

// LooksBack is how far before its bookmark a stream is read by default.
func LooksBack(src *stream.Source, st *stream.Stream) time.Duration {
	if st.Cursor == nil {
		return 0
	}
	return cmp.Or(src.Lookback, st.Cursor.Lookback)
}

// ReadMark reads an emitted replication value or a bookmark: an instant or day in
// microseconds, or a number. Set is false for null and for none.
func ReadMark(raw json.RawMessage) (v int64, set bool, err error) {
	if len(raw) == 0 || string(raw) == "null" {
		return 0, false, nil
	}
	if raw[0] != '"' {
		v, err = strconv.ParseInt(string(raw), 10, 64)
		return v, true, err
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return 0, false, err
	}
	layout := time.DateOnly
	if len(text) != len(layout) {
		if layout = time.RFC3339Nano; !strings.HasSuffix(text, "Z") {
			return 0, false, fmt.Errorf("%s is not UTC with Z", text)
		}
	}
	at, err := time.Parse(layout, text)
	return at.UnixMicro(), true, err
}

// MarkOf reads the replication value of an expected record.
func (o *Oracle) MarkOf(want Expected) (v int64, set bool, err error) {
	text := want.Values[o.Stream.Cursor.Field]
	if p := o.Schema.Property(o.Stream.Cursor.Field); p.Type == "string" && p.Format == "date-time" && text != "null" {
		at, err := time.Parse(time.RFC3339Nano, text)
		return at.UnixMicro(), true, err
	}
	return ReadMark(json.RawMessage(text))
}
