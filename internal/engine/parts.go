package engine

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// parts are the partitions that are within something larger, which has the
// bookmark: it moves once all of them were read, and tells which they were.
type parts struct {
	of   map[string]*stream.Partition // by ID
	list map[string][]string          // IDs by what they are within, in their order
}

// takes notes the partitions of a scope.
func (p *parts) takes(all []stream.Partition) {
	for i := range all {
		part := &all[i]
		if part.Within == "" || p.of[part.ID] != nil {
			continue
		}
		if p.of == nil {
			p.of, p.list = map[string]*stream.Partition{}, map[string][]string{}
		}
		p.of[part.ID] = part
		p.list[part.Within] = append(p.list[part.Within], part.ID)
	}
}

// part is a partition that is within something, nil for another one.
func (rd *reader) part(id string) *stream.Partition {
	r := rd.run
	r.partsMu.Lock()
	defer r.partsMu.Unlock()
	return r.parts.of[id]
}

// place is the key of a partition in the state.
func (rd *reader) place(id string) string {
	if p := rd.part(id); p != nil {
		return p.Within
	}
	return id
}

// covered tells whether the bookmark of what a partition is within holds for it:
// one that was not among those read, a year that was opened since, has none.
// Where the state does not list them, as one that somebody wrote, it does.
func (rd *reader) covered(id string) bool {
	p := rd.part(id)
	if p == nil {
		return true
	}
	raw, ok := rd.run.initial.Member(rd.s.Name, p.Within, rd.run.Source.Scopes[rd.s.Scope].Parts)
	return !ok || slices.Contains(strings.Split(plain(string(raw)), ","), p.Part)
}

// ends notes that a partition within something has been read whole, and moves
// the bookmark once it is the last one. done tells that this was its business.
func (r *run) ends(rd *reader, id string) (done bool, err error) {
	p := rd.part(id)
	if p == nil {
		return false, nil
	}
	if rd.whole == nil {
		rd.whole = map[string]bool{}
	}
	rd.whole[id] = true
	r.partsMu.Lock()
	all := r.parts.list[p.Within]
	r.partsMu.Unlock()
	to := peak{}
	for _, other := range all {
		if !rd.whole[other] {
			return true, nil
		}
		if p := rd.pending[other]; p.ok {
			to.raise(p.v)
		}
	}
	if rd.refreshing() || !rd.selected || !rd.incremental() {
		rd.settled(p.Within, to)
		return true, nil
	}
	if err := r.announce(rd); err != nil {
		return true, err
	}
	rd.advance(p.Within, to)
	rd.lists(p.Within, all)
	return true, r.saveState()
}

// settled keeps, for the end of a full refresh, how far a bookmark may move.
func (rd *reader) settled(within string, to peak) {
	if rd.united == nil {
		rd.united = map[string]peak{}
	}
	rd.united[within] = to
}

// renewParts replaces the bookmarks of partitions that are within something, at
// the end of a full refresh.
func (rd *reader) renewParts() {
	for within, to := range rd.united {
		rd.advance(within, to)
		rd.run.partsMu.Lock()
		all := rd.run.parts.list[within]
		rd.run.partsMu.Unlock()
		rd.lists(within, all)
	}
}

// lists writes which parts a bookmark covers.
func (rd *reader) lists(within string, ids []string) {
	if !rd.selected || !rd.incremental() {
		return
	}
	if _, ok := rd.run.State.Member(rd.s.Name, within, rd.s.Cursor.Field); !ok {
		return // there is none
	}
	var names []string
	for _, id := range ids {
		names = append(names, rd.part(id).Part)
	}
	rd.run.State.SetMember(rd.s.Name, within, rd.run.Source.Scopes[rd.s.Scope].Parts, []byte(strconv.Quote(strings.Join(names, ","))))
}

// lookback is subtracted from the bookmark of this stream when reading.
func (rd *reader) lookback() time.Duration {
	r := rd.run
	if c := rd.s.Cursor; r.Lookback == 0 && c != nil && r.Config.Text("lookback") == "" {
		return c.Lookback
	}
	return r.Lookback
}
