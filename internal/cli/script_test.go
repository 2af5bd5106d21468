package cli_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tap-backoffice/tap-backoffice/internal/cli"
	"github.com/tap-backoffice/tap-backoffice/internal/config"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/saasoptics"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
)

func TestMain(m *testing.M) {
	tap := func() { os.Exit(cli.Main(os.Args, all.Sources())) }
	testscript.Main(cleaning{m}, map[string]func(){
		"tap-backoffice": tap,
		"tap-saasoptics": tap, // for links with that name
		"tap_saasoptics": tap,
		"tap-zoho-crm":   tap,
		"tap-signalled":  signalled,
		"tap-broken":     func() { os.Exit(cli.Main(os.Args, broken())) },
	})
}

// signalled is the tap, asked to end when its run is over.
func signalled() {
	code := cli.Main(os.Args, all.Sources())
	_ = exec.Command("sh", "-c", "kill -TERM $PPID").Run()
	os.Exit(code)
}

// cleaning removes what the tests of a run share.
type cleaning struct{ *testing.M }

// Run implements testscript.TestingM.
func (m cleaning) Run() int {
	defer os.RemoveAll(buildDir())
	return m.M.Run()
}

// race keeps the race detector from waiting a second at the end of each process.
const race = "atexit_sleep_ms=0"

// TestScript runs testdata/script/*.txtar. Beside the commands of testscript
// there are these:
//
//	sandbox [flags]           starts a stand-in and writes its config as c.json
//	change QUERY              disturbs its data
//	requests N                it was asked N times since the last reset or this
//	covers STREAM FILE…       the files hold every row that it has of a stream
//	config OUT k=v… -k…       c.json with other members
//	relay FILE                the service of a config is asked through this process
//	when N PATTERN change QUERY…  before the N-th request like that of the next run
//	when N PATTERN answer STATUS 'Name: value'…  in place of the service's answer
//	run CODE [<STDIN] PROGRAM ARG…  the exit code is CODE, stdout is in out
//	closes LINES CODE PROGRAM ARG…  stdout is closed after LINES lines
//	waitfor FILE PATTERN      until a file of a process in the background says so
//	lines stdout|stderr N     that many lines
//	isjson FILE               one JSON document and a line end
//	records FILE STREAM N     that many records of a stream
//	fields FILE STREAM a,b,…  all records have exactly these members, in order
//	bookmark FILE STREAM KEY VALUE  in the last STATE; - for none
//	laststate FILE OUT        writes the value of the last STATE
//	holds FILE STATE          no STATE of FILE says anything else than STATE
//
// N may be written <N or >N.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "../../testdata/script",
		Setup: func(env *testscript.Env) error {
			tap, err := exec.LookPath("tap-backoffice")
			if err != nil {
				return err
			}
			env.Setenv("TAP", tap)
			env.Setenv("GORACE", race)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "kept"))
			env.Setenv("TOKEN", saasoptics.Token)
			catalogs, err := filepath.Abs("../../catalogs")
			env.Setenv("CATALOGS", catalogs)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sandbox":   command(startSandbox),
			"change":    command(change),
			"requests":  command(requests),
			"covers":    command(covers),
			"config":    command(writeConfig),
			"relay":     command(relay),
			"when":      command(when),
			"run":       command(run),
			"closes":    command(closes),
			"waitfor":   command(waitFor),
			"lines":     command(lines),
			"isjson":    command(isJSON),
			"records":   command(records),
			"fields":    command(fields),
			"bookmark":  command(bookmark),
			"laststate": command(lastState),
			"holds":     command(holds),
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// command makes a testscript command of a function that returns an error.
func command(f func(*testscript.TestScript, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("this command takes no !")
		}
		ts.Check(f(ts, args))
	}
}

// run runs a program and wants that exit code. Whatever it runs, no credential
// may be printed and no stack; messages conform; and an exit other than 0 ends
// with a line that tells the code and a hint. Its stdout is the file out.
func run(ts *testscript.TestScript, args []string) error {
	code, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	stdin, given := strings.CutPrefix(args[1], "<")
	if given {
		args = args[1:]
	}
	c := program(ts, args[1], args[2:]...)
	if given {
		c.Stdin = strings.NewReader(ts.ReadFile(stdin))
	}
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	got, err := exitCodeOf(c.Run())
	fmt.Fprint(ts.Stderr(), stderr.String())
	for line := range strings.Lines(stdout.String()[:min(stdout.Len(), 20000)]) { // all of it would fill the log
		fmt.Fprintln(ts.Stdout(), strings.TrimSuffix(line, "\n")[:min(len(strings.TrimSuffix(line, "\n")), 300)])
	}
	if err == nil {
		err = os.WriteFile(ts.MkAbs("out"), stdout.Bytes(), 0o600)
	}
	if err == nil && got != code {
		err = fmt.Errorf("exit code %d, want %d", got, code)
	}
	if err != nil {
		return err
	}
	return errors.Join(invariants(code, args[2:], stdout.String(), stderr.String()), happened(ts))
}

func exitCodeOf(err error) (int, error) {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), nil
	}
	return 0, err
}

var lastLine = regexp.MustCompile(`\(hint: [^)].*\).* (exit_code=\d+ kind=\w+)|^\{"level":"critical".*\(hint: .*"exit_code":\d+`)

func invariants(code int, args []string, stdout, stderr string) error {
	for name, text := range map[string]string{"stdout": stdout, "stderr": stderr} {
		if strings.Contains(text, saasoptics.Token) {
			return errors.New("the token is in " + name)
		}
	}
	if code != 70 && strings.Contains(stderr, "goroutine ") {
		return errors.New("a stack is in stderr")
	}
	if strings.HasPrefix(stdout, `{"type":`) {
		if err := conforms(stdout, code == 0); err != nil {
			return err
		}
		if last := stdout[strings.LastIndexByte(stdout[:len(stdout)-1], '\n')+1:]; !strings.HasPrefix(last, `{"type":"STATE"`) ||
			code == 0 && !strings.HasSuffix(last, `"currently_syncing":null}}`+"\n") {
			return fmt.Errorf("the last message is no final STATE: %.200s", last)
		}
	}
	if code != 0 && !slices.Contains(args, "conform") { // conform tells what it found on stdout
		all := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
		last := all[len(all)-1]
		if !lastLine.MatchString(last) || !strings.Contains(last, fmt.Sprint("exit_code=", code)) && !strings.Contains(last, fmt.Sprint(`"exit_code":`, code)) {
			return fmt.Errorf("the last line tells no exit code %d or no hint: %s", code, last)
		}
	}
	return nil
}

// conforms lints messages. A run that was cut short may end within a stream.
func conforms(stdout string, ended bool) error {
	report, err := singer.Lint(strings.NewReader(stdout))
	if err != nil {
		return err
	}
	for _, f := range report.Findings {
		if f.Severity == singer.SeverityError && (ended || !strings.Contains(f.Text, "currently_syncing")) {
			return fmt.Errorf("the messages do not conform: %s", f)
		}
	}
	return nil
}

// program makes a command that is run beside testscript's own.
func program(ts *testscript.TestScript, name string, args ...string) *exec.Cmd {
	if name == "tap-backoffice" {
		name = ts.Getenv("TAP")
	}
	c := exec.Command(name, args...)
	c.Dir = ts.MkAbs(".")
	keys := []string{"GORACE", "PATH", "HOME", "XDG_STATE_HOME", "TMPDIR", "MY_TOKEN", "TAP_BROKEN", "TAP_BROKEN_BY", "DEFECT"}
	for _, s := range config.Settings(all.Sources()[0]) {
		key := "TAP_BACKOFFICE_" + strings.ToUpper(s.Key)
		keys = append(keys, key, key+"_FILE")
	}
	for _, key := range keys {
		if v := ts.Getenv(key); v != "" {
			c.Env = append(c.Env, key+"="+v)
		}
	}
	return c
}

func closes(ts *testscript.TestScript, args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	code, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	c := program(ts, args[2], args[3:]...)
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	r := bufio.NewReader(out)
	for range n {
		if _, err := r.ReadBytes('\n'); err != nil {
			return fmt.Errorf("read stdout: %w", err)
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	if got, err := exitCodeOf(c.Wait()); err != nil || got != code {
		return fmt.Errorf("exit code %d, want %d (%w): %s", got, code, err, stderr.String())
	}
	return invariants(code, args[3:], "", stderr.String())
}

// poll asks until it holds. What is waited for happens in another process.
func poll(holds func() bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			return errors.New("waited for 20 s in vain")
		}
	}
	return nil
}

// waitFor waits until a file is there and holds a text.
func waitFor(ts *testscript.TestScript, args []string) error {
	want, err := regexp.Compile(args[1])
	if err != nil {
		return err
	}
	return poll(func() bool {
		names, _ := filepath.Glob(ts.MkAbs(args[0]))
		if len(names) == 0 {
			return false
		}
		text, _ := os.ReadFile(names[0])
		return want.Match(text)
	})
}

func lines(ts *testscript.TestScript, args []string) error {
	return compare(args[0]+" lines", strings.Count(ts.ReadFile(args[0]), "\n"), args[1])
}

func isJSON(ts *testscript.TestScript, args []string) error {
	text := ts.ReadFile(args[0])
	if body, ok := strings.CutSuffix(text, "}\n"); !ok || !json.Valid([]byte(body+"}")) {
		return errors.New(args[0] + " is not one JSON document with a line end")
	}
	return nil
}

// compare holds a number against N, <N or >N.
func compare(what string, got int, want string) error {
	op, number := want[:1], strings.TrimLeft(want, "<>")
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	if op == "<" && got < n || op == ">" && got > n || op != "<" && op != ">" && got == n {
		return nil
	}
	return fmt.Errorf("%s: %d, want %s", what, got, want)
}

// message is one line of a run.
type message struct {
	Type   string          `json:"type"`
	Stream string          `json:"stream"`
	Record json.RawMessage `json:"record"`
	Value  json.RawMessage `json:"value"`
}

// messages decodes the lines of a run that begin with a prefix.
func messages(text, prefix string) ([]message, error) {
	var out []message
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, prefix) {
			continue
		}
		var m message
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			return out, fmt.Errorf("%w: %.100s", err, line)
		}
		out = append(out, m)
	}
	return out, nil
}

func recordsOf(ts *testscript.TestScript, file, name string) ([]json.RawMessage, error) {
	prefix := `{"type":"RECORD","stream":"`
	if name != "*" {
		prefix += name + `"`
	}
	all, err := messages(ts.ReadFile(file), prefix)
	out := make([]json.RawMessage, len(all))
	for i, m := range all {
		out[i] = m.Record
	}
	return out, err
}

func statesOf(ts *testscript.TestScript, file string) ([]string, error) {
	all, err := messages(ts.ReadFile(file), `{"type":"STATE"`)
	var out []string
	for _, m := range all {
		out = append(out, string(m.Value))
	}
	if err == nil && len(out) == 0 {
		err = errors.New(file + " holds no STATE")
	}
	return out, err
}

func records(ts *testscript.TestScript, args []string) error {
	found, err := recordsOf(ts, args[0], args[1])
	if err != nil {
		return err
	}
	return compare("records of "+args[1], len(found), args[2])
}

func fields(ts *testscript.TestScript, args []string) error {
	found, err := recordsOf(ts, args[0], args[1])
	if err != nil || len(found) == 0 {
		return fmt.Errorf("%d records (%w)", len(found), err)
	}
	for _, r := range found {
		var names []string
		dec := json.NewDecoder(bytes.NewReader(r))
		_, err := dec.Token()
		for err == nil && dec.More() {
			var key json.Token
			var value json.RawMessage
			if key, err = dec.Token(); err == nil {
				names = append(names, fmt.Sprint(key))
				err = dec.Decode(&value)
			}
		}
		if got := strings.Join(names, ","); err != nil || got != args[2] {
			return fmt.Errorf("a record of %s has %s (%w)", args[1], got, err)
		}
	}
	return nil
}

func bookmark(ts *testscript.TestScript, args []string) error {
	states, err := statesOf(ts, args[0])
	if err != nil {
		return err
	}
	var state struct {
		Bookmarks map[string]map[string]any `json:"bookmarks"`
	}
	if err := json.Unmarshal([]byte(states[len(states)-1]), &state); err != nil {
		return err
	}
	got := "-"
	if v := state.Bookmarks[args[1]][args[2]]; v != nil {
		got = fmt.Sprint(v)
	}
	if ok, err := regexp.MatchString("^("+args[3]+")$", got); err != nil || !ok {
		return fmt.Errorf("the bookmark of %s is %s, want %s (%w)", args[1], got, args[3], err)
	}
	return nil
}

func lastState(ts *testscript.TestScript, args []string) error {
	states, err := statesOf(ts, args[0])
	if err != nil {
		return err
	}
	return os.WriteFile(ts.MkAbs(args[1]), []byte(states[len(states)-1]+"\n"), 0o600)
}

func holds(ts *testscript.TestScript, args []string) error {
	states, err := statesOf(ts, args[0])
	if err != nil {
		return err
	}
	for _, s := range states {
		if want := strings.TrimSpace(ts.ReadFile(args[1])); s != want {
			return fmt.Errorf("a STATE says %s, given was %s", s, want)
		}
	}
	return nil
}
