package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tap-backoffice/tap-backoffice/internal/config"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	emulators "github.com/tap-backoffice/tap-backoffice/internal/emulator/all"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

func (a *app) sandboxCommand() *cobra.Command {
	var o emulator.Options
	c := &cobra.Command{
		Use:   "sandbox [SOURCE…]",
		Short: "Serves local stand-ins of the services, to try the tap or test a pipeline without an account",
		Long: "Serves local stand-ins of the services on one loopback port under /<source>/, with their limits and faults.\n" +
			"Prints one line per source on stderr, then \"ready\" on stdout, and serves until it is stopped.",
		RunE: func(cmd *cobra.Command, args []string) error {
			plugins := emulators.Plugins()
			var known []string
			for _, p := range plugins {
				known = append(known, p.Name)
			}
			for _, arg := range args {
				name, ok := config.SourceName(known, arg)
				if !ok {
					return usage(fmt.Sprintf("sandbox: no stand-in is called %q", arg), "there are "+strings.Join(known, ", "))
				}
				o.Sources = append(o.Sources, name)
			}
			s, err := emulator.New(o, plugins...)
			if err != nil {
				return &fault.Error{Kind: fault.Config, Err: err, Hint: "see tap-backoffice sandbox --help"}
			}
			a.heeds.Store(true)
			err = s.Serve(cmd.Context(), a.out, a.err)
			if a.out.fault() != nil {
				return a.out.fault() // nobody can learn that it is ready
			}
			if err != nil {
				return &fault.Error{Kind: fault.Config, Err: err, Hint: "check --listen and --write-config"}
			}
			return nil
		},
	}
	p := c.Flags()
	p.StringVar(&o.Listen, "listen", "127.0.0.1:0", "loopback `ADDRESS` and port; 0 takes a free one")
	p.IntVar(&o.Records, "records", 1000, "`N` rows of each large stream")
	p.Int64Var(&o.Seed, "seed", 1, "`N`; same seed, same data")
	p.StringVar(&o.Limits, "limits", "real", "`LIMITS` of the vendors: real or off")
	p.DurationVar(&o.Latency, "latency", 0, "`TIME` to wait before each answer")
	p.StringVar(&o.Faults, "faults", "", "`LIST`, name[:share|:count][@stream],…: "+strings.Join(emulator.KnownFaults(), " "))
	p.StringVar(&o.WriteConfig, "write-config", "", "`DIR` for <source>.json, configs that work as they are")
	p.SortFlags = false
	return c
}
