package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

// The exit codes. README.md has the table.
const (
	exitOK       = 0
	exitFailure  = 1
	exitUsage    = 2
	exitAuth     = 3
	exitPartial  = 4
	exitLater    = 5
	exitContract = 6
	exitOutput   = 7
	exitInternal = 70
	exitSignal   = 128
)

// exitCode is the one place where errors become exit codes.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if sig, ok := errors.AsType[*signalError](err); ok {
		return exitSignal + int(sig.sig)
	}
	switch fault.KindOf(err) {
	case fault.Config, fault.State:
		return exitUsage
	case fault.Auth, fault.Permission:
		return exitAuth
	case fault.Quota:
		return exitLater
	case fault.Contract:
		return exitContract
	case fault.Output:
		return exitOutput
	case fault.Transient, fault.Refused:
		return exitFailure
	}
	return exitInternal
}

// outcome is how the streams of a run ended.
type outcome struct {
	code    int
	done    int
	failed  []engine.Result
	refused []engine.Result // may not be read, or are not there, or not everywhere; the user asked for them
	left    []string        // partitions that the user named and that cannot be read
	absent  int             // streams that the account does not have
}

// judge finds the exit code of a run that was not ended early: none failed,
// one reason for all streams that ran, or partial. A stream that may not be
// read did not run; it counts only if the user chose it and zeroOnPartial is
// off, or if there was nothing else.
func judge(streams []engine.Result, zeroOnPartial bool) outcome {
	var o outcome
	codes := map[int]bool{}
	skipped := 0
	for _, s := range streams {
		switch {
		case s.Err == nil:
			o.done++
			if len(s.Refused) > 0 && s.Chosen && !zeroOnPartial {
				o.refused = append(o.refused, s)
			}
		case !s.Skipped:
			o.failed = append(o.failed, s)
			codes[exitCode(s.Err)] = true
		default:
			if skipped++; s.Absent {
				o.absent++
			}
			if s.Chosen && !zeroOnPartial {
				o.refused = append(o.refused, s)
			}
		}
	}
	switch {
	case len(o.failed) == 0 && o.done == 0 && skipped > 0:
		o.code = exitAuth
	case len(o.failed) > 0 && o.done == 0 && len(o.refused) == 0 && len(codes) == 1:
		o.code = exitCode(o.failed[0].Err)
	case len(o.failed)+len(o.refused) > 0:
		o.code = exitPartial
	}
	return o
}

// fail tells what went wrong and returns the exit code. It logs one line but
// for the faults of a config, which are told all at once, and a defect, whose
// stack comes first.
func (a *app) fail(err error) int {
	code := exitCode(err)
	kind, hint := fault.KindOf(err).String(), hintOf(err)
	if _, ok := errors.AsType[*signalError](err); ok {
		kind, hint = "signal", "run again with the last STATE to go on"
	}
	lines := strings.Split(strings.TrimRight(err.Error(), "\n"), "\n")
	if code == exitInternal {
		lines = append(lines[1:], lines[0])
	}
	for _, line := range lines[:len(lines)-1] {
		a.log.Log(context.Background(), levelCritical, line)
	}
	a.last(lines[len(lines)-1], hint, code, kind)
	return code
}

// last writes the last line before an exit other than 0.
func (a *app) last(text, hint string, code int, kind string) {
	a.log.Log(context.Background(), levelCritical, withHint(text, hint), "exit_code", code, "kind", kind)
}

func withHint(text, hint string) string { return text + " (hint: " + hint + ")" }

// hintOf returns the next action: what the error says, or what its kind does.
func hintOf(err error) string {
	if e := fault.As(err); e != nil && e.Hint != "" {
		return e.Hint
	}
	switch fault.KindOf(err) {
	case fault.Config:
		return "see tap-backoffice --help"
	case fault.State:
		return "correct the state, or leave it out for a first run"
	case fault.Auth, fault.Permission:
		return "check the credentials and their rights: tap-backoffice check"
	case fault.Quota, fault.Transient:
		return "run again later, the run resumes from its state"
	case fault.Contract, fault.Refused:
		return "run again, and report it to the vendor if it stays"
	case fault.Output:
		return "see why the reader of stdout stopped"
	}
	return "this is a defect of tap-backoffice, please report it"
}
