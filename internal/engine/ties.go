package engine

import (
	"fmt"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// knownTies is the state member that tells which rows of a Chunked stream lie at
// its bookmark: how many, and the sum of their keys' hashes. A read begins at the
// bookmark, so those rows come with every run, and each would cost a call for
// every further batch of its fields. Where the same ones come again, they are
// the ones that were written.
const knownTies = "_ties"

// settledAge is how long before a run, by the vendor's clock, a bookmark has to
// lie for that: a row that changes twice within the vendor's least unit of time,
// or on a machine whose clock is behind, has long done so.
const settledAge = 10 * time.Minute

// ties are the rows at the greatest replication value so far.
type ties struct {
	at  peak
	n   int
	sum uint64
	old bool // they stay as they are
}

func (t *ties) add(v int64, key uint64) {
	if !t.at.ok || v > t.at.v {
		*t = ties{at: peak{v, true}}
	}
	if v == t.at.v {
		t.n++
		t.sum += mix(key)
	}
}

// settled are the lane's ties, by the vendor's clock.
func (l *lane) settled() ties {
	t := l.ties
	t.old = t.at.ok && t.at.v < l.feeds[0].cap-settledAge.Microseconds()
	return t
}

func (t *ties) String() string { return fmt.Sprintf("%d %016x", t.n, t.sum) }

// inBatches tells whether each row costs more calls than that of its page, and
// whoever wants the rows wants no more than those that are new.
func (rd *reader) inBatches() bool {
	return rd.s.Chunked != nil && len(rd.batches) > 1 && rd.incremental() && rd.unit == stream.Instant && !rd.hasKids() && !rd.deletes()
}

// written marks the rows at the bookmark idle if they are the ones that were
// there when it was set.
func (l *lane) written(rows []partial) {
	rd := l.rd
	if !rd.inBatches() || rd.refreshing() || rd.run.HoldState || rd.run.Lookback > 0 {
		return
	}
	raw, ok := rd.run.initial.Member(rd.s.Name, l.part.ID, knownTies)
	mark, err := rd.bookmark(l.part.ID)
	if !ok || err != nil || mark == nil {
		return
	}
	var met ties
	for i := range rows {
		if rows[i].v == *mark {
			met.add(*mark, rows[i].key)
		}
	}
	if met.n == 0 || plain(string(raw)) != met.String() {
		return
	}
	for i := range rows {
		if rows[i].v == *mark {
			rows[i].idle, rows[i].written = true, true
		}
	}
}

// keepTies notes the rows at a bookmark that a read has reached, if it is old
// enough for them to stay.
func (rd *reader) keepTies(part string, t ties) {
	if !t.at.ok || rd.refreshing() || !rd.selected || !rd.inBatches() || rd.reached[part] != t.at {
		return
	}
	literal := []byte("null")
	if t.old {
		literal = []byte(`"` + t.String() + `"`)
	}
	if rd.s.Scope == "" {
		part = ""
	}
	rd.run.State.SetMember(rd.s.Name, part, knownTies, literal)
}
