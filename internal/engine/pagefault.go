package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/record"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func pageFault(n int, err error) error {
	if errors.Is(err, errEnded) || errors.Is(err, context.Canceled) {
		return err
	}
	op := fmt.Sprintf("page %d", n)
	if e := fault.As(err); e != nil {
		c := *e
		if c.Op != "" {
			op += ": " + c.Op
		}
		c.Op = op
		return &c
	}
	kind := fault.KindOf(err)
	for _, answer := range []error{stream.PastEnd, stream.SkipParent, stream.TooLarge, stream.Restart} {
		if errors.Is(err, answer) { // out of place here
			kind = fault.Contract
		}
	}
	return &fault.Error{Kind: kind, Op: op, Err: err}
}

// shapeFault turns what the scanner or the converter says of an answer into a
// fault that names the address and the next step.
func (l *lane) shapeFault(err error, resp *stream.Response) error {
	var (
		syntax *jsonspan.SyntaxError
		shape  *jsonspan.ShapeError
		key    *record.KeyError
		twice  *record.DuplicateError
		hint   string
	)
	switch {
	case errors.As(err, &syntax):
		hint = "the answer is not the JSON it should be; run again, and report it to the vendor if it stays"
	case errors.As(err, &shape):
		hint = "the answer has another shape than documented; check api_url, and report it if it stays"
	case errors.As(err, &key):
		hint = "the bookmark stays where it was; ask the vendor about rows without a key"
	case errors.As(err, &twice):
		hint = "which of the two values is true cannot be known; ask the vendor"
	default:
		return err
	}
	return &fault.Error{Kind: fault.Contract, Status: resp.Status, Err: fmt.Errorf("%w (%s)", err, resp.URL), Hint: hint}
}
