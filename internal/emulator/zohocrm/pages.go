package zohocrm

import (
	"bytes"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/zohocrm/data"
)

// maxTokens is how many page tokens are remembered; older ones lead to page 0.
const maxTokens = 1 << 14

// pages knows which page a token leads to: the answer does not tell reliably
// (DOC). It also keeps the tokens of the fault next-self, which lead back.
type pages struct {
	mu   sync.Mutex
	next map[string]int64
	back map[string]url.Values
}

func (p *pages) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next, p.back = nil, nil
}

// enter returns the number of the page that is asked for.
func (p *pages) enter(c *call) int64 {
	token := c.query.Get("page_token")
	p.mu.Lock()
	defer p.mu.Unlock()
	if first, ok := p.back[token]; ok && token != "" {
		c.query = first
		token = ""
	}
	if token != "" {
		return p.next[token]
	}
	if n, err := strconv.ParseInt(c.query.Get("page"), 10, 64); err == nil {
		return n
	}
	return 1
}

func (p *pages) expect(token string, number int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil || len(p.next) >= maxTokens {
		p.next = make(map[string]int64)
	}
	p.next[token] = number
}

// returning is a token that leads to the very page that was asked for.
func (p *pages) returning(query url.Values) string {
	if token := query.Get("page_token"); token != "" {
		return token
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.back == nil {
		p.back = make(map[string]url.Values)
	}
	token := "back" + strconv.Itoa(len(p.back))
	p.back[token] = query
	return token
}

const (
	nextToken   = `"next_page_token":`
	moreRecords = `"more_records":`
)

// infoOf is the end of a page, where its info is.
func infoOf(body []byte) []byte { return body[max(0, bytes.LastIndex(body, []byte(`"info":`))):] }

// hasMore tells whether a page is followed by another.
func hasMore(body []byte) bool { return bytes.Contains(infoOf(body), []byte(moreRecords+"true")) }

// disturb moves rows between two requests, if a test or the fault moving asks
// for it. The page is made already, and not yet sent.
func (s *Service) disturb(c *call, number int64, body *data.Body) {
	more := hasMore(body.JSON)
	if more {
		_, text, _ := bytes.Cut(infoOf(body.JSON), []byte(nextToken+`"`))
		if token, _, ok := bytes.Cut(text, []byte(`"`)); ok {
			s.pages.expect(string(token), number+1)
		}
	}
	if hook := s.env.PageHook(); hook != nil {
		p := emulator.Page{Source: source, Resource: c.resource, Number: number, Query: c.query}
		for _, id := range body.IDs {
			p.IDs = append(p.IDs, emulator.ID(id))
		}
		hook(p)
	}
	if more && c.kind == toList && len(body.IDs) > 0 && s.env.Fires("moving", c.resource) {
		k := rows.Mix(s.env.Seed, uint64(number)) % uint64(len(body.IDs))
		// A module without times, or a row that the hook has deleted: nothing moves.
		_, _ = s.org.Touch(c.module, time.Now(), 0, body.IDs[k])
	}
}
