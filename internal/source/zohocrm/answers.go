package zohocrm

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
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
	Details json.RawMessage // an object as a rule
	Data    []struct{ Code, Message string }
}

func refused(r *stream.Response) refusal {
	var e refusal
	if stream.Unmarshal(r.Body, &e) != nil {
		return refusal{}
	}
	if e.Code == "" && len(e.Data) > 0 {
		e.Code, e.Message = e.Data[0].Code, e.Data[0].Message
	}
	return e
}

// errThrottled: the vendor does not tell its limits apart. DOC (api-limits).
var errThrottled = errors.New("credits or concurrency exhausted: the API credits of 24 hours are used up, or too many calls ran at once")

// after is details.retry_after, seconds, as the newest specification of __apis
// has it (OAS).
func (e *refusal) after() time.Duration {
	var d struct {
		RetryAfter json.RawMessage `json:"retry_after"`
	}
	if json.Unmarshal(e.Details, &d) != nil {
		return 0
	}
	s, err := strconv.ParseFloat(strings.Trim(string(d.RetryAfter), `"`), 64)
	if err != nil || !(s > 0) {
		return 0
	}
	const longest = 10 * 24 * time.Hour // beyond any that is waited for
	return time.Duration(min(s, longest.Seconds()) * float64(time.Second))
}

// classify tells the vendor's refusals apart by their code.
func classify(r *stream.Response) error {
	if r.Status < 400 || r.Status >= 500 {
		return nil
	}
	e := refused(r)
	if e.Code == "LIMIT_REACHED" && strings.HasSuffix(r.URL, "/actions/count") {
		return nil // of a search's rows, DOC (OAS); a count is an estimate and may fail
	}
	switch e.Code {
	case "INVALID_TOKEN", "AUTHENTICATION_FAILURE":
		return stream.Stale
	case "PAGINATION_LIMIT_EXCEEDED", "EXPIRED_VALUE": // 100,000 rows by one chain of tokens, which live a day
		return stream.Restart
	case "OAUTH_SCOPE_MISMATCH":
		return permission(r, e, "sign in again with the scopes that the stream needs: tap-backoffice auth zoho_crm --config FILE")
	case "TOO_MANY_REQUESTS", "RATE_LIMIT_EXCEEDED", "LIMIT_REACHED":
		return &stream.Throttled{After: e.after(), Err: errThrottled}
	}
	if e.Code == "INVALID_DATA" && strings.HasSuffix(r.URL, "/settings/pipeline") {
		return stream.NoRows // only the layouts of Deals have pipelines, and a layout does not tell its module
	}
	if e.Code == "INVALID_DATA" {
		if field := e.field(); field != "" { // GUESS: unknown names may be ignored or refused
			return &stream.UnknownField{Names: []string{field}}
		}
	}
	if (e.Code == "INVALID_DATA" || e.Code == "RESOURCE_NOT_FOUND") && aRecord.MatchString(r.URL) {
		return stream.NoRows // GUESS: the id of a record that is gone; 204 is as good
	}
	if e.Code == "INVALID_DATA" && onRecord.MatchString(r.URL) {
		if e.place() > 1 {
			return permission(r, e, "deselect the stream if no module has this list") // the list, not the record
		}
		return stream.SkipParent // the record went since its module was listed
	}
	if r.Status == http.StatusForbidden || slices.Contains(absent, e.Code) {
		if ofModule.MatchString(r.URL) {
			return stream.SkipParent // metadata of one module among all
		}
		return permission(r, e, "give the user the right in Zoho, or deselect the stream")
	}
	if e.Code != "" && (r.Status == http.StatusBadRequest || r.Status == http.StatusNotFound) {
		return rejected(r, &e)
	}
	return nil
}

// rejected is a refusal that the engine has no use for, with what a person needs of it.
func rejected(r *stream.Response, e *refusal) error {
	var d struct {
		Param     string `json:"param_name"`
		Limit     json.Number
		Supported json.RawMessage `json:"supported_values"`
	}
	_ = json.Unmarshal(e.Details, &d) // what cannot be read is not told
	text := []string{fmt.Sprintf("%s answered %d %s: %s%s", r.URL, r.Status, http.StatusText(r.Status), e.Code, words(*e))}
	for _, detail := range [][2]string{{"param_name", d.Param}, {"limit", d.Limit.String()}, {"supported_values", string(d.Supported)}} {
		if detail[1] != "" {
			text = append(text, detail[0]+" "+fault.Clip(detail[1], mostTold))
		}
	}
	f := &fault.Error{Kind: fault.Refused, Status: r.Status, Err: errors.New(strings.Join(text, ", ")), Hint: "the vendor does not take this request: compare its code with " + doc + "status-codes.html"}
	if r.Status == http.StatusNotFound {
		f.Hint = "check api_url and region, and whether the account has this resource"
	}
	if n, err := d.Limit.Int64(); err == nil && d.Param == idsParam && n > 0 && n < maxIDs { // how many ids a call takes is GUESS
		f.Err = &stream.TooMany{Limit: int(n), Err: f.Err}
	}
	return f
}

// onRecord are lists that hang on one record.
var onRecord = regexp.MustCompile(`/[0-9]+/(__timeline|Attachments|Emails|Contact_Roles)(\?|$)`)

// aRecord is one record by its id.
var aRecord = regexp.MustCompile(`/crm/v8/[^/]+/[0-9]+(\?|$)`)

// place is the part of the path that a refusal speaks of, from 0. DOC.
func (e *refusal) place() int {
	var d struct {
		Index int `json:"resource_path_index"`
	}
	if json.Unmarshal(e.Details, &d) != nil {
		return 0
	}
	return d.Index
}

// field is the one among the fields asked for that is refused, "" where it is
// something else.
func (e *refusal) field() string {
	var d struct {
		Param string `json:"param_name"`
		Field string
	}
	if json.Unmarshal(e.Details, &d) != nil || d.Param != "fields" {
		return ""
	}
	return d.Field
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
	if err := stream.Unmarshal(r.Body, &a); err != nil || a.Token != "" {
		return nil //nolint:nilerr // left to the rules of OAuth
	}
	if strings.EqualFold(a.Error, "Access Denied") || a.Status == "failure" {
		return &fault.Error{
			Kind: fault.Quota, Whole: true, RetryAfter: 30 * time.Minute, Status: r.Status,
			Err:  errors.New("the vendor gives no more access tokens for now: at most ten in ten minutes"),
			Hint: "run again in half an hour; do not give one refresh token to many programs",
		}
	}
	switch a.Error {
	case "invalid_client":
		return tokenFault(r, "the vendor does not know this client (invalid_client): its ID is wrong, or it belongs to another data centre",
			"check client_id, and region or accounts_url: a client is known at its own data centre only")
	case "invalid_client_secret":
		return tokenFault(r, "the vendor does not take the client secret (invalid_client_secret)", "check client_secret: it is that of the client at this data centre")
	case "invalid_code":
		return tokenFault(r, "the vendor does not take the refresh token or the code (invalid_code): it is wrong, revoked or too old, or it belongs to another data centre than region says", "")
	}
	return nil
}

// tokenFault is a refusal of the token endpoint; without a hint a person has to
// sign in again.
func tokenFault(r *stream.Response, what, hint string) error {
	return &fault.Error{Kind: fault.Auth, Whole: true, Status: r.Status, Err: errors.New(what), Hint: hint}
}

// share checks a percentage.
func share(v string) error {
	if n, err := strconv.ParseFloat(v, 64); err != nil || !(n >= 0 && n <= 99) {
		return errShare
	}
	return nil
}

// edition is what an account has bought.
type edition struct {
	base, user float64 // credits of 24 hours, and those of each user
	most       float64
}

// editions by paid_type and trial_type of the org. DOC (api-limits).
var editions = map[string]edition{
	"free":         {5_000, 0, 5_000},
	"standard":     {50_000, 250, 100_000},
	"professional": {50_000, 500, 3_000_000},
	"enterprise":   {50_000, 1_000, 5_000_000},
	"zohoone":      {50_000, 1_000, 5_000_000},
	"ultimate":     {50_000, 2_000, math.Inf(1)},
}

// mostCredits is the greatest maximum that the vendor names; that of Ultimate
// has none.
const mostCredits = 5_000_000

// mostUsers is beyond what any account has paid for.
const mostUsers = 1e7

// creditsOf reads the org: how many credits it has in 24 hours. An account on
// trial has those of the edition it tries (GUESS), so the greater counts. What is
// not told is taken to be the most.
func creditsOf(r *stream.Response) (total float64, doubt string) {
	var a struct {
		Org []struct {
			License struct {
				Users     float64 `json:"users_license_purchased"`
				PaidType  string  `json:"paid_type"`
				TrialType string  `json:"trial_type"`
			} `json:"license_details"`
		}
	}
	const unread = "the account's edition cannot be read (does the sign-in have the scope ZohoCRM.org.READ?)"
	if r == nil || stream.Unmarshal(r.Body, &a) != nil || len(a.Org) == 0 {
		return mostCredits, unread
	}
	l := a.Org[0].License
	for _, name := range []string{l.PaidType, l.TrialType} {
		if name == "" {
			continue
		}
		e, ok := editions[plainName(name)]
		if !ok {
			doubt = "the edition " + strconv.Quote(name) + " is not known"
			e = editions["ultimate"]
		}
		n := e.base + e.user*l.Users
		if e.user > 0 && !(l.Users > 0 && l.Users < mostUsers) {
			doubt = "the account does not tell how many users it has paid for"
			n = e.most
		}
		total = max(total, min(n, e.most))
	}
	if total == 0 {
		return mostCredits, unread
	}
	if math.IsInf(total, 1) {
		total = mostCredits
	}
	return total, doubt
}

// plainName is an edition's name without what texts spell in many ways.
func plainName(name string) string {
	return strings.Map(func(c rune) rune {
		if c < 'a' || c > 'z' {
			return -1
		}
		return c
	}, strings.ToLower(name))
}
