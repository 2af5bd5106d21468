package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

var runs = flag.Int("runs", 100, "how many processes TestCrash kills; 1000 for the whole test")

// childName is the first argument of a process of ours that is to be a tap.
const childName = "a-tap"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == childName {
		os.Exit(tap(os.Args[2]))
	}
	goleak.VerifyTestMain(m)
}

// orders are what a child is to do.
type orders struct {
	Store, URL    string
	MinAge, Early time.Duration
	Crash         string // the step at which it is to die, "" for none
	Tokens        int    // how many different ones it is to use
}

const stepUsed = "used" // the first request with the new token is on its way

// tap is a child: it uses tokens, and dies where it is told to.
func tap(text string) int {
	var o orders
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Println(err)
		return 2
	}
	die := func(step string) {
		if step == o.Crash {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	a, err := NewOAuth(overWire(o.Store, o.URL, o.MinAge, o.Early))
	if err != nil {
		fmt.Println(err)
		return 2
	}
	a.store.at = die
	last := ""
	for n := 0; n < o.Tokens; {
		token, err := apply(context.Background(), a)
		if err != nil {
			f := fault.As(err)
			fmt.Printf("%s: %v (hint: %s)\n", f.Kind, err, f.Hint)
			return 1
		}
		die(stepUsed)
		if token != last {
			n++
			last = token
		}
		if n < o.Tokens {
			<-time.After(time.Millisecond)
		}
	}
	return 0
}

// overWire are options whose vendor is a real server.
func overWire(path, address string, minAge, early time.Duration) OAuthOptions {
	src := exact()
	rules := src.Auth.(stream.OAuth)
	rules.MinAge, rules.Early = minAge, early
	src.Auth = rules
	config := map[string]string{"client_id": "app", "client_secret": clientSecret, "refresh_token": "refresh-token-0"}
	return OAuthOptions{
		Source: src, APIURL: address, Store: path,
		Lookup: func(k string) secret.Text { return secret.New(config[k]) },
		Ask: func(ctx context.Context, req *stream.Request) (*stream.Response, error) {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/"+req.URL, strings.NewReader(formOf(req).Encode()))
			if err != nil {
				return nil, err
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				return nil, err
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			return &stream.Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, err
		},
	}
}

// child starts a process and collects what it says.
func child(t *testing.T, o orders) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	text, err := json.Marshal(o)
	require.NoError(t, err)
	c := exec.CommandContext(t.Context(), os.Args[0], childName, string(text))
	c.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	require.NoError(t, c.Start())
	return c, &said
}

func killed(err error) bool {
	e, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return false
	}
	w, ok := e.Sys().(syscall.WaitStatus)
	return ok && w.Signaled() && w.Signal() == syscall.SIGKILL
}

func serveVendor(t *testing.T, v *vendor) string {
	t.Helper()
	s := httptest.NewServer(v)
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		s.Close()
	})
	return s.URL
}

// TestCrash kills one tap after another around the renewal of a token that
// rotates. Each of them has to get one with what the one before has left.
func TestCrash(t *testing.T) {
	v := newVendor()
	v.minAge, v.life = 0, time.Microsecond // whoever starts, renews
	o := orders{Store: filepath.Join(t.TempDir(), "tokens.json"), URL: serveVendor(t, v), Tokens: 1}
	steps := []string{stepReady, stepWritten, stepSynced, stepRenamed, stepStored, stepUsed}
	for n := range *runs {
		o.Crash = steps[n%len(steps)]
		c, said := child(t, o)
		require.True(t, killed(c.Wait()), "run %d, to die when %s: %s", n, o.Crash, said)
		require.Empty(t, v.refusals, "run %d, after %s", n, o.Crash)
	}
	o.Crash = ""
	c, said := child(t, o)
	require.NoError(t, c.Wait(), said.String())
	require.Empty(t, v.refusals)
	t.Logf("%d processes killed, %d tokens, none lost", *runs, v.n)
}

// TestCrashThatCostsTheGrant dies between the vendor's commit and our write,
// which no order of steps can save: the next start says what to do.
func TestCrashThatCostsTheGrant(t *testing.T) {
	for range 3 {
		v := newVendor()
		v.minAge, v.life = 0, time.Microsecond
		o := orders{Store: filepath.Join(t.TempDir(), "tokens.json"), URL: serveVendor(t, v), Tokens: 1}
		c, said := child(t, o)
		require.NoError(t, c.Wait(), said.String())
		o.Crash = stepAnswered
		c, said = child(t, o)
		require.True(t, killed(c.Wait()), said.String())
		o.Crash = ""
		c, said = child(t, o)
		require.Error(t, c.Wait())
		require.True(t, strings.HasPrefix(said.String(), "auth: "), said.String())
		require.Contains(t, said.String(), "Old refresh token used.")
		require.Contains(t, said.String(), "(hint: sign in again: tap-backoffice auth exact_online --config FILE)")
	}
}

// TestWindowOfLoss measures how long the one copy of the new token is on its way
// to the file and to the disk.
func TestWindowOfLoss(t *testing.T) {
	v := newVendor()
	v.minAge, v.life = 0, time.Microsecond
	var committed time.Time
	v.committed = func() { committed = time.Now() }
	a, err := NewOAuth(overWire(filepath.Join(t.TempDir(), "tokens.json"), serveVendor(t, v), 0, 0))
	require.NoError(t, err)
	took := map[string][]time.Duration{}
	a.store.at = func(step string) { took[step] = append(took[step], time.Since(committed)) }
	for range *runs {
		_, err := apply(t.Context(), a)
		require.NoError(t, err)
	}
	for _, step := range []string{stepWritten, stepSynced} {
		all := took[step]
		require.Len(t, all, *runs)
		slices.Sort(all)
		t.Logf("from the vendor's commit until %s: median %.2f ms, max %.2f ms of %d", step,
			float64(all[len(all)/2].Microseconds())/1000, float64(all[len(all)-1].Microseconds())/1000, len(all))
	}
}

// TestTwoProcesses share a store through a hundred lives of a token each, in
// which the vendor's rules run ten thousand times as fast.
func TestTwoProcesses(t *testing.T) {
	v := newVendor()
	v.minAge, v.life = 25*time.Millisecond, 35*time.Millisecond
	o := orders{Store: filepath.Join(t.TempDir(), "tokens.json"), URL: serveVendor(t, v), Tokens: 100, MinAge: v.minAge, Early: 10 * time.Millisecond}
	one, saidOne := child(t, o)
	two, saidTwo := child(t, o)
	require.NoError(t, one.Wait(), saidOne.String())
	require.NoError(t, two.Wait(), saidTwo.String())
	require.Empty(t, v.refusals)
	require.Equal(t, v.requests(), v.n)
	require.Less(t, v.n, 200, "they renew once between them")
	t.Logf("%d tokens for two processes with %d each, none refused", v.n, o.Tokens)
}

// TestFullDisk has a disk that takes no more: a limit on the size of files says
// so at the same place as one that is full.
func TestFullDisk(t *testing.T) {
	v := newVendor()
	v.minAge, v.life = 0, time.Microsecond
	o := orders{Store: filepath.Join(t.TempDir(), "tokens.json"), URL: serveVendor(t, v), Tokens: 1}
	text, err := json.Marshal(o)
	require.NoError(t, err)
	limited := exec.CommandContext(t.Context(), "sh", "-c", `trap "" XFSZ; ulimit -f 2; exec "$0" "$@"`, os.Args[0], childName, string(text))
	out, err := limited.CombinedOutput()
	require.Error(t, err)
	require.True(t, strings.HasPrefix(string(out), "config: "), string(out))
	require.Contains(t, string(out), "file too large")
	require.Zero(t, v.requests(), "the vendor is not asked")
	require.NoFileExists(t, o.Store+".new")
	c, said := child(t, o)
	require.NoError(t, c.Wait(), said.String())
	require.Equal(t, 1, v.n)
}
