package buchhaltungsbutler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// The codes that mean the same everywhere (DOC), and some that do not.
const (
	codeFailed     = 0
	codePair       = 3
	codeTenant     = 4
	codeInactive   = 11
	codeRestricted = 15

	codeNoReceipt  = 5 // of a receipt by its number: bad, or not there
	codeNotThere   = 6 // of a transaction, and of both in the assigned lists
	codeNoAccount  = 16
	codeReplaced   = 7
	codeUnfinished = 8
	codeBusy       = 12
)

// classify tells the vendor's refusals apart, by status, path and code: the texts
// differ from those of the specification (CLIENT DM).
func classify(r *stream.Response) error {
	body := bytes.TrimSpace(r.Body)
	switch {
	case r.Status == http.StatusTooManyRequests:
		return throttled(r)
	case r.Status == http.StatusNotFound && bytes.HasPrefix(body, []byte("<")):
		// CLIENT (DM, CK): the web app's page for a path that leads nowhere.
		return &fault.Error{
			Kind: fault.Contract, Status: r.Status, Err: errors.New("a web page in place of " + r.URL),
			Hint: "check api_url; if it is the service's own, the service has changed",
		}
	}
	code, words, failed := refusal(body)
	if !failed {
		return nil
	}
	switch {
	case r.Status == http.StatusUnauthorized && code == codePair:
		return &fault.Error{
			Kind: fault.Auth, Status: r.Status, Whole: true, Err: errors.New("the service does not know this api_client with this api_secret: " + words),
			Hint: "compare them with Einstellungen > Schnittstellen in BuchhaltungsButler",
		}
	case r.Status == http.StatusUnauthorized && code == codeTenant:
		// CLIENT (SI): also of one path alone, which the pair may not ask.
		return &fault.Error{
			Kind: fault.Permission, Status: r.Status, Err: fmt.Errorf("the pair may not ask %s for this api_key: %s", r.URL, words),
			Hint: "check api_key; if other streams can be read, deselect this one",
		}
	case r.Status == http.StatusForbidden && code == codeInactive:
		return &fault.Error{
			Kind: fault.Auth, Status: r.Status, Whole: true, Err: errors.New("the account is not active: " + words),
			Hint: "activate it in BuchhaltungsButler, or use another api_key",
		}
	case r.Status == http.StatusForbidden && code == codeRestricted:
		// DOC, for writing; that reading is throttled so too is GUESS. With another
		// status the code means something else.
		return throttled(r)
	case r.Status == http.StatusInternalServerError && code == codeFailed:
		return &fault.Error{
			Kind: fault.Transient, Status: r.Status, Err: fmt.Errorf("%s failed: %s", r.URL, words),
			Hint: "the service has trouble, run again later: the run resumes from its state",
		}
	case r.Status == http.StatusBadRequest:
		return bad(path(r), code)
	case r.Status < http.StatusMultipleChoices: // CLIENT: to be checked on 200 too
		return &fault.Error{
			Kind: fault.Refused, Status: r.Status, Err: fmt.Errorf("%s says that it failed, with code %d: %s", r.URL, code, words),
			Hint: "compare the code with " + doc,
		}
	}
	return nil
}

// bad tells what a code means on a path.
func bad(path string, code int) error {
	report := slices.Contains([]string{"reports/get/sums", "reports/get/bwa"}, path)
	switch {
	case strings.HasPrefix(path, "receipts/get/") && code == codeNoReceipt,
		strings.HasPrefix(path, "transactions/get/") && code == codeNotThere,
		strings.Contains(path, "/assigned-") && code == codeNotThere,
		path == "reports/get/sums/ledger" && code == codeNoAccount:
		return stream.SkipParent // it went meanwhile
	case report && code == codeUnfinished, strings.HasPrefix(path, "reports/create/") && code == codeBusy:
		return stream.Accept // a wait state, see Poll
	case report && code == codeReplaced:
		return &fault.Error{
			Kind: fault.Transient, Status: http.StatusBadRequest, Err: errors.New("the report was replaced by another one before it could be read"),
			Hint: "somebody else makes reports with this API at the same time; run again",
		}
	}
	return nil
}

// path is what stands below the root.
func path(r *stream.Response) string {
	p, _, _ := strings.Cut(r.URL, "?")
	_, p, _ = strings.Cut(p, "/api/v1/")
	return p
}

// throttled: nobody has seen the answer to one call too many (GUESS: 429, or 403
// with a code); no answer tells how long to wait (CLIENT DM 3.3).
func throttled(r *stream.Response) error {
	t := &stream.Throttled{Err: errors.New("100 calls of the company in a minute are spent, all its programs together")}
	if r.Header.Get("Retry-After") == "" {
		t.After = time.Minute
	}
	return t
}

// refusal reads the envelope of an answer, false for a good one.
func refusal(body []byte) (code int, words string, failed bool) {
	if !saysNo(body) {
		return 0, "", false
	}
	var told struct {
		Code    json.Number `json:"error_code"`
		Message string      `json:"message"`
	}
	code = -1
	if stream.Unmarshal(body, &told) == nil {
		if n, err := told.Code.Int64(); err == nil {
			code = int(n)
		}
	}
	return code, told.Message, true
}

// saysNo tells whether success is false, in whatever form and place; in a good
// answer it stands before the rows, so that those are not looked at.
func saysNo(body []byte) bool {
	for m := jsonspan.NewMembers(body, 0); m.Next(); {
		if m.Named("success") {
			word := string(bytes.Trim(m.Value(), `"`))
			return word == "false" || word == "0"
		}
	}
	return false
}
