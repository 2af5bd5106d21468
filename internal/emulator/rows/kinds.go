package rows

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// fixed is what a kind makes its text of.
type fixed struct {
	h       uint64 // differs for every member and variant
	persona uint64 // the same in the whole variant
	args    []string
}

// kinds are the fixed texts a member can have. Those without an exclamation
// mark are null now and then, and the texts among them empty.
var kinds = map[string]func(dst []byte, f fixed) ([]byte, error){
	"null":     func(dst []byte, _ fixed) ([]byte, error) { return append(dst, "null"...), nil },
	"list":     func(dst []byte, _ fixed) ([]byte, error) { return append(dst, "[]"...), nil },
	"bool!":    boolean,
	"bool":     sparse(boolean),
	"int!":     integer,
	"int":      sparse(integer),
	"number":   number,
	"dec!":     decimal,
	"dec":      sparse(decimal),
	"odd":      sparse(oddNumber),
	"date!":    date,
	"date":     sparse(date),
	"time":     sparse(instant),
	"pick":     pick,
	"text!":    text("word"),
	"text":     blankable(text("word")),
	"sentence": blankable(text("sentence")),
	"company":  text("company"),
	"first":    text("first"),
	"last":     text("last"),
	"person":   person,
	"street":   blankable(text("street")),
	"city":     blankable(text("city")),
	"state":    blankable(text("state")),
	"zip":      blankable(text("zip")),
	"country":  blankable(text("country")),
	"phone":    blankable(text("phone")),
	"email":    blankable(text("email")),
	"url":      blankable(text("url")),
	"user":     text("user"),
	"code":     blankable(text("code")),
	// The other types of members the vendor's clients disagree about.
	"truth": func(dst []byte, f fixed) ([]byte, error) {
		return append(dst, `"`+strconv.FormatBool(f.h&64 == 0)+`"`...), nil
	},
	"string": func(dst []byte, f fixed) ([]byte, error) {
		return append(dst, `"`+strconv.Itoa(int(f.h%90))+`"`...), nil
	},
	"integer": func(dst []byte, f fixed) ([]byte, error) { return strconv.AppendInt(dst, int64(f.h%90), 10), nil },
}

type generator = func(dst []byte, f fixed) ([]byte, error)

// sparse is null in one variant in five.
func sparse(g generator) generator {
	return func(dst []byte, f fixed) ([]byte, error) {
		if Mix(f.h, 1)%5 == 0 {
			return append(dst, "null"...), nil
		}
		return g(dst, f)
	}
}

// blankable is null in one variant in five and "" in another.
func blankable(g generator) generator {
	return func(dst []byte, f fixed) ([]byte, error) {
		switch Mix(f.h, 2) % 5 {
		case 0:
			return append(dst, "null"...), nil
		case 1:
			return append(dst, `""`...), nil
		}
		return g(dst, f)
	}
}

// text takes a word of the vocabulary; what makes up a person or an address is
// chosen once for the variant.
func text(pool string) generator {
	words := vocabulary[pool]
	return func(dst []byte, f fixed) ([]byte, error) {
		h := MixText(f.persona, pool)
		if pool == "word" || pool == "sentence" || pool == "code" || pool == "user" {
			h = Mix(f.h, 3)
		}
		return AppendText(dst, words[h%uint64(len(words))]), nil
	}
}

func person(dst []byte, f fixed) ([]byte, error) {
	first, last := vocabulary["first"], vocabulary["last"]
	return AppendText(dst, first[MixText(f.persona, "first")%uint64(len(first))]+" "+
		last[MixText(f.persona, "last")%uint64(len(last))]), nil
}

func boolean(dst []byte, f fixed) ([]byte, error) { return strconv.AppendBool(dst, f.h&64 == 0), nil }

// between draws from the range that two arguments name.
func (f fixed) between(from int) (int64, error) {
	if len(f.args) < from+2 {
		return 0, errors.New("needs a range")
	}
	lo, err := strconv.ParseInt(f.args[from], 10, 64)
	if err != nil {
		return 0, err
	}
	hi, err := strconv.ParseInt(f.args[from+1], 10, 64)
	if err != nil || hi < lo {
		return 0, fmt.Errorf("bad range %v", f.args)
	}
	return lo + int64(f.h%uint64(hi-lo+1)), nil
}

func integer(dst []byte, f fixed) ([]byte, error) {
	v, err := f.between(0)
	return strconv.AppendInt(dst, v, 10), err
}

// number is a JSON number with a fraction now and then: number LO HI.
func number(dst []byte, f fixed) ([]byte, error) {
	dst, err := integer(dst, f)
	if f.h>>9&3 == 0 {
		dst = append(dst, ".5"...)
	}
	return dst, err
}

// decimal is a JSON string: dec DIGITS LO HI.
func decimal(dst []byte, f fixed) ([]byte, error) {
	v, err := f.between(1)
	if err != nil {
		return dst, err
	}
	digits, err := strconv.Atoi(f.args[0])
	if err != nil {
		return dst, err
	}
	dst = strconv.AppendInt(append(dst, '"'), v, 10)
	for k := range digits {
		if k == 0 {
			dst = append(dst, '.')
		}
		digit := byte('0')
		if k < 2 {
			digit += byte(Mix(f.h, uint64(k)) % 10)
		}
		dst = append(dst, digit)
	}
	return append(dst, '"'), nil
}

// oddNumber is a custom number slot: a decimal string, in one variant in twelve
// with more digits than a double holds, in another no number at all.
func oddNumber(dst []byte, f fixed) ([]byte, error) {
	switch Mix(f.h, 4) % 12 {
	case 0:
		return AppendText(dst, []string{"n/a", "12,5 %", "1,234.50", "-", "see notes"}[f.h%5]), nil
	case 1:
		return append(dst, `"0E-10"`...), nil // what Python makes of a zero with ten digits
	case 2:
		return fmt.Appendf(dst, `"%d.%010d"`, 10_000_000_000+f.h%80_000_000_000, Mix(f.h, 5)%10_000_000_000), nil
	}
	f.args = []string{strconv.Itoa(int(f.h >> 7 % 5)), "-20", "9000"}
	return decimal(dst, f)
}

func date(dst []byte, f fixed) ([]byte, error) {
	dst = AppendDate(append(dst, '"'), Days(2023, 1, 1)+int64(f.h%1400))
	return append(dst, '"'), nil
}

func instant(dst []byte, f fixed) ([]byte, error) {
	at := Days(2023, 1, 1)*day + int64(f.h%(1400*day))
	if f.h>>50&3 == 0 {
		at -= at % second
	}
	return append(AppendInstant(append(dst, '"'), at, 0), '"'), nil
}

// pick takes one of its arguments: pick A|B|null, with _ for a space.
func pick(dst []byte, f fixed) ([]byte, error) {
	choices := strings.Split(strings.Join(f.args, " "), "|")
	choice := choices[f.h%uint64(len(choices))]
	if choice == "null" {
		return append(dst, "null"...), nil
	}
	return AppendText(dst, strings.ReplaceAll(choice, "_", " ")), nil
}
