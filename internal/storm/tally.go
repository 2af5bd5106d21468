package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// A finding is one thing that must not be.
type finding struct {
	kind string // one of kinds
	text string
}

// The kinds of findings, in the order of the last line.
const (
	lost    = "lost"    // a row that the reader never got, or not as it is
	ahead   = "ahead"   // a state that covers what was not written
	hang    = "hangs"   // no line, no request, no stated wait
	crash   = "panics"  // an exit code 70, a panic, a dump of goroutines
	secret  = "secrets" // a credential where none belongs
	broken  = "broken"  // anything else that contract.md rules out
	strange = "strange" // the storm itself failed
)

var kinds = []string{lost, ahead, hang, crash, secret, broken, strange}

// tally counts what happened.
type tally struct {
	mu       sync.Mutex
	began    time.Time
	runs     int
	episodes int
	failed   int
	short    int // ended since the storm was over
	rows     int64
	pairs    int
	saves    int
	calls    int64
	latest   time.Duration // from a signal to the end of the process
	found    map[string]int
	codes    map[int]int
	ends     map[string]int
	streams  map[string]map[string]bool
}

func (t *tally) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.runs
}

func (t *tally) clean() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.found) == 0
}

// ran takes a run in.
func (t *tally) ran(r *result, end string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs++
	t.rows += int64(r.rows)
	t.latest = max(t.latest, r.late)
	if t.codes == nil {
		t.codes, t.ends = map[int]int{}, map[string]int{}
	}
	t.codes[r.code]++
	t.ends[end]++
}

// read notes that a stream was read.
func (t *tally) read(source string, names []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.streams == nil {
		t.streams = map[string]map[string]bool{}
	}
	if t.streams[source] == nil {
		t.streams[source] = map[string]bool{}
	}
	for _, name := range names {
		t.streams[source][name] = true
	}
}

func (t *tally) ended(findings []finding, calls int64, short bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.episodes++
	if short {
		t.short++
	}
	t.calls += calls
	if len(findings) == 0 {
		return
	}
	t.failed++
	if t.found == nil {
		t.found = map[string]int{}
	}
	for _, f := range findings {
		t.found[f.kind]++
	}
}

func (t *tally) print(w io.Writer, seed int64, places []*place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	took := time.Since(t.began)
	for _, p := range places {
		if p == nil {
			continue
		}
		var missed []string
		for _, st := range p.chosen {
			if !t.streams[p.src.Name][st.name] {
				missed = append(missed, st.name)
			}
		}
		slices.Sort(missed)
		line := fmt.Sprintf("%s: %d of %d streams read", p.src.Name, len(p.chosen)-len(missed), len(p.chosen))
		if n := len(missed); n > 0 {
			line += ", not " + strings.Join(missed[:min(n, 5)], ", ")
			if n > 5 {
				line += fmt.Sprintf(" and %d more", n-5)
			}
		}
		fmt.Fprintln(w, line)
	}
	fmt.Fprintf(w, "ends: %s\nexit codes: %s\n", counts(t.ends), counts(t.codes))
	fmt.Fprintf(w, "%d episodes, %d failed, %d cut short at the end, %d pairs, %d state saves, %d requests, %.0f s, %.1f runs/s, slowest end after a signal %s\n",
		t.episodes, t.failed, t.short, t.pairs, t.saves, t.calls, took.Seconds(), float64(t.runs)/took.Seconds(), t.latest.Round(time.Millisecond))
	fmt.Fprintf(w, "storm: seed %d, %d runs, %d rows", seed, t.runs, t.rows)
	for _, kind := range kinds {
		fmt.Fprintf(w, ", %d %s", t.found[kind], kind)
	}
	fmt.Fprintln(w)
}

// counts writes a map in order.
func counts[K interface{ ~int | ~string }](m map[K]int) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprintf("%v: %d", k, m[k]))
	}
	return strings.Join(out, ", ")
}
