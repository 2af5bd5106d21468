package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// An episode is one service and one config, night after night.
type episode struct {
	o     options
	place *place
	seed  int64
	total *tally
	dir   string

	shared *sharing
	front  *front
	world  *world

	names   []string // of the streams that are chosen
	chosen  []string // flags that choose them
	values  map[string]any
	store   string
	secrets []string
	ills    string // the service's own faults
	own     bool   // the service has faults that its log does not tell
	again   int    // how often the last run may be repeated: the service has faults of its own
	state   json.RawMessage
	night   int
	found   []finding
	log     []string // what was done, for who reads of a failure

	// What a run is like, to draw moments in it.
	usualLines int
	usualCalls int64
	usualTime  time.Duration
	expiries   int

	moving sync.Mutex // held while rows change, and while a process starts
	movers *rand.Rand
	moves  int
	over   bool      // the storm is, and a run of this episode was ended for it
	last   time.Time // stamp of the last change
}

// play runs an episode to its end.
func play(ctx context.Context, o options, p *place, seed int64, total *tally) {
	e := &episode{o: o, place: p, seed: seed, total: total}
	err := e.begin(ctx)
	if err == nil {
		err = e.nights()
	}
	var calls int64
	if e.front != nil {
		e.front.close()
		calls = e.front.calls.Load()
	}
	if err != nil {
		e.found = append(e.found, finding{strange, err.Error()})
	}
	total.ended(e.found, calls, e.over)
	if len(e.found) == 0 {
		if e.dir != "" {
			_ = os.RemoveAll(e.dir)
		}
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d (%s) failed in night %d, see %s\n", seed, p.src.Name, e.night, e.dir)
	for _, f := range e.found[:min(len(e.found), 8)] {
		fmt.Fprintf(&b, "  %s: %s\n", f.kind, strings.ReplaceAll(f.text, "\n", "\n    "))
	}
	fmt.Fprintf(&b, "  to play it again: make storm SEED=%d RUNS=1\n", seed)
	_ = os.WriteFile(filepath.Join(e.dir, "story.txt"), []byte(b.String()+strings.Join(e.log, "\n")+"\n"), 0o600)
	fmt.Fprint(o.out, b.String())
}

// begin lays an episode out.
func (e *episode) begin(ctx context.Context) error {
	rng := drawn(uint64(e.seed), 0)
	e.movers = drawn(uint64(e.seed), 1)
	var err error
	if e.dir, err = os.MkdirTemp(e.o.dir, fmt.Sprintf("seed-%d-", e.seed)); err != nil {
		return err
	}
	e.choose(rng)
	options := emulator.Options{Records: 8 + rng.IntN(25), Seed: 1 + rng.Int64N(50), Limits: "off"}
	children := slices.ContainsFunc(e.names, func(name string) bool { return e.place.src.Stream(name).Parent != nil })
	if rng.IntN(12) == 0 && len(e.names) <= 2 && !children { // of which each may be a call, and there are limits
		options.Records = 120 + rng.IntN(300) // several pages
	}
	guess := ""
	if g := e.place.plugin.Guesses; len(g) > 0 && rng.IntN(3) == 0 {
		guess = pick(rng, g...)
	}
	own := ""
	if g := e.place.plugin.Passing; len(g) > 0 && rng.IntN(4) == 0 {
		own = pick(rng, g...) + "@" + pick(rng, e.names...)
		e.again = 3
	}
	if guess != "" && e.again == 0 {
		e.again = 6 // its pages may not fit together, by chance
	}
	e.own = own != "" || guess != ""
	options.Faults = strings.Trim(guess+","+own, ",")
	e.ills = options.Faults
	if e.shared, err = share(e.place.plugin, options); err != nil {
		return err
	}
	if e.front, err = open(nil, "/"+e.place.src.Name); err != nil {
		return err
	}
	e.front.clock.Store(int64(sometimes(rng, []int{4, 1, 1, 1, 1}, []time.Duration{0, 90 * time.Second, -90 * time.Second, 3 * time.Second, -3 * time.Second})))
	if err := e.config(rng); err != nil {
		return err
	}
	e.world = &world{
		place: e.place, shared: e.shared, deletions: e.yes("include_deleted"), offers: e.yes("include_offers"),
		tables: map[string]*table{}, joined: map[string]map[string]map[string]record{}, was: snapshot{},
		then:  snapshot{},
		loose: map[string]map[string]bool{}, ever: map[string]map[string]bool{}, back: map[string]bool{},
	}
	if e.world.parts, err = e.place.partitions(ctx, e.shared); err != nil {
		return err
	}
	if text, ok := e.values["start_date"].(string); ok {
		if e.world.start, err = time.Parse(time.RFC3339, text); err != nil {
			return err
		}
	}
	e.shared.base.OnPage(e.page)
	e.usualLines, e.usualCalls, e.usualTime = 40, 6, 60*time.Millisecond
	e.note("%s: streams %v, %d records, stand-in seed %d, faults %q, skew %s, config %v", e.place.src.Name, e.names, options.Records, options.Seed, options.Faults, e.front.skew(), e.values)
	// Discovery at the time of the run may find other columns than the plain service's.
	if guess != "" || rng.IntN(2) == 0 {
		path := filepath.Join(e.dir, "catalog.json")
		if err := os.WriteFile(path, e.place.catalog(e.names, e.world.deletions), 0o600); err != nil {
			return err
		}
		e.chosen = []string{"--catalog", path}
	} else {
		for _, name := range e.names {
			e.chosen = append(e.chosen, "--select", name)
		}
	}
	return nil
}

// choose draws the streams: those of the default selection more often.
func (e *episode) choose(rng *rand.Rand) {
	var weights []int
	for _, c := range e.place.chosen {
		weights = append(weights, c.weight)
	}
	for range sometimes(rng, []int{2, 3, 3, 2}, []int{1, 2, 3, 4}) {
		name := sometimes(rng, weights, e.place.chosen).name
		if !slices.Contains(e.names, name) {
			e.names = append(e.names, name)
		}
	}
}

// config writes the config, and sets up the sign-in.
func (e *episode) config(rng *rand.Rand) error {
	src := e.place.src
	var err error
	if e.values, err = e.shared.base.Config(src.Name, e.front.origin()); err != nil {
		return err
	}
	e.secrets = secretsOf(src, e.values)
	maps.Copy(e.values, settings(rng, src))
	e.store = filepath.Join(e.dir, "tokens.json")
	e.values["token_store"] = e.store
	if rules, ok := src.Auth.(stream.OAuth); ok {
		refresh, _ := e.values[rules.RefreshToken].(string)
		e.front.bank = newBank(rules, e.front.prefix+rules.Token, refresh)
	}
	return writeJSON(filepath.Join(e.dir, "config.json"), e.values)
}

// yes tells whether a setting is on.
func (e *episode) yes(key string) bool {
	on, _ := e.values[key].(bool)
	return on
}

func (e *episode) note(format string, args ...any) {
	e.log = append(e.log, time.Now().UTC().Format("15:04:05.000000")+"  "+fmt.Sprintf(format, args...))
}

// page moves rows while pages go out.
func (e *episode) page(p emulator.Page) {
	e.moving.Lock()
	defer e.moving.Unlock()
	if e.moves <= 0 || e.movers.IntN(3) == 0 {
		return
	}
	e.moves--
	e.change(p.Resource, p.IDs)
}

// change moves a row, perhaps one of those that were just listed. The caller holds
// the lock.
func (e *episode) change(name string, listed []emulator.ID) {
	rng := e.movers
	c := emulator.Change{Stream: name, At: time.Now().Add(e.front.skew())}
	switch rng.IntN(5) {
	case 0:
		c.Insert = 1 + rng.IntN(2)
	case 1:
		c.Delete = 1
		if len(listed) > 0 && rng.IntN(2) == 0 {
			c.Delete, c.Gone = 0, listed[:1]
		}
	default:
		c.Rows = 1 + rng.IntN(2)
		if len(listed) > 0 && rng.IntN(2) == 0 {
			c.Rows, c.IDs = 0, listed[len(listed)-1:]
		}
	}
	e.last = c.At
	reports, err := e.shared.base.Change(e.place.src.Name, c)
	if err != nil {
		return // not every table takes every change
	}
	for _, r := range reports {
		e.note("change of %s at %s: touched %v, deleted %v, inserted %v %s", r.Stream, r.At.Format(time.RFC3339Nano), r.Touched, r.Deleted, r.Inserted, r.Note)
		e.world.mu.Lock()
		e.world.moved = e.world.moved || r.Note != ""
		for _, id := range r.Deleted {
			e.world.gone = append(e.world.gone, string(id))
		}
		for _, id := range r.Inserted {
			e.world.inserted = append(e.world.inserted, string(id))
		}
		e.world.mu.Unlock()
	}
}

// enough tells that the storm is over, but for those that it is too short for.
func (e *episode) enough() bool {
	return e.o.runs > alone && (e.total.count() >= e.o.runs || e.o.most > 0 && time.Since(e.total.began) > e.o.most)
}

// alone is the number of runs up to which each episode is played to its end, so that
// one can be played again.
const alone = 100

// nights are the runs, and the last quiet one.
func (e *episode) nights() error {
	rng := drawn(uint64(e.seed), 2)
	for range 4 + rng.IntN(10) {
		if e.enough() {
			break // the storm is over: others wait for this one
		}
		e.night++
		p := e.plan(rng)
		if err := e.play(p, drawn(rng.Uint64(), 3)); err != nil || len(e.found) > 0 || e.over {
			return err
		}
	}
	// What the vendor's clock has stamped ahead of ours comes when ours is there.
	if ahead := time.Until(e.last); ahead > 0 && ahead < 5*time.Second {
		<-time.After(ahead + time.Second)
	}
	for {
		e.night++
		p := &plan{limits: "off", flush: 1, end: ending{kind: endQuiet}, args: []string{"--log-level", "debug"}}
		if err := e.play(p, rng); err != nil || len(e.found) > 0 || e.over {
			return err
		}
		if e.again == 0 {
			break
		}
		e.again--
	}
	// No sign-in may be lost.
	if b := e.front.bank; b != nil {
		if refresh := e.refreshToken(); refresh != "" && !b.good(refresh) {
			e.fail(lost, "the refresh token in the token store is burnt")
		}
	}
	return nil
}

func (e *episode) fail(kind, format string, args ...any) {
	e.found = append(e.found, finding{kind, fmt.Sprintf(format, args...)})
}

// refreshToken is the stored one, "" for none.
func (e *episode) refreshToken() string {
	text, err := os.ReadFile(e.store)
	if err != nil {
		return ""
	}
	i := bytes.LastIndex(text, []byte(`"refresh_token"`))
	if i < 0 {
		return ""
	}
	var value string
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimLeft(text[i+len(`"refresh_token"`):], ": \n\t")))
	_ = dec.Decode(&value)
	return value
}
