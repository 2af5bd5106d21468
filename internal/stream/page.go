package stream

// Pager says how the next page is asked for. Paths are dotted paths of members
// in the answer.
type Pager interface{ pager() }

// Single is an answer that holds all rows.
type Single struct{}

// NextLink follows the URL that the vendor gives, verbatim.
type NextLink struct {
	Next  string // path of the URL; null or absent ends
	Total string // path of the number of rows in all, "" where there is none
}

// Number counts pages.
type Number struct {
	Param, SizeParam string
	First, Size      int
	More             string // path of a boolean; "" ends on a short page
	Total            string
}

// Offset counts rows: the next offset is the rows received so far.
type Offset struct {
	Param, SizeParam string
	Size             int
	// UntilEmpty: a short page is not proof of the end, only an empty one is.
	UntilEmpty bool
	Total      string
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
}

func (Single) pager()   {}
func (NextLink) pager() {}
func (Number) pager()   {}
func (Offset) pager()   {}
func (Token) pager()    {}
func (Keyset) pager()   {}

// TotalPath returns the path under which p's answers tell the number of rows
// in all, or "".
func TotalPath(p Pager) string {
	switch p := p.(type) {
	case NextLink:
		return p.Total
	case Number:
		return p.Total
	case Offset:
		return p.Total
	}
	return ""
}
