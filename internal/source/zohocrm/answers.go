package zohocrm

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// refusal is the vendor's envelope of an error. Some come inside of data. DOC.
type refusal struct {
	Code    string
	Message string
	Details struct {
		RetryAfter json.Number `json:"retry_after"`
	}
	Data []struct{ Code, Message string }
}

func refused(r *stream.Response) refusal {
	var e refusal
	if json.Unmarshal(r.Body, &e) != nil {
		return refusal{}
	}
	if e.Code == "" && len(e.Data) > 0 {
		e.Code, e.Message = e.Data[0].Code, e.Data[0].Message
	}
	return e
}

// classify tells the vendor's refusals apart by their code.
func classify(r *stream.Response) error {
	if r.Status < 400 || r.Status >= 500 {
		return nil
	}
	e := refused(r)
	switch e.Code {
	case "INVALID_TOKEN", "AUTHENTICATION_FAILURE":
		return stream.Stale
	case "OAUTH_SCOPE_MISMATCH":
		return permission(r, e, "sign in again with the scopes that the stream needs: tap-backoffice auth zoho_crm --config FILE")
	case "TOO_MANY_REQUESTS":
		return nil // by its status
	case "RATE_LIMIT_EXCEEDED", "LIMIT_REACHED":
		after, _ := strconv.ParseFloat(e.Details.RetryAfter.String(), 64)
		return &fault.Error{
			Kind: fault.Transient, Status: r.Status, RetryAfter: time.Duration(after * float64(time.Second)),
			Err: errors.New("the vendor answered " + e.Code + words(e)), Hint: "run again later, the run resumes from its state",
		}
	}
	if e.Code == "INVALID_DATA" && strings.HasSuffix(r.URL, "/settings/pipeline") {
		return stream.NoRows // only the layouts of Deals have pipelines, and a layout does not tell its module
	}
	if r.Status == http.StatusForbidden || slices.Contains(absent, e.Code) {
		if ofModule.MatchString(r.URL) {
			return stream.SkipParent // metadata of one module among all
		}
		return permission(r, e, "give the user the right in Zoho, or deselect the stream")
	}
	return nil
}

var ofModule = regexp.MustCompile(`/settings/(fields|layouts|related_lists|custom_views|tags|pipeline)(\?|$)`)

// absent are refusals of what the account does not have or the user may not
// read. DOC, CLIENT (TAP).
var absent = []string{"INVALID_MODULE", "FEATURE_NOT_ENABLED", "AUTHORIZATION_FAILED", "NO_PERMISSION", "FEATURE_NOT_SUPPORTED", "API_NOT_SUPPORTED"}

func permission(r *stream.Response, e refusal, hint string) error {
	return &fault.Error{
		Kind: fault.Permission, Status: r.Status,
		Err: errors.New("the vendor does not let " + r.URL + " be read: " + e.Code + words(e)), Hint: hint,
	}
}

func words(e refusal) string {
	if e.Message == "" {
		return ""
	}
	return " (" + e.Message + ")"
}

// judgeToken judges answers of the token endpoint, whose errors may come with
// 200. CLIENT (TAP), DOC (Kaizen 43): the throttle says Access Denied and
// failure, on cn in Chinese.
func judgeToken(r *stream.Response) error {
	var a struct {
		Token       string `json:"access_token"`
		Error       string
		Description string `json:"error_description"`
		Status      string
	}
	if err := json.Unmarshal(r.Body, &a); err != nil || a.Token != "" {
		return nil //nolint:nilerr // left to the rules of OAuth
	}
	if strings.EqualFold(a.Error, "Access Denied") || a.Status == "failure" {
		return &fault.Error{
			Kind: fault.Quota, Whole: true, RetryAfter: 30 * time.Minute, Status: r.Status,
			Err:  errors.New("the vendor gives no more access tokens for now: at most ten in ten minutes"),
			Hint: "run again in half an hour; do not give one refresh token to many programs",
		}
	}
	return nil
}

// share checks a percentage.
func share(v string) error {
	if n, err := strconv.ParseFloat(v, 64); err != nil || !(n >= 0 && n <= 99) {
		return errShare
	}
	return nil
}
