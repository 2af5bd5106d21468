package accountview

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	pageDefault = 200  // rows of a page that does not say (GUESS; REAL answers hold 200)
	pageMost    = 1000 // the largest that is known to work (CLIENT); GUESS: larger ones are cut
	pageCapped  = 100  // the same, by the fault page-cap
	pageSlow    = 100  // rows that an answer may have in time, by the fault gateway
)

// problem is why a question cannot be answered.
type problem struct {
	numbers string // ErrorNumbers, "" for null
	text    string
	// strange: it is no error of AccountView but of the address.
	strange bool
}

// Error is the text of the vendor.
func (p *problem) Error() string { return p.text }

func wrong(number int, form string, args ...any) *problem {
	p := &problem{text: fmt.Sprintf(form, args...)}
	if number > 0 {
		p.numbers = "[" + strconv.Itoa(number) + "]"
	}
	return p
}

// unknownObject refuses a code (number and text invented).
func unknownObject(code string) *problem {
	return wrong(1708, "Het business object %s bestaat niet.", strings.ToUpper(code))
}

// query is a question for rows.
type query struct {
	*object
	company *company
	size    int
	asked   int // PageSize as it was asked
	last    string
	after   bool // there is a LastKey
	number  int  // PageNumber, 0 for none
	day     int64
	dated   bool // there is a BookDate
	fields  []field
	every   bool // all columns
	conds   []condition
	any     bool
	raw     predicate
	sort    []*column
	desc    bool
	words   url.Values // the parameters with their names in lower case
}

// field is a column that was asked for.
type field struct {
	*column
	label string // under which it comes
}

// fold gives parameters their names in lower case: they are the same in any
// case (CLIENT).
func fold(raw string) (url.Values, *problem) {
	given, err := url.ParseQuery(raw)
	if err != nil {
		return nil, &problem{text: "De aanvraag is ongeldig.", strange: true}
	}
	out := make(url.Values)
	for name, list := range given {
		name = strings.ToLower(name)
		if len(list) > 1 || out.Has(name) {
			return nil, &problem{text: "De parameter " + name + " komt meer dan eens voor.", strange: true}
		}
		out[name] = list
	}
	return out, nil
}

var plainParameters = []string{
	"businessobject", "pagesize", "lastkey", "pagenumber", "fields", "bookdate", "matchanyfilter", "filter", "sortfields", "sortorder",
}

var filterParameters = []string{"filtercontrolsource", "filteroperator", "filtervaluetype", "filtervalue", "filterislistofvalues"}

// isParameter tells whether a parameter is one of those of the service.
func isParameter(name string) bool {
	if slices.Contains(plainParameters, name) {
		return true
	}
	stem := strings.TrimRight(name, "0123456789")
	return stem != name && slices.Contains(filterParameters, stem)
}

// ask reads the parameters of a question for rows.
func (s *Service) ask(c *company, words url.Values, system bool) (*query, *problem) {
	for name := range words {
		if !isParameter(name) {
			return nil, &problem{text: "Onbekende parameter " + name + ".", strange: true}
		}
	}
	q := &query{company: c, size: pageDefault, words: words}
	code := words.Get("businessobject")
	if code == "" {
		return nil, wrong(0, "Er is geen business object opgegeven.")
	}
	q.object = s.objectByCode(code)
	if q.object == nil {
		return nil, unknownObject(code)
	}
	// The dictionary is read through both endpoints (CLIENT: fxl's older habit);
	// the data of an administration through its own only.
	if system && !q.system {
		return nil, wrong(1709, "Het business object %s is geen systeemobject.", q.code)
	}
	for _, read := range []func(*query, url.Values) *problem{s.paging, s.dates, s.columns, s.filters, s.order} {
		if p := read(q, words); p != nil {
			return nil, p
		}
	}
	return q, nil
}

func (s *Service) paging(q *query, words url.Values) *problem {
	if words.Has("pagesize") {
		n, err := strconv.Atoi(words.Get("pagesize"))
		if err != nil || n < 1 {
			return wrong(11, "De waarde %s van PageSize is ongeldig.", words.Get("pagesize"))
		}
		q.size = n
	}
	q.asked = q.size
	q.size = min(q.size, pageMost)
	if s.on("page-cap", s.streamOf(q)) {
		q.size = min(q.size, pageCapped)
	}
	if words.Has("pagenumber") {
		n, err := strconv.Atoi(words.Get("pagenumber"))
		if err != nil || n < 1 {
			return wrong(11, "De waarde %s van PageNumber is ongeldig.", words.Get("pagenumber"))
		}
		q.number = n
	}
	if words.Has("lastkey") && words.Get("lastkey") != "" {
		q.last, q.after = strings.TrimRight(words.Get("lastkey"), " "), true
		if q.number > 0 {
			return wrong(11, "LastKey en PageNumber gaan niet samen.")
		}
	}
	return nil
}

func (s *Service) dates(q *query, words url.Values) *problem {
	q.day = s.clock()
	if text := words.Get("bookdate"); words.Has("bookdate") {
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return wrong(2034, "De boekdatum %s is ongeldig.", text)
		}
		q.day, q.dated = at.Unix(), true
	}
	return nil
}

// columns reads Fields: names with or without their table, in any case.
func (s *Service) columns(q *query, words url.Values) *problem {
	text := words.Get("fields")
	if !words.Has("fields") || text == "" {
		q.every = true
		return nil
	}
	for word := range strings.SplitSeq(text, ",") {
		word = strings.TrimSpace(word)
		if word == "*" {
			q.every = true
			continue
		}
		f, p := s.field(q, word)
		if p != nil {
			return p
		}
		q.fields = append(q.fields, f)
	}
	return nil
}

// field finds a column of an object: of its table, of those beside it, or of the
// one joined to it.
func (s *Service) field(q *query, word string) (field, *problem) {
	table, name, dotted := strings.Cut(strings.ToUpper(word), ".")
	if !dotted {
		table, name = "", table
	}
	candidates := []string{q.table, q.joined}
	if !s.on("whole-lines", q.stream) {
		candidates = append(append(candidates, q.side...), q.nested)
	}
	for _, candidate := range candidates {
		t := s.tables[candidate]
		if t == nil || table != "" && table != candidate && (candidate != q.table || table != q.view) {
			continue
		}
		c := t.byName[name]
		if c == nil || t.name+"."+c.name == vanished || !q.company.has(c) {
			continue
		}
		label := c.name
		if candidate == q.joined {
			if table == "" {
				continue
			}
			label = s.joinedName(t.name, c.name)
		}
		return field{c, label}, nil
	}
	return field{}, wrong(12, "De kolom %s bestaat niet.", strings.ToUpper(word))
}

// joinedName is under which name a column of a joined table comes (GUESS).
func (s *Service) joinedName(table, column string) string {
	if s.on("joined-dot", "article_history_years") {
		return table + "." + column
	}
	return table + "_" + column
}

func (s *Service) order(q *query, words url.Values) *problem {
	switch strings.ToLower(words.Get("sortorder")) {
	case "", "ascending":
	case "descending":
		q.desc = true
	default:
		return wrong(11, "De waarde %s van SortOrder is ongeldig.", words.Get("sortorder"))
	}
	text := words.Get("sortfields")
	if text == "" && !q.desc {
		return nil
	}
	if text == "" {
		text = strings.Join(s.tables[q.table].key, ",")
	}
	if q.after { // GUESS: the dossier says not to combine them; here it is told
		return wrong(11, "LastKey en SortFields gaan niet samen.")
	}
	for word := range strings.SplitSeq(text, ",") {
		f, p := s.field(q, strings.TrimSpace(word))
		if p != nil {
			return p
		}
		if f.table != q.table && f.table != q.joined {
			return wrong(12, "Op de kolom %s kan niet worden gesorteerd.", f.name)
		}
		q.sort = append(q.sort, f.column)
	}
	return nil
}

// streamOf is the stream that a question belongs to. Articles with the short
// list of columns and nothing else are the stream of their stock.
func (s *Service) streamOf(q *query) string {
	if q.stream == "" {
		return "objects/" + strings.ToLower(q.code)
	}
	if q.stream == "articles" && shortList(q.words.Get("fields")) && !q.words.Has("filtercontrolsource1") {
		return short
	}
	return q.stream
}

// shortList tells whether a list of columns is that of the stock.
func shortList(text string) bool {
	if text == "" {
		return false
	}
	for word := range strings.SplitSeq(strings.ToUpper(text), ",") {
		if !slices.Contains(shortColumns, strings.TrimPrefix(strings.TrimSpace(word), "ARTICLE.")) {
			return false
		}
	}
	return true
}
