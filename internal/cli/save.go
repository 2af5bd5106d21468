package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

func (a *app) stateCommand() *cobra.Command {
	state := &cobra.Command{Use: "state", Short: "Keeps the state between runs", Args: cobra.ArbitraryArgs, RunE: noCommand}
	state.AddCommand(&cobra.Command{
		Use:   "save FILE",
		Short: "Copies stdin to stdout; each line that is a JSON object replaces FILE",
		Long: "Stands behind the target in a pipe: what a target prints is the state of what it has stored.\n" +
			"Each line that is a JSON object replaces FILE at once and whole, so that it holds the last state whatever happens then.",
		Args: oneArg("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			a.heeds.Store(true) // what the target still has to say after a signal counts
			return saveStates(args[0], a.in, a.out)
		},
	})
	return state
}

// noCommand is a group of commands without one of them.
func noCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	return usage(fmt.Sprintf("%s: no command is called %q", c.CommandPath(), args[0]), "see "+c.CommandPath()+" --help")
}

// oneArg wants exactly one argument.
func oneArg(name string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage(fmt.Sprintf("%s: expected one %s, found %q", c.CommandPath(), name, args), "see "+c.CommandPath()+" --help")
		}
		return nil
	}
}

// saveStates copies in to out line by line and keeps the last JSON object in
// path. It goes on without out: what the target stores is worth keeping.
func saveStates(path string, in io.Reader, out *stdout) error {
	r := bufio.NewReaderSize(in, 1<<20)
	for {
		line, err := r.ReadBytes('\n')
		// The state is stored before it is passed on: whoever reads it further
		// down may rely on the file.
		if value := bytes.TrimSpace(line); len(value) > 0 && value[0] == '{' && json.Valid(value) {
			if err := replaceFile(path, append(slices.Clip(value), '\n')); err != nil {
				return &fault.Error{
					Kind: fault.State, Op: "state save", Err: err,
					Hint: "the file holds the last state that could be stored; free space or mend the rights, then run again",
				}
			}
		}
		_, _ = out.Write(line)
		if errors.Is(err, io.EOF) {
			return out.fault()
		}
		if err != nil {
			return &fault.Error{Kind: fault.State, Op: "state save", Err: fmt.Errorf("read stdin: %w", err), Hint: "see how the target ended"}
		}
	}
}

// replaceFile puts data in the place of path in one step: a reader, or a crash
// at any moment, finds the old content or the new one, whole.
func replaceFile(path string, data []byte) (err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // replace the file, not the link to it
	}
	mode := os.FileMode(0o600)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return plainPathError(err)
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	if err = tmp.Chmod(mode); err != nil {
		return err
	}
	if _, err = tmp.Write(data); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	if d, derr := os.Open(dir); derr == nil {
		_ = d.Sync() // the rename itself; not every file system can
		_ = d.Close()
	}
	return nil
}
