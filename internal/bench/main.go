// Command bench measures the whole program against the sandbox, in processes of
// their own, and prints tables: records per CPU second beside the floor's (see
// package floor), peak memory at 10^4, 10^5 and 10^6 records, a bulk file, the wall time
// under a rate limit, start-up times and the size of the binary. It must change
// nothing but a temporary folder.
//
//	go run ./internal/bench [-runs N] [-only memory|speed|pace|start|bulk]
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var (
	runs = flag.Int("runs", 5, "runs of each measurement; the median is printed")
	only = flag.String("only", "", "one of speed, memory, pace, start, bulk; empty: all")
)

func main() {
	flag.Parse()
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type bench struct {
	dir, tap, floor string
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "tap-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{dir: dir, tap: filepath.Join(dir, "tap-backoffice"), floor: filepath.Join(dir, "floor")}
	for path, pkg := range map[string]string{b.tap: "./cmd/tap-backoffice", b.floor: "./internal/bench/floor"} {
		c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -buildid=", "-o", path, pkg)
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %s", pkg, out)
		}
	}
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"start", b.start}, {"speed", b.speed}, {"memory", b.memory}, {"pace", b.pace}, {"bulk", b.bulk}} {
		if *only == "" || *only == part.name {
			if err := part.run(ctx); err != nil {
				return fmt.Errorf("%s: %w", part.name, err)
			}
		}
	}
	return nil
}

// cost is what a process took.
type cost struct {
	wall, cpu time.Duration
	rss       int64 // bytes at its peak
}

// measure runs a command to its end and discards what it writes.
func measure(c *exec.Cmd) (cost, error) {
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return cost{}, err
	}
	began := time.Now()
	if err := c.Start(); err != nil {
		return cost{}, err
	}
	_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, out, make([]byte, 1<<20))
	if err := c.Wait(); err != nil {
		return cost{}, fmt.Errorf("%w: %s", err, stderr.String())
	}
	usage := c.ProcessState.SysUsage().(*syscall.Rusage)
	return cost{
		wall: time.Since(began),
		cpu:  c.ProcessState.UserTime() + c.ProcessState.SystemTime(),
		rss:  usage.Maxrss * 1024, // Linux counts KiB
	}, nil
}

// sandbox starts the stand-in of saasoptics.
func (b *bench) sandbox(ctx context.Context, flags ...string) (url, config string, stop func(), err error) {
	return b.sandboxOf(ctx, "saasoptics", flags...)
}

// sandboxOf starts a stand-in and returns its base URL and the config it wrote.
func (b *bench) sandboxOf(ctx context.Context, source string, flags ...string) (url, config string, stop func(), err error) {
	dir, err := os.MkdirTemp(b.dir, "sandbox-")
	if err != nil {
		return "", "", nil, err
	}
	c := exec.CommandContext(ctx, b.tap, append([]string{"sandbox", source, "--write-config", dir}, flags...)...)
	out, err := c.StdoutPipe()
	if err != nil {
		return "", "", nil, err
	}
	if err := c.Start(); err != nil {
		return "", "", nil, err
	}
	stop = func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(line) != "ready" {
		stop()
		return "", "", nil, fmt.Errorf("the sandbox said %q: %w", line, err)
	}
	config = filepath.Join(dir, source+".json")
	raw, err := os.ReadFile(config)
	if err != nil {
		stop()
		return "", "", nil, err
	}
	var values struct {
		URL string `json:"api_url"`
	}
	err = json.Unmarshal(raw, &values)
	return values.URL, config, stop, err
}

// values reads a config.
func values(path string) (v map[string]any, err error) {
	raw, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(raw, &v)
	}
	return v, err
}

func (b *bench) fast() (string, error) {
	return b.write("fast.json", `{"requests_per_second": 1000000, "date_window_size": 365}`)
}

// write makes a config file.
func (b *bench) write(name, text string) (string, error) {
	path := filepath.Join(b.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

func median[T any](all []T, key func(T) float64) T {
	slices.SortFunc(all, func(a, b T) int { return int(1e6 * (key(a) - key(b))) })
	return all[len(all)/2]
}

// speed compares the tap's CPU time with the floor's on the same pages, run in
// turns so that both meet the same noise.
func (b *bench) speed(ctx context.Context) error {
	const records = 200_000
	url, config, stop, err := b.sandbox(ctx, "--limits", "off", "--records", strconv.Itoa(records))
	if err != nil {
		return err
	}
	defer stop()
	fast, err := b.fast()
	if err != nil {
		return err
	}
	v, err := values(config)
	if err != nil {
		return err
	}
	page := fmt.Sprintf("%s/%s/api/v1.0/contracts/", url, v["account_name"])
	var taps, floors []cost
	for range *runs {
		f, err := measure(exec.CommandContext(ctx, b.floor, page, fmt.Sprint(v["token"])))
		if err != nil {
			return err
		}
		t, err := measure(exec.CommandContext(ctx, b.tap, "saasoptics", "-c", config, "-c", fast, "--select", "contracts", "--log-level", "warn"))
		if err != nil {
			return err
		}
		floors, taps = append(floors, f), append(taps, t)
	}
	cpu := func(c cost) float64 { return c.cpu.Seconds() }
	t, f := median(taps, cpu), median(floors, cpu)
	fmt.Printf("contracts, %d records of about 1.7 kB, 100 a page, loopback; median of %d runs\n", records, *runs)
	fmt.Printf("  %-8s %14s %10s %10s %10s\n", "", "rec/CPU s", "CPU s", "wall s", "peak MiB")
	for _, row := range []struct {
		name string
		cost
	}{{"floor", f}, {"tap", t}} {
		fmt.Printf("  %-8s %14.0f %10.2f %10.2f %10.1f\n", row.name, records/row.cpu.Seconds(), row.cpu.Seconds(), row.wall.Seconds(), mib(row.rss))
	}
	fmt.Printf("  tap / floor: %.0f %% (bar: 50 %%)\n\n", 100*f.cpu.Seconds()/t.cpu.Seconds())
	return nil
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// memory shows that the peak does not grow with the number of records.
func (b *bench) memory(ctx context.Context) error {
	fmt.Printf("peak memory of a sync of contracts, default concurrency (bar: 64 MiB)\n  %-12s %10s %10s %14s\n", "records", "peak MiB", "wall s", "rec/CPU s")
	fast, err := b.fast()
	if err != nil {
		return err
	}
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		_, config, stop, err := b.sandbox(ctx, "--limits", "off", "--records", strconv.Itoa(n))
		if err != nil {
			return err
		}
		var all []cost
		for range max(1, *runs/2) {
			c, err := measure(exec.CommandContext(ctx, b.tap, "saasoptics", "-c", config, "-c", fast, "--select", "contracts", "--log-level", "warn"))
			if err != nil {
				stop()
				return err
			}
			all = append(all, c)
		}
		stop()
		c := median(all, func(c cost) float64 { return float64(c.rss) })
		fmt.Printf("  %-12d %10.1f %10.2f %14.0f\n", n, mib(c.rss), c.wall.Seconds(), float64(n)/c.cpu.Seconds())
	}
	fmt.Println()
	return nil
}

// pace shows how much of an allowed rate is used: 200 ms a page, 5 a second.
func (b *bench) pace(ctx context.Context) error {
	url, config, stop, err := b.sandbox(ctx, "--limits", "real", "--latency", "200ms", "--records", "1500")
	if err != nil {
		return err
	}
	defer stop()
	c, err := measure(exec.CommandContext(ctx, b.tap, "saasoptics", "-c", config, "--log-level", "warn"))
	if err != nil {
		return err
	}
	requests, err := requestCount(ctx, url)
	if err != nil {
		return err
	}
	least := float64(requests) / 5
	fmt.Printf("default sync, 200 ms a page, 5 requests/s allowed\n  %d requests, %.1f s; at 5/s they take %.1f s: factor %.3f (bar: 1.05)\n\n", requests, c.wall.Seconds(), least, c.wall.Seconds()/least)
	return nil
}

func requestCount(ctx context.Context, url string) (int, error) {
	base, source, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+base+"/_sandbox/"+source+"/stats", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var stats struct {
		Requests int `json:"requests"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&stats); err != nil {
		return 0, err
	}
	if stats.Requests == 0 {
		return 0, errors.New("the sandbox counted no request")
	}
	return stats.Requests, nil
}

// start shows what a runner waits for before anything happens.
func (b *bench) start(ctx context.Context) error {
	info, err := os.Stat(b.tap)
	if err != nil {
		return err
	}
	fmt.Printf("binary %.1f MiB (bar: 15)\n", mib(info.Size()))
	for _, args := range [][]string{{"--version"}, {"saasoptics", "--discover"}} {
		var all []cost
		for range 21 {
			c, err := measure(exec.CommandContext(ctx, b.tap, args...))
			if err != nil {
				return err
			}
			all = append(all, c)
		}
		c := median(all, func(c cost) float64 { return c.wall.Seconds() })
		fmt.Printf("%-28s %.1f ms\n", strings.Join(args, " "), float64(c.wall.Microseconds())/1000)
	}
	fmt.Println()
	return nil
}
