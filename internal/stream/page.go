package stream

// Pager says how the next page is asked for. Paths are dotted paths of members
// in the answer.
type Pager interface{ pager() }

// Single is an answer that holds all rows.
type Single struct {
	// Total is the path of the number of rows, "" where it is not told: an answer with
	// fewer is not taken for whole. Where a Cursor bounds the list at both ends, its
	// halves are asked for, down to a day; what is short then is a fault. Rows that
	// lie outside of the bounds do not tell that these are ignored: the count tells
	// what an answer lacks, and they may be those of another date than Field.
	Total string
}

// NextLink follows the URL that the vendor gives, verbatim.
type NextLink struct {
	Next  string // path of the URL; null or absent ends
	Total string // path of the number of rows in all, "" where there is none
}

// Number counts pages.
type Number struct {
	Param, SizeParam string
	First, Size      int
	SizeKey          string // config key of Size, "" for none
	More             string // path of a boolean; "" ends on a short page
	Total            string
	// Survey reads a list of which little is told: see there.
	Survey *Survey
}

// Survey is for lists by page numbers of which nobody tells whether they count
// from 0 or from 1, how many rows a page gives at most, and in which order they
// come. Pages are asked from First on until as many rows came as the vendor
// counts, or none; page 0 is asked last, where some are missing then; and all is
// asked again as long as that brings rows. What is missing in the end is a fault.
type Survey struct {
	// From is the path of another list, asked with the same parameters, whose
	// answers have the pager's Total; "" where those of this one have it. A pager
	// without Total is asked once without a page, and further if that may not
	// have been all.
	From string
	// Least is the size below which no vendor's pages are: one that is refused
	// with 400 is halved down to it, and of a list without Total fewer rows are
	// all there are, as they are where another list of the stream had more.
	Least int
}

// Offset counts rows: the next offset is the rows received so far.
type Offset struct {
	Param, SizeParam string
	Size             int
	// UntilEmpty: a short page is not proof of the end, only an empty one is.
	UntilEmpty bool
	Total      string
	// Overlap: each page begins with the last row of the one before, which proves
	// that nothing between them moved. Where it does not, or rows come twice, and
	// no total is told, the list is read again: by the next of Orders, if there
	// are any, and in pages of another size, until as many rows are known as the
	// list is long.
	Overlap bool
	Orders  []Param
	// More is the path of a boolean that tells whether pages follow, "" where there
	// is none; only of Numbered lists.
	More string
	// Grows: rows may be added in front of a Numbered list while it is read, which
	// brings rows again and skips none.
	Grows bool
	// Numbered: the vendor counts pages from 1 in place of rows. Param is the
	// number of a page, and pages Overlap since each has another size. A short
	// page ends the list only where it is not the first or has less than Least
	// rows: the vendor may give fewer than are asked for.
	Numbered bool
	// SizeKey is the config key of Size, "" for none.
	SizeKey string
	// Least is the size down to which pages are halved that the vendor does not
	// make in time (504); 0: it is as it is.
	Least int
}

// Token passes on an opaque token.
type Token struct {
	Param, Token string // parameter, path of the token
	SizeParam    string
	Size         int
	More         string   // path of a boolean; "" ends on an absent token
	Drop         []string // parameters that go when a token comes
}

// Keyset asks for what follows the last row's key.
type Keyset struct {
	Param, Field string // parameter, member of the last row
	SizeParam    string
	Size         int
	First        string // value for the first page, "" leaves the parameter out
	UntilEmpty   bool
	// Number: keys are whole numbers, and are sent as such whatever the rows show
	// them as. They have to ascend.
	Number bool
	Least  int // as Offset's
	// SizeKey is the config key of Size, "" for none.
	SizeKey string
	// Capped: the vendor may give fewer rows than are asked for, if not fewer than
	// Least, so that a short page ends the list only where a fuller one came before.
	Capped bool
}

func (Single) pager()   {}
func (NextLink) pager() {}
func (Number) pager()   {}
func (Offset) pager()   {}
func (Token) pager()    {}
func (Keyset) pager()   {}

// resized gives a pager the size that a config wants; other tells whether it had
// another one.
func resized(p Pager, c Config) (out Pager, other bool) {
	size := func(have int, key string) int {
		if n := c.Int(key); key != "" && n > 0 {
			return n
		}
		return have
	}
	switch p := p.(type) {
	case Number:
		n := size(p.Size, p.SizeKey)
		other, p.Size = n != p.Size, n
		return p, other
	case Offset:
		n := size(p.Size, p.SizeKey)
		other, p.Size = n != p.Size, n
		return p, other
	case Keyset:
		n := size(p.Size, p.SizeKey)
		other, p.Size = n != p.Size, n
		return p, other
	}
	return p, false
}

// TotalPath returns the path under which p's answers tell the number of rows
// in all, or "".
func TotalPath(p Pager) string {
	switch p := p.(type) {
	case NextLink:
		return p.Total
	case Number:
		if p.Survey != nil && p.Survey.From != "" {
			return "" // another list's do
		}
		return p.Total
	case Offset:
		return p.Total
	}
	return ""
}
