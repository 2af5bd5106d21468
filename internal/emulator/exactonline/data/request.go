package data

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
)

// request is a query that was found to be in order.
type request struct {
	in      *info
	self    string
	params  url.Values
	filter  *filter
	columns []*column // to write
	links   []string  // deferred members to write
	expand  []string
	name    string   // of the order, for remembering it; "" is by GUID
	by      []sortBy // the order, key included
	token   []value  // of the last row of the page before; nil on the first
	top     int      // -1 is none
	size    int      // rows of the page at most, -1 is no limit
	counted bool
}

// The bulk sets that take filters on listed fields only, Modified not among
// them (DOC).
var bulkUnfiltered = []string{
	"bulk_crm_addresses", "bulk_crm_contacts", "bulk_crm_quotations", "bulk_crm_quotation_lines", "bulk_cashflow_payments",
	"bulk_cashflow_receivables", "bulk_financial_gl_classifications", "bulk_logistics_sales_item_prices",
	"bulk_salesorder_goods_deliveries", "bulk_salesorder_goods_delivery_lines",
}

var knownOptions = []string{"$filter", "$select", "$orderby", "$top", "$skiptoken", "$inlinecount", "$expand"}

func (s *Store) newRequest(in *info, params url.Values, self string) (*request, *Error) {
	q := &request{in: in, self: self, params: params, top: -1, size: -1}
	for name := range params {
		if name == "$skip" {
			return nil, bad("Query option '$skip' is not supported.") // DOC: not since 2017-03-01; the words are a GUESS
		}
		if strings.HasPrefix(name, "$") && !slices.Contains(knownOptions, name) {
			return nil, bad("The query parameter '%s' begins with a system-reserved '$' character but is not recognized.", name)
		}
	}
	for _, step := range []func() *Error{
		q.readFilter, func() *Error { return s.checkFilter(q) }, q.readSelect, q.readExpand, q.readOrder, q.readToken, q.readTop, q.readCount,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func (q *request) readFilter() *Error {
	if !q.params.Has("$filter") {
		return nil
	}
	var err *Error
	q.filter, err = q.in.parseFilter(q.params.Get("$filter"))
	return err
}

// checkFilter applies the rules of the families.
func (s *Store) checkFilter(q *request) *Error {
	var fields []string
	if q.filter != nil {
		fields = q.filter.fields
	}
	set := q.in.set
	switch {
	case set.Variant == edm.Sync:
		return q.checkSync()
	case slices.Contains(bulkUnfiltered, set.Name) && slices.Contains(fields, "Modified"):
		return bad("Filtering on these fields is not supported: Modified") // CLIENT picqer#500
	case set.Name == "logistics_supplier_item" && slices.ContainsFunc(fields, func(f string) bool { return f != "ID" }):
		return bad("Filtering on these fields is not supported: %s", strings.Join(slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return f == "ID" }), ","))
	}
	s.mu.Lock()
	mandatory := s.mandatory
	s.mu.Unlock()
	if mandatory && set.Variant == edm.Single && set.Twin != "" &&
		!slices.ContainsFunc(fields, func(f string) bool { return slices.Contains(q.in.allowed, f) }) {
		return bad("This endpoint has mandatory filtering applied. A GET request for this endpoint must have a $filter parameter"+
			" with one of the following fields in the url:%s.", strings.Join(q.in.allowed, ","))
	}
	return nil
}

// checkSync: a filter Timestamp gt n, and on deletions EntityType eq n next to
// it, is all that the sync sets take (DOC, CLIENT [DEMO]). That they refuse to
// be read without one is a GUESS on the strict side.
func (q *request) checkSync() *Error {
	if q.filter == nil {
		return bad("This endpoint has mandatory filtering applied. A GET request for this endpoint must have a $filter parameter" +
			" with one of the following fields in the url:Timestamp.")
	}
	var others []string
	for _, f := range q.filter.fields {
		if f != "Timestamp" && (f != "EntityType" || q.in.table != deletions) {
			others = append(others, f)
		}
	}
	if len(others) > 0 {
		return bad("Filtering on these fields is not supported: %s", strings.Join(others, ","))
	}
	gt := 0
	for _, c := range q.filter.comparisons {
		switch {
		case c.field == "Timestamp" && c.op == "gt" && c.value.class != null:
			gt++
		case c.field != "EntityType" || c.op != "eq":
			gt = -2
		}
	}
	if gt != 1 || !q.filter.onlyAnd {
		return bad("This $filter parameter is not supported for this resource") // CLIENT picqer#532
	}
	return nil
}

func (q *request) readSelect() *Error {
	var names []string
	for n := range strings.SplitSeq(q.params.Get("$select"), ",") {
		if n = strings.TrimSpace(n); n != "" {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		if q.in.set.Variant == edm.Bulk {
			return bad("The $select parameter is mandatory for this endpoint.") // DOC: mandatory; the words are a GUESS
		}
		q.columns, q.links = q.in.columns, q.in.deferred
		return nil
	}
	wanted := make(map[string]bool, len(names))
	for _, n := range names {
		switch {
		case n == "*":
			if q.in.set.NoStar {
				return bad("The $select=* parameter is not supported for this endpoint.") // DOC, the words are a GUESS
			}
			q.links = q.in.deferred
		case q.in.byName[n] == nil && !slices.Contains(q.in.deferred, n):
			return q.in.unknown(n)
		}
		wanted[n] = true
	}
	// The service writes properties in its own order, whatever that of $select.
	for _, c := range q.in.columns {
		if wanted["*"] || wanted[c.name] {
			q.columns = append(q.columns, c)
		}
	}
	if !wanted["*"] {
		for _, n := range q.in.deferred {
			if wanted[n] {
				q.links = append(q.links, n)
			}
		}
	}
	return nil
}

func (q *request) readExpand() *Error {
	for n := range strings.SplitSeq(q.params.Get("$expand"), ",") {
		if n = strings.TrimSpace(n); n == "" {
			continue
		}
		if !slices.Contains(q.in.deferred, n) {
			return q.in.unknown(n)
		}
		q.expand = append(q.expand, n)
	}
	return nil
}

// readOrder takes any properties that can be compared. The key is always
// added at the end, as the library does.
func (q *request) readOrder() *Error {
	for part := range strings.SplitSeq(q.params.Get("$orderby"), ",") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		c := q.in.byName[words[0]]
		if c == nil {
			return q.in.unknown(words[0])
		}
		desc := len(words) == 2 && words[1] == "desc"
		if len(words) > 2 || len(words) == 2 && words[1] != "asc" && !desc || classOf(c.kind) == raw {
			return bad("Syntax error at position %d.", strings.Index(part, words[0])+len(words[0]))
		}
		if q.in.set.Variant == edm.Sync && (c.name != "Timestamp" || desc) {
			return bad("Ordering on these fields is not supported: %s", c.name) // GUESS: rows come by row version and no other way
		}
		q.by = append(q.by, sortBy{c, desc})
	}
	if q.in.set.Variant == edm.Sync {
		q.by = []sortBy{{q.in.byName["Timestamp"], false}}
		return nil
	}
	ordered := len(q.by) > 0
	for _, k := range q.in.key {
		if !slices.ContainsFunc(q.by, func(b sortBy) bool { return b.column == k }) {
			q.by = append(q.by, sortBy{k, false})
		}
	}
	if ordered || !q.in.byGUID {
		for _, b := range q.by {
			q.name += b.column.name + " " + strconv.FormatBool(b.desc) + ","
		}
		q.name += q.in.set.Name
	}
	return nil
}

func (q *request) readToken() *Error {
	if !q.params.Has("$skiptoken") {
		return nil
	}
	rest := q.params.Get("$skiptoken")
	q.token = []value{}
	for i, b := range q.by {
		if i > 0 {
			var ok bool
			if rest, ok = strings.CutPrefix(rest, ","); !ok {
				return bad("Syntax error in the skip token: %d values are expected.", len(q.by))
			}
		}
		v, n, err := readLiteral(rest)
		if err != nil {
			return err
		}
		if n == 0 || !alike(classOf(b.column.kind), v.class) {
			return bad("Syntax error in the skip token: '%s' is no %s.", rest, classNames[classOf(b.column.kind)])
		}
		q.token = append(q.token, v)
		rest = rest[n:]
	}
	if rest != "" {
		return bad("Syntax error in the skip token: %d values are expected.", len(q.by))
	}
	return nil
}

func (q *request) readTop() *Error {
	if q.in.page > 0 {
		q.size = q.in.page
	}
	if !q.params.Has("$top") {
		return nil
	}
	n, err := strconv.Atoi(q.params.Get("$top"))
	if err != nil || n < 0 {
		return bad("Incorrect format for $top argument '%s'.", q.params.Get("$top"))
	}
	q.top = n
	if q.size < 0 || n < q.size {
		q.size = n
	}
	return nil
}

func (q *request) readCount() *Error {
	switch q.params.Get("$inlinecount") {
	case "", "none":
		return nil
	case "allpages":
		q.counted = true
		return nil
	}
	return bad("Unknown $inlinecount option, only 'allpages' and 'none' are supported.")
}

// capped tells whether $top ends the answer with this page: then there is no
// next link, and the envelope has no results (REC).
func (q *request) capped() bool { return q.top >= 0 && (q.in.page == 0 || q.top <= q.in.page) }

// next writes the link to the page after a row, in the order of the recorded
// ones (REC): spaces and colons are escaped, commas and quotes are not.
func (q *request) next(last []value) string {
	var b []byte
	b = append(append(b, q.self...), '?')
	add := func(name, text string) {
		if b[len(b)-1] != '?' {
			b = append(b, '&')
		}
		b = escape(append(append(b, name...), '='), text)
	}
	var own []string
	for name := range q.params {
		if !strings.HasPrefix(name, "$") {
			own = append(own, name)
		}
	}
	slices.SortFunc(own, cmp.Compare)
	for _, name := range own {
		add(name, q.params.Get(name))
	}
	for _, name := range []string{"$filter", "$orderby", "$expand", "$inlinecount", "$select"} {
		if q.params.Has(name) {
			add(name, q.params.Get(name))
		}
	}
	if q.top >= 0 {
		add("$top", strconv.Itoa(q.top-q.size))
	}
	var token []byte
	for i, v := range last {
		if i > 0 {
			token = append(token, ',')
		}
		token = v.appendLiteral(token)
	}
	add("$skiptoken", string(token))
	return string(b)
}

func escape(dst []byte, text string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', strings.IndexByte("-_.~',()*!$", c) >= 0:
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
