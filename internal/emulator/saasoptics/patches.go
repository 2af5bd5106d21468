package saasoptics

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// eastern is the offset, in minutes, that the fault offset-times writes.
const eastern = -5 * 60

// microsPerDay turns instants into dates.
const microsPerDay = 86400 * 1_000_000

// exchange is the foreign exchange rate of every document: home is local times
// rate (CLIENT).
const exchange = 10873 // ten-thousandths

// changeable texts stand where a change shows.
var changeable = []string{
	``, `Renews yearly`, `Auftragsbestätigung folgt`, `He said \"ok\" \\ see file`, `first line\nsecond line`, `Größe: 5 µm 🚀`,
}

// compile prepares the rows of a stream.
func (st *stream) compile(s *service) error {
	spec := rows.Spec{
		Name: st.name, Seed: s.env.Seed, Fields: st.fields, Variants: st.variants, Patches: st.patches(s),
		Disputed: s.env.Share("disputed", st.name, 0.04),
		Counts: map[string]func(int) int{
			"lines": invoiceLines,
			"few":   func(variant int) int { return 1 + variant%2 },
		},
	}
	var err error
	if st.row, err = rows.Compile(spec); err != nil {
		return err
	}
	if st.name == "revenue_entries" {
		spec.Without = "transaction" // CLIENT: may be absent in the nested route
		st.nested, err = rows.Compile(spec)
	}
	return err
}

func invoiceLines(variant int) int { return 1 + variant%3 }

type patches = map[string]func(args []string) (rows.Patch, error)

// plain makes a patch that takes no arguments.
func plain(p rows.Patch) func([]string) (rows.Patch, error) {
	return func([]string) (rows.Patch, error) { return p, nil }
}

// numbered makes a patch that takes a word and a number.
func numbered(prepare func(word string, n int64) (rows.Patch, error)) func([]string) (rows.Patch, error) {
	return func(args []string) (rows.Patch, error) {
		if len(args) != 2 {
			return nil, fmt.Errorf("needs a word and a number, has %v", args)
		}
		n, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil {
			return nil, err
		}
		return prepare(args[0], n)
	}
}

// patches are the members that differ from row to row.
func (st *stream) patches(s *service) patches {
	return patches{
		"id": plain(func(dst []byte, c *rows.Cell) []byte { return strconv.AppendInt(dst, c.Row.ID, 10) }),
		"lineid": plain(func(dst []byte, c *rows.Cell) []byte {
			return strconv.AppendInt(dst, c.Row.ID*4+int64(c.Line), 10)
		}),
		"lineno": plain(func(dst []byte, c *rows.Cell) []byte {
			return append(strconv.AppendInt(append(dst, '"'), int64(c.Line)+1, 10), '"')
		}),
		// doc PREFIX DIGITS: the number of a document
		"doc": numbered(func(prefix string, digits int64) (rows.Patch, error) {
			head := `"` + prefix
			zeros := strings.Repeat("0", int(digits))
			return func(dst []byte, c *rows.Cell) []byte {
				dst = append(dst, head...)
				var number [20]byte
				text := strconv.AppendInt(number[:0], c.Row.Index+1, 10)
				dst = append(dst, zeros[:max(len(zeros)-len(text), 0)]...)
				return append(append(dst, text...), '"')
			}, nil
		}),
		// ref STREAM SHARING: so many rows refer to each row of the other stream
		"ref": numbered(func(name string, sharing int64) (rows.Patch, error) {
			target := s.byName[name].table
			return func(dst []byte, c *rows.Cell) []byte {
				return strconv.AppendInt(dst, refer(target, c.Row.Index, sharing), 10)
			}, nil
		}),
		// any STREAM: some row of it
		"any": func(args []string) (rows.Patch, error) {
			target, salt := s.byName[args[0]].table, rows.MixText(st.seed, args[0])
			n := uint64(max(target.Size(), 1))
			ids := target.IDs()
			return func(dst []byte, c *rows.Cell) []byte {
				index, _ := bits.Mul64(rows.Mix(salt+uint64(c.Line), uint64(c.Row.Index)), n)
				return strconv.AppendInt(dst, ids.ID(int64(index)), 10)
			}, nil
		},
		"parent": plain(func(dst []byte, c *rows.Cell) []byte {
			if c.Row.Index%4 != 3 {
				return append(dst, "null"...)
			}
			return strconv.AppendInt(dst, refer(st.table, c.Row.Index, 10), 10)
		}),
		"at": clocked(st.instant),
		// day CLOCK PLUS: the date of an instant, some days later
		"day": func(args []string) (rows.Patch, error) {
			clock, err := strconv.Atoi(args[0])
			if err != nil {
				return nil, err
			}
			plus, err := strconv.ParseInt(args[1], 10, 64)
			return func(dst []byte, c *rows.Cell) []byte { return quoteDay(dst, c.Row.At(clock), plus) }, err
		},
		"term":     edge(st.termStart, 12),
		"month":    edge(s.byName["transactions"].entryStart, 1),
		"named":    named(st.name),
		"note":     plain(st.note),
		"token":    plain(st.token),
		"paid":     plain(func(dst []byte, c *rows.Cell) []byte { return strconv.AppendBool(dst, paid(c)) }),
		"money":    numbered(st.money),
		"pickset":  plain(st.renewals),
		"taxlines": plain(taxLines),
		"audit":    plain(st.auditEntry),
		"deleter": plain(func(dst []byte, c *rows.Cell) []byte {
			return rows.AppendText(dst, []string{"jlee", "m.vos", "api"}[rows.Mix(st.seed, uint64(c.Row.ID))%3])
		}),
		"countrylist":  listed(countries),
		"currencylist": listed(currencies),
	}
}

// refer is the id of the row that a row and its neighbours share.
func refer(target *rows.Table, index, sharing int64) int64 {
	return target.IDs().ID(min(index/sharing, max(target.Size()-1, 0)))
}

func clocked(write func(dst []byte, r rows.Row, clock int) []byte) func([]string) (rows.Patch, error) {
	return func(args []string) (rows.Patch, error) {
		clock, err := strconv.Atoi(args[0])
		return func(dst []byte, c *rows.Cell) []byte { return write(dst, c.Row, clock) }, err
	}
}

// instant writes date-times in UTC, and part of them with an offset if asked
// to. GUESS: which form the vendor has; clients accept both.
func (st *stream) instant(dst []byte, r rows.Row, clock int) []byte {
	at := r.At(clock)
	if at == rows.Null {
		return append(dst, "null"...)
	}
	offset := 0
	if st.shifted > 0 && rows.Mix(st.seed, uint64(r.ID))%1000 < st.shifted {
		offset = eastern
	}
	return append(rows.AppendInstant(append(dst, '"'), at, offset), '"')
}

func quoteDay(dst []byte, at, plus int64) []byte {
	if at == rows.Null {
		return append(dst, "null"...)
	}
	return append(rows.AppendDate(append(dst, '"'), at/microsPerDay+plus), '"')
}

// edge makes patches "first", "start", "last", "end" of a stretch of months.
// CLIENT: dates are YYYY-MM-DD and the last day is included.
func edge(start func(rows.Row) (day int64, ok bool), months int) func([]string) (rows.Patch, error) {
	return func(args []string) (rows.Patch, error) {
		last := args[0] == "end" || args[0] == "last"
		return func(dst []byte, c *rows.Cell) []byte {
			day, ok := start(c.Row)
			if !ok {
				return append(dst, "null"...)
			}
			if last {
				day = addMonths(day, months) - 1
			}
			return append(rows.AppendDate(append(dst, '"'), day), '"')
		}, nil
	}
}

// addMonths moves the first of a month.
func addMonths(day int64, months int) int64 {
	y, m, _ := rows.Civil(day)
	m += months - 1
	return rows.Days(y+m/12, m%12+1, 1)
}

// termStart is the first of the month after a transaction was created.
func (st *stream) termStart(r rows.Row) (int64, bool) {
	at := r.At(created)
	if at == rows.Null {
		return 0, false
	}
	return addMonths(at/microsPerDay, 1), true
}

// entryStart is the month of a revenue entry: twelve follow each other from
// the start of their transaction. It is asked of the transactions.
func (st *stream) entryStart(entry rows.Row) (int64, bool) {
	index := entry.Index / 12
	if index >= st.table.Size() {
		return 0, false
	}
	first := addMonths(st.clock[created].At(index)/microsPerDay, 1)
	return addMonths(first, int(entry.Index%12)), true
}

// named makes names that no other row has.
func named(stream string) func([]string) (rows.Patch, error) {
	words := []string{"Northwind Labs", "Müller & Söhne", `O'Brien \"Quality\"`, "株式会社サンプル", "Łódź Logistyka", "Rocket 🚀"}
	if stream == "items" || stream == "registers" {
		words = []string{"Platform", "Support – Gold", "Onboarding", "Nutzerlizenz", `API \\ calls`}
	}
	return plain(func(dst []byte, c *rows.Cell) []byte {
		dst = append(append(dst, '"'), words[c.Variant%len(words)]...)
		return append(strconv.AppendInt(append(dst, ' '), c.Row.Index+1, 10), '"')
	})
}

// note is where a change shows.
func (st *stream) note(dst []byte, c *rows.Cell) []byte {
	dst = append(dst, '"')
	if c.Row.Rev > 0 {
		dst = strconv.AppendInt(append(dst, "rev "...), int64(c.Row.Rev), 10)
		dst = append(dst, ": "...)
	}
	return append(append(dst, changeable[c.Variant%len(changeable)]...), '"')
}

// token is an id of another system, 18 characters.
func (st *stream) token(dst []byte, c *rows.Cell) []byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789__"
	if c.Row.Index%9 == 5 {
		return append(dst, `""`...)
	}
	h := rows.Mix(st.seed+9, uint64(c.Row.ID))
	text := [20]byte([]byte(`"8005e..........QAA"`))
	for k := range 10 {
		text[6+k] = letters[h&63]
		h >>= 6
	}
	return append(dst, text[:]...)
}

// renewals is an array of ids as text: the element type is not known, a fork
// declares strings (GUESS).
func (st *stream) renewals(dst []byte, c *rows.Cell) []byte {
	if c.Row.Index%7 != 6 {
		return append(dst, "[]"...)
	}
	dst = strconv.AppendInt(append(dst, `["`...), st.table.IDs().ID(c.Row.Index-1), 10)
	return append(dst, `"]`...)
}

// taxLines are mostly empty; their shape is not known (GUESS).
func taxLines(dst []byte, c *rows.Cell) []byte {
	if c.Variant%8 != 7 {
		return append(dst, "[]"...)
	}
	return append(dst, `[{"id":3,"name":"BTW 21%","rate":"21.0000"}]`...)
}

// auditEntry writes the member auditentry of an invoice, or none. CLIENT: it
// is missing on some invoices and null on others.
func (st *stream) auditEntry(dst []byte, c *rows.Cell) []byte {
	if !c.Row.Changed() && c.Row.At(created) == rows.Null {
		if c.Row.Index == nullEntry {
			dst = append(dst, `,"auditentry":null`...)
		}
		return dst
	}
	dst = append(dst, `,"auditentry":{"created":`...)
	dst = st.instant(dst, c.Row, created)
	dst = append(dst, `,"created_by":3,"created_by_name":"api","modified":`...)
	dst = st.instant(dst, c.Row, modified)
	dst = append(dst, `,"modified_by":17,"modified_by_name":"jlee",`...)
	if c.Row.Index%3 == 0 {
		return append(dst, `"qb_created":"2024-02-29T12:00:00Z","qb_modified":"2024-03-01T00:00:00.000001Z"}`...)
	}
	return append(dst, `"qb_created":null,"qb_modified":null}`...)
}

func listed(list []entry) func([]string) (rows.Patch, error) {
	return func(args []string) (rows.Patch, error) {
		codes := args[0] == "code"
		return func(dst []byte, c *rows.Cell) []byte {
			e := list[c.Row.Index]
			if codes {
				return rows.AppendText(dst, e.code)
			}
			return rows.AppendText(dst, strings.TrimSpace(e.name))
		}, nil
	}
}

// money WHICH DIGITS: amounts that fit together within a row. A change adds
// one to the unit.
func (st *stream) money(which string, digits int64) (rows.Patch, error) {
	amount, ok := amounts[which]
	if !ok {
		return nil, fmt.Errorf("no amount %q", which)
	}
	return func(dst []byte, c *rows.Cell) []byte {
		unit := 1000 + int64(rows.Mix(st.seed+5, uint64(c.Row.ID))%2_000_000) + 100*int64(c.Row.Rev)
		return append(rows.AppendCents(append(dst, '"'), amount(unit, c), int(digits)), '"')
	}, nil
}

func paid(c *rows.Cell) bool { return c.Variant%2 == 0 }

// amounts are derived from the unit of a row, in hundredths: line k costs k+1
// units, sales tax is 21 per cent.
var amounts = map[string]func(unit int64, c *rows.Cell) int64{
	"unit":     func(unit int64, _ *rows.Cell) int64 { return unit },
	"unithome": func(unit int64, _ *rows.Cell) int64 { return unit * exchange / 10000 },
	"line":     func(unit int64, c *rows.Cell) int64 { return unit * int64(c.Line+1) },
	"linehome": func(unit int64, c *rows.Cell) int64 { return unit * int64(c.Line+1) * exchange / 10000 },
	"subtotal": subtotal,
	"tax":      func(unit int64, c *rows.Cell) int64 { return subtotal(unit, c) * 21 / 100 },
	"total":    total,
	"home":     func(unit int64, c *rows.Cell) int64 { return total(unit, c) * exchange / 10000 },
	"applied": func(unit int64, c *rows.Cell) int64 {
		if paid(c) {
			return total(unit, c)
		}
		return 0
	},
	"balance": func(unit int64, c *rows.Cell) int64 {
		if paid(c) {
			return 0
		}
		return total(unit, c)
	},
}

func subtotal(unit int64, c *rows.Cell) int64 {
	n := int64(invoiceLines(c.Variant))
	return unit * n * (n + 1) / 2
}

func total(unit int64, c *rows.Cell) int64 { return subtotal(unit, c) * 121 / 100 }
