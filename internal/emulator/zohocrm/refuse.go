package zohocrm

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/zohocrm/data"
)

// object is the details of a refusal.
type object = map[string]any

func jsonHeader() http.Header { return http.Header{"Content-Type": {"application/json;charset=UTF-8"}} }

// refusal words an error in the envelope of the service.
func refusal(status int, code, message string, details object) emulator.Answer {
	e := &data.Error{Status: status, Code: code, Message: message}
	if details != nil {
		e.Details = details
	}
	return worded(e)
}

func worded(e *data.Error) emulator.Answer {
	return emulator.Answer{Status: e.Status, Header: jsonHeader(), Body: e.JSON()}
}

// noSuchPath is what an unknown path gets (DOC: the code).
func noSuchPath() emulator.Answer {
	return refusal(http.StatusNotFound, "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one", nil)
}

func wrongVerb() emulator.Answer {
	return refusal(http.StatusBadRequest, "INVALID_REQUEST_METHOD", "The http request method type is not a valid one", nil)
}

func invalidToken() emulator.Answer {
	return refusal(http.StatusUnauthorized, "INVALID_TOKEN", "invalid oauth token", nil)
}

// Refuse words what the service words. A Retry-After is what a proxy would
// send with a 429: the vendor documents none.
func (s *Service) Refuse(status int, wait time.Duration) emulator.Answer {
	switch status {
	case http.StatusUnauthorized:
		return invalidToken()
	case http.StatusForbidden:
		return noPermission(status, "Modules")
	case http.StatusTooManyRequests:
		a := s.tooMany(unknown)
		a.Header.Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
		return a
	}
	return noSuchPath()
}

// tooMany is a 429, for credits, calls in flight and downloads alike: they are
// not told apart, and there is no Retry-After (DOC). Other codes and seconds in
// details stand in newer specifications.
func (s *Service) tooMany(resource string) emulator.Answer {
	code := "TOO_MANY_REQUESTS"
	switch {
	case s.env.Share("rate-limit-exceeded", resource, 1) > 0:
		code = "RATE_LIMIT_EXCEEDED"
	case s.env.Share("limit-reached", resource, 1) > 0:
		code = "LIMIT_REACHED"
	}
	var details object
	if s.env.Share("retry-after", resource, 1) > 0 {
		details = object{"retry_after": 7}
	}
	return refusal(http.StatusTooManyRequests, code, "rate limit exceeded, try again later", details)
}

func noPermission(status int, what string) emulator.Answer {
	return refusal(status, "NO_PERMISSION", "permission denied", object{"permissions": []string{"Crm_Implied_View_" + what}})
}

// authenticate checks the access token. GUESS: that nothing at all is
// AUTHENTICATION_FAILURE, and whatever is no good token INVALID_TOKEN.
func (s *Service) authenticate(target string, who session) *emulator.Answer {
	if who.validity == tokenGood && s.env.Fires("stale-token", target) {
		who.validity = tokenExpired
	}
	var a emulator.Answer
	switch who.validity {
	case tokenGood:
		return nil
	case tokenMissing:
		a = refusal(http.StatusUnauthorized, "AUTHENTICATION_FAILURE", "Authentication failed", nil)
	case tokenUnknown, tokenExpired:
		a = invalidToken()
	}
	return &a
}

// barred refuses what the app or the user may not read: by the faults noscope,
// noright (403, DOC), noright-400 (CLIENT [TAP]) and not-admin.
func (s *Service) barred(target, module string) *emulator.Answer {
	if module == "" {
		module, _, _ = strings.Cut(target, "/")
	}
	var a emulator.Answer
	switch {
	case s.env.Share("noscope", target, 1) > 0:
		a = scopeMismatch()
	case s.env.Share("noright", target, 1) > 0:
		a = noPermission(http.StatusForbidden, module)
	case s.env.Share("noright-400", target, 1) > 0:
		a = noPermission(http.StatusBadRequest, module)
	case isNotes(target) && s.env.Share("not-admin", source, 1) > 0: // DOC
		a = refusal(http.StatusForbidden, "NOT_SUPPORTED", "Only users with an administrator profile can read notes", nil)
	default:
		return nil
	}
	return &a
}

// isNotes tells whether a resource is the notes, on their own or of a record.
func isNotes(resource string) bool {
	return resource == "notes" || strings.HasPrefix(resource, "notes/") || strings.HasSuffix(resource, "/Notes")
}

func scopeMismatch() emulator.Answer {
	return refusal(http.StatusUnauthorized, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL", nil)
}

// switchedOff refuses what the org has not switched on (DOC): by the faults
// territories-off and currencies-off.
func (s *Service) switchedOff(resource string) *emulator.Answer {
	stream, _, _ := strings.Cut(resource, "/")
	var a emulator.Answer
	switch stream {
	case "territories", "territory_users", "user_territories":
		if s.env.Share("territories-off", source, 1) == 0 {
			return nil
		}
		a = refusal(http.StatusBadRequest, "FEATURE_NOT_ENABLED", "Territory Management is not enabled", nil)
		if stream != "territories" {
			a = refusal(http.StatusForbidden, "TERRITORY_NOT_ENABLED", "Territory Management is not enabled", nil)
		}
	case "currencies":
		if s.env.Share("currencies-off", source, 1) == 0 {
			return nil
		}
		a = refusal(http.StatusForbidden, "CURRENCIES_NOT_ENABLED", "The multi-currency feature is not enabled", nil)
	default:
		return nil
	}
	return &a
}

// empty tells whether a stream shows no rows, by the fault norows. Modules and
// fields are always there, for without them nothing could be found.
func (s *Service) empty(target string) bool {
	stream, _, _ := strings.Cut(target, "/")
	return stream != "modules" && stream != "fields" && s.env.Share("norows", target, 1) > 0
}

// asJSON is an answer that cannot fail to be made: texts, numbers, lists.
func asJSON(status int, v any) emulator.Answer {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // invariant: only plain values are answered
	}
	return emulator.Answer{Status: status, Header: jsonHeader(), Body: body}
}
