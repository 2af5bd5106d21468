package data

import (
	"strconv"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// writer writes the members of one JSON object.
type writer struct {
	b     []byte
	inner bool // there is a member already
}

func (w *writer) open() { w.b, w.inner = append(w.b, '{'), false }
func (w *writer) done() { w.b, w.inner = append(w.b, '}'), true }

func (w *writer) name(name string) {
	if w.inner {
		w.b = append(w.b, ',')
	}
	w.inner = true
	w.b = append(append(append(w.b, '"'), name...), `":`...)
}

func (w *writer) raw(name, text string) {
	w.name(name)
	w.b = append(w.b, text...)
}

func (w *writer) null(name string) { w.raw(name, "null") }

func (w *writer) text(name, s string) {
	w.name(name)
	w.b = rows.AppendText(w.b, s)
}

// maybe writes null for a text that is not there.
func (w *writer) maybe(name, s string, there bool) {
	if !there {
		w.null(name)
		return
	}
	w.text(name, s)
}

func (w *writer) number(name string, n int64) {
	w.name(name)
	w.b = strconv.AppendInt(w.b, n, 10)
}

// id writes a number as text.
func (w *writer) id(name string, n int64) {
	w.name(name)
	w.b = append(strconv.AppendInt(append(w.b, '"'), n, 10), '"')
}

// either writes a number bare or as text.
func (w *writer) either(name string, n int64, text bool) {
	if text {
		w.id(name, n)
		return
	}
	w.number(name, n)
}

// cents writes an amount as text with a point and two decimals (CLIENT).
func (w *writer) cents(name string, cents int64, there bool) {
	if !there {
		w.null(name)
		return
	}
	w.name(name)
	w.b = append(rows.AppendCents(append(w.b, '"'), cents, 2), '"')
}

// amount writes an amount as the number that PHP makes of a float: without
// zeros at its end (CLIENT: the reports).
func (w *writer) amount(name string, v float64) {
	w.name(name)
	w.b = strconv.AppendFloat(w.b, v, 'f', -1, 64)
}

func (w *writer) flag(name string, v bool) {
	if v {
		w.raw(name, `"1"`)
		return
	}
	w.raw(name, `"0"`)
}

func (w *writer) date(name string, days int64) {
	if days == noDay {
		w.null(name)
		return
	}
	w.name(name)
	w.b = append(rows.AppendDate(append(w.b, '"'), days), '"')
}

// stamp writes YYYY-MM-DD HH:MM:SS without a zone.
func (w *writer) stamp(name string, days, seconds int64) {
	if days == noDay {
		w.null(name)
		return
	}
	w.name(name)
	w.b = append(appendStamp(append(w.b, '"'), days, seconds), '"')
}

func appendStamp(dst []byte, days, seconds int64) []byte {
	dst = append(rows.AppendDate(dst, days), ' ')
	for k, part := range []int64{seconds / 3600, seconds / 60 % 60, seconds % 60} {
		if k > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, byte('0'+part/10), byte('0'+part%10))
	}
	return dst
}

// more adds columns that no document has: the vendor adds some without a new
// version (CLIENT).
func (w *writer) more(c *Company, id int64) {
	if c.opts.Switches.MoreColumns {
		w.raw("labels", `["neu","`+strconv.FormatInt(id%3, 10)+`"]`)
		w.id("document_class_id", id%5)
		w.null("archived_at")
	}
}
