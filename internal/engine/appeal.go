package engine

import (
	"context"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// appeal asks why the whole stream is refused, where the vendor's words do not tell.
func (l *lane) appeal(ctx context.Context, err error) error {
	if l.rd.heard.Load() {
		return err // it is not
	}
	r := l.rd.run
	return appealed(ctx, r.Source, r.Fetcher, r.Config, l.rd.s, err)
}

// appealed is a refusal as the source's Appeal has it, any other error as it is.
func appealed(ctx context.Context, src *stream.Source, f stream.Fetcher, c stream.Config, s *stream.Stream, err error) (out error) {
	e := fault.As(err)
	if src.Appeal == nil || e == nil || e.Whole || e.Kind != fault.Refused {
		return err
	}
	defer caught(&out)
	return src.Appeal(ctx, f, c, s, err)
}
