// Command storm runs the built tap thousands of times against the stand-ins while
// everything goes wrong: answers are refused, spoilt, cut and slow, connections
// break, tokens expire and rotate, rows move between pages, the vendor's clock is
// off, disks are full, and the process is killed. What reached its reader, joined
// over the runs as a target would, is held against the stand-in's truth by an oracle
// outside the tap. It must change nothing but a temporary folder, and must never ask
// the tap what the truth is.
//
// An episode is a service with a few streams, read night after night until a last
// quiet run. All that is random comes from its seed, but for the timing of the
// operating system: a failing seed shows the same weather again, not always the same
// failure.
//
//	go run ./internal/storm -tap BINARY [-seed N] [-runs M] [-sources a,b] [-parallel P] [-v]
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	standins "github.com/tap-backoffice/tap-backoffice/internal/emulator/all"
	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
)

// options are those of the command line.
type options struct {
	tap      string
	seed     int64
	runs     int
	sources  string
	parallel int
	verbose  bool
	dir      string        // where what failed is kept
	silence  time.Duration // what is a hang
	most     time.Duration // after which no episode begins; 0: as long as it takes
	out      io.Writer
}

func main() {
	o := options{out: os.Stdout}
	flag.StringVar(&o.tap, "tap", "", "the built tap; empty: it is built")
	flag.Int64Var(&o.seed, "seed", 1, "the first episode's; the others follow")
	flag.IntVar(&o.runs, "runs", 1500, "least number of runs")
	flag.StringVar(&o.sources, "sources", "", "only these, comma separated; empty: all")
	flag.IntVar(&o.parallel, "parallel", 48, "episodes at once: most of their time is waiting")
	flag.BoolVar(&o.verbose, "v", false, "tells of every run")
	flag.StringVar(&o.dir, "dir", "", "folder in which failed episodes are kept; empty: a temporary one")
	flag.DurationVar(&o.silence, "silence", time.Minute, "a run without a line, a request or a stated wait for longer hangs")
	flag.DurationVar(&o.most, "time", 0, "no episode begins after this time, however few the runs; 0: as long as it takes")
	flag.Parse()
	// In the background of a shell SIGINT is ignored, and so the tap's own would be
	// until it listens.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	total, err := storm(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "storm:", err)
		os.Exit(2)
	}
	if !total.clean() {
		os.Exit(1)
	}
}

// storm runs episodes until there were enough runs, and prints what became of them.
func storm(ctx context.Context, o options) (*tally, error) {
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "storm-")
		if err != nil {
			return nil, err
		}
		o.dir = dir
		defer os.Remove(dir) // kept if anything is in it
	}
	if o.tap == "" {
		o.tap = filepath.Join(o.dir, "tap-backoffice")
		c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -buildid=", "-o", o.tap, "./cmd/tap-backoffice")
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := c.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build: %s", text)
		}
		defer os.Remove(o.tap)
	}
	places, err := places(ctx, o)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	total := &tally{began: began}
	var mu sync.Mutex
	next, said, episodes := o.seed, 0, 0
	draw := func() (int64, bool) {
		mu.Lock()
		defer mu.Unlock()
		if n := total.count(); n >= o.runs || o.most > 0 && time.Since(began) > o.most {
			return 0, false
		} else if o.verbose && n-said >= 100 {
			said = n
			fmt.Fprintf(o.out, "%d runs in %s\n", n, time.Since(began).Round(time.Second))
		}
		if episodes >= o.runs { // each episode is a run at least
			return 0, false
		}
		for places[int(uint64(next)%uint64(len(places)))] == nil {
			next++
		}
		episodes++
		next++
		return next - 1, true
	}
	var all sync.WaitGroup
	for range o.parallel {
		all.Go(func() {
			for {
				seed, more := draw()
				if !more || ctx.Err() != nil {
					return
				}
				play(ctx, o, places[int(uint64(seed)%uint64(len(places)))], seed, total)
			}
		})
	}
	all.Wait()
	total.print(o.out, o.seed, places)
	return total, nil
}

// places prepares the sources; those that are not wanted are nil, so that a seed is
// of the same source whatever is wanted.
func places(ctx context.Context, o options) ([]*place, error) {
	plugins := standins.Plugins()
	var known []string
	for _, p := range plugins {
		known = append(known, p.Name)
	}
	wanted := known
	if o.sources != "" {
		wanted = strings.Split(o.sources, ",")
	}
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("no source %q, there are %s", name, strings.Join(known, ", "))
		}
	}
	var out []*place
	for _, src := range all.Sources() {
		if !slices.Contains(wanted, src.Name) {
			out = append(out, nil)
			continue
		}
		plugin := plugins[slices.IndexFunc(plugins, func(p emulator.Plugin) bool { return p.Name == src.Name })]
		p, err := prepare(ctx, src, plugin)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", src.Name, err)
		}
		out = append(out, p)
	}
	return out, nil
}
