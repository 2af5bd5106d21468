package exactonline

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// classify tells the vendor's refusals apart.
func classify(r *stream.Response) error {
	body := bytes.TrimSpace(r.Body)
	html := len(body) > 0 && body[0] == '<'
	switch {
	case r.Status == http.StatusUnauthorized:
		return unauthorized(r)
	case signIn(r, body, html):
		return stream.Stale
	case r.Status == http.StatusNoContent && !strings.HasSuffix(path(r), "/SyncTimestamp"):
		// No rows is an empty list (DOC, REC). Nothing at all would pass for one; of
		// where to begin it only tells nothing.
		return contract(r, "holds nothing, not even an empty list")
	case r.Status == http.StatusForbidden:
		return forbidden(r)
	case r.Status == http.StatusBadRequest:
		if names := quoted(body); len(names) > 0 {
			return &stream.UnknownField{Names: names}
		}
	}
	return nil
}

// signIn tells the way to the login page, where a token is not accepted: 302, or
// 200 with the page itself. CLIENT (fretje/exactonline-api-dotnet-client). Other
// redirects say nothing of the token.
func signIn(r *stream.Response, body []byte, html bool) bool {
	switch r.Status {
	case http.StatusOK:
		return html && loginPage.Match(body)
	case http.StatusFound:
		return html && loginPage.Match(body) || loginPath.MatchString(r.Header.Get("Location"))
	}
	return false
}

var (
	loginPage = regexp.MustCompile(`(?i)object moved|<title>[^<]*log ?in`)
	loginPath = regexp.MustCompile(`(?i)login|logon`)
)

func contract(r *stream.Response, what string) *fault.Error {
	return &fault.Error{Kind: fault.Contract, Status: r.Status, Err: errors.New("the answer of " + r.URL + " " + what), Hint: "run again, and report it if it stays"}
}

// unauthorized: a token that ran out says so in a header, URL-encoded (CLIENT
// AB); any other 401 is a lack of rights there (AB drops such streams). Who one
// is may always be asked, so there it is the token.
func unauthorized(r *stream.Response) error {
	told := r.Header.Get("WWW-Authenticate")
	if plain, err := url.QueryUnescape(told); err == nil {
		told = plain
	}
	told = strings.ToLower(told)
	switch {
	case strings.Contains(told, "expired"), strings.Contains(told, "invalid_token"), strings.HasSuffix(path(r), "/current/Me"):
		return stream.Stale
	}
	return &fault.Error{
		Kind: fault.Permission, Status: r.Status, Err: errors.New("the user has no right to read " + r.URL + words(r)),
		Hint: "give the user the right in Exact Online, or deselect the stream",
	}
}

func path(r *stream.Response) string {
	p, _, _ := strings.Cut(r.URL, "?")
	return p
}

// forbidden: the header Reason tells what is closed. DOC (quoted in PQ#451).
func forbidden(r *stream.Response) error {
	reason := r.Header.Get("Reason")
	f := &fault.Error{
		Kind: fault.Permission, Status: r.Status, Err: errors.New("Exact Online does not let " + r.URL + " be read" + words(r)),
		Hint: "grant the app the scope that is named, or the user the right, or deselect the stream",
	}
	switch {
	case hasAny(reason, "NoDivisionAccess", "DivisionBlocked", "LicenseExpired"):
		f.Partition = true
		f.Hint = "allow the division on the consent page (tap-backoffice auth exact_online), or leave it out of divisions"
	case hasAny(reason, "BlockedUser", "InactiveUser", "BlockedCustomer"):
		f.Kind, f.Whole = fault.Auth, true
		f.Hint = "the user or the customer is blocked in Exact Online; sign in as another: tap-backoffice auth exact_online"
	}
	return f
}

func hasAny(s string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
}

// words are the vendor's own, for a message.
func words(r *stream.Response) string {
	var said []string
	if reason := r.Header.Get("Reason"); reason != "" {
		said = append(said, reason)
	}
	if m := message.FindSubmatch(r.Body); m != nil {
		said = append(said, strings.Join(strings.Fields(strings.ReplaceAll(string(m[1]), `\"`, `"`)), " "))
	}
	if len(said) == 0 {
		return ""
	}
	return ": " + strings.Join(said, ": ")
}

// message is the text in {"error":{"code":"","message":{"lang":"","value":"…"}}}.
// CLIENT (exactonline/exactonline-api-ruby-client).
var message = regexp.MustCompile(`"value"\s*:\s*"((?:[^"\\]|\\.)*)"`)

// quoted returns the words in quotes of a 400 that speaks of a property: which
// of them is the field that is not known, the asker knows. The sentence is that
// of WCF services, not seen recorded for Exact (GUESS).
func quoted(body []byte) []string {
	m := message.FindSubmatch(body)
	if len(m) < 2 || !aboutField.Match(m[1]) {
		return nil
	}
	var names []string
	for _, w := range inQuotes.FindAllSubmatch(m[1], -1) {
		names = append(names, string(w[1]))
	}
	return names
}

var (
	aboutField = regexp.MustCompile(`(?i)propert|field|segment|member|select`)
	inQuotes   = regexp.MustCompile(`['"\x60]([A-Za-z_][A-Za-z0-9_]*)\\?['"\x60]`)
)

// deferred tells members that carry nothing but a link to more rows, and what
// goes with a row.
func deferred(name, raw []byte) bool {
	if string(name) == "__deferred" || string(name) == "__metadata" {
		return true
	}
	if len(raw) == 0 || raw[0] != '{' || !bytes.Contains(raw, []byte("__deferred")) {
		return false
	}
	m := jsonspan.NewMembers(raw, 0)
	only := 0
	for m.Next() {
		if !m.Named("__deferred") && !m.Named("__metadata") {
			return false
		}
		only++
	}
	return m.Err() == nil && only > 0
}
