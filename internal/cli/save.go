package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"

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
	removeLeftovers(path)
	r := bufio.NewReaderSize(in, 1<<20)
	var line []byte
	long := false // the line at hand could not be read again: it is passed on, and the state before it stays
	var lost error
	for {
		piece, err := r.ReadSlice('\n')
		line = append(line, piece...)
		if errors.Is(err, bufio.ErrBufferFull) {
			if len(line) > maxInput {
				long = true
				_, _ = out.Write(line)
				line = line[:0]
			}
			continue
		}
		// The state is stored before it is passed on: whoever reads it further
		// down may rely on the file.
		value := bytes.Trim(line, " \t\r\n") // what JSON calls space, and no more
		switch {
		case long || len(value) > maxInput:
			lost = &fault.Error{
				Kind: fault.State, Op: "state save", Err: fmt.Errorf("a line of more than %d MiB was passed on and is not kept", maxInput>>20),
				Hint: "if it was a state, see why it is that long; the file holds the last shorter one",
			}
		case len(value) > 0 && value[0] == '{' && json.Valid(value):
			if err := replaceFile(path, value, []byte{'\n'}); err != nil {
				return &fault.Error{
					Kind: fault.State, Op: "state save", Err: err,
					Hint: "the file holds the last state that could be stored; free space or mend the rights, then run again",
				}
			}
		}
		_, _ = out.Write(line)
		if line, long = line[:0], false; cap(line) > 4<<20 {
			line = nil
		}
		if errors.Is(err, io.EOF) {
			return cmp.Or(lost, out.fault())
		}
		if err != nil {
			return &fault.Error{Kind: fault.State, Op: "state save", Err: fmt.Errorf("read stdin: %w", err), Hint: "see how the target ended"}
		}
	}
}
