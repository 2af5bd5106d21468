// Package paging owns the step from one page to the next: pure functions over
// the pager's data, the last request and what its answer told. It must do no
// I/O and keep no state.
package paging

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Head is what an answer told about the pages.
type Head struct {
	// Rows is the number of rows in this answer, Seen that of all answers so far.
	Rows, Seen int
	// Shared is how many rows an Offset's Overlap made this answer begin with.
	Shared int
	// Most is how many rows a page of a Numbered list may have, as far as is known.
	Most int
	// Fullest is the number of rows of the fullest answer so far, of one size.
	Fullest int
	// Capture returns the raw JSON at one of Captures' paths, nil where absent.
	Capture func(path string) []byte
	// Last is the raw JSON of a Keyset's field in the last row.
	Last []byte
}

// Captures lists the paths whose values Next needs.
func Captures(p stream.Pager) []string {
	var paths []string
	add := func(names ...string) {
		for _, n := range names {
			if n != "" && !slices.Contains(paths, n) {
				paths = append(paths, n)
			}
		}
	}
	switch p := p.(type) {
	case stream.Single:
		add(p.Total)
	case stream.NextLink:
		add(p.Next, p.Total)
	case stream.Number:
		add(p.More, stream.TotalPath(p))
	case stream.Offset:
		add(p.More, p.Total)
	case stream.Token:
		add(p.Token, p.More)
	}
	return paths
}

// Size returns how many rows a page has, 0 where that is not known.
func Size(p stream.Pager) int {
	switch p := p.(type) {
	case stream.Number:
		return p.Size
	case stream.Offset:
		return p.Size
	case stream.Token:
		return p.Size
	case stream.Keyset:
		return p.Size
	}
	return 0
}

// First adds what the first page needs to a request.
func First(p stream.Pager, r *stream.Request) *stream.Request {
	out := *r
	out.Params = slices.Clone(r.Params)
	size := func(name string, n int) {
		if name != "" {
			set(&out, name, strconv.Itoa(n), true)
		}
	}
	switch p := p.(type) {
	case stream.Number:
		size(p.SizeParam, p.Size)
		size(p.Param, p.First)
	case stream.Offset:
		size(p.SizeParam, p.Size)
		if p.Numbered {
			size(p.Param, 1)
			break
		}
		size(p.Param, 0)
	case stream.Token:
		size(p.SizeParam, p.Size)
	case stream.Keyset:
		size(p.SizeParam, p.Size)
		// A lower bound that goes by the same name says where to start.
		if p.First != "" && !has(&out, p.Param) {
			set(&out, p.Param, p.First, number([]byte(p.First)))
		}
	}
	return &out
}

// Position returns how many rows of the list lie before a page, 0 where its
// request does not count them.
func Position(p stream.Pager, r *stream.Request) int {
	if p, ok := p.(stream.Offset); ok {
		n, _ := strconv.Atoi(get(r, p.Param))
		if p.Numbered {
			return max(n-1, 0) * Asked(p, r, p.Size)
		}
		return n
	}
	return 0
}

// Resize returns a request for another number of rows a page; r itself where
// pages have no size.
func Resize(p stream.Pager, r *stream.Request, size int) *stream.Request {
	name := sizeParam(p)
	if name == "" || size <= 0 {
		return r
	}
	out := *r
	out.Params = slices.Clone(r.Params)
	set(&out, name, strconv.Itoa(size), true)
	return &out
}

// Asked returns how many rows a page was asked for, size where the request does
// not say.
func Asked(p stream.Pager, r *stream.Request, size int) int {
	name := sizeParam(p)
	if n, err := strconv.Atoi(get(r, name)); err == nil && name != "" {
		return n
	}
	return size
}

func sizeParam(p stream.Pager) string {
	switch p := p.(type) {
	case stream.Number:
		return p.SizeParam
	case stream.Offset:
		return p.SizeParam
	case stream.Token:
		return p.SizeParam
	case stream.Keyset:
		return p.SizeParam
	}
	return ""
}

// Next returns the request for the page after the answer h of r, or nil after
// the last page. An answer that leads back to r itself is a fault: following it
// would never end.
func Next(p stream.Pager, r *stream.Request, h Head) (*stream.Request, error) {
	out := *r
	out.Params = slices.Clone(r.Params)
	switch p := p.(type) {
	case stream.NextLink:
		link, err := text(h.Capture(p.Next), p.Next)
		if err != nil || link == "" {
			return nil, err
		}
		if strings.HasPrefix(link, "?") { // a query alone is one of the page's own path
			path, _, _ := strings.Cut(r.URL, "?")
			link = path + link
		}
		if link == r.URL {
			return nil, loop("the link to the next page points to the page itself")
		}
		// The filters are in the link already; sending them again would double them.
		out.URL = link
		out.Params = slices.DeleteFunc(out.Params, func(q stream.Param) bool {
			return q.In == stream.InQuery || q.In == stream.ByMethod && r.Method != http.MethodPost
		})
	case stream.Number:
		more, told := boolean(h.Capture(p.More))
		if h.Rows == 0 || told && !more || !told && (h.Rows < p.Size || h.all(p.Total)) {
			return nil, nil
		}
		n, _ := strconv.Atoi(get(r, p.Param))
		set(&out, p.Param, strconv.Itoa(n+1), true)
	case stream.Offset:
		if p.Numbered {
			return numberedNext(p, r, h), nil
		}
		if h.Rows <= h.Shared || h.Rows < p.Size && !p.UntilEmpty || h.all(p.Total) {
			return nil, nil
		}
		at := h.Seen
		if p.Overlap {
			if at = Position(p, r) + h.Rows; h.Rows > 1 {
				at-- // a page of one row would begin with itself
			}
		}
		set(&out, p.Param, strconv.Itoa(at), true)
	case stream.Token:
		more, told := boolean(h.Capture(p.More))
		if told && !more {
			return nil, nil
		}
		raw := h.Capture(p.Token)
		token, err := text(raw, p.Token)
		if err != nil {
			return nil, err
		}
		if token == "" && told {
			return nil, &fault.Error{Kind: fault.Contract, Err: errors.New(p.More + " is true, but there is no " + p.Token), Hint: "the rows after this page cannot be asked for; report it to the vendor"}
		}
		if token == "" && p.More != "" && p.Size > 0 && h.Rows >= Asked(p, r, p.Size) {
			return nil, &fault.Error{
				Kind: fault.Contract, Err: errors.New("a full page tells neither " + p.More + " nor " + p.Token),
				Hint: "whether rows follow cannot be known; run again, and report it to the vendor if it stays",
			}
		}
		if token == "" {
			return nil, nil
		}
		if token == get(r, p.Param) {
			return nil, loop("the next page's token is the one that was sent")
		}
		set(&out, p.Param, token, number(raw))
		out.Params = slices.DeleteFunc(out.Params, func(q stream.Param) bool { return slices.Contains(p.Drop, q.Name) })
	case stream.Keyset:
		if h.Rows == 0 || h.Rows < Asked(p, r, p.Size) && !p.UntilEmpty && (!p.Capped || h.Rows < max(h.Fullest, p.Least)) {
			return nil, nil
		}
		last, err := text(h.Last, p.Field)
		if err != nil {
			return nil, err
		}
		if last == "" {
			return nil, &fault.Error{Kind: fault.Contract, Err: errors.New("the last row has no " + p.Field + ", by which the next page is asked for")}
		}
		if last == get(r, p.Param) {
			return nil, loop("the page ends with the key that it was to start after")
		}
		set(&out, p.Param, last, number(h.Last) || p.Number && number([]byte(last)))
	default:
		return nil, nil
	}
	return &out, nil
}

// Promises tells whether the vendor said, in the answer h, that rows follow it: a
// page without any then contradicts. What is only tried because a page was full
// may be empty; so may what a NextLink without Total leads to, for some services
// give a link after each full page (Exact Online: CLIENT, picqer exact-php-client).
func Promises(p stream.Pager, h Head) bool {
	tells := func(more, total string) bool {
		if follow, told := boolean(h.Capture(more)); told {
			return follow
		}
		n, told := h.counted(total)
		return told && h.Seen < n
	}
	switch p := p.(type) {
	case stream.NextLink:
		return tells("", p.Total)
	case stream.Number:
		return tells(p.More, stream.TotalPath(p))
	case stream.Offset:
		return tells(p.More, p.Total)
	case stream.Token:
		return true // it leads to rows, or there is none
	}
	return false
}

// Led tells whether an answer without even an empty list contradicts the one
// before it: that promised rows, or it led there by a link.
func Led(p stream.Pager, promised bool) bool {
	_, link := p.(stream.NextLink)
	return promised || link
}

// all tells whether as many rows came as the vendor counts.
func (h Head) all(total string) bool {
	n, told := h.counted(total)
	return told && h.Seen >= n
}

// counted is how many rows the vendor counts, if it tells.
func (h Head) counted(total string) (n int, told bool) {
	n, err := strconv.Atoi(strings.Trim(string(h.Capture(total)), `"`))
	return n, err == nil
}

// Sized asks for rows of a size, without saying which page.
func Sized(p stream.Number, r *stream.Request, size int) *stream.Request {
	out := *r
	out.Params = slices.Clone(r.Params)
	if p.SizeParam != "" {
		set(&out, p.SizeParam, strconv.Itoa(size), true)
	}
	return &out
}

// Numbered asks for page n.
func Numbered(p stream.Number, r *stream.Request, size, n int) *stream.Request {
	out := Sized(p, r, size)
	set(out, p.Param, strconv.Itoa(n), true)
	return out
}

func loop(msg string) error {
	return &fault.Error{Kind: fault.Contract, Err: errors.New(msg), Hint: "nothing was lost; report it to the vendor and run again"}
}

func get(r *stream.Request, name string) string {
	for i := range r.Params {
		if r.Params[i].Name == name {
			return r.Params[i].Value
		}
	}
	return ""
}

func has(r *stream.Request, name string) bool {
	return slices.ContainsFunc(r.Params, func(p stream.Param) bool { return p.Name == name })
}

// number tells whether a literal is a JSON number, which stays one in a body.
func number(literal []byte) bool {
	return len(literal) > 0 && (literal[0] == '-' || literal[0] >= '0' && literal[0] <= '9') && json.Valid(literal)
}

// set replaces a parameter or appends it; numbers stay numbers in a JSON body.
func set(r *stream.Request, name, value string, raw bool) {
	for i := range r.Params {
		if r.Params[i].Name == name {
			r.Params[i].Value, r.Params[i].Raw = value, raw
			return
		}
	}
	r.Params = append(r.Params, stream.Param{Name: name, Value: value, Raw: raw})
}

// text reads a captured string or number; null and absent give "".
func text(raw []byte, path string) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	if raw[0] != '"' {
		if raw[0] == '{' || raw[0] == '[' || raw[0] == 't' || raw[0] == 'f' {
			return "", &fault.Error{Kind: fault.Contract, Err: errors.New(path + " is neither text nor a number")}
		}
		return string(raw), nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", &fault.Error{Kind: fault.Contract, Err: errors.New(path + " cannot be read")}
	}
	return s, nil
}

func boolean(raw []byte) (v, ok bool) {
	switch strings.TrimSpace(string(raw)) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}
