package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	emulators "github.com/tap-backoffice/tap-backoffice/internal/emulator/all"
)

// quick keeps the calls of a test few: one window, no pace, one repeat.
var quick = map[string]any{"requests_per_second": 500, "date_window_size": 3650, "max_retries": 1}

// serve starts a stand-in within this process and returns its config, made quick.
func serve(o emulator.Options, dir string) (s *emulator.Server, config map[string]any, stop func(), err error) {
	o.Sources, o.WriteConfig = []string{"saasoptics"}, dir
	if s, err = emulator.New(o, emulators.Plugins()...); err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	said, out := io.Pipe()
	var g sync.WaitGroup
	var failed error
	g.Go(func() {
		failed = s.Serve(ctx, out, io.Discard)
		_ = out.Close()
	})
	stop = func() {
		cancel()
		g.Wait()
	}
	if line, _ := bufio.NewReader(said).ReadString('\n'); line != "ready\n" {
		stop()
		return nil, nil, nil, fmt.Errorf("the sandbox is not ready: %q: %w", line, failed)
	}
	text, err := os.ReadFile(filepath.Join(dir, "saasoptics.json"))
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	if err == nil {
		maps.Copy(config, quick)
	}
	return s, config, stop, err
}

// sandboxes are the stand-ins of the scripts, by their folders.
var sandboxes sync.Map

func sandboxOf(ts *testscript.TestScript) (*emulator.Server, error) {
	s, ok := sandboxes.Load(ts.Getenv("WORK"))
	if !ok {
		return nil, errors.New("the script has no sandbox")
	}
	return s.(*emulator.Server), nil
}

func startSandbox(ts *testscript.TestScript, args []string) error {
	var o emulator.Options
	f := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	f.IntVar(&o.Records, "records", 120, "")
	f.Int64Var(&o.Seed, "seed", 1, "")
	f.StringVar(&o.Limits, "limits", "off", "")
	f.StringVar(&o.Faults, "faults", "", "")
	f.DurationVar(&o.Latency, "latency", 0, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	s, config, stop, err := serve(o, ts.MkAbs("cfg"))
	if err != nil {
		return err
	}
	ts.Defer(stop)
	sandboxes.Store(ts.Getenv("WORK"), s)
	ts.Setenv("API_URL", fmt.Sprint(config["api_url"]))
	return writeJSON(ts.MkAbs("c.json"), config)
}

func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o600)
}

func readConfig(ts *testscript.TestScript, file string) (map[string]any, error) {
	config := map[string]any{}
	err := json.Unmarshal([]byte(ts.ReadFile(file)), &config)
	return config, err
}

func writeConfig(ts *testscript.TestScript, args []string) error {
	config, err := readConfig(ts, "c.json")
	if err != nil {
		return err
	}
	for _, arg := range args[1:] {
		if key, ok := strings.CutPrefix(arg, "-"); ok {
			delete(config, key)
			continue
		}
		key, value, _ := strings.Cut(arg, "=")
		var v any
		if json.Unmarshal([]byte(value), &v) != nil {
			v = value
		}
		config[key] = v
	}
	return writeJSON(ts.MkAbs(args[0]), config)
}

func change(ts *testscript.TestScript, args []string) error {
	s, err := sandboxOf(ts)
	if err != nil {
		return err
	}
	var c emulator.Change
	f := flag.NewFlagSet("change", flag.ContinueOnError)
	f.StringVar(&c.Stream, "stream", "", "")
	f.IntVar(&c.Rows, "rows", 0, "")
	f.IntVar(&c.Delete, "delete", 0, "")
	f.IntVar(&c.Insert, "insert", 0, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	_, err = s.Change("saasoptics", c)
	return err
}

func requests(ts *testscript.TestScript, args []string) error {
	s, err := sandboxOf(ts)
	if err != nil {
		return err
	}
	stats, err := s.Stats("saasoptics")
	if err != nil {
		return err
	}
	if err := compare("requests", int(stats.Requests), args[0]); err != nil {
		return err
	}
	return s.Reset("saasoptics")
}

// covers wants every row that the stand-in has of a stream, by its key, in the
// records of the files together.
func covers(ts *testscript.TestScript, args []string) error {
	s, err := sandboxOf(ts)
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, file := range args[1:] {
		found, err := recordsOf(ts, file, args[0])
		if err != nil {
			return err
		}
		for _, r := range found {
			have[keyOf(r)] = true
		}
	}
	return missing(s, args[0], have)
}

// keyOf returns the key of a record or row, which stands first: its id, or its
// code. Decoding it all would take most of the time of the tests.
func keyOf(row []byte) string {
	_, rest, _ := bytes.Cut(row, []byte(":"))
	key, _, _ := bytes.Cut(rest, []byte(","))
	if !bytes.HasPrefix(row, []byte(`{"id":`)) && !bytes.HasPrefix(row, []byte(`{"code":`)) {
		return fmt.Sprintf("no key in %.40s", row)
	}
	return string(bytes.Trim(key, `"`))
}

// missing tells the first row of the truth that have lacks.
func missing(s *emulator.Server, stream string, have map[string]bool) error {
	var truth bytes.Buffer
	if err := s.Truth(&truth, "saasoptics", stream); err != nil {
		return err
	}
	rows := 0
	for line := range bytes.Lines(truth.Bytes()) {
		rows++
		if key := keyOf(line); !have[key] {
			return fmt.Errorf("%s: row %s is lost, %d of all were read", stream, key, len(have))
		}
	}
	if rows == 0 {
		return fmt.Errorf("%s: the truth is empty", stream)
	}
	return nil
}
