package data

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// cell is where a value is made.
type cell struct {
	s      *Store
	c      *company
	in     *info
	t      *table
	column *column
	row    *row
	index  int64  // of the row in its table
	h      uint64 // differs for every row and property, and with every edit of edited columns
}

// maker makes the value of a cell. It follows from the cell alone.
type maker func(x *cell) value

func newColumn(in *info, p edm.Property) *column {
	c := &column{name: p.Name, head: strconv.Quote(p.Name) + ":", kind: p.Type, seed: rows.MixText(0xc01, p.Name)}
	for _, m := range p.Members {
		c.members = append(c.members, newColumn(in, m))
	}
	if c.make = specialMaker(in, c); c.make != nil {
		return c
	}
	switch c.kind {
	case edm.String:
		c.make = stringMaker(in, c)
		c.edited = strings.HasSuffix(c.name, "Description") || c.name == "Notes" || c.name == "Name" || c.name == "Remarks"
	case edm.Guid:
		c.make = guidMaker(c)
	case edm.DateTime:
		c.make = dateMaker(c)
	case edm.Double:
		c.make = doubleMaker(c)
		c.edited = true
	case edm.Boolean:
		c.make = sparse(10, func(x *cell) value { return truthOf(x.h>>40&1 == 0) })
	case edm.Binary:
		c.make = func(*cell) value { return value{} } // null on reads (REC)
	case edm.Complex, edm.Any:
		c.make = complexMaker(c)
	case edm.Int64:
		c.make = sparse(6, longMaker(c))
	default:
		c.make = integerMaker(c)
	}
	return c
}

// get makes the value of a column of a row.
func (x *cell) get(c *column) value {
	x.column = c
	seed := c.seed
	if c.edited {
		seed += uint64(x.row.edits)
	}
	x.h = rows.Mix(x.row.seed(), seed)
	return c.make(x)
}

func (r *row) seed() uint64 { return binary.BigEndian.Uint64(r.id[8:]) }

// sparse is null in one row of n.
func sparse(n uint64, m maker) maker {
	return func(x *cell) value {
		if x.h%n == 0 {
			return value{}
		}
		return m(x)
	}
}

// blankable is null in one row of six and empty in another.
func blankable(m maker) maker {
	return func(x *cell) value {
		switch x.h % 6 {
		case 0:
			return value{}
		case 1:
			return textOf("")
		}
		return m(x)
	}
}

func word(words []string) maker {
	return func(x *cell) value { return textOf(pick(words, x.h)) }
}

func digits(n int) maker {
	return func(x *cell) value {
		text := strconv.FormatUint(x.h|1<<63, 10)
		return textOf(text[len(text)-n:])
	}
}

// endings tell what a text property holds, by the end of its name; the first
// that fits counts.
var endings = []struct {
	end  string
	make maker
}{
	{"FullName", word(fullWords)},
	{"ContactName", word(fullWords)},
	{"FirstName", word(firstWords)},
	{"MiddleName", blankable(word(middleWords))},
	{"NamePrefix", blankable(word(middleWords))},
	{"LastName", word(lastWords)},
	{"BirthName", word(lastWords)},
	{"CountryName", sparse(6, word(landWords))},
	{"CountryDescription", sparse(6, word(landWords))},
	{"FileName", word([]string{"factuur 001.pdf", "offerte (2).docx", "Überblick.xlsx", "scan\u00a01.tif"})},
	{"CostUnitDescription", sparse(5, word(sentenceWords))},
	{"CostUnitCode", blankable(word(plainWords))},
	{"CostUnit", blankable(word(plainWords))},
	{"UnitDescription", sparse(6, word(unitNames))},
	{"UserName", word([]string{"ines.vos@molen.example", "api"})},
	{"Name", word(companyWords)},
	{"Email", blankable(word(emailWords))},
	{"Phone", blankable(word(phoneWords))},
	{"Mobile", blankable(word(phoneWords))},
	{"Fax", blankable(word(phoneWords))},
	{"PictureUrl", sparse(6, word(pictureWords))},
	{"ThumbnailUrl", sparse(6, word(pictureWords))},
	{"Url", sparse(6, word(urlWords))},
	{"Website", blankable(word(urlWords))},
	{"City", blankable(word(cityWords))},
	{"Postcode", blankable(word(postcodeWords))},
	{"Street", blankable(word(streetWords))},
	{"AddressLine1", word(streetWords)},
	{"AddressLine2", blankable(word(streetWords))},
	{"State", blankable(word(stateWords))},
	{"Country", sparse(8, word(countryWords))},
	{"Nationality", sparse(3, word(countryWords))},
	{"Language", sparse(8, word(languageWords))},
	{"LanguageCode", word([]string{"NL-NL", "FR-BE", "EN-US"})},
	{"VATCode", sparse(6, word(vatWords))},
	{"VatCode", sparse(6, word(vatWords))},
	{"UnitCode", sparse(8, word(unitWords))},
	{"Unitcode", sparse(8, word(unitWords))},
	{"Unit", sparse(8, word(unitWords))},
	{"CurrencyCode", word(currencies)},
	{"Currency", word(currencies)},
	{"JournalCode", word(journalWords)},
	{"Journal", word(journalWords)},
	{"Gender", sparse(4, word(genderWords))},
	{"Initials", blankable(word([]string{"I.V.", "J.", "Ø.", "T.J."}))},
	{"Title", blankable(word(titleWords))},
	{"PaymentMethod", word(methodWords)},
	{"PaymentCondition", sparse(4, word([]string{"30", "14", "00", "8D"}))},
	{"GLAccountCode", sparse(6, digits(4))},
	{"AccountCode", sparse(6, paddedCode)},
	{"CustomerCode", sparse(6, paddedCode)},
	{"SupplierCode", sparse(6, paddedCode)},
	{"ResellerCode", sparse(6, paddedCode)},
	{"Barcode", blankable(digits(13))},
	{"Number", blankable(digits(9))},
	{"Extension", blankable(digits(3))},
	{"Notes", sparse(2, word(sentenceWords))},
	{"Remarks", sparse(2, word(sentenceWords))},
	{"Body", sparse(2, word(sentenceWords))},
	{"Subject", sparse(4, word(sentenceWords))},
	{"Description", sparse(5, word(sentenceWords))},
	{"CustomField", func(*cell) value { return value{} }},
	{"Status", word(letterWords)},
	{"Type", word(letterWords)},
	{"Code", blankable(func(x *cell) value { return textOf(code(x.h % 5000)) })},
}

// paddedCode is the code of an account, 18 wide and padded at the left (DOC;
// that other sets pad it too is a GUESS).
func paddedCode(x *cell) value { return textOf(pad18(1 + int64(x.h>>8%9000))) }

func pad18(n int64) string {
	const spaces = "                  "
	var b [40]byte
	digits := strconv.AppendInt(append(b[:0], spaces...), n, 10)
	return string(digits[len(digits)-len(spaces):])
}

func code(n uint64) string {
	switch n % 4 {
	case 0:
		return fmt.Sprintf("%05d", n)
	case 1:
		return "ART-" + strconv.FormatUint(n, 10)
	case 2:
		return "art/" + strconv.FormatUint(n, 36)
	default:
		return "Ä_" + strconv.FormatUint(n, 10)
	}
}

func stringMaker(in *info, c *column) maker {
	switch {
	case c.name == "Code" && in.table == "sync_crm_accounts":
		return func(x *cell) value { return textOf(pad18(x.index + 1)) }
	case c.name == "Code" && in.set.Name == "vat_vat_codes":
		return func(x *cell) value { return textOf(fmt.Sprintf("%-3d", x.index)) }
	case c.name == "Code" && in.set.Name == "logistics_units":
		return func(x *cell) value { return textOf(fmt.Sprintf("u%-7d", x.index)) }
	case c.name == "Code":
		return func(x *cell) value { return textOf(code(uint64(x.index))) }
	case c.seed%29 == 0:
		return func(*cell) value { return value{} } // some columns nobody ever filled
	}
	for _, e := range endings {
		if strings.HasSuffix(c.name, e.end) {
			return e.make
		}
	}
	return blankable(word(plainWords))
}

func guidMaker(c *column) maker {
	zero := c.seed%5 == 0
	return func(x *cell) value {
		switch {
		case x.h%4 == 0:
			return value{}
		case zero && x.h%4 == 1 && x.h>>8%8 == 0:
			return identOf(guid{}) // the zero GUID occurs (REC: EmployeeID)
		}
		return identOf(makeGUID(x.h, 0x9e1))
	}
}

// dateMaker: most dates are at midnight; about a third of the properties carry
// a time of day, which is a wall clock of Amsterdam.
func dateMaker(c *column) maker {
	timed := c.seed%3 == 0 || strings.HasSuffix(c.name, "Time")
	old := strings.Contains(c.name, "Birth") || strings.Contains(c.name, "Established") || c.seed%17 == 0
	return func(x *cell) value {
		if x.h%5 == 0 {
			return value{}
		}
		days := int64(x.h >> 16 % 1400)
		if old {
			days = 9000 + int64(x.h>>16%18000) // some of these are before 1970
		}
		at := x.s.start.UnixMilli() + (200-days)*day
		if !timed {
			return momentOf(at)
		}
		return momentOf(wall(at + int64(x.h>>40%uint64(day/second))*second + int64(x.h>>33%4)*250))
	}
}

// doubleMaker: rates are fractions (0.21), amounts have cents or none.
func doubleMaker(c *column) maker {
	rate := strings.Contains(c.name, "Percentage") || strings.Contains(c.name, "Factor") ||
		strings.Contains(c.name, "Discount") && !strings.Contains(c.name, "Amount")
	return func(x *cell) value {
		n := int64(x.h >> 20 % 1_000_000)
		switch {
		case x.h%12 == 0:
			return value{}
		case rate:
			return floatOf([...]float64{0.21, 0.09, 0, 0.06, 0.125, 0.055}[n%6])
		case x.h%12 == 1:
			return floatOf(0)
		case x.h%12 < 5:
			return floatOf(float64(n % 5000))
		case x.h%12 == 5:
			return floatOf(-float64(n) / 100)
		case x.h%12 == 6:
			return floatOf(float64(n) / 1_000_000)
		case x.h%311 == 7:
			return floatOf(float64(n) * 1.1) // digits enough to show a reader that rounds
		case x.h%509 == 7:
			return floatOf(float64(1+n%9) / 100_000)
		}
		return floatOf(float64(n) / 100)
	}
}

func longMaker(c *column) maker {
	return func(x *cell) value {
		if strings.EqualFold(c.name, "hid") {
			return longOf(x.index + 1)
		}
		if x.h>>8%4 == 0 {
			return longOf(1<<53 + 1 + int64(x.h>>16%1e15)) // beyond what a float holds
		}
		return longOf(int64(x.h >> 16 % 100_000))
	}
}

func integerMaker(c *column) maker {
	kind := c.kind
	switch {
	case strings.HasSuffix(c.name, "Status"):
		return func(x *cell) value { return numberOf(kind, yearStatuses[x.h>>8%uint64(len(yearStatuses))]) }
	case strings.HasSuffix(c.name, "Year"):
		return func(x *cell) value { return numberOf(kind, int64(x.s.start.Year())-int64(x.h>>8%3)) }
	case strings.HasSuffix(c.name, "Period"):
		return func(x *cell) value { return numberOf(kind, 1+int64(x.h>>8%12)) }
	case kind == edm.Byte:
		return sparse(20, func(x *cell) value { return integerOf(int64(x.h >> 8 % 2)) })
	case kind == edm.Int16:
		return sparse(6, func(x *cell) value { return integerOf(int64(x.h>>8%140) - 10) })
	case c.name == "LineNumber" || c.name == "SequenceNumber":
		return func(x *cell) value { return numberOf(kind, 1+int64(x.h>>8%20)) }
	case strings.HasSuffix(c.name, "Number"):
		return sparse(6, func(x *cell) value { return integerOf(24_700_000 + int64(x.h>>8%90_000)) })
	}
	return sparse(6, func(x *cell) value { return integerOf(int64(x.h>>8%200_000) - 1000) })
}

// complexMaker: null for lack of rights in most rows, else a small object
// (DOC: the classes of a division need rights).
func complexMaker(c *column) maker {
	return func(x *cell) value {
		if x.h%3 != 0 {
			return value{}
		}
		if len(c.members) == 0 {
			return rawOf(`{"__metadata":{"type":"Exact.Web.Api.Models.` + c.name + `"},"Value":` + strconv.FormatUint(x.h>>8%100, 10) + `}`)
		}
		b := []byte(`{"__metadata":{"type":"Exact.Web.Api.Models.HRM.DivisionClass"}`)
		h := x.h
		for _, m := range c.members {
			inner := *x
			inner.column, inner.h = m, rows.Mix(h, m.seed)
			b = append(append(b, ','), m.head...)
			b = m.make(&inner).appendJSON(b)
		}
		return rawOf(string(append(b, '}')))
	}
}
