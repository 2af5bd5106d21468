package hostile

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// measuring is the first argument of this test binary where it stands between a
// test and the program. A child that a large process starts is told to have used
// as much memory as that process; this one is small, for it does nothing else.
const measuring = "measure"

// atOnce is how many cases run side by side: most of them wait.
const atOnce = "8"

var (
	table = flag.Bool("table", false, "print what each case took")
	every = flag.Bool("every", false, "do each case to every reader")
)

func TestMain(m *testing.M) {
	if len(os.Args) > 4 && os.Args[1] == measuring {
		os.Exit(measure(os.Args[2], os.Args[3], os.Args[4:]))
	}
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		_ = flag.Set("test.parallel", atOnce)
	}
	code := m.Run()
	if *table {
		printTable()
	}
	_ = os.RemoveAll(buildDir())
	os.Exit(code)
}

func buildDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprint("tap-backoffice-hostile-", os.Getpid()))
}

// built is the program as it is released, without the race detector.
var built = sync.OnceValues(func() (string, error) {
	tap := filepath.Join(buildDir(), "tap-backoffice")
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -buildid=", "-o", tap, "../../cmd/tap-backoffice")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return tap, err
})

// usage is what a process took.
type usage struct {
	Code  int           // exit code, -1 where it had to be killed
	Peak  int64         // bytes of memory
	Took  time.Duration // from start to end
	CPU   time.Duration
	Error string // it could not be started
}

// measure runs a command for so long at most and writes what it took to a file.
func measure(report, most string, command []string) int {
	limit, err := time.ParseDuration(most)
	if err != nil {
		return 2
	}
	c := exec.Command(command[0], command[1:]...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	var u usage
	began := time.Now()
	if err := c.Start(); err != nil {
		u.Error = err.Error()
	} else {
		hung := time.AfterFunc(limit, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		hung.Stop()
		u.Took, u.Code = time.Since(began), c.ProcessState.ExitCode()
		u.CPU = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
		u.Peak = c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
		if runtime.GOOS != "darwin" {
			u.Peak *= 1024 // elsewhere it counts KiB
		}
	}
	text, err := json.Marshal(u)
	if err == nil {
		err = os.WriteFile(report, text, 0o600)
	}
	if err != nil {
		return 2
	}
	return 0
}
