package stream

import (
	"strconv"
	"time"
)

// Cursor tells how a stream is read incrementally.
type Cursor struct {
	// Field is the replication key, a property of type date-time, date or integer.
	Field string
	// From and To name the parameters of the inclusive bounds. Without From
	// the stream is read whole and older rows are dropped here.
	From, To string
	// Layout is the time layout of a bound, always UTC; "" is RFC 3339 with
	// microseconds for instants and YYYY-MM-DD for dates.
	Layout string
	// In says where the bounds are sent.
	In In
	// Raw: in a JSON body the bounds are literals, not text.
	Raw bool
	// Filter builds the parameters where two names do not do. Open tells that
	// it has no upper bound, so that there is nothing to cut into windows.
	Filter func(c Config, from, to string) []Param
	Open   bool
	// Floor returns the least instant that a row which changed at t or later may
	// show: some vendors' clocks show one hour twice. nil stands for t itself.
	Floor func(c Config, t time.Time) time.Time
	// Unended: without an end_date the last window has no upper bound. Rows that
	// change while it is read come with the next run too.
	Unended bool
	// Sorted: rows come in ascending order of Field, so that a bookmark may
	// move after each page. Where that is only likely, Proof tells by the link
	// to the next page whether it holds what comes after the value last.
	Sorted bool
	Proof  func(next string, last int64) bool
	// Margin is how much earlier than wanted the lower bound is asked for, and how
	// much later the upper one, of a vendor who does not tell whether they count
	// in. What is too early or too late is dropped here.
	Margin time.Duration
	// Lookback is the default of lookback for this stream, where the source has
	// none.
	Lookback time.Duration
	// Drift guards a Sorted stream whose rows move to the end when they change.
	Drift *Drift
	// Begin finds where to start when only a date is known, for a Field that
	// counts something else; nil reads from the beginning.
	Begin *Begin
	// Epochs name members of the state, each beginning with "_", under which
	// the partition's value of the same name is kept with the bookmark. Once it
	// differs, the bookmark means nothing any more and all is read anew.
	Epochs []string
	// Stamp: the vendor filters by Field and does not show it; see there.
	Stamp *Stamp
	// Edits finds what changed, of a Field that tells only what is new.
	Edits *Edits
	// Anew: rows are dated back, so that a bookmark tells nothing of what is still
	// to come below it: the range is read from its beginning each time.
	Anew bool
	// Halve: a window that the vendor does not read in time (504) is cut in two,
	// where there is a Floor between two days.
	Halve bool
	// Kept is for how long the vendor lists a row; 0 for ever. A bookmark that
	// was set longer ago has a gap behind it, which is warned of.
	Kept time.Duration
	// MaxRows is the size beyond which a window is cut in two before it is
	// read, as far as the pager knows a total. 0 means never.
	MaxRows int
	// Sparse: rows whose Field is null are known to occur, and the filter
	// cannot return them. They are looked for by comparing counts on every
	// run; for other filtered streams on the first run only.
	Sparse bool
	// Front lists parameters that may bring the rows without Field to the
	// front of an unfiltered list. They are tried one after another; what they
	// do not bring is found by reading everything.
	Front []Param
}

// Drift is for vendors who do not tell whether the token of a page names its
// place by a row or by a count: by a count, each row that moves away from among
// those that were read lets one be skipped that was not. Before a bookmark
// passes, what changed or went since the pages began is asked for (the latter by
// the stream's Deletions), and where a row was among it that had been read, the
// rows between the pages are read again.
type Drift struct {
	// Pages is how many pages are read between two such proofs.
	Pages int
	// Silent: rows go without being listed, whatever the list says.
	Silent bool
}

// Stamp is for a Field, a day, by which the vendor filters and which no row
// shows. A first read asks for all rows, which have no value then; from there on
// the vendor is asked day by day, in the source's zone, and the rows get the day
// that was asked for. After a first read the bookmark is the day on which it
// began.
type Stamp struct {
	// Margin is how far the vendor's midnight may be from that of the source's
	// zone, of one whose zone is not certain: a first read that began no longer
	// than that after midnight is followed by one from the day before on. The days
	// that the vendor tells are its own.
	Margin time.Duration
}

// Edits is for a Field that rows keep when they change: what changed since the
// run before is asked for too, and comes whatever its value.
type Edits struct {
	// Since names the parameter of the lower bound, an instant as the source's
	// zone shows it, in Layout.
	Since, Layout string
	// Margin is how much earlier than wanted it is asked for, of a vendor whose
	// clock or zone is not certain.
	Margin time.Duration
}

// Begin is a call that turns a date into a value of the cursor.
type Begin struct {
	// Ask builds the request for the first row from t on, within a partition.
	Ask func(c Config, part *Partition, t time.Time) *Request
	// Read returns the value from which on to read; ok is false where the
	// answer does not tell.
	Read func(*Response) (from int64, ok bool)
}

// Filtered tells whether the vendor applies the lower bound.
func (c *Cursor) Filtered() bool { return c.From != "" || c.Filter != nil }

// Bounded tells whether the vendor applies an upper bound too, so that the
// range can be cut into windows.
func (c *Cursor) Bounded() bool { return c.To != "" || c.Filter != nil && !c.Open }

// Bounds returns the parameters for a window; empty bounds are left out.
func (c *Cursor) Bounds(conf Config, from, to string) []Param {
	if c.Filter != nil {
		return c.Filter(conf, from, to)
	}
	var ps []Param
	if c.From != "" && from != "" {
		ps = append(ps, Param{Name: c.From, Value: from, In: c.In, Raw: c.Raw})
	}
	if c.To != "" && to != "" {
		ps = append(ps, Param{Name: c.To, Value: to, In: c.In, Raw: c.Raw})
	}
	return ps
}

// Unit is what a replication value counts.
type Unit int

// The units, by the schema of the replication key.
const (
	Instant Unit = iota // microseconds since 1970, UTC
	Day                 // days since 1970
	Int                 // the integer itself
)

// MicroLayout is how instants are written in bookmarks and, by default, in
// bounds: RFC 3339, UTC, six fraction digits.
const MicroLayout = "2006-01-02T15:04:05.000000Z"

const dayMicros = int64(24 * time.Hour / time.Microsecond)

// FromTime turns an instant into a value of unit u; a day is the UTC day. An
// Int has no time: 0.
func (u Unit) FromTime(t time.Time) int64 {
	switch u {
	case Instant:
		return t.UnixMicro()
	case Day:
		m := t.UnixMicro()
		d := m / dayMicros
		if m%dayMicros < 0 {
			d--
		}
		return d
	}
	return 0
}

// Time turns a value of unit u into an instant.
func (u Unit) Time(v int64) time.Time {
	if u == Day {
		v *= dayMicros
	}
	return time.UnixMicro(v).UTC()
}

// Format writes a value with layout, or in the bookmark's own form for "".
func (u Unit) Format(v int64, layout string) string {
	if u == Int {
		return strconv.FormatInt(v, 10)
	}
	if layout == "" {
		layout = MicroLayout
		if u == Day {
			layout = time.DateOnly
		}
	}
	return u.Time(v).Format(layout)
}
