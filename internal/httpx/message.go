package httpx

import (
	"bytes"
	"encoding/json"
	"errors"
	"html"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

const (
	// maxText bounds what is shown of foreign text.
	maxText = 512
	// maxMessage bounds an error with all its parts.
	maxMessage = 2048
	// maxParsed bounds the error body that is searched for its message.
	maxParsed = 64 << 10
)

// fault builds an error of this call. All parts are masked once more.
func (k *call) fault(kind fault.Kind, msg, hint string) *fault.Error {
	f := &fault.Error{
		Kind: kind, Source: k.opt.Source.Name,
		Err:  errors.New(k.red.text(msg, maxMessage)),
		Hint: k.red.text(hint, maxText),
	}
	if k.answer != nil {
		f.Status = k.answer.Status
	}
	return f
}

// redact makes an error of others, of at most limit bytes, fit to be shown.
// What it hides is taken out of the chain too.
func (k *call) redact(err error, limit int) error {
	f := fault.As(err)
	if f == nil {
		return k.fault(fault.Contract, k.method+" "+k.address+": "+err.Error(), "")
	}
	c := *f
	if c.Source == "" {
		c.Source = k.opt.Source.Name
	}
	if c.Status == 0 && k.answer != nil {
		c.Status = k.answer.Status
	}
	if c.Kind == fault.Quota && c.RetryAfter == 0 {
		c.RetryAfter = k.stayAway
	}
	c.Op, c.Hint = k.red.text(c.Op, maxText), k.red.text(c.Hint, maxText)
	if c.Err != nil {
		if t := k.red.text(c.Err.Error(), limit); t != c.Err.Error() {
			c.Err = errors.New(t)
		}
	}
	return &c
}

// vendorText finds what a vendor says about an error: a member that is known to
// hold it, the title of a page, or the beginning of the body.
func vendorText(body []byte) string {
	b := bytes.TrimSpace(body)
	if len(b) == 0 {
		return ""
	}
	if b[0] == '<' {
		return pageTitle(b)
	}
	if len(b) <= maxParsed {
		var v map[string]any
		if json.Unmarshal(b, &v) == nil {
			if t := member(v); t != "" {
				return t
			}
		}
	}
	return string(b)
}

// member looks for the message in an error object: Django's detail, the error
// of OAuth and OData, .NET's Message, AccountView's ErrorMessage, RFC 9457's
// title.
func member(v map[string]any) string {
	for _, path := range []string{
		"detail", "message", "error.message", "error.message.value", "error_description",
		"ErrorMessage", "Message", "error", "title",
	} {
		var at any = v
		for name := range strings.SplitSeq(path, ".") {
			o, _ := at.(map[string]any)
			at = o[name]
		}
		if s, ok := at.(string); ok && strings.TrimSpace(s) != "" {
			return s
		}
	}
	return ""
}

// pageTitle is the title of an HTML page, or else its beginning.
func pageTitle(b []byte) string {
	b = b[:min(len(b), maxParsed)]
	lower := bytes.ToLower(b)
	if i := bytes.Index(lower, []byte("<title")); i >= 0 && len(lower) == len(b) {
		rest, low := b[i:], lower[i:]
		from, to := bytes.IndexByte(low, '>'), bytes.Index(low, []byte("</title"))
		if from >= 0 && to > from {
			if t := strings.TrimSpace(html.UnescapeString(string(rest[from+1 : to]))); t != "" {
				return "HTML page “" + t + "”"
			}
		}
	}
	return string(b)
}
