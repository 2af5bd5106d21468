//go:build unix

package cli_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	emulators "github.com/tap-backoffice/tap-backoffice/internal/emulator/all"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// keptIn makes a folder what the tap keeps things in between runs.
func keptIn(dir string) func(*exec.Cmd) {
	return func(c *exec.Cmd) { c.Env = append(os.Environ(), "XDG_STATE_HOME="+dir) }
}

// pidFileIn waits for the file that tells who holds the lock.
func pidFileIn(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	require.NoError(t, poll(func() bool {
		names, _ = filepath.Glob(filepath.Join(dir, "tap-backoffice", "*.lock.pid"))
		return len(names) == 1
	}))
	return names[0]
}

var runningBy = regexp.MustCompile(`error saasoptics: --lock: process (\d+) is running this config \(hint: wait for it to end, then run again\) exit_code=5 kind=quota\n$`)

// TestLockOfMany starts runs of one config at once, again and again: one of them
// gets the lock, and the others leave at once and name it, though the file with
// its number is still that of a run that was killed.
func TestLockOfMany(t *testing.T) {
	t.Parallel()
	s := stand(t, "--latency", "60s")
	kept := t.TempDir()
	for round := range 15 {
		var all [4]*process
		began := time.Now()
		for i := range all {
			all[i] = startWith(t, keptIn(kept), "-c", s.config, "--lock")
		}
		// All but one end by themselves.
		left := make(chan *process, len(all))
		for _, p := range all {
			go func() {
				<-p.ended
				left <- p
			}()
		}
		var gone []*process
		for range len(all) - 1 {
			select {
			case p := <-left:
				gone = append(gone, p)
			case <-time.After(20 * time.Second):
				require.Fail(t, "more than one runs")
			}
		}
		require.Less(t, time.Since(began), 5*time.Second)
		var holder *process
		for _, p := range all {
			select {
			case <-p.ended:
			default:
				holder = p
			}
		}
		require.NotNil(t, holder, "round %d: none runs", round)
		for _, p := range gone {
			require.Equal(t, 5, p.exit(t), p.stderr.String())
			said := runningBy.FindStringSubmatch(p.stderr.String())
			require.NotNil(t, said, p.stderr.String())
			require.Equal(t, strconv.Itoa(holder.Process.Pid), said[1], "round %d", round)
		}
		holder.kill() // what it leaves is there in the next round
		require.FileExists(t, pidFileIn(t, kept))
	}
}

// TestLockIsStale: what a killed holder left keeps nobody out, not even when
// its number is now that of another process.
func TestLockIsStale(t *testing.T) {
	t.Parallel()
	s := stand(t)
	kept := t.TempDir()
	killed := startWith(t, keptIn(kept), "-c", stand(t, "--latency", "60s").config, "--lock")
	file := pidFileIn(t, kept)
	killed.kill()
	require.NoError(t, os.Rename(file, filepath.Join(t.TempDir(), "away")))
	held := startWith(t, keptIn(kept), "-c", s.config, "--lock", "--select", "currency_codes")
	_ = held.read(rest)
	require.Zero(t, held.exit(t), held.stderr.String())
	locks, err := filepath.Glob(filepath.Join(kept, "tap-backoffice", "*.lock"))
	require.NoError(t, err)
	require.Len(t, locks, 2, "two configs")
	for name, text := range map[string]string{
		"of a process that is there": strconv.Itoa(os.Getpid()) + "\n", "of none": "2147480000\n", "of none that can be": "-7\n", "empty": "", "garbage": "\x00x",
	} {
		for _, lock := range locks {
			require.NoError(t, os.WriteFile(lock+".pid", []byte(text), 0o600))
		}
		p := startWith(t, keptIn(kept), "-c", s.config, "--lock", "--select", "currency_codes")
		_ = p.read(rest)
		require.Zero(t, p.exit(t), "%s: %s", name, p.stderr.String())
	}
}

// TestLockHolderUnknown: a number that cannot be the holder's is not told.
func TestLockHolderUnknown(t *testing.T) {
	t.Parallel()
	s := stand(t, "--latency", "60s")
	kept := t.TempDir()
	p := startWith(t, keptIn(kept), "-c", s.config, "--lock")
	file := pidFileIn(t, kept)
	for text, want := range map[string]string{
		"2147480000\n": "another process", "": "another process", "garbage": "another process", "-1": "another process",
		fmt.Sprintf(" %d\n\n", p.Process.Pid): fmt.Sprintf("process %d", p.Process.Pid),
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		began := time.Now()
		second := startWith(t, keptIn(kept), "-c", s.config, "--lock")
		require.Empty(t, second.read(rest))
		require.Equal(t, 5, second.exit(t))
		require.Less(t, time.Since(began), 3*time.Second)
		require.Contains(t, second.stderr.String(), "--lock: "+want+" is running this config")
	}
}

// TestLockIsOfWhatIsRead: configs of one account that read different things do
// not keep each other out; what only tells how it is read makes no other config.
func TestLockIsOfWhatIsRead(t *testing.T) {
	t.Parallel()
	server, err := emulator.New(emulator.Options{Sources: []string{"exact_online"}, Records: 3, Seed: 1, Limits: "off"}, emulators.Plugins()...)
	require.NoError(t, err)
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or nobody sees that the other side has gone
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	kept := t.TempDir()
	config := func(more map[string]any) string {
		return sitetest.WriteConfig(t, server, "exact_online", silent.URL, more)
	}
	first := startWith(t, keptIn(kept), "-c", config(map[string]any{"divisions": []int{1}}), "--lock")
	pidFileIn(t, kept)
	same := startWith(t, keptIn(kept), "-c", config(map[string]any{"divisions": "1", "max_retries": 2, "request_timeout": 77}), "--lock")
	_ = same.read(rest)
	require.Equal(t, 5, same.exit(t))
	require.Contains(t, same.stderr.String(), fmt.Sprintf("process %d is running", first.Process.Pid))
	for _, more := range []map[string]any{{"divisions": []int{2}}, {"divisions": []int{1}, "end_date": "2026-01-01"}, {"divisions": []int{1}, "include_deleted": true}} {
		other := startWith(t, keptIn(kept), "-c", config(more), "--lock", "--timeout", "1ms")
		_ = other.read(rest)
		require.Equal(t, 5, other.exit(t))
		require.Contains(t, other.stderr.String(), "time limit", "%v", more)
	}
}

// TestLockCannotBeTaken: a folder or a lock of somebody else is told, and what
// to do.
func TestLockCannotBeTaken(t *testing.T) {
	t.Parallel()
	s := stand(t)
	config, err := os.ReadFile(s.config)
	require.NoError(t, err)
	for name, spoil := range map[string]func(dir string) error{
		"folder": func(dir string) error { return os.Chmod(dir, 0o555) },
		"lock": func(dir string) error {
			locks, err := filepath.Glob(filepath.Join(dir, "*.lock"))
			if err != nil || len(locks) != 1 {
				return fmt.Errorf("%q: %w", locks, err)
			}
			return os.Chmod(locks[0], 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := openDir(t)
			own := filepath.Join(dir, "tap-backoffice")
			file := filepath.Join(dir, "c.json")
			require.NoError(t, os.WriteFile(file, config, 0o666))
			require.NoError(t, os.Chmod(file, 0o666))
			as := func(c *exec.Cmd) {
				keptIn(dir)(c)
				nobody(c)
			}
			if name == "lock" {
				p := startWith(t, as, "-c", file, "--lock", "--select", "currency_codes")
				_ = p.read(rest)
				require.Zero(t, p.exit(t), p.stderr.String())
			} else {
				require.NoError(t, os.Mkdir(own, 0o555))
			}
			require.NoError(t, spoil(own))
			p := startWith(t, as, "-c", file, "--lock")
			require.Empty(t, p.read(rest))
			require.Equal(t, 2, p.exit(t), p.stderr.String())
			require.Regexp(t, `error --lock: \S+\.lock: permission denied \(hint: .*set XDG_STATE_HOME.*\) exit_code=2 kind=config\n$`, p.stderr.String())
		})
	}
}

// rotating stands before Exact Online's stand-in and refuses a refresh token
// that comes a second time.
type rotating struct {
	http.Handler
	mu    sync.Mutex
	seen  map[string]bool
	burnt int
}

// ServeHTTP implements http.Handler.
func (r *rotating) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if strings.HasSuffix(req.URL.Path, "/oauth2/token") {
		body, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(body))
		again, _ := http.NewRequestWithContext(req.Context(), req.Method, req.URL.String(), bytes.NewReader(body))
		again.Header = req.Header
		if token := again.PostFormValue("refresh_token"); token != "" {
			r.mu.Lock()
			old := r.seen[token]
			r.seen[token] = true
			if old {
				r.burnt++
			}
			r.mu.Unlock()
			if old {
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, `{"error":"unauthorized_client","error_description":"Old refresh token used."}`)
				return
			}
		}
	}
	r.Handler.ServeHTTP(w, req)
}

// TestSignInBesideRuns: somebody signs in while two runs of the config renew
// the token. All of them end well, and no refresh token is used twice.
func TestSignInBesideRuns(t *testing.T) {
	t.Parallel()
	server, err := emulator.New(emulator.Options{Sources: []string{"exact_online"}, Records: 3, Seed: 1, Limits: "off", Latency: 10 * time.Millisecond}, emulators.Plugins()...)
	require.NoError(t, err)
	vendor := &rotating{Handler: server.Handler(), seen: map[string]bool{}}
	listener := httptest.NewServer(vendor)
	t.Cleanup(listener.Close)
	store := filepath.Join(t.TempDir(), "tokens.json")
	config := sitetest.WriteConfig(t, server, "exact_online", listener.URL, map[string]any{"token_store": store})
	for round := range 12 {
		one := startWith(t, asIs, "-c", config, "--select", "sync_crm_accounts,vat_vat_codes")
		signedIn := signIn(t, config, time.Duration(round)*5*time.Millisecond)
		two := startWith(t, asIs, "-c", config, "--select", "vat_vat_codes")
		for _, p := range []*process{one, two} {
			lines := p.read(rest)
			require.Zero(t, p.exit(t), p.stderr.String())
			require.Contains(t, lines[len(lines)-1], `"currently_syncing":null`)
		}
		code, said := signedIn()
		require.Zero(t, code, said)
		require.Zero(t, vendor.burnt)
		expire(t, store)
	}
}

// signIn signs in as a person would who takes a while at it.
func signIn(t *testing.T, config string, while time.Duration) (wait func() (int, string)) {
	t.Helper()
	tap, err := built()
	require.NoError(t, err)
	c := exec.CommandContext(t.Context(), tap, "auth", "exact_online", "-c", config)
	in, err := c.StdinPipe()
	require.NoError(t, err)
	out, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	said := make(chan string, 1)
	go func() {
		var all strings.Builder
		r := bufio.NewReader(out)
		for {
			line, err := r.ReadString('\n')
			all.WriteString(line)
			if address := strings.TrimSpace(line); strings.HasPrefix(address, "http") && strings.Contains(address, "state=") {
				<-time.After(while)
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
				if err == nil {
					var resp *http.Response
					if resp, err = http.DefaultTransport.RoundTrip(req); err == nil {
						_ = resp.Body.Close()
						_, err = io.WriteString(in, resp.Header.Get("Location")+"\n")
					}
				}
				fmt.Fprintln(&all, "pasted:", err)
			}
			if err != nil {
				said <- all.String()
				return
			}
		}
	}()
	return func() (int, string) {
		text := <-said
		_ = c.Wait() // the exit code tells
		return c.ProcessState.ExitCode(), text
	}
}

// expire makes the access tokens of a store an hour older than they are.
func expire(t *testing.T, store string) {
	t.Helper()
	text, err := os.ReadFile(store)
	require.NoError(t, err)
	var file struct {
		Tokens []map[string]any `json:"tokens"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.Len(t, file.Tokens, 1)
	past := time.Now().Add(-time.Hour)
	file.Tokens[0]["obtained_at"], file.Tokens[0]["expires_at"] = past, past.Add(10*time.Minute)
	text, err = json.Marshal(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(store, text, 0o600))
}
