package slascone

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strconv"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// truth writes the rows of a stream, parent by parent.
func (s *Service) truth(out io.Writer, v *view) error {
	if s.on("noright", resourceOf(v.name)) || !s.reachable(v.parent) {
		return nil
	}
	if single := v.model == "" || v.name == "slascone_license_info"; !single && s.empty(v.name) {
		return nil // what is no list always has its one row
	}
	w := s.world
	buffer := bufio.NewWriterSize(out, 64<<10)
	l := s.lookOf(v.name)
	l.analytics = true
	if v.name == "consumption_heartbeats" && s.on("filter-by-event", v.name) {
		l.arrival = true
	}
	var text []byte
	write := func(head []byte) error {
		if head != nil {
			text = append(append(head, ','), text[1:]...)
		}
		_, err := buffer.Write(append(text, '\n'))
		return err
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	switch {
	case v.name == "slascone_license_info":
		text = s.info(nil, &l)
		if err := write(rows.AppendText([]byte(`{"isv_id":`), ISV)); err != nil {
			return err
		}
	case v.parent == none:
		for r := range w.all(w.byKind[v.kind]) {
			text = w.render(text[:0], v, item{r: r}, &l)
			if err := write(nil); err != nil {
				return err
			}
		}
	default:
		for p := range w.all(w.byKind[v.parent]) {
			if s.inConflict(resourceOf(v.name), p) {
				continue
			}
			var head []byte
			if v.inject != "" {
				head = rows.AppendText(append(rows.AppendText([]byte{'{'}, v.inject), ':'), w.keyOf(p))
			}
			if v.model == "" { // a bare number, which the tap names
				text = append(strconv.AppendInt(append(rows.AppendText([]byte{'{'}, scalars[v.name]), ':'), s.scalar(v, p), 10), '}')
				if err := write(head); err != nil {
					return err
				}
				continue
			}
			for _, it := range s.items(v, p, &l) {
				text = w.render(text[:0], v, it, &l)
				if v.name == "consumption_balances" {
					text = w.filled(text, it)
				}
				if err := write(bytes.Clone(head)); err != nil {
					return err
				}
			}
		}
	}
	return buffer.Flush()
}

// reachable tells whether a client learns the ids of parents: from a list that it
// may read and that has rows.
func (s *Service) reachable(parent kind) bool {
	if parent == none {
		return true
	}
	lists := []string{s.world.byKind[parent].name}
	switch parent {
	case license:
		lists = append(lists, "license_overview")
	case customer:
		lists = append(lists, "customers_light")
	case release:
		if !s.reachable(product) {
			return false
		}
	}
	return slices.ContainsFunc(lists, func(name string) bool { return !s.on("noright", name) && !s.empty(name) })
}

// scalars are the members that bare numbers become.
var scalars = map[string]string{"license_seats": "license_seats", "license_floating_tokens": "active_floating_tokens"}

func (s *Service) scalar(v *view, p row) int64 {
	if v.name == "license_seats" {
		return s.world.seats(p.index)
	}
	return int64(len(s.world.below(session, p)))
}

// resourceOf is the resource whose answer a stream is taken from.
func resourceOf(stream string) string {
	if stream == "assignment_heartbeats" || stream == "analytical_heartbeats" {
		return "license_assignments"
	}
	return stream
}

// filled puts into a balance what its key needs and the answer leaves null: the
// license that was asked for, and nobody's id as the assignment.
func (w *world) filled(text []byte, it item) []byte {
	text = bytes.Replace(text, []byte(`"license_id":null`), []byte(`"license_id":"`+w.keyOf(it.outer)+`"`), 1)
	return bytes.Replace(text, []byte(`"assignment_id":null`), []byte(`"assignment_id":"`+nobodysID.String()+`"`), 1)
}
