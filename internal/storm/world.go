package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/oracle"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// A world is what is true in an episode, and what its reader has of it.
type world struct {
	place     *place
	shared    *sharing
	parts     map[string][]stream.Partition
	start     time.Time // start_date
	deletions bool
	offers    bool // include_offers
	tables    map[string]*table
	joined    map[string]map[string]map[string]record // by stream, the vendor's key, the whole key
	was       snapshot
	then      snapshot // what the bookmarks cover: nothing that came later
	// loose are members that changed in rows whose replication value did not: nobody
	// who reads by it can know.
	loose map[string]map[string]bool
	ever  map[string]map[string]bool // keys that were true once
	back  map[string]bool            // rows that were dated back, by stream and key

	mu       sync.Mutex
	inserted []string // ids that were, perhaps for a moment
	gone     []string // ids that were deleted
	moved    bool     // partitions may tell something else of themselves than parts
}

// A snapshot is the truth at a moment, by stream.
type snapshot map[string][]row

// A record is a row as it was written.
type record struct {
	stream string
	raw    json.RawMessage
	fields map[string]json.RawMessage
	at     int // line
}

// learn takes the SCHEMA of a stream in.
func (w *world) learn(name string, emitted json.RawMessage) (*table, error) {
	if t := w.tables[name]; t != nil && t.emitted == string(emitted) && t.told {
		return t, nil
	}
	st := w.place.src.Stream(name)
	if st == nil {
		return nil, fmt.Errorf("the tap writes a stream %q that nobody knows", name)
	}
	truth, err := w.truth(st)
	if err != nil {
		return nil, err
	}
	t, err := w.newTable(st, emitted, truth)
	if err == nil {
		w.tables[name] = t
	}
	return t, err
}

// truths are the truth before a run: of streams that were read before, and of others,
// whose rows mean something only under the SCHEMA that is to come.
type truths struct {
	known snapshot
	raw   map[string][]json.RawMessage
	at    time.Time
	moved bool // rows moved since
}

// unread are the rows of those streams among some that were not read yet.
func (w *world) unread(names []string) (map[string][]json.RawMessage, error) {
	out := map[string][]json.RawMessage{}
	for _, name := range names {
		st := w.place.src.Stream(name)
		if w.tables[name] != nil || st == nil {
			continue
		}
		var err error
		if out[name], err = w.truth(st); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// whole is what was true before the run.
func (t *truths) whole(w *world) (snapshot, error) {
	for name, raw := range t.raw {
		table := w.tables[name]
		if table == nil {
			continue
		}
		rows, err := w.rows(table, raw)
		if err != nil {
			return nil, err
		}
		t.known[name] = rows
		if _, seen := w.was[name]; !seen {
			w.was[name] = rows
		}
		if w.ever[name] == nil {
			w.ever[name] = map[string]bool{}
		}
		for _, r := range rows {
			w.ever[name][r.key] = true
		}
	}
	return t.known, nil
}

// look takes a snapshot, and notes what changed since the one before.
func (w *world) look() (snapshot, error) {
	now := snapshot{}
	for name, t := range w.tables {
		truth, err := w.truth(t.st)
		if err != nil {
			return nil, err
		}
		rows, err := w.rows(t, truth)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		now[name] = rows
		w.datedBack(t, rows)
		if w.ever[name] == nil {
			w.ever[name] = map[string]bool{}
		}
		for _, r := range rows {
			w.ever[name][r.key] = true
		}
		if !t.whole() {
			w.note(name, w.was[name], rows)
		}
	}
	w.was = now
	return now, nil
}

// truth are the live rows of a stream, those that only the config asks for included.
func (w *world) truth(st *stream.Stream) ([]json.RawMessage, error) {
	rows, err := w.shared.rows(oracle.TruthName(st))
	if err != nil || !w.offers || st.Passes == nil {
		return rows, err
	}
	more, err := w.shared.rows(st.Name + "/offers")
	return append(rows, more...), err
}

// datedBack notes the rows that appear, or move, so far back that a stream whose rows
// tell when something was and not when it was changed is not read there again
// (lookback, contract.md §3).
func (w *world) datedBack(t *table, rows []row) {
	// Episodes do not make it less.
	back := oracle.LooksBack(w.place.src, t.st)
	before, seen := w.was[t.st.Name]
	if t.st.Cursor == nil || back == 0 || !seen {
		return
	}
	for _, r := range rows {
		if r.value.set && r.value.v < time.Now().Add(-back).UnixMicro() && !w.stood(before, r) {
			w.back[t.st.Name+r.key] = true
		}
	}
}

// note finds the members that changed although the replication value did not.
func (w *world) note(name string, before, after []row) {
	old := map[string]row{}
	for _, r := range before {
		old[r.key] = r
	}
	for _, r := range after {
		if o, ok := old[r.key]; ok && o.value.v == r.value.v {
			w.loosen(name, o, r)
		}
	}
}

// loosen notes the members in which two rows differ.
func (w *world) loosen(name string, a, b row) {
	if string(a.raw) == string(b.raw) {
		return
	}
	if w.loose[name] == nil {
		w.loose[name] = map[string]bool{}
	}
	for k, v := range b.Values {
		if a.Values[k] != v {
			w.loose[name][k] = true
		}
	}
	for k, v := range b.Rescued {
		if a.Rescued[k] != v {
			w.loose[name][oracle.Rescued] = true
		}
	}
}

// take gives records to the reader.
func (w *world) take(records []record) {
	for _, r := range records {
		t := w.tables[r.stream]
		if t == nil {
			continue
		}
		values := make([]string, len(t.st.Key))
		for i, k := range t.st.Key {
			values[i] = string(r.fields[k])
		}
		vendors, whole := t.judge.KeyOf(w.canonical(t, r)), strings.Join(values, "|")
		if w.twins(t) {
			whole = string(r.raw)
		}
		if w.joined[r.stream] == nil {
			w.joined[r.stream] = map[string]map[string]record{}
		}
		if w.joined[r.stream][vendors] == nil {
			w.joined[r.stream][vendors] = map[string]record{}
		}
		w.joined[r.stream][vendors][whole] = r
	}
}

// canonical are the values of a record as the oracle writes them.
func (w *world) canonical(t *table, r record) func(string) string {
	return func(k string) string {
		text, err := oracle.Canon(t.judge.Schema.Property(k), r.fields[k])
		if err != nil {
			return string(r.fields[k])
		}
		return text
	}
}

// twins tells whether rows share all that makes the key of a stream, where that is a
// guess: then all are written.
func (w *world) twins(t *table) bool {
	seen := map[string]bool{}
	for _, r := range w.was[t.st.Name] {
		if seen[r.key] && len(t.judge.Inject) == 0 {
			return true
		}
		seen[r.key] = true
	}
	return false
}

// differ tells in what the best of some records is not the row that it should be.
func (w *world) differ(t *table, want row, got map[string]record, loose map[string]bool) error {
	var wrong error
	for _, r := range got {
		e := want.Expected
		e.Loose = maps.Clone(loose)
		if e.Loose == nil {
			e.Loose = map[string]bool{}
		}
		if oracle.Stamped(t.st) && string(r.fields[t.st.Cursor.Field]) == "null" {
			e.Loose[t.st.Cursor.Field] = true // a first read does not know the day
		}
		if t.st.Cursor != nil {
			// What is referred to may change, and the row does not.
			for name, text := range e.Values {
				if id := reference(text); id != "" && id == reference(string(r.fields[name])) {
					e.Loose[name] = true
				}
			}
		}
		for _, name := range t.order {
			// A run that did not see the account's own columns knew fewer: they are rescued.
			if _, ok := r.fields[name]; !ok {
				e.Loose[name], e.Loose[oracle.Rescued] = true, true
			}
		}
		fields := r.fields
		if e.Loose[oracle.Rescued] {
			e.Rescued = nil
			fields = maps.Clone(fields)
			fields[oracle.Rescued] = json.RawMessage("null")
		}
		err := t.judge.Compare(e, fields)
		if err == nil {
			return nil
		}
		wrong = err
	}
	return wrong
}

// reference is the id in an object that refers to another row, "" where it is none.
func reference(text string) string {
	if inner, ok := oracle.TextOf(json.RawMessage(text)); ok {
		text = inner
	}
	list, err := oracle.Flat([]byte(text))
	if err != nil {
		return ""
	}
	for _, m := range list {
		if m.Name == "id" && string(m.Raw) != "null" {
			return string(m.Raw)
		}
	}
	return ""
}

// marks are the bookmarks of a stream in a state, by partition.
func (w *world) marks(state json.RawMessage, st *stream.Stream) (map[string]mark, error) {
	out := map[string]mark{}
	if st.Cursor == nil || len(state) == 0 {
		return out, nil
	}
	var s struct {
		Bookmarks map[string]map[string]json.RawMessage `json:"bookmarks"`
	}
	if err := json.Unmarshal(state, &s); err != nil {
		return nil, err
	}
	entries := map[string]map[string]json.RawMessage{"": s.Bookmarks[st.Name]}
	if st.Scope != "" {
		entries = nil
		if raw := s.Bookmarks[st.Name]["partitions"]; raw != nil {
			if err := json.Unmarshal(raw, &entries); err != nil {
				return nil, err
			}
		}
	}
	for id, entry := range entries {
		m, err := readMark(entry[st.Cursor.Field])
		if err != nil {
			return nil, err
		}
		if m.set {
			out[id] = m
		}
	}
	return out, nil
}
