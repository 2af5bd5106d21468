package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// The ways in which a run ends.
const (
	endWhole   = "whole"   // by itself
	endKill    = "kill"    // SIGKILL
	endTerm    = "term"    // SIGTERM
	endInt     = "int"     // SIGINT
	endClosed  = "closed"  // its reader goes away
	endSlow    = "slow"    // by itself, its reader being slow
	endTimeout = "timeout" // --timeout
	endDisk    = "disk"    // by itself, no file of its can grow
	endPair    = "pair"    // another run of the config goes on beside it
	endLock    = "lock"    // so it does, with --lock
	endQuiet   = "quiet"   // by itself, in fine weather
)

// A plan is what happens in a night.
type plan struct {
	faults  string
	limits  string
	wires   []wire
	expire  int64
	step    time.Duration // the vendor's clock is put ahead: who puts it back hides rows from everybody
	stepAt  int64
	moves   int // changes between pages
	between int // and before the run
	end     ending
	args    []string
	flush   float64 // how often the target stores what it has read
	save    bool    // the states go through state save
	saveMax string  // file size limit of state save
	saveCut int     // state save is killed after so many states
	refused bool    // streams may be refused as if that were so
}

// sometimes picks by weight.
func sometimes[T any](rng *rand.Rand, weights []int, of []T) T {
	total := 0
	for _, w := range weights {
		total += w
	}
	n := rng.IntN(total)
	for i, w := range weights {
		if n -= w; n < 0 {
			return of[i]
		}
	}
	return of[len(of)-1]
}

// drawn is where everything random comes from.
func drawn(seed, part uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, part))
}

func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

// passing are the faults of answers that the stand-ins share, with how often they
// are drawn. What ends a run at once, or waits for long, is rare.
var passing = []struct {
	name   string
	weight int
	count  bool // never by share: it costs time, or credentials
}{
	{"500", 6, false},
	{"502", 6, false},
	{"503", 6, false},
	{"429-bare", 2, true},
	{"429", 1, true},
	{"429-date", 1, true},
	{"cut", 8, false},
	{"truncated", 5, false},
	{"empty", 5, false},
	{"html", 2, false},
	{"redirect", 2, true},
	{"garbage", 3, false},
	{"deep", 2, false},
	{"dup", 3, false},
	{"next-self", 3, false},
	{"next-foreign", 3, false},
	{"gzip", 5, false},
	{"slow", 1, true},
	{"slash", 1, true},
	{"401", 2, true},
	{"403", 2, true},
	{"404", 2, true},
	{"huge", 1, true},
}

// faults draws a list of faults of answers.
func (e *episode) faults(rng *rand.Rand, p *plan) {
	var list []string
	weights := make([]int, len(passing))
	for i, f := range passing {
		weights[i] = f.weight
	}
	for range sometimes(rng, []int{5, 8, 4, 2}, []int{0, 1, 2, 3}) {
		f := sometimes(rng, weights, passing)
		if f.name == "huge" && rng.IntN(10) > 0 {
			continue // 300 MB are dear
		}
		word := fmt.Sprintf("%s=%d", f.name, 1+rng.IntN(3))
		if !f.count && rng.IntN(2) == 0 {
			word = fmt.Sprintf("%s:%.3f", f.name, 0.01+0.25*rng.Float64()*rng.Float64())
		}
		if rng.IntN(3) == 0 {
			word += "@" + pick(rng, e.names...)
		}
		p.refused = p.refused || slices.Contains([]string{"401", "403", "404", "redirect", "html", "slash"}, f.name)
		list = append(list, word)
	}
	p.faults = strings.Join(list, ",")
	for range sometimes(rng, []int{7, 4, 1}, []int{0, 1, 2}) {
		w := wire{sometimes(rng, []int{3, 6, 6, 1, 1}, wireKinds), 0.01 + 0.2*rng.Float64()*rng.Float64()}
		if w.kind == "stall" || w.kind == "drip" {
			w.share /= 4
		}
		p.wires = append(p.wires, w)
	}
}

// plan draws a night.
func (e *episode) plan(rng *rand.Rand) *plan {
	p := &plan{limits: "off", flush: pick(rng, 1, 0.7, 0.3)}
	if rng.IntN(4) > 0 {
		e.faults(rng, p)
	}
	if rng.IntN(40) == 0 {
		p.limits = "real"
	}
	if e.front.bank != nil && e.expiries < 3 && rng.IntN(4) == 0 {
		e.expiries++
		p.expire = 1 + rng.Int64N(max(e.usualCalls, 1))
	}
	if step := pick(rng, 3*time.Second, 90*time.Second); rng.IntN(10) == 0 && e.front.skew()+step <= 90*time.Second {
		p.step, p.stepAt = step, 1+rng.Int64N(max(e.usualCalls, 1))
	}
	if rng.IntN(2) == 0 {
		p.moves = 1 + rng.IntN(6)
	}
	if rng.IntN(3) > 0 {
		p.between = 1 + rng.IntN(3)
	}
	kind := sometimes(rng, []int{26, 24, 8, 7, 9, 3, 5, 5, 8, 3},
		[]string{endWhole, endKill, endTerm, endInt, endClosed, endSlow, endTimeout, endDisk, endPair, endLock})
	p.end = ending{kind: kind}
	if kind == endPair {
		p.expire = 0 // one of them could meet two ends of a token in a row
	}
	switch kind {
	case endKill:
		p.end.sig = syscall.SIGKILL
	case endTerm:
		p.end.sig = syscall.SIGTERM
	case endInt:
		p.end.sig = syscall.SIGINT
	case endSlow:
		p.end.pause = time.Duration(1+rng.IntN(8)) * time.Millisecond
	case endTimeout:
		p.args = append(p.args, "--timeout", e.moment(rng).String())
	case endDisk:
		p.end.limit = pick(rng, "0", "1", "4", "64")
	}
	if p.end.sig != 0 || kind == endClosed {
		switch rng.IntN(3) {
		case 0:
			p.end.lines = 1 + rng.IntN(max(e.usualLines+e.usualLines/10, 4))
		case 1:
			p.end.calls = 1 + rng.Int64N(max(e.usualCalls, 1))
		case 2:
			p.end.after = e.moment(rng)
		}
	}
	p.args = append(p.args, "--concurrency", strconv.Itoa(1+rng.IntN(8)))
	p.args = append(p.args, "--log-level", sometimes(rng, []int{5, 3, 1, 1}, []string{"info", "debug", "warn", "error"}))
	p.args = append(p.args, "--log-format", pick(rng, "text", "text", "json", "singer"))
	if rng.IntN(30) == 0 && kind != endLock {
		p.args = append(p.args, "--full-refresh", pick(rng, e.names...))
	}
	if rng.IntN(6) == 0 {
		p.save = true
		switch rng.IntN(4) {
		case 0:
			p.saveCut = 1 + rng.IntN(6)
		case 1:
			p.saveMax = pick(rng, "0", "1", "2")
		}
	}
	return p
}

// moment draws a time within a run, as likely in its first tenth as in the rest.
func (e *episode) moment(rng *rand.Rand) time.Duration {
	most := math.Log(float64(max(e.usualTime, 20*time.Millisecond)) * 1.2)
	least := math.Log(float64(500 * time.Microsecond))
	return time.Duration(math.Exp(least + (most-least)*rng.Float64())).Round(time.Microsecond)
}

// lookbacks are those that lose no row: where rows tell when something was, not less
// than by default.
func lookbacks(src *stream.Source) []string {
	dated := src.Lookback > 0 || slices.ContainsFunc(src.Streams, func(st stream.Stream) bool { return st.Cursor != nil && st.Cursor.Lookback > 0 })
	if dated {
		return []string{"720h", "1000h"}
	}
	return []string{"1s", "10m", "48h", "720h"}
}

// settings draws the config beside what the stand-in wants.
func settings(rng *rand.Rand, src *stream.Source) map[string]any {
	more := map[string]any{
		"requests_per_second": 500,
		"request_timeout":     2,
		"max_retries":         1 + rng.IntN(3),
		"max_response_mb":     pick(rng, 4, 64),
	}
	// With few windows: each of them is a request.
	if rng.IntN(2) == 0 {
		more["date_window_size"] = pick(rng, 100, 200, 400, 900)
	} else if rng.IntN(2) == 0 {
		more["date_window_size"] = 3650
	}
	if rng.IntN(4) == 0 {
		more["lookback"] = pick(rng, lookbacks(src)...)
	}
	for _, s := range src.Settings {
		switch s.Key {
		case "page_size":
			if rng.IntN(3) > 0 {
				more[s.Key] = pick(rng, 10, 15, 40, 100) // what all vendors take
			}
		case "read_method":
			more[s.Key] = sometimes(rng, []int{12, 6, 1}, []string{"auto", "list", "bulk"})
		case "include_deleted":
			more[s.Key] = rng.IntN(2) == 0
		case "include_offers":
			more[s.Key] = rng.IntN(2) == 0
		}
	}
	return more
}
