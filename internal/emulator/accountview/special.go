package accountview

import (
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// special knows columns whose values mean something; nil for the others.
func special(c *column, t *table, o options) making {
	var m making
	switch t.name {
	case "DJ_PAGE", "DJ_LINE", "TRN_HDR":
		m = pageValue(c, o)
	case "OPENITEM":
		m = itemValue(c, o)
	case "TRANSACT", "PREV_GJL", "HST_GJL":
		m = bookedValue(c, t, o)
	}
	if m != nil {
		return m
	}
	switch t.name + "." + c.name {
	case "CONTACT.DEB_SHOW":
		return truth(isDebtor)
	case "CONTACT.CRED_SHOW":
		return truth(isCreditor)
	case "CONTACT.CRED_LIM":
		return whole(func(r *row) int64 { return int64(rows.Mix(r.h, 3)%4)*2500 + int64(r.rev) })
	case "CONTACT.AP_CONTID":
		return texts(c, func(r *row) string { return pad0(r.i+1, 10) })
	case "COMP_HDR.COMP_DESC":
		return texts(c, func(r *row) string { return r.s.company.name })
	case "COMP_LN.ADM_DESC":
		return texts(c, func(r *row) string { return r.s.company.name + " " + strconv.Itoa(r.s.company.years[r.line].year) })
	case "COMP_LN.ADM_CODE":
		return texts(c, func(r *row) string { return r.s.company.years[r.line].code })
	case "AP_CONT.AP_CONTID":
		return texts(c, func(r *row) string { return pad0(r.parent.i+1, 10) })
	case "ARTICLE.IMG_MEDIUM":
		return texts(c, func(r *row) string {
			if r.h%3 > 0 {
				return ""
			}
			return "foto-" + strconv.FormatInt(r.i, 10) + ".jpg"
		})
	case "ARTICLE.IMG_M_DATA":
		return texts(c, func(r *row) string {
			if r.h%3 > 0 {
				return ""
			}
			return binary(r.h)
		})
	case "ART_LINE.ART_DATE":
		return stamps(c, o, func(r *row) int64 {
			if r.at > 0 {
				return r.at
			}
			return date(2024, 1, 1) + int64(rows.Mix(r.h, 4)%1030)*day
		})
	case "HST_AH.HDR_TYPE":
		return whole(func(r *row) int64 { return 1 + int64(r.h%2) })
	case "SO_HDR.ORD_NR":
		return texts(c, func(r *row) string { return "O" + pad0(r.i+1, 7) })
	case "SO_HDR.ORD_STAT":
		return texts(c, func(r *row) string { return []string{"OPEN", "DEELS", "GELEVERD"}[(r.h+uint64(r.rev))%3] })
	case "PROJECTS.REC_ID":
		return texts(c, func(r *row) string { return pad0(r.i+1, 10) })
	case "USR_LINK.LNK_TBL":
		return texts(c, func(*row) string { return "CONTACT" })
	case "USR_LINK.LNK_KEY":
		return texts(c, linkedContact)
	case "PERIOD.BEG_DATE", "PERIOD.END_DATE":
		return stamps(c, o, func(r *row) int64 {
			first := date(r.s.year.year, int(r.i%12)+1, 1)
			if c.name == "END_DATE" {
				return first + 27*day
			}
			return first
		})
	}
	if len(t.key) == 1 && c.key {
		return keyValue(c)
	}
	return stampValue(c, o)
}

// keyValue is a key column: the text of the key, or of a number the number.
func keyValue(c *column) making {
	if c.letter == 'I' {
		return func(dst []byte, r *row) []byte {
			n, _ := strconv.ParseInt(r.key(), 10, 64)
			return strconv.AppendInt(dst, n, 10)
		}
	}
	return texts(c, func(r *row) string {
		if r.parent != nil {
			return lineKey(r)
		}
		return strings.TrimRight(r.key(), " ")
	})
}

// maxLines is how many lines a page or an order has at most.
const maxLines = 4

// lineKey is REC_ID of a line.
func lineKey(r *row) string { return pad0(r.parent.i*maxLines+r.line+1, 10) }

// stampValue knows the columns that tell who made and changed a row, and when.
func stampValue(c *column, o options) making {
	if c.letter == 'T' && c.name == "INP_DATE" {
		return stamps(c, o, entered)
	}
	switch c.name {
	case "CNG_DATE":
		return stamps(c, o, changed)
	case "CNG_NR":
		return whole(func(r *row) int64 {
			if r.s.t.stamped() && r.at > 0 || r.i >= r.s.size || r.h%4 > 0 {
				return 2 + int64(r.h%5) + int64(r.rev)
			}
			return 1
		})
	case "CNG_USR":
		return texts(c, func(r *row) string { return pick(userWords, rows.Mix(r.h, 77+uint64(r.rev))) })
	}
	return nil
}

// changed is CNG_DATE: the last edit, else a time made up. One row in some was
// changed at midnight, or in the hour that came twice on 26 October 2025.
func changed(r *row) int64 {
	if r.at > 0 {
		return r.at
	}
	from, to := date(2024, 1, 1), lastReading
	if r.s.t.name == "DJ_PAGE" {
		from = pageDate(r)
		to = min(from+40*day, to)
	} else if r.s.older {
		to = r.s.year.last - 10*day
	}
	h := rows.Mix(r.h, 0xc49)
	at := from + int64(h%uint64(max((to-from)/day, 1)))*day
	switch {
	case h>>40%64 == 0:
		return at
	case h>>40%64 == 1 && from < date(2025, 10, 26) && to > date(2025, 10, 27):
		return date(2025, 10, 26) + 2*hour + int64(h>>20%3600)
	}
	return at + 7*hour + int64(h>>20%uint64(15*hour))
}

// entered is INP_DATE: never after CNG_DATE.
func entered(r *row) int64 {
	c := r.change
	first := row{s: r.s, i: r.i, h: r.h, parent: r.parent}
	if r.i >= r.s.size {
		return c.at
	}
	at := changed(&first)
	if r.h%4 == 0 {
		return at
	}
	return at - int64(r.h>>9%uint64(900*day))
}

// isDebtor and isCreditor tell in which views a contact is shown: some are in
// both, some, the prospects, in neither.
func isDebtor(r *row) bool { return r.i%5 != 4 }

func isCreditor(r *row) bool {
	if isDebtor(r) {
		return r.i%2 == 0
	}
	return r.i%25 != 24
}

// linkedContact is the contact that a document is linked to.
func linkedContact(r *row) string {
	contacts := r.s.company.store("CONTACT", r.s.year)
	if i := r.i * 5; i < contacts.size {
		return contacts.t.text(contacts, i)
	}
	return ""
}
