// Command tap-backoffice is a Singer tap for the back-office systems of small
// and mid-sized firms. See README.md.
package main

import (
	"os"
	_ "time/tzdata" // vendors' wall clocks are read wherever the tap runs

	"github.com/tap-backoffice/tap-backoffice/internal/cli"
	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
)

func main() { os.Exit(cli.Main(os.Args, all.Sources())) }
