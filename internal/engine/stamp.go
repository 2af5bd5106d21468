package engine

import "time"

// stamps tells whether the replication value of the rows is the day that they
// were asked for, see stream.Stamp.
func (rd *reader) stamps() bool { return rd.s.Cursor != nil && rd.s.Cursor.Stamp != nil }

// valueOf turns an instant into a replication value. The days of a stamp are
// those of the source's zone.
func (rd *reader) valueOf(t time.Time) int64 {
	if !rd.stamps() {
		return rd.unit.FromTime(t)
	}
	zone := rd.zone()
	if t.Equal(rd.run.End) && t.Add(time.Microsecond).Truncate(24*time.Hour).After(t) {
		zone = time.UTC // the end of a day that the user named
	}
	y, m, d := t.In(zone).Date()
	return rd.unit.FromTime(time.Date(y, m, d, 0, 0, 0, 0, time.UTC))
}

// zone is that of the source's values without one.
func (rd *reader) zone() *time.Location {
	if of := rd.run.Source.Zone; of != nil {
		if zone := of(rd.run.Config); zone != nil {
			return zone
		}
	}
	return time.UTC
}

// eve is the day from which on a stamped stream is read again whose bookmark is v:
// the bookmark, or after a first read that began around midnight the day that the
// vendor may have had then.
func (rd *reader) eve(part string, v int64) int64 {
	if !rd.stamps() || !rd.run.Since.IsZero() {
		return v
	}
	began := rd.told(part, readAt)
	if began.IsZero() || rd.valueOf(began) != v {
		return v
	}
	return rd.valueOf(began.Add(-rd.s.Cursor.Stamp.Margin))
}

// noteFirst keeps when a first read began, next to its bookmark.
func (rd *reader) noteFirst(part string) {
	if !rd.unstamped(part) {
		return
	}
	if rd.s.Scope == "" {
		part = ""
	}
	rd.run.State.SetMember(rd.s.Name, part, readAt, quotedTime(rd.run.upper))
}

// unstamped tells whether a stamped stream is read for the first time: whole,
// and without a bound, for of no row is known whether it lies within.
func (rd *reader) unstamped(part string) bool {
	if !rd.stamps() || !rd.run.Since.IsZero() {
		return false
	}
	mark, err := rd.bookmark(part)
	return err != nil || mark == nil || rd.refreshing()
}

// days is how long a window is, 0 for one that holds all.
func (rd *reader) days() int {
	if rd.stamps() {
		return 1
	}
	return rd.run.Window
}

// stamp sets the day of the rows of a window; those of a first read have none.
func (l *lane) stamp() {
	if !l.rd.stamps() {
		return
	}
	var literal []byte
	if !l.span.openFrom {
		literal = append(append([]byte{'"'}, l.rd.unit.Format(l.span.from, "")...), '"')
	}
	l.feeds[0].conv.SetInject(len(l.rd.inject)-1, literal)
}

// stamped is what a bookmark may become once a window has been read: after a
// first read the day on which it began.
func (l *lane) stamped(sp span) peak {
	if !l.rd.stamps() || !sp.openFrom {
		return peak{}
	}
	return peak{l.rd.cap(), true}
}
