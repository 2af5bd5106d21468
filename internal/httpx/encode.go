package httpx

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const hexDigits = "0123456789ABCDEF"

// escape encodes a query's name or value. What RFC 3986 allows there and no
// server takes for a separator stays readable; a blank is %20, for not all
// read a plus as one.
func escape(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case isPlain(c), strings.IndexByte("-._~$,:/@", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}

func isPlain(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// tidy encodes what no request line can carry and leaves the rest of a link's
// query as it is.
func tidy(query string) string {
	var b strings.Builder
	b.Grow(len(query))
	for i := range len(query) {
		c := query[i]
		if c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// place settles where a parameter goes.
func place(p stream.Param, method string) stream.In {
	if p.In != stream.ByMethod {
		return p.In
	}
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		return stream.InBody
	}
	return stream.InQuery
}

// addQuery appends parameters in their order to what u has.
func addQuery(u *url.URL, method string, params []stream.Param) {
	var b strings.Builder
	b.WriteString(u.RawQuery)
	for _, p := range params {
		if place(p, method) != stream.InQuery {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(escape(p.Name))
		b.WriteByte('=')
		b.WriteString(escape(p.Value))
	}
	u.RawQuery = b.String()
}

// isForm tells whether the body is a form.
func isForm(params []stream.Param) bool {
	return slices.ContainsFunc(params, func(p stream.Param) bool { return p.In == stream.InForm })
}

// encodeForm builds the body of a form. Here a blank is a plus, as browsers
// send it (the URL standard, application/x-www-form-urlencoded).
func encodeForm(params []stream.Param) []byte {
	var b []byte
	for _, p := range params {
		if p.In != stream.InForm {
			continue
		}
		if len(b) > 0 {
			b = append(b, '&')
		}
		b = append(b, url.QueryEscape(p.Name)...)
		b = append(b, '=')
		b = append(b, url.QueryEscape(p.Value)...)
	}
	return b
}

// encodeBody builds the body of a request, nil for none: the form, or else the
// JSON object. The vendor's key comes first and cannot be replaced by a
// parameter.
func encodeBody(method string, params []stream.Param, key string, value secret.Text) ([]byte, error) {
	posted := place(stream.Param{}, method) == stream.InBody
	if isForm(params) {
		json := func(p stream.Param) bool { return place(p, method) == stream.InBody }
		if key != "" || slices.ContainsFunc(params, json) {
			return nil, fault.New(fault.Internal, "a body is either a form or JSON", "")
		}
		return encodeForm(params), nil
	}
	b := []byte{'{'}
	member := func(name, literal string) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, jsonText(name)...)
		b = append(b, ':')
		b = append(b, literal...)
	}
	if posted && key != "" {
		member(key, jsonText(value.Reveal()))
	}
	for _, p := range params {
		switch {
		case place(p, method) != stream.InBody || posted && key != "" && p.Name == key:
		case !p.Raw:
			member(p.Name, jsonText(p.Value))
		case json.Valid([]byte(p.Value)):
			member(p.Name, p.Value)
		default:
			return nil, fault.New(fault.Internal, "parameter "+p.Name+" is no JSON literal", "")
		}
	}
	if !posted && len(b) == 1 {
		return nil, nil
	}
	return append(b, '}'), nil
}

// jsonText quotes s, without the escapes that are only for HTML.
func jsonText(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return `""` // cannot happen: s is text
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// setHeaders sets the request's own headers and those of its parameters, which
// win; an empty one removes ours.
func setHeaders(h http.Header, params []stream.Param, agent string, body bool) error {
	h.Set("Accept", "application/json")
	h.Set("User-Agent", agent)
	switch {
	case isForm(params):
		h.Set("Content-Type", "application/x-www-form-urlencoded")
	case body:
		h.Set("Content-Type", "application/json")
	}
	for _, p := range params {
		if p.In != stream.InHeader {
			continue
		}
		if !isToken(p.Name) || strings.ContainsFunc(p.Value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
			return fault.New(fault.Internal, "header "+p.Name+" cannot be sent: it holds control characters", "")
		}
		if p.Value == "" {
			h.Del(p.Name)
			continue
		}
		h.Set(p.Name, p.Value)
	}
	return nil
}

// isToken tells whether s may name a header.
func isToken(s string) bool {
	for i := range len(s) {
		if !isPlain(s[i]) && strings.IndexByte("!#$%&'*+-.^_`|~", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}
