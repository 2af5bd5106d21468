package accountview

import (
	"slices"
	"strconv"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// lists are the tables of the dictionary.
type lists struct{ files, fields, tags []map[string][]byte }

func quoted(text string) []byte { return rows.AppendText(nil, text) }

func flag(is bool) []byte { return strconv.AppendBool(nil, is) }

func integer(n int) []byte { return strconv.AppendInt(nil, int64(n), 10) }

// dictionaryOf describes the tables of a company. Views are files of their own
// with a base; GUESS: fields are told of base tables only, and a table that is
// its own base names none.
func dictionaryOf(c *company, o options) lists {
	var d lists
	unknown := vanished
	if o.on("stale-dictionary", "dictionary_fields") {
		unknown = renamed
	}
	asked := map[string]*object{}
	for k := range objects {
		obj := &objects[k]
		code := obj.code
		if code == openItems && o.on("other-codes", "open_items") {
			code = openItemsOther
		}
		base := ""
		if obj.view != "" {
			base = obj.table
		}
		child := ""
		if obj.lines != "" {
			child = obj.lines
		}
		asked[obj.name()] = obj
		d.files = append(d.files, file(c, obj.name(), base, code, obj.label, child, "", !c.inactive[obj.code]))
	}
	for k := range tableSpecs {
		t := c.tables[tableSpecs[k].name]
		if asked[t.name] == nil {
			parent := map[string]string{"DJ_LINE": "DJ_PAGE", "SO_LINE": "SO_HDR", "SOI_LINE": "SOI_HDR", "COMP_LN": "COMP_HDR"}[t.name]
			d.files = append(d.files, file(c, t.name, "", "", t.name, "", parent, true))
		}
		d.fields = append(d.fields, fieldsOf(c, t, unknown)...)
		d.tags = append(d.tags, map[string][]byte{
			"DBF_NAME": quoted(t.name), "TAG_NAME": quoted(t.key[0]), "TAG_EXPN": quoted(t.key[0]), "TAG_PRIM": flag(true),
		})
	}
	return d
}

func file(c *company, name, base, code, label, child, header string, active bool) map[string][]byte {
	inside := true // the data of an administration
	for _, system := range []string{"ADM_LIST", "DCT_FILE", "DCT_FLD", "DCT_TAG"} {
		inside = inside && name != system
	}
	kind := 1
	if inside {
		kind = 2
	}
	copied := c.tables[name] != nil && c.tables[name].belongs == master
	return map[string][]byte{
		"DBF_NAME": quoted(name), "DBF_DESC": quoted(label), "DBF_DESCT": quoted(label), "DBF_TYPE": integer(kind),
		"DBF_VIRT": flag(base != ""), "DBF_BASE": quoted(base), "OBJ_CODE": quoted(code), "OBJ_TYPE": integer(kind),
		"OBJ_ACTIVE": flag(active && code != ""), "OBJ_LIST": flag(code != ""), "TBL_ACTIVE": flag(active),
		"TBL_CHILD": quoted(child), "TBL_HDR": quoted(header), "STD_VIEW": flag(true), "SETUP_DATA": flag(copied),
		"NO_XML_UPD": flag(kind == 1), "LOG_INS": flag(false), "LOG_DEL": flag(false), "LOG_UPD": flag(false),
	}
}

// renamed is a column of rows that the dictionary of another version calls
// vanished (DICT, REAL). Here both say the same, unless the fault
// stale-dictionary is on; a client's own list may hold either.
const (
	renamed  = "CONTACT.ITYP_CODEV"
	vanished = "CONTACT.ITYPE_CODV"
)

func fieldsOf(c *company, t *table, unknown string) []map[string][]byte {
	var out []map[string][]byte
	for _, col := range t.columns {
		if t.name+"."+col.name == unknown || !c.has(col) {
			continue
		}
		label := labels[col.name]
		if label == "" {
			label = "Veld " + col.name
		}
		mask := ""
		if col.name == "PAGE_NR" {
			mask = "9999999999"
		}
		out = append(out, map[string][]byte{
			"DBF_NAME": quoted(t.name), "FIELD_NAME": quoted(col.name), "FLD_DESC": quoted(label), "FIELD_LEN": integer(col.width),
			"FIELD_TYPE": quoted(string(col.letter)), "INP_MAND": flag(col.must), "COM_BLK": flag(col.system), "REC_CUST": flag(col.custom),
			"FLD_MASK": quoted(mask), "PKY_TBL": quoted(refersTo(col)),
		})
	}
	return out
}

// has tells whether a company's tables have a column: only the first one has
// columns of its own.
func (c *company) has(col *column) bool { return !col.custom || c.addOns }

// shown are the columns of a table in a company's rows.
func (c *company) shown(t *table) []*column {
	return slices.DeleteFunc(slices.Clone(t.columns), func(col *column) bool {
		return !c.has(col) || t.name+"."+col.name == vanished
	})
}

// lateEntry is how long after its end a book year gets its last entry, by the
// fault late-books.
const lateEntry = 74*day + 37331 // at 10:22:11

// administrations lists those of a company, a row for each book year. What is told
// of a year depends on the site (GUESS): ATS_YEAR is there for accountants, and
// BOOK_DATE may be a day of the year or the clock of whoever booked.
func administrations(c *company, o options) []map[string][]byte {
	var out []map[string][]byte
	previous := ""
	for _, b := range c.years {
		year := strconv.Itoa(b.year)
		r := map[string][]byte{
			"ADM_CODE": quoted(b.code), "ADM_DESC": quoted(fit(c.name+" "+year, 40)), "ADM_PREV": quoted(previous),
			"ADM_DIR": quoted(`\\SERVER\AV\` + b.code), "DBC_NAME": quoted(b.code), "ATS_YEAR": quoted(year),
			"BOOK_DATE": appendTime(nil, lastBooking(b, o), false),
		}
		if o.on("no-book-year", "administrations") {
			r["ATS_YEAR"] = quoted("")
		}
		if o.on("no-book-date", "administrations") {
			r["BOOK_DATE"] = []byte("null")
		}
		out = append(out, r)
		previous = b.code
	}
	return out
}

// lastBooking is the BOOK_DATE of an administration.
func lastBooking(b *book, o options) int64 {
	if o.on("late-books", "administrations") {
		return min(b.last+lateEntry, lastReading)
	}
	return min(b.last, lastReading-lastReading%day)
}
