package accountview

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// making appends a value of a row as JSON.
type making = func(dst []byte, r *row) []byte

// maker finds out how the values of a column are made: by what is written down
// for it, by its name, or by its type.
func maker(c *column, t *table, o options) making {
	if t.fixed && !slices.Contains([]string{"CNG_DATE", "CNG_NR", "CNG_USR", "INP_DATE", "INP_USR"}, c.name) {
		return listValue(c)
	}
	salt := rows.MixText(7, c.name)
	if m := special(c, t, o); m != nil {
		return m
	}
	if m := named(c, salt); m != nil {
		return m
	}
	switch c.letter {
	case 'L':
		return truth(func(r *row) bool { return rows.Mix(r.h, salt)%3 == 0 })
	case 'T', 'D':
		return moment(c, salt, o)
	case 'C', 'M':
		return texts(c, func(r *row) string { return someText(c, rows.Mix(r.h, salt)) })
	}
	return number(c, salt, o)
}

// listValue is the value of a table that is a list; what is not told is empty.
func listValue(c *column) making {
	empty := map[byte]string{'C': `""`, 'M': `""`, 'L': "false", 'T': "null", 'D': "null"}[c.letter]
	if empty == "" {
		empty = "0"
	}
	return func(dst []byte, r *row) []byte {
		if v := r.s.list[r.i][c.name]; v != nil {
			return append(dst, v...)
		}
		return append(dst, empty...)
	}
}

// texts makes text that fits its column.
func texts(c *column, text func(*row) string) making {
	width := c.width
	if c.letter == 'M' || c.key {
		return func(dst []byte, r *row) []byte { return appendText(dst, text(r)) }
	}
	return func(dst []byte, r *row) []byte { return appendText(dst, fit(text(r), width)) }
}

func truth(is func(*row) bool) making {
	return func(dst []byte, r *row) []byte { return strconv.AppendBool(dst, is(r)) }
}

func whole(value func(*row) int64) making {
	return func(dst []byte, r *row) []byte { return strconv.AppendInt(dst, value(r), 10) }
}

// cents makes amounts.
func cents(value func(*row) int64) making {
	return func(dst []byte, r *row) []byte { return appendNumber(dst, value(r), 2) }
}

// stamps makes readings of the clock; 0 is an empty date, which is null (REAL:
// nothing else ever is).
func stamps(c *column, o options, value func(*row) int64) making {
	whole, zoned := c.letter == 'D', o.odd("offset-times", c, 0.25)
	return func(dst []byte, r *row) []byte {
		at := value(r)
		if at == 0 {
			return append(dst, "null"...)
		}
		at = shown(at)
		if whole {
			return appendTime(dst, at-at%day, false)
		}
		return appendTime(dst, at, zoned(r))
	}
}

// odd tells the rows of a column's table that a fault of the data has altered.
func (o options) odd(fault string, c *column, standard float64) predicate {
	part := o.share(fault, c.table, standard)
	return func(r *row) bool { return part > 0 && float64(rows.Mix(r.h, 0xfa17)%1000) < 1000*part }
}

// someText is what a text column without a meaning of its own holds: mostly
// nothing.
func someText(c *column, h uint64) string {
	switch {
	case c.letter == 'M':
		if h%3 == 0 {
			return pick(memoWords, h)
		}
		return ""
	case c.must || h%5 < 2:
		if c.width >= 30 {
			return pick(lineWords, h)
		}
		return pick(plainWords, h)
	}
	return ""
}

// moment makes dates that mean nothing in particular: half of them are empty.
func moment(c *column, salt uint64, o options) making {
	return stamps(c, o, func(r *row) int64 {
		h := rows.Mix(r.h, salt)
		if h%2 == 0 {
			return 0
		}
		return date(2019, 1, 1) + int64(h>>8%uint64(2800*day))
	})
}

// balances are columns that move without a trace in CNG_DATE (GUESS: computed).
func balance(c *column) bool {
	switch c.table {
	case "CONTACT", "LEDGER", "OPENITEM":
		return c.letter == 'Y'
	case "ARTICLE":
		return strings.HasPrefix(c.name, "QTY_")
	}
	return false
}

// number makes numbers: whole ones for I, up to four decimals for Y, fractions
// of any length for B, few for N. One in some is text if a fault says so.
func number(c *column, salt uint64, o options) making {
	moves, texts := balance(c), o.odd("disputed", c, 0.04)
	return func(dst []byte, r *row) []byte {
		h := rows.Mix(r.h, salt)
		edits := uint64(r.rev)
		if moves {
			edits += uint64(r.moves) << 16
			if r.s.older {
				edits += uint64(r.s.year.year) << 32 // last year's balance
			}
		}
		if edits > 0 {
			h = rows.Mix(h, edits)
		}
		quoted := !c.key && texts(r)
		if quoted {
			dst = append(dst, '"')
		}
		dst = appendSome(dst, c, h)
		if quoted {
			dst = append(dst, '"')
		}
		return dst
	}
}

func appendSome(dst []byte, c *column, h uint64) []byte {
	sign := int64(1)
	if h>>40%8 == 0 {
		sign = -1
	}
	switch c.letter {
	case 'I':
		return strconv.AppendInt(dst, int64(h%97), 10)
	case 'Y':
		switch h >> 50 % 6 {
		case 0, 1:
			return append(dst, '0')
		case 2:
			return strconv.AppendInt(dst, sign*int64(h%5000), 10)
		case 3:
			return appendNumber(dst, sign*int64(h%90_000_000), 4)
		}
		return appendNumber(dst, sign*int64(h%9_000_000), 2)
	case 'B':
		if h>>50%2 == 0 {
			return append(dst, '1')
		}
		return appendNumber(dst, int64(h%30_000_000_000), 10)
	}
	if strings.Contains(c.name, "PCT") {
		return appendNumber(dst, int64(h%10_001), 2)
	}
	limit := uint64(1)
	for range min(c.width, 6) {
		limit *= 10
	}
	if c.width > 4 && h>>50%3 == 0 {
		return appendNumber(dst, int64(h%limit), 2)
	}
	return strconv.AppendInt(dst, int64(h%min(limit, 1000)), 10)
}

// named knows columns by their names, in whatever table they are.
func named(c *column, salt uint64) making {
	words := map[string][]string{
		"CITY": cityWords, "BOX_CITY": cityWords, "PO_CITY": cityWords, "CHN_CITY": cityWords, "POST_CODE": zipWords, "PO_CODE": zipWords,
		"COUNTRY": landWords, "WWW_URL": webWords, "ART_UNIT": unitWords, "LNG_CODE": {"NL", "DE", "FR", ""}, "CUR_SIGN": {"€", "$", "£", ""},
		"EV_CSEC": fakeWords, "EV_CKEY": fakeWords, "PAYL_SEC": fakeWords, "AI_API": fakeWords, "LIC_CODE": fakeWords,
	}[c.name]
	switch {
	case c.letter != 'C' && c.letter != 'M':
	case words != nil:
	case strings.Contains(c.name, "MAIL"):
		words = mailWords
	case strings.HasPrefix(c.name, "TEL_"), strings.HasPrefix(c.name, "FAX_"), strings.HasSuffix(c.name, "_TEL"), strings.HasSuffix(c.name, "_FAX"):
		words = phoneWords
	case strings.HasPrefix(c.name, "ADDR"), strings.HasSuffix(c.name, "_STREET"), c.name == "DEL_ADDR":
		words = streetWords
	case strings.Contains(c.name, "IBAN"), strings.HasPrefix(c.name, "BANK_AC"):
		words = ibanWords
	case strings.HasSuffix(c.name, "_USR"), c.name == "USR_NAME":
		words = userWords
	case c.name == "ACCT_NAME", strings.HasSuffix(c.name, "_NAME") && c.width >= 24:
		words = companyWords
	case c.name == "FST_NAME", c.name == "LST_NAME", strings.HasSuffix(c.name, "_CONT"):
		words = personWords
	case slices.Contains([]string{"ART_DESC1", "TRN_DESC", "HDR_DESC", "PROJ_DESC", "COST_DESC", "DISC_DESC", "AG_DESC"}, c.name):
		words = lineWords
	}
	if words != nil {
		return texts(c, func(r *row) string {
			h := rows.Mix(r.h, salt)
			if !c.must && h%6 == 0 {
				return ""
			}
			return pick(words, h)
		})
	}
	if target := refersTo(c); target != "" && !c.key {
		return texts(c, func(r *row) string {
			h := rows.Mix(r.h, salt)
			if h%4 == 0 && !slices.Contains([]string{"ART_CODE", "RPL_INV", "ACCT_NR"}, c.name) {
				return ""
			}
			return r.ref(target, h>>3)
		})
	}
	return nil
}

// refersTo is the table whose key a column holds (DICT: PKY_TBL).
func refersTo(c *column) string {
	if c.letter != 'C' {
		return ""
	}
	switch c.name {
	case "SUB_NR", "RPL_INV", "RPL_DEL":
		if c.table == "CONTACT" {
			return ""
		}
		return "CONTACT"
	case "ACCT_NR", "VAT_ACCT", "DJ_ACCT", "DIF_ACCT", "CON_ACCT", "ACCT_ALLOC":
		return "LEDGER"
	}
	return map[string]string{
		"COST_CODE": "COST", "PROJ_CODE": "PROJECTS", "VAT_CODE": "VAT", "ART_CODE": "ARTICLE", "AG_CODE": "ART_GRP",
		"EMP_NR": "EMPLOYEE", "CUR_CODE": "CUR_CODE", "CNT_CODE": "ISO_CNT", "DISC_CODE": "PAY_COND", "DJ_CODE": "DAILY",
		"PC_CODE": "PC_TYPE", "DIST_CODE": "DST_CODE", "DEL_CODE": "DEL_ADDR", "BNK_CODE": "BANK",
	}[c.name]
}
