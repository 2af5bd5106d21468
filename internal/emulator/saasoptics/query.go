package saasoptics

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// dateForms are what the framework's date-time fields take (GUESS); Z, an
// offset or no zone at all is CLIENT. A value without a zone is read as UTC
// here: the real service reads it in its own zone, which nobody knows for
// sure (GUESS: US Eastern), so a tap must never send one.
var dateForms = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04",
	"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02 15:04",
	"2006-01-02",
}

// instantOf reads the value of a date filter; digits beyond microseconds are
// cut, as the framework does.
func instantOf(text string) (micros int64, ok bool) {
	text = strings.Replace(strings.TrimSpace(text), ",", ".", 1)
	for _, form := range dateForms {
		if t, err := time.Parse(form, text); err == nil {
			return t.UnixMicro(), true
		}
	}
	return 0, false
}

// query reads the filters and the order of a list. Faults are told by
// parameter, as the framework's filters do; parameters that are not known are
// ignored (CLIENT); the last value of a repeated one counts, an empty value is
// none.
func (st *stream) query(values url.Values) (q rows.Query, faults map[string][]string) {
	q = rows.All()
	reject := func(name, text string) {
		if faults == nil {
			faults = make(map[string][]string)
		}
		faults[name] = []string{text}
	}
	for name, list := range values {
		value := list[len(list)-1]
		if value == "" {
			continue
		}
		if column, bound, ok := cutBound(name); ok {
			if clock, known := st.columns[column]; known {
				at, ok := instantOf(value)
				if !ok {
					reject(name, "Enter a valid date/time.")
					continue
				}
				w := rows.Window{Clock: clock, Lo: rows.Null + 1, Hi: 1<<63 - 1}
				if bound == "gte" {
					w.Lo = at
				} else {
					w.Hi = at
				}
				q.Windows = append(q.Windows, w)
			}
			continue
		}
		if sharing, known := st.refs[name]; known {
			id, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				reject(name, "Enter a number.")
				continue
			}
			st.restrict(&q, name, id, sharing)
		}
	}
	// Which window came first must not depend on the order of a map.
	slices.SortFunc(q.Windows, func(a, b rows.Window) int { return a.Clock - b.Clock })
	st.sort(&q, values.Get("sort"))
	return q, faults
}

func cutBound(name string) (column, bound string, ok bool) {
	k := strings.LastIndex(name, "__")
	if k < 0 {
		return "", "", false
	}
	column, bound = name[:k], name[k+2:]
	return column, bound, bound == "gte" || bound == "lte"
}

// restrict keeps the rows that refer to one row of another stream. A row that
// does not exist has none (GUESS).
func (st *stream) restrict(q *rows.Query, column string, id, sharing int64) {
	target := st.targets[column]
	index, exact := target.IDs().Row(id)
	first, last := index*sharing, (index+1)*sharing
	if !exact || index >= target.Size() {
		first, last = 0, 0
	}
	also := func(n int64) bool { return refer(target, n, sharing) == id }
	if q.Last > 0 { // two such filters at once
		first, last = max(first, q.First), min(last, q.Last)
		before, this := q.Also, also
		also = func(n int64) bool { return before(n) && this(n) }
	}
	q.First, q.Last, q.Also = first, max(last, first+1), also
	if last <= first {
		q.First = q.Last // nothing
	}
}

// sort reads the parameter sort (CLIENT: modified and start_date are used); a
// minus reverses, the first known name counts, others are ignored (GUESS: the
// framework's OrderingFilter; CLIENT: a nonsense value does no harm). Without
// it the order is that of the ids (GUESS: no client documents one).
func (st *stream) sort(q *rows.Query, value string) {
	for name := range strings.SplitSeq(value, ",") {
		name, desc := strings.CutPrefix(strings.TrimSpace(name), "-")
		clock, known := st.columns[name]
		if !known {
			clock, known = st.sortable[name]
		}
		if name == "id" && st.name != "currency_codes" {
			clock, known = rows.ByID, true
		}
		if known {
			q.Order, q.Desc = clock, desc
			return
		}
	}
}
