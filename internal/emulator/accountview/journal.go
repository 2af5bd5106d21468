package accountview

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// within is a day of the book year for the i-th of n rows: rows are booked in
// order, but some are dated back or ahead.
func within(r *row, i, n int64) int64 {
	first := r.s.year.first
	last := min(r.s.year.last, lastReading-lastReading%day)
	days := (last-first)/day + 1
	k := days * min(i, max(n-1, 0)) / max(n, 1)
	k += int64(rows.Mix(r.h, 5)%41) - 20
	return first + min(max(k, 0), days-1)*day
}

// pageDate is TRN_DATE of a page: an added one is dated on the day on which it
// was made, within its year.
func pageDate(r *row) int64 {
	if r.i >= r.s.size && r.at > 0 {
		return min(max(r.at-r.at%day, r.s.year.first), r.s.year.last)
	}
	_, number := pagePlace(r.s, r.i)
	return within(r, number, r.s.size/int64(len(journals))+1)
}

// pageOf is the page of a row: itself, or its parent.
func pageOf(r *row) *row {
	if r.parent != nil {
		return r.parent
	}
	return r
}

// pageValue knows the columns of pages and of their lines.
func pageValue(c *column, o options) making {
	place := func(r *row) (string, int64) {
		p := pageOf(r)
		return pagePlace(p.s, p.i)
	}
	switch c.name {
	case "DJ_CODE":
		return texts(c, func(r *row) string { journal, _ := place(r); return journal })
	case "PAGE_NR":
		return texts(c, func(r *row) string { _, n := place(r); return padLeft(strconv.FormatInt(n, 10), 10) })
	case "PAGE_NRV":
		return whole(func(r *row) int64 { _, n := place(r); return n })
	case "PAGE_NRD":
		return texts(c, func(r *row) string { journal, n := place(r); return journal + " " + strconv.FormatInt(n, 10) })
	case "TRN_DATE":
		return stamps(c, o, func(r *row) int64 { return pageDate(pageOf(r)) })
	case "PERIOD", "BEG_PER":
		return whole(func(r *row) int64 { _, m, _ := rows.Civil(pageDate(pageOf(r)) / day); return int64(m) })
	case "REC_ID":
		return texts(c, lineKey)
	case "REC_ORD":
		return whole(func(r *row) int64 { return r.line + 1 })
	case "SUB_NR":
		return texts(c, func(r *row) string { return pageContact(pageOf(r)) })
	case "INV_NR":
		return texts(c, func(r *row) string { return strconv.Itoa(pageOf(r).s.year.year) + pad0(pageOf(r).i, 6) })
	case "ADM_CODE":
		return bookCode(c, o, func(r *row) string { return pageOf(r).s.year.code })
	case "AMOUNT":
		return cents(func(r *row) int64 { return lineAmount(r, r.line) })
	case "BASE_AMT":
		return cents(func(r *row) int64 { return -lineAmount(r, r.line) })
	}
	return nil
}

// pageContact is the debtor or creditor of a page: sales have debtors, purchases
// creditors, the rest none.
func pageContact(p *row) string {
	contacts := p.s.company.store("CONTACT", p.s.year)
	journal, _ := pagePlace(p.s, p.i)
	show := map[string]func(*row) bool{"VRK": isDebtor, "INK": isCreditor}[journal]
	if show == nil || contacts.size == 0 {
		return ""
	}
	i := int64(rows.Mix(p.h, 8) % uint64(contacts.size))
	for range contacts.size {
		if r := (row{s: contacts, i: i}); show(&r) && !contacts.fresh(i) {
			return contacts.t.text(contacts, i)
		}
		i = (i + 1) % contacts.size
	}
	return ""
}

// bookCode makes the code of a row's administration.
func bookCode(c *column, o options, code func(*row) string) making {
	if o.on("no-adm-code", "administrations") {
		code = func(*row) string { return "" }
	}
	return texts(c, code)
}

// lineCount is how many lines a page has: one to three.
func lineCount(p *row) int64 { return 1 + int64(rows.Mix(p.h, 6)%3) }

// lineAmount is the amount of a line, in cents. An edit of the page changes its
// first line.
func lineAmount(r *row, line int64) int64 {
	p := pageOf(r)
	edits := uint64(0)
	if line == 0 {
		edits = uint64(p.rev)
	}
	return int64(rows.Mix(p.h, 90+uint64(line)+edits<<8)%1_000_000) - 300_000
}

// bookedValue knows the columns of entries in the ledger.
func bookedValue(c *column, t *table, o options) making {
	switch c.name {
	case "TRN_DATE":
		return stamps(c, o, func(r *row) int64 {
			if r.at > 0 {
				return r.at
			}
			if r.s.year == nil { // several book years
				return date(2020, 1, 1) + int64(rows.Mix(r.h, 5)%1460)*day
			}
			at := within(r, r.i, r.s.size)
			if t.name == "PREV_GJL" {
				at -= 365 * day
			}
			return at
		})
	case "PERIOD", "PER_CALC", "MND_PER", "QTR_PER":
		when := bookedValue(t.byName["TRN_DATE"], t, o)
		return whole(func(r *row) int64 {
			text := when(nil, r)
			month := int64(text[6]-'0')*10 + int64(text[7]-'0')
			if c.name == "QTR_PER" {
				return (month + 2) / 3
			}
			return month
		})
	case "ADM_CODE":
		return bookCode(c, o, func(r *row) string {
			if r.s.year == nil {
				return r.s.company.code + "23"
			}
			return r.s.year.code
		})
	case "DJ_CODE", "PAGE_NR", "PAGE_NRV":
		return func(dst []byte, r *row) []byte {
			journal, number := journals[r.h%uint64(len(journals))], r.i/4+1
			if pages := r.s.company.store("DJ_PAGE", r.s.year); t.name == "TRANSACT" && pages.size > 0 {
				journal, number = pagePlace(pages, min(r.i, pages.size-1))
			}
			switch text := strconv.FormatInt(number, 10); c.name {
			case "DJ_CODE":
				return rows.AppendText(dst, journal)
			case "PAGE_NR":
				return rows.AppendText(dst, padLeft(text, 10))
			default:
				return append(dst, text...)
			}
		}
	case "SUB_NR":
		return texts(c, func(r *row) string {
			if !hasContact(r) {
				return ""
			}
			return r.ref("CONTACT", r.h)
		})
	case "AMOUNT":
		return cents(func(r *row) int64 { return int64(rows.Mix(r.h, 90+uint64(r.rev))%2_000_000) - 1_000_000 })
	}
	return nil
}

// hasContact tells the entries on a debtor or creditor.
func hasContact(r *row) bool { return r.i%3 > 0 }

// itemKind tells whether an open item is a debtor's, else it is a creditor's.
func itemKind(r *row) bool {
	contacts := r.s.company.store("CONTACT", r.s.year)
	if r.i >= r.s.size || contacts.size == 0 {
		return r.i%2 == 0
	}
	c := &row{i: r.i * contacts.size / r.s.size}
	return isDebtor(c) && (!isCreditor(c) || r.i%3 != 1)
}

// itemValue knows the columns of open items. REAL: the credit amount is
// negative, what is open is the sum of both.
func itemValue(c *column, o options) making {
	amount := func(r *row) int64 { return 1000 + int64(rows.Mix(r.h, 12)%900_000) }
	paid := func(r *row) int64 { return amount(r) * int64((r.h>>20+uint64(r.moves)+uint64(r.rev))%5) / 6 }
	booked := func(r *row) int64 { return lastReading/day - int64(rows.Mix(r.h, 13)%300) }
	today := func() int64 {
		if o.on("ageing", "open_items") {
			return o.clock() / day
		}
		return lastReading / day
	}
	switch c.name {
	case "INV_NR":
		return texts(c, func(r *row) string { return strings.TrimSpace(r.key()[len(r.key())-8:]) })
	case "DEB_SHOW":
		return truth(itemKind)
	case "CRED_SHOW":
		return truth(func(r *row) bool { return !itemKind(r) })
	case "DD_ACT":
		return truth(collected)
	case "DR_AMT":
		return cents(func(r *row) int64 {
			if itemKind(r) {
				return amount(r)
			}
			return paid(r)
		})
	case "CR_AMT":
		return cents(func(r *row) int64 {
			if itemKind(r) {
				return -paid(r)
			}
			return -amount(r)
		})
	case "ITEM_PAID":
		return cents(paid)
	case "ITEM_REST":
		return cents(func(r *row) int64 {
			if itemKind(r) {
				return amount(r) - paid(r)
			}
			return paid(r) - amount(r)
		})
	case "ITEM_AGE":
		return whole(func(r *row) int64 { return today() - booked(r) })
	case "ITEM_EXPDS":
		return whole(func(r *row) int64 { return today() - booked(r) - 30 })
	case "CRED_DAYS":
		return whole(func(*row) int64 { return 30 })
	case "PAGE_NR":
		return texts(c, func(r *row) string { return padLeft(strconv.FormatInt(r.i/5+1, 10), 10) })
	case "DJ_CODE":
		return texts(c, func(r *row) string {
			if itemKind(r) {
				return "VRK"
			}
			return "INK"
		})
	}
	return nil
}

func collected(r *row) bool { return r.i%4 == 1 }

func reminded(r *row) bool { return itemKind(r) && r.i%3 == 0 }

// lineTables make the rows of line tables and link tables from their parents.
var lineTables = map[string]map[string]func(*row) []*row{
	"DJ_PAGE": {"DJ_LINE": func(p *row) []*row { return linesOf(p, "DJ_LINE", lineCount(p)) }, "PAGE_WF": func(p *row) []*row {
		if p.h%10 > 0 {
			return nil
		}
		return linesOf(p, "PAGE_WF", 1)
	}},
	"SO_HDR":  {"SO_LINE": func(p *row) []*row { return linesOf(p, "SO_LINE", lineCount(p)) }},
	"SOI_HDR": {"SOI_LINE": func(p *row) []*row { return linesOf(p, "SOI_LINE", lineCount(p)) }},
	"CONTACT": {"USR_LINK": linksOf, "AP_CONT": func(p *row) []*row {
		if !p.s.company.addOns {
			return nil
		}
		return linesOf(p, "AP_CONT", 1)
	}},
	"DCT_FILE": {"DCT_FLD": dictionaryRows("DCT_FLD"), "DCT_TAG": dictionaryRows("DCT_TAG")},
	"COMP_HDR": {"COMP_LN": func(p *row) []*row { return linesOf(p, "COMP_LN", int64(len(p.s.company.years))) }},
}

// linesOf makes n rows below a row. They change as it does.
func linesOf(p *row, name string, n int64) []*row {
	s := p.s.company.store(name, p.s.year)
	parent := p.clone()
	out := make([]*row, n)
	for k := range n {
		out[k] = &row{s: s, i: p.i*maxLines + k, h: rows.Mix(rows.MixText(p.h, name), uint64(k)), change: p.change, parent: parent, line: k}
	}
	return out
}

// linksOf are the documents of a contact.
func linksOf(p *row) []*row {
	s := p.s.company.store("USR_LINK", p.s.year)
	var r row
	if p.i%5 > 0 || p.i/5 >= s.size || !s.row(&r, p.i/5) {
		return nil
	}
	return []*row{&r}
}

// dictionaryRows are the fields or tags of a file.
func dictionaryRows(name string) func(*row) []*row {
	return func(p *row) []*row {
		s := p.s.company.stores[name]
		file := string(p.value("DBF_NAME"))
		first, _ := slices.BinarySearchFunc(s.list, file, func(r map[string][]byte, file string) int { return compare(string(r["DBF_NAME"]), file) })
		var out []*row
		for i := first; i < len(s.list) && string(s.list[i]["DBF_NAME"]) == file; i++ {
			r := new(row)
			s.row(r, int64(i))
			out = append(out, r)
		}
		return out
	}
}
