package accountview

import (
	"strconv"
	"strings"
)

// The keys of rows are text in ascending order, as they are read (REAL: plain
// strings, "10" before "2"). Each function here gives the key of the i-th row,
// and past the size of the table those of added rows, which lie anywhere.

// recordKey is REC_ID: digits of one length. Each administration counts anew, so
// the same REC_ID is in each book year.
func recordKey(_ *store, i int64) string { return pad0(i+1, 10) }

// contactKey is SUB_NR: codes with leading zeros, plain numbers, codes with
// characters that an address must escape.
func contactKey(s *store, i int64) string {
	zeros, letters := min(s.size/10, 90_000), min(s.size/20, 900_000)
	numbers := s.size - zeros - letters
	switch {
	case i < zeros:
		return pad0(17+i, 6)
	case i < zeros+numbers:
		return strconv.FormatInt(lexical(numbers, i-zeros), 10)
	case i < s.size:
		return "V&D" + pad0(i-zeros-numbers+1, 6)
	}
	return strconv.FormatInt(numbers+1000+i-s.size, 10)
}

// articleKey is ART_CODE, with a plus, a percent sign, blanks and an é.
func articleKey(s *store, i int64) string {
	third := s.size / 3
	switch {
	case i < third:
		return pad0(i*7+1, 8)
	case i < 2*third:
		return "ART-" + pad0(i-third+1, 7)
	case i < s.size:
		return "Zé+5% " + pad0(i-2*third+1, 7)
	}
	return "B/" + pad0(i-s.size+1, 8)
}

// accountKey is ACCT_NR: four digits, the first ones with a leading zero.
func accountKey(s *store, i int64) string {
	if i < s.size {
		return pad0(100+i*4, 4)
	}
	return "9" + pad0(i-s.size+1, 5)
}

// numbered makes keys of a prefix and a number.
func numbered(prefix string, width int) func(*store, int64) string {
	return func(_ *store, i int64) string { return prefix + pad0(i+1, width) }
}

// listed makes keys of a list in ascending order; added rows have two signs, the
// first of which is below every letter of the list.
func listed(list string) func(*store, int64) string {
	codes := strings.Fields(list)
	return func(_ *store, i int64) string {
		if i < int64(len(codes)) {
			return codes[i]
		}
		const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		if more := i - int64(len(codes)); more < int64(len(digits)) {
			return "#" + digits[more:more+1]
		}
		return "" // the codes are used up
	}
}

// countOf is the size of a table whose keys are a list.
func countOf(list string) func(int64) int64 {
	n := int64(len(strings.Fields(list)))
	return func(int64) int64 { return n }
}

const (
	journalList  = "BNK INK KAS MEM VRK"
	vatList      = "0 1 2 3 4 5 6 7 V1 V2"
	currencyList = "CHF EUR GBP JPY NOK SEK USD"
	countryList  = "BE CH DE FR GB LU NL NO PL US"
	discountList = "08 14 30 60 8T CO"
	bankList     = "ABNANL2A BNPAFRPP DEUTDEFF INGBNL2A RABONL2U"
)

var journals = strings.Fields(journalList)

// pagePlace tells journal and number of a page: journals share the pages of a
// year evenly, and each counts from one.
func pagePlace(s *store, i int64) (journal string, number int64) {
	n := int64(len(journals))
	if i >= s.size {
		j := i % n
		return journals[j], (s.size+n-1-j)/n + (i-s.size)/n + 1
	}
	whole, rest := s.size/n, s.size%n
	j, left := int64(0), i
	for {
		have := whole
		if j < rest {
			have++
		}
		if left < have {
			return journals[j], left + 1
		}
		left -= have
		j++
	}
}

// pageKey is DJ_CODE and PAGE_NR, which is right-aligned (REAL).
func pageKey(s *store, i int64) string {
	journal, number := pagePlace(s, i)
	return padRight(journal, 3) + padLeft(strconv.FormatInt(number, 10), 10)
}

// itemKey is SUB_INV: SUB_NR padded to 10, then the invoice (REAL).
func itemKey(s *store, i int64) string {
	contacts := s.company.store("CONTACT", s.year)
	if contacts.size == 0 {
		return padRight("", 10) + pad0(i, 8)
	}
	k := contacts.size - 1
	if i < s.size {
		k = i * contacts.size / s.size
	}
	return padRight(contacts.t.text(contacts, k), 10) + "20" + pad0(250_000+i, 6)
}

func periodKey(_ *store, i int64) string { return pad0(i+1, 2) }

func listText(s *store, i int64) string {
	if i >= s.size {
		return ""
	}
	return listKey(s.list[i], s.t.key)
}

func companyKey(s *store, i int64) string {
	if i >= s.size {
		return "" // a company has one row of settings
	}
	return s.company.code
}
