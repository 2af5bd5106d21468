package exactonline_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/cli"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	stand "github.com/tap-backoffice/tap-backoffice/internal/emulator/exactonline"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// asTap makes this test's program the command: sign-in and locks are between
// processes.
const asTap = "EXACT_ONLINE_TEST_AS_TAP"

func TestMain(m *testing.M) {
	if os.Getenv(asTap) != "" {
		os.Exit(cli.Main(os.Args, []*stream.Source{source}))
	}
	os.Exit(m.Run())
}

// shop is the stand-in on a real port, and the command's files.
type shop struct {
	*testing.T
	server *emulator.Server
	url    string
	dir    string
}

// open serves the stand-in; over stands before it, nil for nothing.
func openShop(t *testing.T, o emulator.Options, over func(http.Handler) http.Handler) *shop {
	t.Helper()
	t.Parallel()
	if o.Records == 0 {
		o.Records = 5
	}
	o.Seed = 1
	server, err := emulator.New(o, stand.Plugin)
	require.NoError(t, err)
	handler := server.Handler()
	if over != nil {
		handler = over(handler)
	}
	listener := httptest.NewServer(handler)
	t.Cleanup(listener.Close)
	return &shop{T: t, server: server, url: listener.URL, dir: t.TempDir()}
}

// config writes one; nil takes a setting away.
func (s *shop) config(more map[string]any) string {
	s.Helper()
	return sitetest.WriteConfig(s.T, s.server, source.Name, s.url, more)
}

// tap prepares the command.
func (s *shop) tap(args ...string) *exec.Cmd {
	s.Helper()
	self, err := os.Executable()
	require.NoError(s, err)
	ctx, stop := context.WithTimeout(s.Context(), 2*time.Minute)
	s.Cleanup(stop)
	c := exec.CommandContext(ctx, self, args...)
	c.Dir = s.dir
	c.Env = []string{asTap + "=1", "HOME=" + s.dir, "XDG_STATE_HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}
	return c
}

// run runs the command and wants that exit code; no credential is told.
func (s *shop) run(code int, args ...string) (stdout, stderr string) {
	s.Helper()
	c := s.tap(args...)
	var out, err bytes.Buffer
	c.Stdout, c.Stderr = &out, &err
	_ = c.Run() // the exit code tells
	require.Equal(s, code, c.ProcessState.ExitCode(), "%s", err.String())
	s.discreet(out.String(), err.String())
	return out.String(), err.String()
}

func (s *shop) discreet(texts ...string) {
	s.Helper()
	for _, text := range texts {
		for _, credential := range credentials {
			require.NotContains(s, text, credential)
		}
	}
}

// tokens are the calls of the token endpoint since the last reset.
func (s *shop) tokens() []emulator.Entry {
	s.Helper()
	log, err := s.server.Log(source.Name)
	require.NoError(s, err)
	var out []emulator.Entry
	for _, e := range log {
		if e.Resource == "token" {
			out = append(out, e)
		}
	}
	return out
}

// signIn runs the command auth; paste makes of the address at which the browser
// ends what the user pastes.
func (s *shop) signIn(config string, paste func(address string) string) (code int, told string) {
	s.Helper()
	c := s.tap("auth", source.Name, "--config", config)
	in, err := c.StdinPipe()
	require.NoError(s, err)
	stderr, err := c.StderrPipe()
	require.NoError(s, err)
	require.NoError(s, c.Start())
	lines := bufio.NewReader(stderr)
	var said strings.Builder
	address := regexp.MustCompile(`^(https?://\S+/api/oauth2/auth\?\S+)\s*$`)
	for {
		line, err := lines.ReadString('\n')
		said.WriteString(line)
		require.NoError(s, err, "%s", said.String())
		m := address.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		// The browser: whoever comes is signed in and led on.
		r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, m[1], http.NoBody)
		require.NoError(s, err)
		resp, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(s, err)
		require.NoError(s, resp.Body.Close())
		require.Equal(s, http.StatusFound, resp.StatusCode)
		ends := resp.Header.Get("Location")
		require.True(s, strings.HasPrefix(ends, stand.RedirectURI+"?"), ends)
		require.Contains(s, ends, "%21", "the code holds a ! that is escaped")
		_, err = io.WriteString(in, paste(ends)+"\n")
		require.NoError(s, err)
		require.NoError(s, in.Close())
		break
	}
	rest, err := io.ReadAll(lines)
	require.NoError(s, err)
	said.Write(rest)
	_ = c.Wait() // the exit code tells
	s.discreet(said.String())
	return c.ProcessState.ExitCode(), said.String()
}

// TestSignIn: the address that the browser ends at is pasted; from then on no
// refresh token is needed in the config.
func TestSignIn(t *testing.T) {
	s := openShop(t, emulator.Options{}, nil)
	config := s.config(map[string]any{"refresh_token": nil})
	code, told := s.signIn(config, func(address string) string { return address })
	require.Zero(t, code, told)
	require.Contains(t, told, "signed in: the tokens are in ")
	store := filepath.Join(s.dir, "tap-backoffice", "tokens.json")
	info, err := os.Stat(store)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.Len(t, s.tokens(), 1)

	out, _ := s.run(0, "--config", config, "--select", accounts)
	require.Equal(t, 10, strings.Count(out, `{"type":"RECORD"`))
	s.run(0, "--config", config, "--select", accounts)
	require.Len(t, s.tokens(), 1, "the token of the sign-in is good for both")
}

// TestWrongPaste: what is not the answer to this sign-in is refused, and nothing
// is stored.
func TestWrongPaste(t *testing.T) {
	s := openShop(t, emulator.Options{}, nil)
	config := s.config(map[string]any{"refresh_token": nil})
	code := regexp.MustCompile(`code=[^&]*`)
	state := regexp.MustCompile(`state=[^&]*`)
	for title, c := range map[string]struct {
		paste func(string) string
		want  string
	}{
		"another state": {func(a string) string { return state.ReplaceAllString(a, "state=ABCDEFG") }, "another sign-in"},
		"no state":      {func(a string) string { return state.ReplaceAllString(a, "") }, "another sign-in"},
		"no code":       {func(a string) string { return code.ReplaceAllString(a, "") }, "holds no code"},
		"the code only": {code.FindString, "another sign-in"},
		"refused":       {func(a string) string { return code.ReplaceAllString(a, "error=access_denied") }, "did not let you in"},
		"wrong code":    {func(a string) string { return code.ReplaceAllString(a, "code=stampNL001.nope") }, "The code is not known"},
	} {
		exit, told := s.signIn(config, c.paste)
		require.Equal(t, 3, exit, "%s: %s", title, told)
		require.Contains(t, told, c.want, title)
		require.Regexp(t, `hint: [^)]`, told, title)
		_, stderr := s.run(2, "--config", config, "--select", accounts)
		require.Contains(t, stderr, "tap-backoffice auth exact_online", title)
	}
}

// TestSideBySide: two taps with one config at once share one token, which is
// fetched once.
func TestSideBySide(t *testing.T) {
	s := openShop(t, emulator.Options{Latency: 30 * time.Millisecond}, nil)
	config := s.config(nil)
	var g sync.WaitGroup
	codes, said := make([]int, 4), make([]bytes.Buffer, 4)
	for i := range codes {
		c := s.tap("--config", config, "--select", accounts+","+banks+",vat_vat_codes")
		c.Stderr = &said[i]
		g.Go(func() {
			_ = c.Run() // the exit code tells
			codes[i] = c.ProcessState.ExitCode()
		})
	}
	g.Wait()
	for i, code := range codes {
		require.Zero(t, code, said[i].String())
		s.discreet(said[i].String())
	}
	tokens := s.tokens()
	require.Len(t, tokens, 1)
	require.Equal(t, http.StatusOK, tokens[0].Status)
}

// TestDayIsSpentOnTheCommandLine: exit 5, and when to come back.
func TestDayIsSpentOnTheCommandLine(t *testing.T) {
	reset := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	s := openShop(t, emulator.Options{}, func(inner http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.URL.Path, "/vat/VATCodes") {
				inner.ServeHTTP(w, r)
				return
			}
			for k, v := range map[string]string{"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": millis(reset)} {
				w.Header().Set(k, v)
			}
			w.WriteHeader(http.StatusTooManyRequests)
		})
	})
	out, stderr := s.run(5, "--config", s.config(nil), "--select", accounts+",vat_vat_codes", "--concurrency", "1")
	require.Contains(t, stderr, "exit_code=5 kind=quota")
	require.Contains(t, stderr, "run again after "+reset.Format("2006-01-02T15:04:"))
	require.Equal(t, 10, strings.Count(out, `{"type":"RECORD"`))
	last := out[strings.LastIndexByte(out[:len(out)-1], '\n')+1:]
	require.True(t, strings.HasPrefix(last, `{"type":"STATE"`), "%.100s", last)
	require.NotEmpty(t, sitetest.Bookmark(t, json.RawMessage(strings.TrimSuffix(strings.TrimPrefix(last, `{"type":"STATE","value":`), "}\n")), accounts, first, "Timestamp"))
}

// TestBlockedOnTheCommandLine: a user who is blocked is a matter of the sign-in.
func TestBlockedOnTheCommandLine(t *testing.T) {
	s := openShop(t, emulator.Options{}, func(inner http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/sync/") {
				w.Header().Set("Reason", "BlockedUser")
				w.WriteHeader(http.StatusForbidden)
				return
			}
			inner.ServeHTTP(w, r)
		})
	})
	_, stderr := s.run(3, "--config", s.config(nil), "--select", accounts)
	require.Contains(t, stderr, "BlockedUser")
	require.Contains(t, stderr, "exit_code=3 kind=auth")
	require.Contains(t, stderr, "tap-backoffice auth exact_online")
}

// TestClosedDivisionOnTheCommandLine: a division that turns out to be closed is
// told of, and is partial where the user named it.
func TestClosedDivisionOnTheCommandLine(t *testing.T) {
	s := openShop(t, emulator.Options{Records: 2, Limits: "off"}, func(inner http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/"+second+"/") {
				w.Header().Set("Reason", "NoDivisionAccess")
				w.WriteHeader(http.StatusForbidden)
				return
			}
			inner.ServeHTTP(w, r)
		})
	})
	_, stderr := s.run(0, "--config", s.config(nil))
	require.Equal(t, 1, strings.Count(stderr, "NoDivisionAccess"), stderr)
	require.Regexp(t, `warn .*`+second+`.*NoDivisionAccess`, stderr)
	named := s.config(map[string]any{"divisions": []string{first, second}})
	_, stderr = s.run(4, "--config", named)
	require.Contains(t, stderr, second)
	require.Contains(t, stderr, "exit_code=4")
}
