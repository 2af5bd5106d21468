package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// play runs a night.
func (e *episode) play(p *plan, rng *rand.Rand) error {
	e.moving.Lock()
	for range p.between {
		e.change(pick(rng, e.names...), nil)
	}
	e.moves = p.moves
	e.moving.Unlock()
	before, err := e.world.look()
	if err != nil {
		return err
	}
	first, err := e.world.unread(e.names)
	if err != nil {
		return err
	}
	server, err := e.shared.under(e.seed+int64(e.night), p.faults, p.limits)
	if err != nil {
		return err
	}
	n := &night{seed: rng.Uint64(), handler: server.Handler(), wires: p.wires, expire: p.expire, step: p.step, stepAt: p.stepAt}
	e.front.quiet()
	if b := e.front.bank; b != nil {
		b.mu.Lock()
		// Who is killed with an answer on its way, or does not get it, cannot help it.
		b.strict = p.end.kind == endPair && p.faults == "" && len(p.wires) == 0
		b.mu.Unlock()
	}
	e.note("night %d: %+v", e.night, *p)
	began := time.Now()
	var results []*result
	switch p.end.kind {
	case endPair:
		results, err = e.pair(p, n, time.Duration(rng.IntN(40))*time.Millisecond)
	case endLock:
		results, err = e.locked(p, n)
	default:
		var pr *process
		if pr, err = e.start(p, n, p.end); err == nil {
			results = []*result{pr.finish()}
		}
	}
	if err != nil {
		return err
	}
	e.moving.Lock()
	moved := e.moves < p.moves
	e.moves = 0
	e.moving.Unlock()
	return e.judge(p, n, server, &truths{before, first, began, moved}, results, rng)
}

// start begins a run from the state that the target has stored.
func (e *episode) start(p *plan, n *night, end ending) (*process, error) {
	args := slices.Concat([]string{e.place.src.Name, "-c", filepath.Join(e.dir, "config.json")}, e.chosen, p.args, end.args)
	// One of two runs may be reading it: it is replaced in one step.
	state := filepath.Join(e.dir, "state.json")
	if e.state != nil {
		if err := os.WriteFile(state+".next", e.state, 0o600); err != nil {
			return nil, err
		}
		if err := os.Rename(state+".next", state); err != nil {
			return nil, err
		}
		args = append(args, "-s", state)
	} else if err := os.RemoveAll(state); err != nil {
		return nil, err
	}
	temp := filepath.Join(e.dir, "tmp")
	if err := os.MkdirAll(temp, 0o700); err != nil {
		return nil, err
	}
	env := []string{"PATH=/usr/bin:/bin", "HOME=" + e.dir, "XDG_STATE_HOME=" + filepath.Join(e.dir, "state"), "TMPDIR=" + temp}
	e.moving.Lock() // what changed before it began is stamped before
	defer e.moving.Unlock()
	e.front.night.Store(n)
	pr, err := start(e.o.tap, args, env, end, e.o.silence+e.window(), e.enough)
	if err == nil {
		n.watch(pr)
	}
	return pr, err
}

// window is how long a vendor's limit may keep a run waiting without a word, as its
// papers state: a longer wait is told, or the run ends.
func (e *episode) window() (most time.Duration) {
	for _, l := range e.place.src.Limits {
		if l.Vendor && (l.Kind == stream.Sliding || l.Kind == stream.Clock) && l.Per <= time.Minute {
			most = max(most, l.Per)
		}
	}
	return most
}

// pair runs the config twice at once.
func (e *episode) pair(p *plan, n *night, later time.Duration) ([]*result, error) {
	first, err := e.start(p, n, ending{kind: endPair})
	if err != nil {
		return nil, err
	}
	<-time.After(later)
	second, err := e.start(p, n, ending{kind: endPair})
	if err != nil {
		_ = first.cmd.Process.Kill()
		first.finish()
		return nil, err
	}
	done := make(chan *result, 1)
	go func() { done <- second.finish() }()
	results := []*result{first.finish(), <-done}
	e.total.mu.Lock()
	e.total.pairs++
	e.total.mu.Unlock()
	return results, nil
}

// locked runs it beside a run that holds the lock, and waits for its answers.
func (e *episode) locked(p *plan, n *night) ([]*result, error) {
	hold := make(chan struct{})
	inner := n.handler
	n.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-hold
		inner.ServeHTTP(w, r)
	})
	first, err := e.start(p, n, ending{kind: endLock, args: []string{"--lock"}})
	if err != nil {
		return nil, err
	}
	done := make(chan *result, 1)
	go func() { done <- first.finish() }()
	if r := e.holding(first, done); r != nil {
		close(hold)
		return []*result{r}, nil // it had nothing to ask
	}
	second, err := e.start(p, n, ending{kind: endLock, args: []string{"--lock"}})
	if err != nil {
		close(hold)
		<-done
		return nil, err
	}
	other := second.finish()
	close(hold)
	r := <-done
	want := fmt.Sprintf("process %d ", r.pid)
	if other.code != 5 || !strings.Contains(string(other.stderr), want) {
		e.fail(broken, "a second run with --lock ends with %d and does not name the holder, %s:\n%s", other.code, want, other.tail())
	}
	e.total.ran(other, "locked out")
	return []*result{r}, nil
}

// holding waits until a run has told that the lock is its, and returns the run if it
// ends before.
func (e *episode) holding(p *process, done <-chan *result) *result {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		list, _ := filepath.Glob(filepath.Join(e.dir, "state", "tap-backoffice", "*.lock.pid"))
		for _, path := range list {
			if text, err := os.ReadFile(path); err == nil && string(bytes.TrimSpace(text)) == strconv.Itoa(p.cmd.Process.Pid) {
				return nil
			}
		}
		select {
		case r := <-done:
			return r
		case <-tick.C:
		}
	}
}

// judge looks at what came of a night.
func (e *episode) judge(p *plan, n *night, server *emulator.Server, was *truths, results []*result, rng *rand.Rand) error {
	log, err := server.Log(e.place.src.Name)
	if err != nil {
		return err
	}
	trouble := len(n.hit) > 0 || e.own && (p.end.kind != endQuiet || e.again > 0)
	for _, entry := range log {
		trouble = trouble || entry.Fault != ""
		p.refused = p.refused || slices.Contains([]string{"401", "403", "404"}, entry.Fault)
	}
	winner := rng.IntN(len(results))
	var outs []*output
	for i, r := range results {
		if r.failed != nil {
			return r.failed
		}
		if r.idle {
			e.over = true
			return nil
		}
		e.total.ran(r, p.end.kind)
		if e.o.verbose {
			fmt.Fprintf(e.o.out, "seed %d night %d %s %s: code %d, %d lines, %s, faults %q %v\n", e.seed, e.night, e.place.src.Name, p.end.kind, r.code, len(r.lines), r.took.Round(time.Millisecond), p.faults, p.wires)
		}
		if e.absent(r) {
			r.code = 0
		}
		e.note("run %d: code %d, signal %d, %d lines, %d bytes behind them, %s", i, r.code, r.died, len(r.lines), len(r.rest), r.took)
		e.keep(i, r)
		out, err := e.world.read(r.lines)
		if err != nil {
			return err
		}
		outs = append(outs, out)
		e.found = append(e.found, out.findings...)
		e.total.read(e.place.src.Name, out.streams)
		e.ending(p, r, trouble, n.requests.Load())
		more, err := e.world.monotone(out, e.state, p.anew())
		if err != nil {
			return err
		}
		e.found = append(e.found, more...)
	}
	if err := e.searched(results); err != nil {
		return err
	}
	before, err := was.whole(e.world)
	if err != nil {
		return err
	}
	r, out, began, moved := results[winner], outs[winner], was.at, was.moved
	after, err := e.world.look()
	if err != nil {
		return err
	}
	if r.code == 0 && r.died == 0 && !p.refused && !(p.end.kind == endClosed && r.struck) {
		for _, name := range e.names {
			if rows, err := e.shared.rows(name); !slices.Contains(out.streams, name) && err == nil && len(rows) > 0 {
				e.fail(lost, "the run says that it is complete, and wrote nothing of %s", name)
			}
		}
		e.found = append(e.found, e.world.complete(before, after, out.records, began, moved)...)
	}
	state := e.state
	if err := e.target(p, out, rng); err != nil {
		return err
	}
	if err := e.world.covering(state, e.state, before, after); err != nil {
		return err
	}
	if e.world.moved {
		if e.world.parts, err = e.place.partitions(context.Background(), e.shared); err != nil {
			return err
		}
		e.world.moved = false
	}
	more, err := e.world.aheadOf(e.state, after)
	if err != nil {
		return err
	}
	e.found = append(e.found, more...)
	if p.end.kind == endQuiet && r.code == 0 {
		e.again = 0
		// Around the look before the run nothing but clocks moved.
		last, err := e.world.look()
		if err != nil {
			return err
		}
		e.found = append(e.found, e.world.rest(before, last, began)...)
	}
	if r.code == 0 && p.end.kind != endSlow && p.end.kind != endLock && !trouble {
		e.usualLines, e.usualCalls, e.usualTime = len(r.lines), n.requests.Load()/int64(len(results)), r.took
	}
	return nil
}

var refusedOnly = regexp.MustCompile(`partial: of \d+ streams \d+ may not be read \(([^)]*)\)(?:;| \(hint)|every selected stream was refused`)

// absent tells whether a run ended with 4 or 3 only since the account has no such
// streams, in any weather: then they have no rows either.
func (e *episode) absent(r *result) bool {
	m := refusedOnly.FindSubmatch(r.stderr)
	if m == nil || r.code != 3 && r.code != 4 {
		return false
	}
	names := e.names
	if len(m[1]) > 0 {
		names = strings.Split(string(m[1]), ", ")
	}
	return !slices.ContainsFunc(names, func(name string) bool {
		rows, err := e.shared.rows(name)
		return err != nil || len(rows) > 0 || e.place.src.Stream(name) == nil
	})
}

// anew are the streams whose bookmark is replaced.
func (p *plan) anew() []string {
	if i := slices.Index(p.args, "--full-refresh"); i >= 0 {
		return p.args[i+1 : i+2]
	}
	return nil
}

// keep leaves what a run wrote in the episode's folder.
func (e *episode) keep(i int, r *result) {
	name := filepath.Join(e.dir, fmt.Sprintf("night-%02d-%d", e.night, i))
	_ = os.WriteFile(name+".stdout", append(append(bytes.Join(r.lines, []byte("\n")), '\n'), r.rest...), 0o600)
	_ = os.WriteFile(name+".stderr", r.stderr, 0o600)
}

var dumped = regexp.MustCompile(`(?m)^goroutine \d+ |^panic: |^fatal error: |runtime error`)

// ending checks how a run ended against how it was to.
func (e *episode) ending(p *plan, r *result, trouble bool, calls int64) {
	kind := p.end.kind
	bad := func(why string) {
		e.fail(broken, "%s ended with %d (signal %d) %s after %s:\n%s", kind, r.code, r.died, why, r.took.Round(time.Millisecond), r.tail())
	}
	switch {
	case r.hung:
		e.fail(hang, "nothing for %s:\n%s", e.o.silence, r.tail())
		return
	case r.code == 70 || dumped.Match(r.stderr):
		e.fail(crash, "code %d:\n%.3000s", r.code, r.stderr)
		return
	}
	if kind == endKill && r.struck && r.died != 0 {
		return
	}
	if len(r.rest) > 0 && kind != endClosed {
		bad(fmt.Sprintf("in the midst of a line, %.80q", r.rest))
	}
	signal := map[string]int{endTerm: 143, endInt: 130}[kind]
	if signal != 0 && r.struck && r.late > lateMost {
		bad(fmt.Sprintf("only %s after the signal", r.late))
		return
	}
	early := len(r.lines) == 0 && r.died == p.end.sig && p.end.sig != 0 // before it could be heard
	switch {
	case kind == endClosed && r.struck:
		if r.code != 7 && !e.natural(r, trouble, p) {
			bad("though nobody read it")
		}
		return
	case signal != 0 && r.struck && r.code == signal:
		if len(r.lines) == 0 && calls == 0 {
			return // it had not begun
		}
		if len(r.lines) == 0 || !bytes.HasPrefix(r.lines[len(r.lines)-1], []byte(`{"type":"STATE"`)) {
			bad("without a last STATE")
		}
		return
	case early:
		return
	case r.died != 0:
		bad("of a signal that nobody sent")
		return
	}
	if !e.natural(r, trouble, p) {
		bad("though nothing went wrong")
	}
	if r.code == 0 && (len(r.lines) == 0 || !bytes.HasSuffix(r.lines[len(r.lines)-1], []byte(`"currently_syncing":null}}`))) {
		bad("without a last STATE")
	}
}

// lateMost is how long after a signal a run may end: two seconds, and what a busy
// machine takes.
const lateMost = 2500 * time.Millisecond

// natural tells whether an exit code is one that a run may end with by itself, in
// such a night.
func (e *episode) natural(r *result, trouble bool, p *plan) bool {
	switch r.code {
	case 0:
		return true
	case 5:
		return trouble || p.end.kind == endTimeout || p.limits == "real"
	case 1, 4, 6:
		if bytes.Contains(r.stderr, []byte("no whole answer within")) {
			return true // on a busy machine the stand-in is slow, too
		}
		if p.end.kind == endPair && bytes.Contains(r.stderr, []byte("the report was replaced by another one")) {
			return true // the service keeps one report, which both runs make
		}
		return trouble || p.moves > 0 || p.end.kind == endDisk || p.limits == "real" && r.code != 6
	case 2:
		return trouble && p.refused || p.end.kind == endDisk
	case 3:
		// A token that ends twice in a row is one that is refused.
		return trouble && (p.refused || p.expire > 0 && strings.Contains(e.ills, "stale-token"))
	}
	return false
}

// searched looks for secrets wherever none belong.
func (e *episode) searched(results []*result) error {
	all := slices.Clone(e.secrets)
	if b := e.front.bank; b != nil {
		all = append(all, b.secrets()...)
	}
	texts, err := files(e.dir, e.store, e.store+".new", filepath.Join(e.dir, "config.json"))
	if err != nil {
		return err
	}
	for name := range texts {
		// Those of earlier nights were looked at then.
		if strings.Contains(name, "night-") && !strings.Contains(name, fmt.Sprintf("night-%02d-", e.night)) {
			delete(texts, name)
		}
	}
	if len(results) > 0 {
		e.found = append(e.found, leaks(all, texts)...)
	}
	return nil
}

// target is who reads the run: it stores records and states as it pleases, and the
// next night goes on from the last state that it has stored.
func (e *episode) target(p *plan, out *output, rng *rand.Rand) error {
	var taken []stateAt
	for i, s := range out.states {
		// At the end of its input a target stores what it has, if it lives.
		if rng.Float64() < p.flush || i == len(out.states)-1 && rng.IntN(8) > 0 || p.end.kind == endQuiet {
			taken = append(taken, s)
		}
	}
	if len(taken) == 0 {
		return nil
	}
	last := taken[len(taken)-1]
	if p.save {
		var err error
		if last, err = e.saved(p, taken); err != nil || last.value == nil {
			return err
		}
	}
	e.world.take(out.before(last.line))
	e.state = slices.Clone(last.value)
	e.note("the target stored %d records and the state of line %d: %s", len(out.before(last.line)), last.line+1, last.value)
	return nil
}

// saved lets state save keep the states, and returns the one that it kept, none if
// it kept what was there before.
func (e *episode) saved(p *plan, taken []stateAt) (stateAt, error) {
	file := filepath.Join(e.dir, "saved.json")
	if e.state != nil {
		if err := os.WriteFile(file, e.state, 0o600); err != nil {
			return stateAt{}, err
		}
	} else if err := os.RemoveAll(file); err != nil {
		return stateAt{}, err
	}
	var lines [][]byte
	for _, s := range taken {
		lines = append(lines, slices.Clone([]byte(s.value)))
	}
	code, err := save(e.o.tap, file, lines, p.saveMax, p.saveCut)
	if err != nil {
		return stateAt{}, err
	}
	e.total.mu.Lock()
	e.total.saves++
	e.total.mu.Unlock()
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return stateAt{}, err
	}
	text = bytes.TrimSpace(text)
	e.note("state save ended with %d, the file has %d bytes", code, len(text))
	if code == 0 && !bytes.Equal(text, taken[len(taken)-1].value) {
		e.fail(broken, "state save ended with 0 and did not keep the last state")
	}
	for _, s := range taken {
		if bytes.Equal(text, s.value) {
			return s, nil // the first one: what follows it may not be stored
		}
	}
	if !bytes.Equal(text, e.state) {
		e.fail(broken, "state save left what is neither the former nor a later state: %.300q", text)
	}
	return stateAt{}, nil
}
