package engine

import (
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// How many pages in a row may bring no new key (a vendor that ignores the page's
// number would never end), and no row (filters empty pages that were cut before).
const maxStale, maxEmpty = 3, 1000

// progress refuses chains of pages that would never end: a request that was
// made before, or page after page without a new row, or a higher replication
// value: a row may change again and again while it is read.
func (c *pageChain) progress(visited map[uint64]struct{}, next uint64, n, rows int, fresh bool) error {
	if _, again := visited[next]; again {
		return &fault.Error{Kind: fault.Contract, Err: errors.New("the pages lead in a circle"), Hint: "nothing was lost; report it to the vendor and run again"}
	}
	visited[next] = struct{}{}
	if rows > 0 {
		c.empty = 0
	} else if c.empty++; c.empty >= maxEmpty {
		return &fault.Error{Kind: fault.Contract, Err: fmt.Errorf("the last %d pages had no rows, and there is always a next one", maxEmpty), Hint: "report it to the vendor"}
	}
	if n == 1 || rows == 0 || fresh {
		c.stale = 0
		return nil
	}
	if c.stale++; c.stale < maxStale+c.slack {
		return nil
	}
	if c.torn && rows < c.full {
		return errTwice // no page is asked for in vain: each time rows came before it
	}
	return &fault.Error{Kind: fault.Contract, Err: fmt.Errorf("the last %d pages brought only rows that were there before", maxStale), Hint: "the vendor seems to ignore which page is asked for; report it"}
}

// errHollow is errMoved where a page has no rows that the one before promised: a
// list that emptied meanwhile reads well at the second try.
var errHollow = fmt.Errorf("a page that the vendor announced had no rows: %w", errMoved)

// resumes goes on where a page had no rows that was to have some: a sorted list
// from the last row on, any other is read again.
func (l *lane) resumes(c *pageChain, sp span) (*stream.Request, error) {
	req, err := l.begins(c, sp, true)
	if err != nil {
		return nil, errHollow
	}
	return req, nil
}

func requestHash(seed maphash.Seed, r *stream.Request) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	h.WriteString(r.URL)
	for _, p := range r.Params {
		h.WriteByte(0)
		h.WriteString(p.Name)
		h.WriteByte(0)
		h.WriteString(p.Value)
	}
	return h.Sum64()
}
