package httpx

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/auth"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// judge asks the source what it thinks of the answer, once per answer.
func (k *call) judge() error {
	if !k.judged {
		k.judged = true
		if k.opt.Source.Classify != nil {
			k.verdict = k.opt.Source.Classify(k.answer)
		}
	}
	return k.verdict
}

// outcome is what Fetch returns after the last attempt.
func (k *call) outcome() (*stream.Response, error) {
	if k.err != nil {
		k.drop()
		if errors.Is(k.err, stream.TooLarge) {
			return nil, stream.TooLarge
		}
		return nil, k.failure(k.err)
	}
	err := k.judge()
	if err == nil {
		err = k.byDefault()
	}
	if err == nil || errors.Is(err, stream.Accept) {
		return k.answer, nil
	}
	defer k.drop()
	if errors.Is(err, stream.Stale) {
		return nil, k.unauthorized()
	}
	if u, ok := errors.AsType[*stream.UnknownField](err); ok {
		return nil, k.unknownField(u)
	}
	if t, ok := errors.AsType[*stream.Throttled](err); ok {
		return nil, k.throttledOut(t)
	}
	for _, s := range []error{stream.NoRows, stream.PastEnd, stream.SkipParent, stream.Restart} {
		if errors.Is(err, s) {
			return nil, s
		}
	}
	if k.verdict != nil {
		return nil, k.redact(err, maxText) // the source may have quoted the body
	}
	return nil, err
}

// unknownField tells a refusal of a field as any other refusal is told; the names
// are for the engine.
func (k *call) unknownField(u *stream.UnknownField) error {
	told := u.Err
	if told == nil {
		told = k.byDefault()
	}
	if told == nil {
		told = k.refusal(fault.Refused, "deselect the field")
	}
	return &stream.UnknownField{Names: u.Names, Err: k.redact(told, maxText)}
}

// byDefault judges an answer by its status.
func (k *call) byDefault() error {
	switch st := k.answer.Status; {
	case k.stayAway > 0:
		return k.quota(k.stayAway)
	case st == http.StatusNoContent, st == http.StatusNotModified && k.conditional():
		return stream.NoRows
	case st == http.StatusPartialContent, st == http.StatusNotModified:
		// Rows that are kept back must not pass for rows that are not there.
		return k.refusal(fault.Contract, "all of it was asked for, whatever was read before: ask the vendor, or whoever stands between")
	case st >= 200 && st < 300:
		return k.wellFormed()
	case st >= 300 && st < 400:
		return k.redirected()
	case st == http.StatusUnauthorized:
		return k.unauthorized()
	case st == http.StatusPaymentRequired, st == http.StatusForbidden:
		return k.refusal(fault.Permission, "give the account the right to read this, or deselect the stream")
	case st == http.StatusTooManyRequests:
		after, _ := stream.RetryAfter(k.answer.Header, time.Now())
		return k.quota(after)
	case st == http.StatusNotFound:
		return k.refusal(fault.Refused, "check "+k.at.settings()+", and whether the account has this resource")
	case st == http.StatusRequestTimeout, st >= 500:
		return k.refusal(fault.Transient, "the vendor has trouble, run again later: the run resumes from its state")
	case st >= 400:
		return k.refusal(fault.Refused, "the vendor does not take this request: compare its text with "+k.doc())
	}
	return k.refusal(fault.Contract, "check "+k.at.settings())
}

// conditional tells whether only what changed was asked for.
func (k *call) conditional() bool {
	h := k.sent.Header
	return h.Get("If-Modified-Since") != "" || h.Get("If-None-Match") != ""
}

// unauthorized is a refusal of the credentials that ends the run.
func (k *call) unauthorized() *fault.Error {
	hint := "check " + strings.Join(credentialKeys(k.opt.Source.Auth), ", ") + ": the vendor does not accept the credentials"
	if _, ok := k.opt.Source.Auth.(stream.OAuth); ok {
		// A renewed token was refused, or none could be had.
		hint += "; to sign in again: " + auth.SignInCommand(k.opt.Source.Name)
	}
	f := k.refusal(fault.Auth, hint)
	f.Whole = true
	return f
}

// refusal is an answer that is an error, with the vendor's own words.
func (k *call) refusal(kind fault.Kind, hint string) *fault.Error {
	st := k.answer.Status
	msg := strings.TrimSpace(fmt.Sprintf("%s %s answered %d %s", k.method, k.address, st, http.StatusText(st)))
	if words := k.red.text(vendorText(k.answer.Body), maxText); words != "" {
		msg += ": " + words
	}
	return k.fault(kind, msg+k.tries(), hint)
}

// quota is the end of a run that was asked to stay away.
func (k *call) quota(after time.Duration) *fault.Error {
	hint := "run again later, the run resumes from its state"
	if after > 0 {
		hint = "run again " + comeBack(after) + ", the run resumes from its state"
	}
	f := k.refusal(fault.Quota, hint)
	f.Whole = true
	f.RetryAfter = after
	if after > k.opt.RetryAfterCap {
		f.Err = fmt.Errorf("%w; the vendor asks to come back %s, which is not waited for", f.Err, comeBack(after))
	}
	return f
}

// throttledOut is the end of a run that was asked again and again for fewer
// requests.
func (k *call) throttledOut(t *stream.Throttled) *fault.Error {
	after, _ := stream.RetryAfter(k.answer.Header, time.Now())
	f := k.quota(max(after, t.After, k.stayAway))
	if t.Err != nil {
		f.Err = errors.New(f.Err.Error() + ": " + k.red.text(t.Err.Error(), maxText))
	}
	return f
}

func comeBack(after time.Duration) string {
	if after > 100*365*24*time.Hour {
		return "in more than a hundred years"
	}
	return "after " + time.Now().Add(after).UTC().Round(time.Second).Format(time.RFC3339)
}

// redirected is a 3xx: never followed, for credentials would go along. Only
// the host is told, links may carry secrets.
func (k *call) redirected() *fault.Error {
	target := "nowhere"
	if loc := k.answer.Header.Get("Location"); loc != "" {
		target = "an address that cannot be read"
		if u, err := k.url.Parse(loc); err == nil && u.Host != "" {
			target = "host " + u.Host
		}
	}
	st := k.answer.Status
	return k.fault(fault.Contract,
		fmt.Sprintf("%s %s redirects (%d) to %s%s", k.method, k.address, st, target, k.tries()),
		"redirects are not followed; often they lead to a login page: check "+k.at.settings())
}

// wellFormed refuses what cannot be JSON at a glance; reading it is not the
// business of this package.
func (k *call) wellFormed() error {
	what := broken(k.answer)
	if what == "" {
		what = notJSON(k.answer.Body)
	}
	if what == "" {
		return nil
	}
	wanted := "JSON"
	if k.answer.File != nil {
		wanted = "a file"
	}
	return k.fault(fault.Contract,
		fmt.Sprintf("%s in place of %s from %s %s%s", what, wanted, k.method, k.address, k.tries()),
		"the base URL is "+k.red.Redact(k.at.String())+": check "+k.at.settings())
}

// What another attempt may mend.
const (
	noBody = "an empty body"
	cutOff = "a body that was cut off"
)

// broken tells a 200 without a body, and a 2xx whose end is missing.
func broken(a *stream.Response) string {
	b := bytes.TrimSpace(a.Body)
	switch {
	case a.File != nil && a.File.Size() > 0:
		return "" // what is in it is for the engine to see
	case a.Status < 200 || a.Status > 299:
	case len(b) == 0 && a.Status == http.StatusOK:
		return noBody
	case len(b) == 0:
	case b[0] == '{' && b[len(b)-1] != '}', b[0] == '[' && b[len(b)-1] != ']':
		return cutOff
	}
	return ""
}

func notJSON(body []byte) string {
	b := bytes.TrimSpace(body)
	switch {
	case len(b) == 0 || strings.IndexByte(`{["-0123456789tfn`, b[0]) >= 0:
		return ""
	case b[0] == '<' && !bytes.HasPrefix(b, []byte("<?xml")):
		return "HTML"
	case b[0] == '<':
		return "XML"
	}
	return "something else"
}

// failure is the fault of a request without an answer.
func (k *call) failure(err error) error {
	host := k.url.Host
	check := "check " + strings.Join(k.at.keys, ", ")
	where := k.method + " " + k.address
	switch {
	case fault.As(err) != nil:
		return k.redact(err, maxMessage)
	case errors.Is(err, errTimeout):
		f := k.fault(fault.Transient, fmt.Sprintf("%s: no whole answer within %s%s", where, k.opt.Timeout, k.tries()),
			"raise request_timeout, or ask for less at a time (date_window_size, page_size)")
		f.Err = late{f.Err}
		return f
	case untrusted(err):
		f := k.fault(fault.Config, where+": "+bare(err), "the identity of "+host+" could not be verified: "+check+", the proxy and this machine's certificates")
		f.Whole = true
		return f
	}
	if notHTTP(err) {
		return k.fault(fault.Contract, where+": "+bare(err)+k.tries(), "what answers at "+host+" does not keep to HTTP: "+check+", the proxy and the network")
	}
	hint := "the connection to " + host + " broke, run again later: the run resumes from its state"
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		hint = "the host " + host + " was not found: " + check + " and the network"
		if dns.Name != "" && !strings.EqualFold(dns.Name, k.url.Hostname()) {
			hint = "the host " + dns.Name + " was not found: check the proxy" // asked on our behalf
		}
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		hint = "nothing answers at " + host + ": " + check + ", the proxy and the network"
	}
	return k.fault(fault.Transient, where+": "+bare(err)+k.tries(), hint)
}

// notHTTP tells an answer that could be read, and was none, from one that was cut
// off. Of most of what net/http finds there is the text alone.
func notHTTP(err error) bool {
	if _, ok := errors.AsType[flate.CorruptInputError](err); ok || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return true
	}
	text := err.Error()
	return slices.ContainsFunc([]string{
		"malformed HTTP", "malformed MIME header", "Content-Length", "chunk", "trailer", "transfer encoding",
		"response headers exceeded", "response header list larger",
	}, func(s string) bool { return strings.Contains(text, s) })
}

// late is the text of an attempt's end that tells what it was.
type late struct{ error }

// Is tells that no answer came in time.
func (late) Is(target error) bool { return target == stream.Late }

// bare is an error's text without the URL that net/http puts around it.
func bare(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return err.Error()
}

// tooLarge refuses a body over the limit.
func (k *call) tooLarge(resp *http.Response, most int64) error {
	size := ""
	if resp.ContentLength > 0 {
		size = " (" + strconv.FormatInt(resp.ContentLength, 10) + " bytes)"
	}
	limit := strconv.FormatInt(most, 10) + " bytes"
	if most%(1<<20) == 0 {
		limit = strconv.FormatInt(most>>20, 10) + " MiB"
	}
	f := k.fault(fault.Contract,
		fmt.Sprintf("%s %s: the body%s is over the limit of %s", k.method, k.address, size, limit),
		"raise max_response_mb, or ask for less at a time (date_window_size)")
	f.Status = resp.StatusCode
	return f
}

// tries tells how often the request was sent, if more than once.
func (k *call) tries() string {
	if k.attempts < 2 {
		return ""
	}
	return " (" + strconv.Itoa(k.attempts) + " attempts)"
}

func (k *call) doc() string {
	if k.opt.Source.Doc != "" {
		return k.opt.Source.Doc
	}
	return "the vendor's documentation"
}

// credentialKeys names the config keys behind a.
func credentialKeys(a stream.Auth) []string {
	switch a := a.(type) {
	case stream.HeaderAuth:
		return append([]string{a.Key}, a.Account...)
	case stream.BasicAuth:
		keys := []string{a.User, a.Password}
		if a.BodyKey != "" {
			keys = append(keys, a.BodyKey)
		}
		return keys
	case stream.OAuth:
		return []string{a.ClientID, a.ClientSecret, a.RefreshToken}
	}
	return []string{"the credentials"}
}
