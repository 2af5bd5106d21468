package saasoptics

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

func idOf(n int64) emulator.ID { return emulator.ID(strconv.FormatInt(n, 10)) }

// Change touches, deletes and adds rows. A deletion shows in the list of
// deletions, if the stream has one (CLIENT: customers, contracts, invoices,
// transactions, revenue_entries, payments). One in four transactions picked
// for a touch moves its modified without an audit entry (trap 2 of the
// dossier); transactions named by id move both.
func (s *service) Change(c emulator.Change) ([]emulator.Report, error) {
	var reports []emulator.Report
	for _, st := range s.streams {
		if c.Stream != st.name && (c.Stream != "" || !st.isLarge) {
			continue
		}
		if st.touch == nil {
			return nil, fmt.Errorf("stream %q does not change", st.name)
		}
		r, err := st.change(c)
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	if len(reports) == 0 {
		return nil, fmt.Errorf("no stream %q", c.Stream)
	}
	return reports, nil
}

func (st *stream) change(c emulator.Change) (emulator.Report, error) {
	report := emulator.Report{
		Stream: st.name, At: c.At, Touched: []emulator.ID{}, Deleted: []emulator.ID{}, Inserted: []emulator.ID{},
	}
	at := c.At.UnixMicro()
	gone, err := st.wanted(c.Gone, c.Delete)
	if err != nil {
		return report, err
	}
	for _, id := range gone {
		if !st.table.Remove(id) {
			return report, fmt.Errorf("stream %s has no row %d to delete", st.name, id)
		}
		if st.deleted != nil {
			st.deleted.table.Put(id, at)
		}
		report.Deleted = append(report.Deleted, idOf(id))
	}
	touched, err := st.wanted(c.IDs, c.Rows)
	if err != nil {
		return report, err
	}
	var unaudited []string
	for k, id := range touched {
		clocks := st.touch
		if picked := k - len(c.IDs); len(clocks) > 1 && picked >= 0 && picked%4 == 3 {
			clocks = clocks[:1]
			unaudited = append(unaudited, strconv.FormatInt(id, 10))
		}
		if _, ok := st.table.Touch(id, at, clocks...); !ok {
			return report, fmt.Errorf("stream %s has no row %d to touch", st.name, id)
		}
		report.Touched = append(report.Touched, idOf(id))
	}
	if len(unaudited) > 0 {
		report.Note = "without an audit entry: " + strings.Join(unaudited, ", ")
	}
	for range c.Insert {
		report.Inserted = append(report.Inserted, idOf(st.table.Append(at).ID))
	}
	return report, nil
}

// wanted are the named rows, and n picked ones.
func (st *stream) wanted(named []emulator.ID, n int) ([]int64, error) {
	var ids []int64
	for _, id := range named {
		v, err := strconv.ParseInt(string(id), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("id %q of stream %s: not a number", id, st.name)
		}
		ids = append(ids, v)
	}
	return append(ids, st.table.Pick(n, st.seed)...), nil
}
