package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tap-backoffice/tap-backoffice/internal/config"
)

// flags are those of the tap itself and what other commands share with it.
type flags struct {
	config      []string
	state       string
	catalog     string
	properties  string
	discover    bool
	test        string
	about       bool
	format      string
	version     bool
	dev         bool
	selected    []string
	since       string
	until       string
	fullRefresh []string
	given       func(flag string) bool // on the command line
	maxRecords  int64
	concurrency int
	timeout     time.Duration
	lock        bool
	zeroPartial bool
	logFormat   string
	logLevel    string
	progress    string
}

func (f *flags) bind(c *cobra.Command) {
	p := c.Flags()
	f.bindConfig(c)
	p.StringVarP(&f.state, "state", "s", "", "`FILE` with the state of an earlier run; absent or empty is a first run")
	p.StringVar(&f.catalog, "catalog", "", "`FILE` with the choice of streams and fields; without it, the default streams")
	p.StringVarP(&f.properties, "properties", "p", "", "`FILE`, the older name of --catalog")
	p.BoolVarP(&f.discover, "discover", "d", false, "print the catalog")
	p.StringVar(&f.test, "test", "", "`WHAT` to try in place of a sync: all (one record per stream) or schema")
	p.Lookup("test").NoOptDefVal = "all"
	p.BoolVar(&f.about, "about", false, "print what this tap is and which settings it takes")
	p.StringVar(&f.format, "format", "text", "`FORM` of --about: text, json, markdown or meltano")
	p.BoolVar(&f.version, "version", false, "print the version")
	p.BoolVar(&f.dev, "dev", false, "accepted and ignored")
	_ = p.MarkHidden("dev")
	p.StringArrayVar(&f.selected, "select", nil, "read only what a `PATTERN` matches: contracts, 'invoices.*', '!customers.email'; may be repeated")
	f.given = p.Changed
	p.StringVar(&f.since, "since", "", "read from `TIME` on, a date or an instant, and leave the state as it is")
	p.StringVar(&f.until, "until", "", "read up to `TIME`, a date or an instant, and leave the state as it is")
	p.StringSliceVar(&f.fullRefresh, "full-refresh", nil, "`STREAM`,… whose bookmark is ignored, and replaced at the end")
	p.Int64Var(&f.maxRecords, "max-records", 0, "at most `N` records per stream; leaves the state as it is")
	p.IntVar(&f.concurrency, "concurrency", 4, "`N` requests in flight over the whole run")
	p.DurationVar(&f.timeout, "timeout", 0, "stop after this `TIME` (50m) with exit code 5 and a state to go on from")
	p.BoolVar(&f.lock, "lock", false, "exit 5 at once if another run of this config goes on")
	p.BoolVar(&f.zeroPartial, "exit-zero-on-partial", false, "exit 0 although a selected stream may not be read")
	p.StringVar(&f.progress, "progress", "auto", "`WHEN` to show progress on stderr: auto (if it is a terminal), on or off")
	f.bindLog(c)
	p.SortFlags = false
}

func (f *flags) bindConfig(c *cobra.Command) {
	c.Flags().StringArrayVarP(&f.config, "config", "c", nil, "config `FILE`, or ENV for TAP_BACKOFFICE_<KEY>; may be repeated, later wins")
}

func (f *flags) bindLog(c *cobra.Command) {
	c.Flags().StringVar(&f.logFormat, "log-format", "text", "`FORM` of the log on stderr: text, json or singer (with METRIC lines)")
	c.Flags().StringVar(&f.logLevel, "log-level", "info", "`LEVEL` of the log: debug, info, warn or error")
}

// bounds are --since and --until, zero where not given.
type bounds struct{ since, until time.Time }

// check finds what is wrong with the command line by itself, before anything
// is read or asked.
func (f *flags) check() (b bounds, err error) {
	if b.since, err = f.instant("since", f.since, false); err != nil {
		return b, err
	}
	if b.until, err = f.instant("until", f.until, true); err != nil {
		return b, err
	}
	switch f.test {
	case "", "all", "schema":
	default:
		return b, notOneOf("--test", f.test, "all or schema")
	}
	switch f.progress {
	case "auto", "on", "off":
	default:
		return b, notOneOf("--progress", f.progress, "auto, on or off")
	}
	switch {
	case !b.since.IsZero() && !b.until.IsZero() && b.until.Before(b.since):
		return b, usage("--until "+f.until+" lies before --since "+f.since, "nothing can be read between them: change one")
	case f.maxRecords < 0:
		return b, usage(fmt.Sprintf("--max-records: expected a number from 0, found %d", f.maxRecords), "0 reads all")
	case f.concurrency < 1:
		return b, usage(fmt.Sprintf("--concurrency: expected a number from 1, found %d", f.concurrency), "1 asks for one page after the other")
	case f.timeout < 0:
		return b, usage(fmt.Sprintf("--timeout: expected a time from 0, found %s", f.timeout), "0 sets no limit")
	case f.catalog != "" && f.properties != "" && f.catalog != f.properties:
		return b, usage("--catalog and --properties name two files", "they are the same flag: leave one out")
	}
	return b, nil
}

// instant reads a bound of the command line.
func (f *flags) instant(name, text string, end bool) (time.Time, error) {
	flag := "--" + name
	if text == "" {
		if f.given(name) { // without a bound the run would move the state
			return time.Time{}, usage(flag+" is empty", "is a variable of the shell unset? leave "+flag+" out to go on from the state")
		}
		return time.Time{}, nil
	}
	t, bare, ok := config.Instant(text)
	if !ok {
		return time.Time{}, usage(fmt.Sprintf("%s: expected RFC 3339, YYYY-MM-DD or MM/DD/YYYY, found %q", flag, text), "for example "+flag+" 2026-01-31")
	}
	if bare && end {
		t = t.AddDate(0, 0, 1).Add(-time.Microsecond)
	}
	return t, nil
}

func notOneOf(flag, found, known string) error {
	return usage(fmt.Sprintf("%s: expected %s, found %q", flag, known, found), "see tap-backoffice --help")
}

// catalogPath is the file of --catalog or of its older name.
func (f *flags) catalogPath() string {
	if f.catalog != "" {
		return f.catalog
	}
	return f.properties
}

// partial tells a run that reads only a part and so leaves the state as it is.
func (f *flags) partial() bool {
	return f.since != "" || f.until != "" || f.maxRecords > 0 || f.test != ""
}
