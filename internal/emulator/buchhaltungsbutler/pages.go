package buchhaltungsbutler

import (
	"encoding/json"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/buchhaltungsbutler/data"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// pageNumbers knows which page goes on from an id: the request does not tell.
type pageNumbers struct {
	mu   sync.Mutex
	next map[string]int64
}

// maxPages is how many are remembered; others count as the first.
const maxPages = 1 << 14

func (p *pageNumbers) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = nil
}

// keyset is the number of a page that begins behind an id, and remembers which
// one follows.
func (p *pageNumbers) keyset(list string, page *data.Page) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	number := max(p.next[list+strconv.FormatInt(page.From, 10)], 1)
	if p.next == nil || len(p.next) >= maxPages {
		p.next = make(map[string]int64)
	}
	if n := len(page.IDs); n > 0 {
		p.next[list+page.IDs[n-1]] = number + 1
	}
	return number
}

// queryOf is a body as a query, without the key of the tenant.
func queryOf(p data.Params) url.Values {
	out := url.Values{}
	for name, raw := range p.Values {
		text := string(raw)
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		if name != "api_key" {
			out.Set(name, text)
		}
	}
	return out
}

// disturb moves rows between two requests, if a test or the fault moving asks
// for it. The page is made already, and not yet sent.
func (s *Service) disturb(c call, p *data.Page) {
	if c.key != Key {
		return
	}
	if hook := s.env.PageHook(); hook != nil {
		query := queryOf(c.params)
		number := int64(1)
		switch {
		case p.Keyset:
			list := queryOf(c.params)
			list.Del("id_by_customer_from")
			number = s.pages.keyset(list.Encode()+"|", p)
		case p.Before > 0:
			number = 2
			if limit, err := strconv.ParseInt(query.Get("limit"), 10, 64); err == nil && limit > 0 {
				number = p.Before/limit + 1
			} else if n := int64(len(p.IDs)); n > 0 {
				number = p.Before/n + 1
			}
		}
		out := emulator.Page{Source: source, Resource: c.to.stream, Number: number, Query: query}
		for _, id := range p.IDs {
			out.IDs = append(out.IDs, emulator.ID(id))
		}
		hook(out)
	}
	if p.More && len(p.IDs) > 0 && s.faults.Fires("moving", c.to.stream) {
		k := rows.Mix(s.env.Seed, uint64(p.Before)) % uint64(len(p.IDs))
		// A stream that does not change, or a row that the hook has deleted: nothing moves.
		_, _ = s.company.Change(c.to.stream, data.Wish{IDs: p.IDs[k : k+1], At: time.Now()})
	}
}
