package buchhaltungsbutler

import (
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/buchhaltungsbutler/data"
)

// A report is finished after so many polls, or so long after it was asked for
// if nobody polls (GUESS).
const (
	polls    = 2
	maxWhile = 30 * time.Second
)

// reports are those that the API made: one of each kind and tenant, the last.
type reports struct {
	mu   sync.Mutex
	last map[string]*report
	made map[string]int64
}

type report struct {
	id    int64
	body  []byte
	begun time.Time
	polls int
	done  bool
}

func newReports() *reports {
	r := &reports{}
	r.reset()
	return r
}

func (r *reports) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last, r.made = make(map[string]*report), make(map[string]int64)
}

// firstReport is the number of the first report of a kind.
var firstReport = map[string]int64{data.Sums: 501, data.BWA: 701}

// number is that of the last report of the sandbox's tenant, or of the first to
// be made.
func (r *reports) number(stream string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := strings.TrimPrefix(stream, "report_")
	if last := r.last[Key+kind]; last != nil {
		return last.id
	}
	return firstReport[kind]
}

func (p *report) finished(stuck bool) bool {
	p.done = p.done || !stuck && (p.polls >= polls || time.Since(p.begun) >= maxWhile)
	return p.done
}

// create begins a report and replaces the last one of its kind, unless that is
// not finished (DOC). It shows what there is now.
func (r *reports) create(key, kind string, stuck bool, body func() []byte) (int64, *data.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last := r.last[key+kind]; last != nil && !last.finished(stuck) {
		return 0, busy()
	}
	p := &report{id: firstReport[kind] + r.made[key+kind], body: body(), begun: time.Now()}
	r.made[key+kind]++
	r.last[key+kind] = p
	return p.id, nil
}

func busy() *data.Error {
	return &data.Error{Status: 400, Code: 12, Message: "report generation already in progress"}
}

// get gives a finished report; a bad request is a wait state, too (DOC).
func (r *reports) get(key, kind string, id int64, stuck, replaced bool) ([]byte, *data.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.last[key+kind]
	if p != nil && p.id == id && replaced {
		r.last[key+kind], p = &report{id: id + 1, body: p.body, begun: p.begun, done: true}, nil
		r.made[key+kind]++
	}
	if p == nil || p.id != id {
		return nil, &data.Error{Status: 400, Code: 7, Message: "report was not found"}
	}
	if !p.finished(stuck) {
		p.polls++
		return nil, &data.Error{Status: 400, Code: 8, Message: "report generation has not been finished yet"}
	}
	return p.body, nil
}
