// Package cli owns the command line: flags, files, signals, logs and exit
// codes. It hands everything on to the packages that do the work and must hold
// no knowledge of a vendor. It alone reads os.Args and decides exit codes, in
// one switch (exit.go).
package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// app is one invocation.
type app struct {
	sources []*stream.Source
	program string // the file name, without directory and .exe
	in      io.Reader
	out     *stdout
	err     *stderr
	env     func(string) (string, bool)
	log     *slog.Logger
	flags   flags
	// heeds: the command at work ends by itself when its context does.
	heeds atomic.Bool
	// code is the exit code of a command that ended without an error but not
	// with 0.
	code int
}

// Main runs one invocation and returns its exit code.
func Main(args []string, sources []*stream.Source) int {
	a := &app{
		sources: sources, program: programName(args[0]),
		in: os.Stdin, out: &stdout{w: os.Stdout}, err: &stderr{w: os.Stderr}, env: os.LookupEnv,
	}
	a.log = newLog(a.err)
	ctx, stop := a.signals(context.Background())
	defer stop()
	return a.run(ctx, args[1:])
}

func programName(arg0 string) string {
	return strings.TrimSuffix(filepath.Base(arg0), ".exe")
}

func (a *app) run(ctx context.Context, args []string) (code int) {
	defer func() {
		if p := recover(); p != nil {
			code = a.fail(defect(p))
		}
	}()
	a.err.red.Store(httpx.NewRedactor(a.proxySecrets()...))
	// What comes unasked on a connection that waits, net/http prints as it is by
	// package log: whatever the vendor wants to have on stderr, credentials too.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = a.out.fault() // cobra prints help without looking
	}
	if err == nil {
		return a.code
	}
	if sig := stoppedBy(ctx); sig != nil {
		err = sig // whatever else it broke
	}
	return a.fail(err)
}

// defect is what a recovered panic is told as.
func defect(p any) error {
	return &fault.Error{
		Kind: fault.Internal, Whole: true, Err: fmt.Errorf("panic: %v\n%s", p, debug.Stack()),
		Hint: "this is a defect of tap-backoffice: please report it with the lines above",
	}
}

// usage marks what the person at the command line has to change.
func usage(msg, hint string) error { return fault.New(fault.Config, msg, hint) }

// print writes a whole text to stdout.
func (a *app) print(text []byte) error {
	_, _ = a.out.Write(text)
	return a.out.fault()
}

// root builds the command tree. The root command itself is the tap.
func (a *app) root() *cobra.Command {
	var titles []string
	for _, s := range a.sources {
		titles = append(titles, s.Title)
	}
	root := &cobra.Command{
		Use:   "tap-backoffice [SOURCE] --config FILE [--state FILE] [--catalog FILE]",
		Short: "Reads back-office systems and writes Singer messages",
		Long: "Reads " + strings.Join(titles, ", ") + "\n" +
			"and writes SCHEMA, RECORD and STATE lines on stdout.",
		Args:          cobra.ArbitraryArgs, // see (*app).words
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          a.tap,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(err.Error(), "see "+c.CommandPath()+" --help")
	})
	a.flags.bind(root)
	root.AddCommand(a.checkCommand(), a.streamsCommand(), a.selectCommand(), a.conformCommand(), a.stateCommand(), a.authCommand(), a.sandboxCommand())
	return root
}

// atMostOne wants one argument or none.
func atMostOne(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usage(fmt.Sprintf("%s: expected at most one %s, found %q", c.CommandPath(), what, args), "see "+c.CommandPath()+" --help")
		}
		return nil
	}
}
