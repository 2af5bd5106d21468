package cli

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

func TestExitCode(t *testing.T) {
	for want, errs := range map[int][]error{
		0:   {nil},
		1:   {fault.New(fault.Transient, "x", ""), fault.New(fault.Refused, "x", "")},
		2:   {fault.New(fault.Config, "x", ""), fault.New(fault.State, "x", ""), usage("x", "y")},
		3:   {fault.New(fault.Auth, "x", ""), fault.New(fault.Permission, "x", "")},
		5:   {fault.New(fault.Quota, "x", "")},
		6:   {fault.New(fault.Contract, "x", ""), fmt.Errorf("outside: %w", fault.New(fault.Contract, "x", ""))},
		7:   {fault.New(fault.Output, "x", "")},
		70:  {fault.New(fault.Internal, "x", ""), errors.New("not a fault"), context.Canceled, fault.New(fault.Kind(99), "x", "")},
		130: {&signalError{syscall.SIGINT}},
		143: {&signalError{syscall.SIGTERM}, fmt.Errorf("outside: %w", &signalError{syscall.SIGTERM})},
	} {
		for _, err := range errs {
			require.Equal(t, want, exitCode(err), "%v", err)
		}
	}
}

func TestJudge(t *testing.T) {
	done := engine.Result{Stream: "done"}
	failed := func(kind fault.Kind) engine.Result {
		return engine.Result{Stream: kind.String(), Err: fault.New(kind, "x", "")}
	}
	html, server := failed(fault.Contract), failed(fault.Transient)
	refused := engine.Result{Stream: "refused", Err: fault.New(fault.Permission, "x", ""), Skipped: true}
	absent := engine.Result{Stream: "absent", Err: fault.New(fault.Refused, "x", ""), Skipped: true, Absent: true}
	late := refused
	late.Records, late.Skipped = 100, false // the engine: what was read in part failed
	chosen := func(r engine.Result) engine.Result {
		r.Chosen = true
		return r
	}
	for name, c := range map[string]struct {
		streams []engine.Result
		want    int
		zero    int // with --exit-zero-on-partial
	}{
		"none":                                 {nil, 0, 0},
		"all done":                             {[]engine.Result{done, chosen(done)}, 0, 0},
		"one failed":                           {[]engine.Result{done, html}, 4, 4},
		"one reason for all":                   {[]engine.Result{html, html}, 6, 6},
		"one code for all":                     {[]engine.Result{server, failed(fault.Refused)}, 1, 1},
		"two reasons":                          {[]engine.Result{html, server}, 4, 4},
		"refused by default":                   {[]engine.Result{done, refused}, 0, 0},
		"refused by choice":                    {[]engine.Result{chosen(done), chosen(refused)}, 4, 0},
		"refused in the middle":                {[]engine.Result{done, late}, 4, 4},
		"absent by default":                    {[]engine.Result{done, absent}, 0, 0},
		"absent by choice":                     {[]engine.Result{done, chosen(absent)}, 4, 0},
		"only absent, by choice":               {[]engine.Result{chosen(absent)}, 3, 3},
		"only absent, by default":              {[]engine.Result{absent, absent}, 3, 3},
		"absent, the others failed":            {[]engine.Result{html, chosen(absent)}, 4, 6},
		"all refused":                          {[]engine.Result{refused, chosen(refused)}, 3, 3},
		"all refused or absent":                {[]engine.Result{refused, absent}, 3, 3},
		"what ran failed, refused by default":  {[]engine.Result{html, refused, absent}, 6, 6},
		"what ran failed, refused by choice":   {[]engine.Result{html, chosen(refused)}, 4, 6},
		"failed and refused, others complete":  {[]engine.Result{html, chosen(refused), done}, 4, 4},
		"refused by default, one other failed": {[]engine.Result{html, refused, done}, 4, 4},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, judge(c.streams, false).code)
			require.Equal(t, c.zero, judge(c.streams, true).code)
		})
	}
}
