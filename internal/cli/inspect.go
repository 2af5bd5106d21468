package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func (a *app) streamsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "streams [SOURCE]",
		Short: "Lists what can be extracted: key, method, replication key",
		Args:  atMostOne("SOURCE"),
		RunE: func(_ *cobra.Command, args []string) error {
			srcs, err := a.oneOrAll(args)
			if err != nil {
				return err
			}
			var b bytes.Buffer
			for _, src := range srcs {
				if len(srcs) > 1 {
					fmt.Fprintf(&b, "%s (%s)\n", src.Name, src.Title)
				}
				table(&b, "STREAM\tKEY\tMETHOD\tREPLICATION KEY\tDEFAULT", func(row func(...string)) {
					group := ""
					for _, s := range grouped(src.Streams) {
						if s.Group != group {
							group = s.Group
							row("\n" + group)
						}
						method, key, selected := "FULL_TABLE", "", "no"
						if s.Cursor != nil {
							method, key = "INCREMENTAL", s.Cursor.Field
						}
						if s.Selected {
							selected = "yes"
						}
						row(s.Name, strings.Join(s.Key, ", "), method, key, selected)
					}
				})
			}
			return a.print(b.Bytes())
		},
	}
}

// grouped puts the streams of a group together, the groups in the order in which
// they first come.
func grouped(streams []stream.Stream) []*stream.Stream {
	first := map[string]int{}
	out := make([]*stream.Stream, len(streams))
	for i := range streams {
		if _, ok := first[streams[i].Group]; !ok {
			first[streams[i].Group] = i
		}
		out[i] = &streams[i]
	}
	slices.SortStableFunc(out, func(a, b *stream.Stream) int { return first[a.Group] - first[b.Group] })
	return out
}

// oneOrAll returns the source that is named, or all.
func (a *app) oneOrAll(args []string) ([]*stream.Source, error) {
	src, err := a.named(args)
	if err != nil {
		return nil, err
	}
	if src != nil {
		return []*stream.Source{src}, nil
	}
	return a.sources, nil
}

// table writes aligned columns.
func table(w io.Writer, header string, rows func(row func(cells ...string))) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, header)
	rows(func(cells ...string) { fmt.Fprintln(t, strings.TrimRight(strings.Join(cells, "\t"), "\t")) })
	_ = t.Flush() // into memory
}

func (a *app) selectCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "select [--catalog FILE] PATTERN…",
		Short: "Writes a catalog with the choice applied on stdout",
		Long: "Writes a catalog with the choice applied on stdout. Without --catalog it is read from stdin.\n" +
			"Patterns: contracts, 'invoices.*', '*.email', '!customers.email'; later ones win.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("select: expected at least one pattern", "for example: tap-backoffice select --catalog catalog.json contracts '!*.notes'")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			var data []byte
			var err error
			if path := a.flags.catalog; path != "" && path != "-" {
				data, err = readFile(fault.Config, "catalog", path)
			} else if data, err = readAll(a.in); err != nil {
				err = &fault.Error{Kind: fault.Config, Op: "catalog", Err: fmt.Errorf("read stdin: %w", err), Hint: "name a file with --catalog"}
			}
			if err != nil {
				return err
			}
			catalog, err := a.parseCatalog(data)
			if err != nil {
				return err
			}
			if err := applyPatterns("select", args, catalog, ""); err != nil {
				return err
			}
			_, _ = catalog.WriteTo(a.out)
			return a.out.fault()
		},
	}
	c.Flags().StringVar(&a.flags.catalog, "catalog", "", "catalog `FILE` to choose from; stdin without it")
	return c
}

// checkable are the streams that are read unless the user chooses otherwise: a
// source may have hundreds, and each costs a request.
func checkable(src *stream.Source) []stream.Stream {
	return slices.DeleteFunc(slices.Clone(src.Streams), func(s stream.Stream) bool { return !s.Selected && s.Name != src.Probe })
}

func (a *app) conformCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "conform [FILE|-]",
		Short: "Checks a Singer message stream: exit 0 if every loader can read it, else 1",
		Args:  atMostOne("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			in := a.in
			if len(args) == 1 && args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return &fault.Error{Kind: fault.Config, Op: "conform", Err: plainPathError(err), Hint: "check the path"}
				}
				defer f.Close()
				in = f
			}
			rep, err := singer.Lint(in)
			if err != nil {
				return &fault.Error{Kind: fault.Refused, Op: "conform", Err: plainPathError(err), Hint: "check the path"}
			}
			if err := a.print(rep.AppendText(nil)); err != nil {
				return err
			}
			if !rep.OK() {
				a.code = exitFailure
			}
			return nil
		},
	}
}

func (a *app) checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check SOURCE --config FILE",
		Short: "Asks each stream once: connection and rights",
		Args:  atMostOne("SOURCE"),
		RunE:  a.check,
	}
	a.flags.bindConfig(c)
	a.flags.bindLog(c)
	return c
}

// check asks the probe first: what is wrong with the connection as a whole is
// told once, not once per stream.
func (a *app) check(cmd *cobra.Command, args []string) error {
	a.heeds.Store(true)
	if err := a.setLog(a.err); err != nil {
		return err
	}
	src, raw, err := a.choose(args)
	if err != nil {
		return err
	}
	loaded, err := a.checked(src, raw)
	if err != nil {
		return err
	}
	client, err := a.connect(src, loaded, nil)
	if err != nil {
		return err
	}
	src, err = a.found(cmd.Context(), src, client, loaded.Stream, nil)
	if err != nil {
		return err
	}
	results, err := engine.Check(stream.Telling(cmd.Context(), a.log.Warn), src, loaded.Stream, client, loaded.Start, checkable(src))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	ended := make([]engine.Result, 0, len(results))
	table(&b, "STREAM\tRESULT\tROWS", func(row func(...string)) {
		for _, r := range results {
			// Whoever checks has chosen what can be there.
			end := engine.Result{Stream: r.Stream, Err: r.Err, Absent: errors.Is(r.Err, engine.ErrAbsent)}
			end.Skipped = end.Absent || fault.KindOf(r.Err) == fault.Permission
			end.Chosen = !end.Absent
			ended = append(ended, end)
			result, rows := "ok", ""
			switch {
			case end.Absent:
				result = "this account does not have it"
			case r.Err != nil && end.Skipped:
				result = "not permitted: " + r.Err.Error()
			case r.Err != nil:
				result = r.Err.Error()
			case r.Rows >= 0:
				rows = thousands(r.Rows)
			}
			row(r.Stream, result, rows)
		}
	})
	o := judge(ended, false)
	fmt.Fprintf(&b, "%d of %s can be read\n", o.done, plural(int64(len(results)), "stream"))
	if err := a.print(b.Bytes()); err != nil {
		return err
	}
	return a.tell(src.Name, o, len(results), "the others can be read", "give the account the right to read them, or deselect them")
}
