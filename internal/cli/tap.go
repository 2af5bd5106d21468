package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tap-backoffice/tap-backoffice/internal/config"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// tap is the root command: version, about, discover, test or sync.
func (a *app) tap(cmd *cobra.Command, args []string) error {
	ctx := cmd.Context()
	if a.flags.version {
		return a.print([]byte("tap-backoffice " + config.Version() + "\n"))
	}
	if err := a.setLog(a.err); err != nil {
		return err
	}
	words, err := a.words(args)
	if err != nil {
		return err
	}
	if a.flags.about {
		return a.about(words)
	}
	limits, err := a.flags.check()
	if err != nil {
		return err
	}
	a.heeds.Store(true) // also while it reads its config: then it tells the state that it was given
	src, raw, err := a.choose(words)
	if a.flags.discover && src != nil && src.Discover == nil {
		// Needs neither network nor config, but a config may ask for more.
		return a.discover(src.For(raw.Switches(src)))
	}
	if err != nil {
		return err
	}
	loaded, err := a.checked(src, raw)
	if err != nil {
		return err
	}
	if a.flags.lock {
		unlock, err := lockRun(src, loaded, a.env)
		if err != nil {
			return err
		}
		defer unlock()
	}
	src = src.For(loaded.Stream)
	if a.flags.timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, a.flags.timeout, &fault.Error{
			Kind: fault.Quota, Source: src.Name, Whole: true, Err: fmt.Errorf("the time limit of %s is reached", a.flags.timeout),
			Hint: "run again with the last STATE to go on",
		})
		defer stop()
	}
	return a.sync(ctx, src, loaded, limits)
}

func (a *app) discover(src *stream.Source) error {
	c, err := engine.Catalog(src, src.Streams)
	if err != nil {
		return err
	}
	_, _ = c.WriteTo(a.out)
	return a.out.fault()
}

// sync reads the selected streams, or finds the catalog of a source whose
// streams are found at run time.
func (a *app) sync(ctx context.Context, src *stream.Source, loaded *config.Loaded, limits bounds) error {
	// With progress on, log lines go through it, so that they do not tear the
	// line it redraws.
	watch := newWatch(a.err, a.log, a.progressOn())
	defer watch.close()
	if err := a.setLog(watch); err != nil {
		return err
	}
	watch.metrics = a.flags.logFormat == formatSinger

	client, err := a.connect(src, loaded, watch.request)
	if err != nil {
		return err
	}
	if a.flags.discover {
		if src, err = a.found(ctx, src, client, loaded.Stream, nil); err != nil {
			return err
		}
		return a.discover(src)
	}
	// Before the vendor is asked anything: a file that cannot be used costs no
	// request.
	given, err := a.givenCatalog()
	if err != nil {
		return err
	}
	state, err := a.readState(src)
	if err != nil {
		return err
	}
	if src, err = a.found(ctx, src, client, loaded.Stream, known(given)); err != nil {
		return a.notBegun(state, err)
	}
	tasks, err := a.tasks(src, given, !loaded.SelectFieldsByDefault)
	if err != nil {
		return err
	}
	watch.alone = len(tasks) == 1
	if err := a.matchState(src, state); err != nil {
		return err
	}
	end := loaded.End
	if !limits.until.IsZero() && (end.IsZero() || limits.until.Before(end)) {
		end = limits.until
	}
	a.out.ended = ctx.Done()
	o := engine.Options{
		Source: src, Config: loaded.Stream, Tasks: tasks, State: state, Fetcher: client,
		Out: singer.NewWriter(a.out), Log: a.log, Observe: watch,
		Concurrency: a.flags.concurrency,
		Start:       loaded.Start, End: end, Since: limits.since,
		Window: loaded.WindowDays, Lookback: loaded.Lookback,
		HoldState:   a.flags.partial(),
		FullRefresh: a.flags.fullRefresh, MaxRecords: a.flags.maxRecords,
	}
	check := newVerifier(a.out)
	switch a.flags.test {
	case "schema":
		o.Out = singer.NewWriter(check)
		if err := engine.Schemas(o); err != nil {
			return err
		}
		return check.err
	case "all":
		o.Out, o.MaxRecords = singer.NewWriter(check), 1
	}
	rep := engine.Run(ctx, o)
	if rep.Err == nil {
		rep.Err = check.err
	}
	if errors.Is(rep.Err, errCutShort) {
		rep.Err = context.Cause(ctx) // that is why
	}
	return a.report(src, watch, rep, loaded.ExitZeroOnPartial || a.flags.zeroPartial)
}

// notBegun ends a sync whose streams could not be found. Nothing was read, so
// what was given still holds, and is told as every run tells it at its end.
func (a *app) notBegun(state *singer.State, err error) error {
	if werr := singer.NewWriter(a.out).Final(state); werr != nil {
		return werr
	}
	return err
}

// report tells how a run ended and sets the exit code.
func (a *app) report(src *stream.Source, watch *watch, rep *engine.Report, zeroOnPartial bool) error {
	watch.finish()
	var rows int64
	for _, s := range rep.Streams {
		rows += s.Records
	}
	summary := fmt.Sprintf("%s: %s records of %s in %s, %s", src.Name, thousands(rows), plural(int64(len(rep.Streams)), "stream"),
		watch.elapsed().Round(time.Millisecond), plural(watch.requests.Load(), "request"))
	o := judge(rep.Streams, zeroOnPartial)
	if o.code == exitOK && len(rep.Left) > 0 && !zeroOnPartial {
		o.code, o.left = exitPartial, rep.Left
	}
	switch {
	case rep.Err == nil && o.code == exitOK:
		a.log.Info("complete: " + summary)
		return nil
	case watch.requests.Load() > 0: // else nothing has begun
		a.log.Info(summary)
	}
	if rep.Err != nil {
		return rep.Err
	}
	return a.tell(src.Name, o, len(rep.Streams), "the others are complete and the state is valid", "deselect what may not be read, or pass --exit-zero-on-partial")
}

// tell ends a run whose streams did not all end well: with an error where one
// reason holds for all, else with a line that sums up.
func (a *app) tell(source string, o outcome, all int, others, ifRefused string) error {
	if o.code == exitOK {
		return nil
	}
	if o.code == exitAuth && len(o.failed) == 0 {
		f := &fault.Error{
			Kind: fault.Permission, Source: source, Err: errors.New("every selected stream was refused"),
			Hint: "give the account the right to read them",
		}
		if o.absent > 0 {
			f.Err = fmt.Errorf("%w, %d of them since the account does not have it (404)", f.Err, o.absent)
			f.Hint = "check which account is asked, and select what it has: tap-backoffice check"
		}
		return f
	}
	if o.code != exitPartial {
		first := o.failed[0].Err
		if all == 1 {
			return first
		}
		return &fault.Error{
			Kind: fault.KindOf(first), Source: source, Hint: hintOf(first),
			Err: fmt.Errorf("none of %d streams could be read, the first for this reason: %w", all, first),
		}
	}
	var parts, hints []string
	kind := fault.Permission
	if len(o.failed) > 0 {
		parts = append(parts, fmt.Sprintf("%d failed (%s)", len(o.failed), streamsOf(o.failed)))
		kind = fault.KindOf(o.failed[0].Err)
		hints = append(hints, hintOf(o.failed[0].Err))
	}
	if len(o.refused) > 0 {
		parts = append(parts, fmt.Sprintf("%d may not be read (%s)", len(o.refused), streamsOf(o.refused)))
		hints = append(hints, ifRefused)
	}
	if len(o.left) > 0 {
		parts = append(parts, "all were read, but not of "+list(o.left))
		hints = append(hints, "see the warnings for why, and leave out in the config what cannot be read")
	}
	a.code = o.code
	text := fmt.Sprintf("%s: partial: of %s %s", source, plural(int64(all), "stream"), strings.Join(parts, " and "))
	if o.done > 0 || len(o.left) > 0 {
		text += "; " + others
	}
	a.last(text, strings.Join(hints, "; "), o.code, kind.String())
	return nil
}

func streamsOf(results []engine.Result) string {
	var names []string
	for _, r := range results {
		name := r.Stream
		if len(r.Refused) > 0 {
			name += " in " + strings.Join(r.Refused, " and ")
		}
		names = append(names, name)
	}
	return list(names)
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}

func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// about prints what this tap is and which settings it takes.
func (a *app) about(args []string) error {
	srcs, err := a.oneOrAll(args)
	if err != nil {
		return err
	}
	switch a.flags.format {
	case "text":
		return a.print([]byte(config.AboutText(srcs...)))
	case "markdown":
		return a.print([]byte(config.AboutMarkdown(srcs...)))
	case "json":
		text, err := config.AboutJSON(srcs...)
		if err != nil {
			return err
		}
		return a.print(text)
	case "meltano":
		if len(srcs) != 1 {
			return &fault.Error{
				Kind: fault.Config, Err: errors.New("--format meltano: a plugin reads one source"),
				Hint: "name it: tap-backoffice saasoptics --about --format meltano",
			}
		}
		return a.print(config.AboutMeltano(srcs[0]))
	}
	return notOneOf("--format", a.flags.format, "text, json, markdown or meltano")
}
