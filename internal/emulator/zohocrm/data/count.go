package data

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// uncounted are modules that are not counted (GUESS: those of which there is no
// search).
var uncounted = []string{"Notes", "Attachments", "Entity_Scores__s"}

// comparators are the operators of a search, as the comparators of a bulk read.
var comparators = map[string]string{
	"equals": "equal", "not_equal": "not_equal", "greater_equal": "greater_equal", "greater_than": "greater_than", "less_equal": "less_equal",
	"less_than": "less_than", "between": "between", "in": "in", "starts_with": "starts_with",
}

// RecordCount answers GET /{Module}/actions/count: how many rows there are, or
// how many meet the criteria of a search (DOC). GUESS: none is a count of 0, and
// the index of the search never lags.
func (o *Org) RecordCount(module string, q url.Values) (*Body, error) {
	m, err := o.module(module)
	if err != nil {
		return nil, err
	}
	if o.on(NoCount) || slices.Contains(uncounted, m.api) || !m.readable() {
		return nil, &Error{Status: 400, Code: "NOT_SUPPORTED", Message: "the given module is not supported for count", Details: map[string]any{"module": m.api}}
	}
	if q.Has("cvid") && q.Has("criteria") {
		return nil, errAmbiguous("cvid", "criteria")
	}
	keep, err := converted(m, q)
	if err != nil {
		return nil, err
	}
	v := &view{t: o.open(m), query: rows.All()}
	if q.Has("criteria") {
		raw, ok := searched(q.Get("criteria"))
		if !ok {
			return nil, errSearch("Invalid query formed")
		}
		left := maxCriteria
		c, err := m.readCriteria(raw, &left)
		if err != nil {
			return nil, errSearch("invalid value for search")
		}
		v = o.filtered(m, c)
	}
	n := o.size(v, keep)
	return &Body{JSON: append(strconv.AppendInt([]byte(`{"count":`), n, 10), '}')}, nil
}

func errSearch(reason string) *Error {
	return &Error{Status: 400, Code: "INVALID_QUERY", Message: reason, Details: map[string]any{"reason": reason, "api_name": "criteria"}}
}

// size counts the rows of a view.
func (o *Org) size(v *view, keep func(rows.Row) bool) (n int64) {
	if v.keep == nil && keep == nil {
		_, n = v.t.Select(v.query, nil, func(int64) (int64, int64) { return 0, 0 })
		return n
	}
	_, _ = v.each(0, 1<<62, func(r rows.Row) error { // the callback never fails
		if keep == nil || keep(r) {
			n++
		}
		return nil
	})
	return n
}

// searched reads (field:operator:value), or several of them with and between.
func searched(text string) (rawCriteria, bool) {
	text = strings.TrimSpace(text)
	for strings.HasPrefix(text, "((") && strings.HasSuffix(text, "))") {
		text = text[1 : len(text)-1]
	}
	all := rawCriteria{GroupOperator: "and"}
	for part := range strings.SplitSeq(text, ")and(") {
		part = strings.Trim(part, "() ")
		words := strings.SplitN(part, ":", 3)
		if len(words) < 3 || comparators[words[1]] == "" {
			return all, false
		}
		one := rawCriteria{APIName: words[0], Comparator: comparators[words[1]], Value: words[2]}
		if one.Comparator == "between" || one.Comparator == "in" {
			var list []any
			for v := range strings.SplitSeq(words[2], ",") {
				list = append(list, v)
			}
			one.Value = list
		}
		all.Group = append(all.Group, one)
	}
	return all, true
}
