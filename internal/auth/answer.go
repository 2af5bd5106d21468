package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const (
	opToken         = "token request"
	statusThrottled = http.StatusTooManyRequests
	maxWords        = 300
	longestLife     = 10 * 365 * 24 * time.Hour
)

// answer is what the token endpoint grants.
type answer struct {
	access, refresh secret.Text
	lifetime        time.Duration // 0 where it is not told
	members         members
}

// members are an answer's, decoded; numbers stay text.
type members map[string]any

// Format keeps package fmt from printing the tokens.
func (answer) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("token answer ***")) }

// Format keeps package fmt from printing the tokens.
func (members) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("token answer ***")) }

func (m members) text(path ...string) string {
	var at any = map[string]any(m)
	for _, name := range path {
		o, _ := at.(map[string]any)
		at = o[name]
	}
	s, _ := at.(string)
	return s
}

// judge tells what an answer of the token endpoint means: RFC 6749 section 5,
// with success told by the token and never by the status, for there are vendors
// who refuse with 200 (Zoho, DOC Kaizen 43).
func (o *OAuth) judge(resp *stream.Response) (*answer, error) {
	m := decode(resp.Body)
	if m != nil { // so that whatever is said of it is masked
		o.opt.Known(secret.New(m.text("access_token")), secret.New(m.text("refresh_token")))
	}
	if o.rules.Judge != nil {
		if err := o.rules.Judge(resp); err != nil {
			return nil, o.verdict(err)
		}
	}
	code := m.text("error")
	ok := resp.Status >= 200 && resp.Status < 300
	switch {
	case ok && m.text("access_token") != "":
		return o.granted(m)
	case resp.Status == statusThrottled, resp.Status == http.StatusRequestTimeout, resp.Status >= 500:
		return nil, o.lost(resp, m)
	case resp.Status == http.StatusNotFound, resp.Status == http.StatusMethodNotAllowed, resp.Status == http.StatusGone,
		resp.Status >= 300 && resp.Status < 400:
		return nil, o.fault(fault.Config, resp.Status, "there is no token endpoint at "+o.key.tokenURL+words(o, m), "check api_url and the settings that make up the vendor's host")
	case m == nil:
		return nil, o.lost(resp, m)
	case o.tooYoung(resp, code):
		return nil, stream.TooEarly
	case slices.Contains([]string{"invalid_client", "invalid_client_secret"}, code):
		return nil, o.fault(fault.Auth, resp.Status, "the vendor does not know this client"+words(o, m),
			"check "+o.rules.ClientID+" and "+o.rules.ClientSecret+", and that they belong to this country's site of the vendor")
	case ok && code == "":
		return nil, o.lost(resp, m)
	}
	return nil, o.signInAgain(resp.Status, m)
}

// signInAgain says that a person has to sign in again.
func (o *OAuth) signInAgain(status int, m members) error {
	return refusal{o.fault(fault.Auth, status, "the vendor does not take the refresh token"+words(o, m),
		"sign in again: "+SignInCommand(o.key.source))}
}

// tooYoung is a vendor's refusal to replace a token before MinAge: 400
// access_denied, "Rate limit exceeded: access_token not expired", with a header
// Reason. CLIENT (hotgluexyz/tap-exact, TicketSwap/tap-exact,
// websmurf/laravel-exact-online#31).
func (o *OAuth) tooYoung(resp *stream.Response, code string) bool {
	return o.rules.MinAge > 0 &&
		(code == "access_denied" || strings.HasPrefix(resp.Header.Get("Reason"), "TooEarlyToRefreshTokens"))
}

// granted reads a good answer.
func (o *OAuth) granted(m members) (*answer, error) {
	a := &answer{access: secret.New(m.text("access_token")), refresh: secret.New(m.text("refresh_token")), members: m}
	if strings.ContainsFunc(a.access.Reveal(), func(c rune) bool { return unicode.IsControl(c) || c > unicode.MaxASCII }) {
		f := o.fault(fault.Contract, http.StatusOK, "the access token cannot be put into a header", "tell the vendor")
		return nil, f
	}
	a.lifetime = seconds(m["expires_in"])
	if s := seconds(m["expires_in_sec"]); s > 0 {
		a.lifetime = s // then expires_in is in milliseconds, CLIENT (zohocrm-python-sdk)
	}
	return a, nil
}

// seconds reads a number or its text (Exact sends "600").
func seconds(v any) time.Duration {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = strings.TrimSpace(v)
	}
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || !(s > 0) {
		return 0
	}
	if s > longestLife.Seconds() {
		return longestLife
	}
	return time.Duration(s * float64(time.Second))
}

// lost is an answer that is none: another try may bring one.
func (o *OAuth) lost(resp *stream.Response, m members) error {
	kind, what := fault.Transient, "the token endpoint answered "+strconv.Itoa(resp.Status)+" "+http.StatusText(resp.Status)
	switch {
	case m != nil && resp.Status < 300:
		kind, what = fault.Contract, "the token endpoint answered without a token"
	case len(bytes.TrimSpace(resp.Body)) == 0 && resp.Status < 500:
		kind, what = fault.Contract, what+" with an empty body"
	case m == nil && resp.Status < 500 && resp.Status != statusThrottled:
		kind, what = fault.Contract, what+" with something else than JSON"
	}
	f := o.fault(kind, resp.Status, what+words(o, m), "run again later, the run resumes from its state")
	f.Whole = false // so far
	f.RetryAfter, _ = stream.RetryAfter(resp.Header, time.Now())
	return f
}

// verdict makes what the table says fit to be told.
func (o *OAuth) verdict(err error) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	c := *f
	c.Source, c.Whole = o.key.source, c.Kind != fault.Transient
	if c.Err != nil {
		c.Err = errors.New(o.clean(c.Err.Error()))
	}
	if c.Op == "" {
		c.Op = opToken
	}
	if c.Kind == fault.Auth && c.Hint == "" {
		c.Hint = "sign in again: " + SignInCommand(o.key.source)
		return refusal{&c}
	}
	return &c
}

func (o *OAuth) fault(kind fault.Kind, status int, msg, hint string) *fault.Error {
	return &fault.Error{
		Kind: kind, Source: o.key.source, Op: opToken, Status: status, Whole: true,
		Err: errors.New(o.opt.Mask(msg)), Hint: hint,
	}
}

// words are what an error answer says of itself: its code and its description,
// nothing else of the body.
func words(o *OAuth, m members) string {
	var said []string
	for _, s := range []string{m.text("error"), m.text("error_description"), m.text("fault", "faultstring"), m.text("ErrorMessage"), m.text("Message")} {
		if s = o.clean(s); s != "" {
			said = append(said, s)
		}
	}
	if said == nil {
		return ""
	}
	return ": " + strings.Join(said, ": ")
}

// clean makes one short line without credentials of foreign text.
func (o *OAuth) clean(s string) string {
	s = strings.Join(strings.Fields(strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) {
			return ' '
		}
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, o.opt.Mask(s))), " ")
	s = o.opt.Mask(s) // what was taken out may have parted one
	if r := []rune(s); len(r) > maxWords {
		s = string(r[:maxWords]) + "…"
	}
	return s
}

// decode reads a JSON object, nil where the body is none.
func decode(body []byte) members {
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))))
	d.UseNumber()
	var m members
	if d.Decode(&m) != nil {
		return nil
	}
	return m
}

func plural(tries int) string { return strconv.Itoa(tries) + " tries" }
