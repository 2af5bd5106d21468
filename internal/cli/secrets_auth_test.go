//go:build unix

package cli_test

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// TestSecretsPasted signs in with addresses that hold a code, right and wrong, at
// token endpoints that take it and that echo it.
func TestSecretsPasted(t *testing.T) {
	t.Parallel()
	tap, err := built()
	require.NoError(t, err)
	pasted := []string{
		"https://back.example/?code=CODE&state=STATE", "https://back.example/?state=STATE&code=CODE#CODE", "https://back.example/?code=CODE&state=other", "CODE", "code=CODE",
		"https://back.example/?code=CODE", "https://back.example/#access_token=CODE&state=STATE", "https://back.example/?state=STATE&access_token=CODE&error=CODE",
		"https://back.example/?error=CODE&error_description=not+CODE&code=CODE&state=STATE", "https://u:CODE@back.example/CODE?state=STATE",
	}
	for number, src := range all.Sources() {
		if _, oauth := src.Auth.(stream.OAuth); !oauth {
			continue
		}
		t.Run(src.Name, func(t *testing.T) {
			t.Parallel()
			for i, address := range pasted {
				for n, code := range []int{0, http.StatusOK, http.StatusFound, http.StatusBadRequest, http.StatusUnauthorized, http.StatusNotFound} {
					if !strings.HasPrefix(address, "https://back.example/?code=CODE&state=STATE") && n > 0 {
						break // nobody is asked
					}
					service := newLeaky(t, nil, false)
					s := newSuspect(t, src, service.URL, number%2 == 1)
					service.known = s.known
					if code == http.StatusOK { // else it is asked again and again
						service.token = body(func(echo string) string {
							return `{"error":"invalid_grant","error_description":"` + url.QueryEscape(echo) + `"}`
						})
					} else if code > 0 {
						service.token = status(code)
					}
					secretCode := s.known.add("code", credential(false))
					config := s.config(map[string]any{"redirect_uri": "https://back.example/", "refresh_token": nil})
					ways := said(i + n)
					exit, told := paste(t, s, exec.CommandContext(t.Context(), tap, append([]string{"auth", src.Name, "-c", config}, ways[n%len(ways)]...)...),
						strings.ReplaceAll(address, "CODE", secretCode))
					good := code == 0 && strings.Contains(address, "code=CODE") && strings.Contains(address, "STATE") && !strings.Contains(address, "error")
					require.Equal(t, good, exit == 0, "%s: %d: %s", address, code, told)
					require.Contains(t, []int{0, 2, 3, 6}, exit)
					s.searchFiles()
				}
			}
		})
	}
}

// paste runs auth, pastes the address with the state that was asked for, and
// searches what is said.
func paste(t *testing.T, s *suspect, c *exec.Cmd, address string) (code int, told string) {
	t.Helper()
	s.n++
	c.Dir = s.dir + "/work"
	c.Env = []string{"XDG_STATE_HOME=" + s.dir + "/kept/" + strconv.Itoa(s.n), "TMPDIR=" + s.dir + "/tmp", "HOME=" + s.dir + "/home"}
	in, err := c.StdinPipe()
	require.NoError(t, err)
	out, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	var all strings.Builder
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		all.WriteString(line)
		if u, perr := url.Parse(strings.TrimSpace(line)); perr == nil && u.Query().Get("state") != "" {
			_, err := io.WriteString(in, strings.ReplaceAll(address, "STATE", u.Query().Get("state"))+"\n")
			require.NoError(t, err)
		}
		if err != nil {
			break
		}
	}
	_ = c.Wait() // the exit code tells
	s.known.absent(t, "stderr", []byte(all.String()))
	return c.ProcessState.ExitCode(), all.String()
}
