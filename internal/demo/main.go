// Command demo shows the tap at work without an account: it starts the sandbox,
// discovers, syncs into out/<source>.jsonl, changes some rows, runs again from
// the state, checks both outputs and prints what was read, resumed and written.
// It must do nothing that a user could not type; each command is shown.
//
//	go run ./internal/demo [TAP]
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

const (
	out    = "out"
	source = "saasoptics"
)

func main() {
	tap := "bin/tap-backoffice"
	if len(os.Args) > 1 {
		tap = os.Args[1]
	}
	if err := demo(context.Background(), tap); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func demo(ctx context.Context, tap string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	stop, err := sandbox(ctx, tap)
	if err != nil {
		return err
	}
	defer stop()
	config := file("json")
	fast := file("fast.json") // the sandbox was told to have no limits
	if err := os.WriteFile(fast, []byte(`{"requests_per_second": 500}`), 0o600); err != nil {
		return err
	}
	if _, err := run(ctx, file("catalog.json"), tap, source, "--discover"); err != nil {
		return err
	}
	first, err := sync(ctx, file("jsonl"), tap, "--config", config, "--config", fast, "--catalog", file("catalog.json"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(file("state.json"), first.state, 0o600); err != nil {
		return err
	}
	if err := change(ctx, config); err != nil {
		return err
	}
	second, err := sync(ctx, file("second.jsonl"), tap, "--config", config, "--config", fast, "--catalog", file("catalog.json"), "--state", file("state.json"))
	if err != nil {
		return err
	}
	for _, name := range []string{file("jsonl"), file("second.jsonl")} {
		if _, err := run(ctx, "", tap, "conform", name); err != nil {
			return err
		}
	}
	fmt.Println()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STREAM\tFIRST RUN\tRESUMED FROM\tSECOND RUN\tBOOKMARK NOW")
	for _, s := range first.order {
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%s\n", s, first.rows[s], first.bookmark(s), second.rows[s], second.bookmark(s))
	}
	fmt.Fprintf(w, "\t%d rows, %.1f s\t\t%d rows, %.1f s\t\n", first.total, first.took.Seconds(), second.total, second.took.Seconds())
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("\nWritten: %s (%d messages), %s (%d messages), %s\n", file("jsonl"), first.lines, file("second.jsonl"), second.lines, file("state.json"))
	return nil
}

func file(kind string) string { return filepath.Join(out, source+"."+kind) }

// sandbox starts the stand-in and waits until it is ready.
func sandbox(ctx context.Context, tap string) (stop func(), err error) {
	args := []string{"sandbox", source, "--limits", "off", "--write-config", out}
	show(tap, args)
	c := exec.CommandContext(ctx, tap, args...)
	c.Stderr = os.Stderr
	ready, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
	}
	if line, err := bufio.NewReader(ready).ReadString('\n'); err != nil || strings.TrimSpace(line) != "ready" {
		stop()
		return nil, fmt.Errorf("the sandbox did not start: %q", line)
	}
	return stop, nil
}

func show(tap string, args []string) { fmt.Println("$", tap, strings.Join(args, " ")) }

// run runs the tap with its stdout in a file, or shown where there is none.
func run(ctx context.Context, path, tap string, args ...string) (time.Duration, error) {
	show(tap, args)
	c := exec.CommandContext(ctx, tap, args...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	if path != "" {
		f, err := os.Create(path)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		c.Stdout = f
	}
	began := time.Now()
	err := c.Run()
	return time.Since(began), err
}

// synced is what a run wrote.
type synced struct {
	rows  map[string]int
	order []string
	lines int
	total int
	state []byte
	took  time.Duration
}

func sync(ctx context.Context, path, tap string, args ...string) (*synced, error) {
	took, err := run(ctx, path, tap, append([]string{source}, args...)...)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &synced{rows: map[string]int{}, took: took}
	r := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return nil, err
		}
		var m struct {
			Type, Stream string
			Value        json.RawMessage
		}
		if err := json.Unmarshal(line, &m); err != nil {
			return nil, err
		}
		s.lines++
		switch m.Type {
		case "SCHEMA":
			s.order = append(s.order, m.Stream)
		case "RECORD":
			s.rows[m.Stream]++
			s.total++
		case "STATE":
			s.state = m.Value
		}
	}
}

// bookmark returns the replication value of a stream.
func (s *synced) bookmark(stream string) string {
	var state struct {
		Bookmarks map[string]map[string]any
	}
	_ = json.Unmarshal(s.state, &state)
	for key, v := range state.Bookmarks[stream] {
		if text, ok := v.(string); ok && !strings.HasPrefix(key, "_") {
			return text
		}
	}
	return "-"
}

// change asks the sandbox to touch, delete and add rows, as a day's work would.
func change(ctx context.Context, config string) error {
	raw, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	var values struct {
		URL string `json:"api_url"`
	}
	if err := json.Unmarshal(raw, &values); err != nil {
		return err
	}
	url := strings.TrimSuffix(values.URL, "/"+source) + "/_sandbox/" + source + "/change?rows=25&delete=3&insert=5"
	fmt.Println("$ curl -X POST", url)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		return fmt.Errorf("change: %s: %s", resp.Status, bytes.TrimSpace(text))
	}
	return nil
}
