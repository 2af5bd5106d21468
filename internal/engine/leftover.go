package engine

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strconv"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// leftover reads the rows that a date filter cannot return, if there are any:
// the vendor's count of all rows is compared with that of the rows that have a
// replication value. If they differ, the orders that may bring such rows to the
// front are tried before everything is read.
func (l *lane) leftover(ctx context.Context) error {
	known := l.rd.known(l.part.ID)
	if l.rd.refreshing() {
		known = nil
	}
	var without, found int64
	counted := false
	p := pass{onlyNull: true, first: func(total, nulls int64, last bool) (bool, error) {
		if !counted {
			if without = nulls; !last {
				var err error
				if without, err = l.keyless(ctx, total, known); err != nil {
					return false, err
				}
			}
			counted = true
		}
		return without > 0 && (known == nil || *known != without), nil
	}}
	orders := l.rd.s.Cursor.Front
	for n, reread := 0, 0; n <= len(orders); {
		req := l.request(l.span)
		if n < len(orders) {
			req.Params = append(req.Params, orders[n])
		}
		before := int64(0)
		p.more = func(nulls int64) bool {
			fresh := nulls > before
			before, found = nulls, nulls
			// An order that brings them to the front has nothing behind them.
			return nulls < without && (fresh || n == len(orders))
		}
		err := l.pages(ctx, req, l.span, p)
		switch {
		case errors.Is(err, errMoved) && reread < maxRereads:
			reread++
			continue
		case errors.Is(err, errMoved) && !counted:
			// The table does not stand still for two counts: read it all.
			counted, without, n, reread = true, math.MaxInt64, len(orders), 0
			continue
		case errors.Is(err, errMoved):
			return l.restless(l.span, err)
		case err != nil && !errors.Is(err, errGrown):
			return err
		}
		if found >= without || known != nil && *known == without {
			break
		}
		n++
	}
	if without == math.MaxInt64 {
		without = found
	}
	l.push(item{settled: true, covers: l.span, unkeyed: &without})
	return nil
}

// keyless counts the rows without replication value, given the count of all. A
// row that comes or goes between two counts would make their difference lie, so
// all are counted again after the others: errMoved where the table moved. One that
// came before the second count and another that went after it leave no trace in
// these: where no later run counts again, the second is made once more too.
func (l *lane) keyless(ctx context.Context, total int64, known *int64) (int64, error) {
	keyed := span{from: 0, openTo: true}
	with, err := l.count(ctx, keyed)
	if err != nil {
		return 0, err
	}
	again, err := l.count(ctx, l.span)
	if err != nil {
		return 0, err
	}
	if again != total || with > total {
		return 0, errMoved
	}
	if known != nil {
		return total - with, nil
	}
	if again, err = l.count(ctx, keyed); err != nil {
		return 0, err
	}
	if again != with {
		return 0, errMoved
	}
	return total - with, nil
}

// count asks how many rows a span holds.
func (l *lane) count(ctx context.Context, sp span) (int64, error) {
	req := l.request(sp)
	resp, err := l.fetch(ctx, req)
	if errors.Is(err, stream.NoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer release(resp)
	var page jsonspan.Page // l.page must keep what the page at hand told
	if err := l.rd.shape.Walk(resp.Body, &page, skipRow); err != nil {
		return 0, l.shapeFault(err, resp)
	}
	n, ok := l.total(&page)
	if !ok {
		return 0, &fault.Error{Kind: fault.Contract, Err: errors.New("the answer does not tell its " + stream.TotalPath(l.rd.s.Page))}
	}
	return n, nil
}

func skipRow(_ int, b []byte, i int) (int, error) { return jsonspan.Value(b, i) }

// total reads the vendor's number of rows in all.
func (l *lane) total(page *jsonspan.Page) (int64, bool) {
	raw := l.captured(page, stream.TotalPath(l.rd.s.Page))
	return integer(raw)
}

// integer reads a raw JSON integer, also one that comes as text.
func integer(raw []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(bytes.Trim(raw, `"`)), 10, 64)
	return n, err == nil
}
