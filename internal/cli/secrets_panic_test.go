//go:build unix

package cli_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// TestSecretsInPanics has defects that are about to print a credential, in all
// places where a source's own code runs: exit 70, and it is not printed.
func TestSecretsInPanics(t *testing.T) {
	t.Parallel()
	tap, err := exec.LookPath("tap-broken")
	require.NoError(t, err)
	for number, src := range all.Sources() {
		t.Run(src.Name, func(t *testing.T) {
			t.Parallel()
			odd := number%2 == 1
			service := newLeaky(t, nil, odd)
			s := newSuspect(t, src, service.URL, odd)
			service.known = s.known
			_, oauth := src.Auth.(stream.OAuth)
			_, value := s.first()
			runs := 0
			for i, place := range []string{"origin", "classify", "discover", "check", "expand", "judge"} {
				if place == "judge" && !oauth || place == "expand" && len(src.Scopes) == 0 {
					continue
				}
				var begun []*running
				for n, by := range []string{"text", "error", "struct", "index", "type"} {
					if !*every && n > 0 && (i+n)%4 != number%4 {
						continue
					}
					ways := said(i)
					more := map[string]any{}
					if place == "origin" {
						more["api_url"] = nil
					}
					args := slices.Concat([]string{src.Name, "-c", s.config(more)}, ways[(i+n)%len(ways)])
					if place == "discover" {
						args = append(args, "--discover")
					}
					begun = append(begun, s.start(tap, []string{"TAP_BROKEN=" + place, "TAP_BROKEN_BY=" + by, "DEFECT=" + value}, args...))
				}
				for _, r := range begun {
					code := r.search(20 * time.Second)
					require.Equal(t, 70, code, "%s: %s", place, r.stderr.String())
					require.Contains(t, r.stderr.String(), "goroutine ")
					require.Contains(t, r.stderr.String(), "this is a defect of tap-backoffice")
					runs++
				}
			}
			s.searchFiles()
			t.Logf("%d defects, no credential found", runs)
		})
	}
}

// TestSecretsInDumps makes the runtime tell all that it can of a run at work,
// with its tokens in hand: the dump of every goroutine holds addresses of text
// and never the text. (An image of the memory would; the shells that start a
// run here allow for none.)
func TestSecretsInDumps(t *testing.T) {
	t.Parallel()
	tap, err := built()
	require.NoError(t, err)
	for number, src := range all.Sources() {
		service := newLeaky(t, nil, number%2 == 1)
		s := newSuspect(t, src, service.URL, number%2 == 1)
		service.known = s.known
		asked := make(chan bool, 100)
		service.answers(func(_ http.ResponseWriter, r *http.Request, _ string) {
			asked <- true
			<-r.Context().Done()
		})
		for i, c := range []struct {
			traceback string
			signal    syscall.Signal
		}{{"crash", syscall.SIGQUIT}, {"crash", syscall.SIGABRT}, {"system", syscall.SIGQUIT}, {"all", syscall.SIGABRT}, {"all", syscall.SIGSEGV}} {
			if !*every && i%3 != number%3 {
				continue
			}
			r := s.start("sh", []string{"GOTRACEBACK=" + c.traceback}, "-c", `ulimit -c 0; exec "$0" "$@"`, tap, src.Name, "-c", s.config(nil), "--log-level", "debug")
			select {
			case <-asked:
			case err := <-r.ended:
				require.Fail(t, "it has ended", "%v: %s", err, r.stderr.String())
			}
			require.NoError(t, r.Process.Signal(c.signal))
			err := <-r.ended
			require.Error(t, err)
			require.Contains(t, r.stderr.String(), "goroutine 1 ", fmt.Sprint(c))
			s.known.absent(t, "what the runtime tells", r.stderr.Bytes())
			s.known.absent(t, "stdout", r.stdout.Bytes())
			for len(asked) > 0 {
				<-asked
			}
		}
		s.searchFiles()
		service.CloseClientConnections()
		service.Close()
	}
}
