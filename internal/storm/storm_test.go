package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// The test binary, called by the name of a misdeed, is a tap that does it: it passes
// on what the built tap writes, but for that.
var misdeeds = map[string]struct {
	kinds []string // of the findings, one of which there is; none for none
	text  string   // in them
}{
	honest: {},
	// What shows first, a state that covers them or the end, is left to chance.
	"drops":   {[]string{ahead, lost}, "the row"},
	"forges":  {[]string{ahead, lost}, "forged"},
	"empties": {[]string{ahead}, "did not come"},
	"hastens": {[]string{ahead}, "passes what was written"},
	"hangs":   {[]string{hang}, "nothing for"},
	"panics":  {[]string{crash}, "goroutine 7"},
	"leaks":   {[]string{secret}, "stderr"},
	"lies":    {[]string{broken}, "ended with 9"},
	"mumbles": {[]string{broken}, "in the midst of a line"},
}

// honest is the built tap itself.
const honest = "honest"

func TestMain(m *testing.M) {
	if _, ok := misdeeds[filepath.Base(os.Args[0])]; ok {
		os.Exit(misdo(filepath.Base(os.Args[0])))
	}
	code := m.Run()
	_ = os.RemoveAll(workshop())
	os.Exit(code)
}

func workshop() string { return filepath.Join(os.TempDir(), fmt.Sprint("storm-test-", os.Getpid())) }

// built is the folder with the tap and its false friends.
var built = sync.OnceValues(func() (string, error) {
	dir := workshop()
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "tap"), "../../cmd/tap-backoffice").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	self, err := os.Executable()
	for name := range misdeeds {
		from := self
		if name == honest {
			from = filepath.Join(dir, "tap")
		}
		if err == nil {
			err = os.Symlink(from, filepath.Join(dir, name))
		}
	}
	return dir, err
})

// misdo is the false tap.
func misdo(deed string) int {
	tap := filepath.Join(filepath.Dir(os.Args[0]), "tap")
	if os.Args[1] == "state" {
		_ = syscall.Exec(tap, os.Args, os.Environ())
	}
	c := exec.Command(tap, os.Args[1:]...)
	c.Stderr = os.Stderr
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE)
	pipe, err := c.StdoutPipe()
	if err != nil || c.Start() != nil {
		return 1
	}
	go func() {
		for s := range signals {
			if s == syscall.SIGPIPE {
				_ = pipe.Close()
			} else {
				_ = c.Process.Signal(s)
			}
		}
	}()
	in, out := bufio.NewReader(pipe), bufio.NewWriter(os.Stdout)
	var held []byte
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			break
		}
		isRecord := bytes.HasPrefix(line, []byte(`{"type":"RECORD"`))
		switch {
		case deed == "drops" && isRecord && chosen(line), deed == "empties" && isRecord:
			continue
		case deed == "forges" && isRecord:
			line = regexp.MustCompile(`"name":"[^"\\]*"|"number":"[^"\\]*"`).ReplaceAll(line, []byte(`"name":"forged"`))
		case deed == "hastens" && isRecord: // a state goes before the last record
			_, _ = out.Write(held)
			held = line
			continue
		case deed == "hangs" && isRecord:
			_ = out.Flush()
			select {}
		}
		_, _ = out.Write(line)
		_ = out.Flush()
		if bytes.HasPrefix(line, []byte(`{"type":"SCHEMA"`)) || deed != "hastens" {
			_, _ = out.Write(held)
			held = nil
		}
	}
	_, _ = out.Write(held)
	_ = out.Flush()
	_ = c.Wait()
	code := c.ProcessState.ExitCode()
	if code != 0 {
		return code
	}
	switch deed {
	case "panics":
		fmt.Fprintln(os.Stderr, "panic: oh\n\ngoroutine 7 [running]:")
	case "lies":
		return 9
	case "mumbles":
		fmt.Print(`{"type":"STATE","val`)
	case "leaks":
		text, _ := os.ReadFile(os.Args[slices.Index(os.Args, "-c")+1])
		var config struct{ Token string }
		_ = json.Unmarshal(text, &config)
		fmt.Fprintln(os.Stderr, "sent Authorization:", base64.StdEncoding.EncodeToString([]byte("Token "+config.Token)))
	}
	return 0
}

// chosen is one line in four, whenever it comes.
func chosen(line []byte) bool {
	record, _, _ := bytes.Cut(line, []byte(`"time_extracted"`))
	h := fnv.New32a()
	_, _ = h.Write(record)
	return h.Sum32()%4 == 0
}

// TestFinds: the storm finds what is wrong with a tap, says how to see it again, and
// finds nothing wrong with ours.
func TestFinds(t *testing.T) {
	for deed, want := range misdeeds {
		if testing.Short() && !slices.Contains([]string{honest, "drops", "hastens", "leaks"}, deed) {
			continue
		}
		t.Run(deed, func(t *testing.T) {
			t.Parallel()
			dir, err := built()
			require.NoError(t, err)
			var out bytes.Buffer
			total, err := storm(context.Background(), options{
				tap: filepath.Join(dir, deed), seed: 600, runs: 20, sources: "saasoptics", parallel: 4,
				dir: t.TempDir(), silence: 3 * time.Second, out: &out,
			})
			require.NoError(t, err)
			if len(want.kinds) == 0 {
				require.True(t, total.clean(), out.String())
				require.Regexp(t, `storm: seed 600, \d+ runs, \d+ rows, 0 lost, 0 ahead, 0 hangs, 0 panics, 0 secrets, 0 broken, 0 strange\n$`, out.String())
				return
			}
			found := 0
			for _, kind := range want.kinds {
				found += total.found[kind]
			}
			require.Positive(t, found, out.String())
			require.Contains(t, out.String(), want.text)
			require.Regexp(t, `make storm SEED=\d+ RUNS=1\n`, out.String())
		})
	}
}

// TestForms: a secret is found in whatever form it is told.
func TestForms(t *testing.T) {
	const token = "s3Kx+Qm/9vT=ü secret"
	quoted, err := json.Marshal(token)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"plain": token, "query": url.QueryEscape(token), "path": url.PathEscape(token), "JSON": string(quoted),
		"base64": base64.StdEncoding.EncodeToString([]byte(token)), "of a pair": base64.StdEncoding.EncodeToString([]byte("user:" + token)),
		"of two more": base64.URLEncoding.EncodeToString([]byte("me:" + token + "\n")), "of one more": base64.StdEncoding.EncodeToString([]byte(":" + token)),
	} {
		require.NotEmpty(t, leaks([]string{token}, map[string][]byte{"log": []byte("it is " + text + " here")}), name)
	}
	require.Empty(t, leaks([]string{token}, map[string][]byte{"log": []byte("it is s3Kx+Q*** here")}))
}

// TestBank: what a rotating refresh token brought burns it once it is used, and no
// sooner.
func TestBank(t *testing.T) {
	b := newBank(stream.OAuth{Rotates: true, Prefix: "Bearer "}, "/token", "first")
	read := func(body []byte) (access, refresh string) {
		var m struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		}
		require.NoError(t, json.Unmarshal(body, &m))
		return m.Access, m.Refresh
	}
	answer := []byte(`{"access_token":"inner","expires_in":600}`)
	_, lostOne := read(b.exchange(answer, "first"))
	require.True(t, b.good("first") && b.good(lostOne), "the answer may have been lost")
	access, refresh := read(b.exchange(answer, "first"))
	require.NotEqual(t, "inner", access)
	b.mu.Lock()
	b.spent(b.refreshOf(b.given[access]))
	b.mu.Unlock()
	require.False(t, b.good("first") || b.good(lostOne), "it was not lost")
	require.True(t, b.good(refresh))
	b.strict = true
	_, next := read(b.exchange(answer, refresh))
	require.True(t, !b.good(refresh) && b.good(next))
	require.Contains(t, strings.Join(b.secrets(), " "), refresh)
}
