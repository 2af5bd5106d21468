// Package fault owns the one error type that crosses packages: what failed,
// where, why, and what to do next, and how foreign text is cut for it. It knows
// nothing of exit codes (package cli maps kinds to them in one switch) and must
// never be handed a secret: whoever builds an error redacts first.
package fault

import (
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Kind says who has to act on an error. The set is closed.
type Kind int

// The kinds, in the order in which a person would ask.
const (
	Internal   Kind = iota // a defect of ours
	Config                 // the config, the command line or the catalog is wrong
	State                  // the state file is wrong
	Auth                   // the vendor refused the credentials, or sign-in is needed
	Permission             // the account may not read this stream
	Quota                  // a quota or a time limit is spent: come back later
	Transient              // retries did not help, another run may
	Contract               // the vendor broke its own shape
	Refused                // the vendor refused the request itself, asking again is no use
	Output                 // stdout is closed or refuses writes
)

var kindNames = [...]string{"internal", "config", "state", "auth", "permission", "quota", "transient", "contract", "refused", "output"}

// String returns the kind in lower case, as the last log line carries it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// Error is a failure with its place and its remedy.
type Error struct {
	Kind   Kind
	Source string // source name, "" before one is chosen
	Stream string // stream name, "" when the whole run is meant
	Op     string // what we were doing, lower case: "page 7", "read config"
	Status int    // HTTP status, 0 when there was none
	Hint   string // the next action, a sentence without a full stop
	// RetryAfter is how long the vendor asked us to stay away, 0 when it did not say.
	RetryAfter time.Duration
	// Whole marks a failure that ends the run, not only its stream: the quota
	// of the account, refused credentials.
	Whole bool
	// Partition marks a failure that concerns everything of one partition: a
	// division to which the user has no access.
	Partition bool
	Err       error // the cause, already redacted
}

// Error renders one line: source: stream: op: cause. The hint is not part of
// it; the reader's line adds it after the message.
func (e *Error) Error() string {
	var b strings.Builder
	for _, part := range []string{e.Source, e.Stream, e.Op} {
		if part != "" {
			if b.Len() > 0 {
				b.WriteString(": ")
			}
			b.WriteString(part)
		}
	}
	if e.Err != nil {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New builds an error of kind k from a plain message.
func New(k Kind, msg, hint string) *Error {
	return &Error{Kind: k, Hint: hint, Err: errors.New(msg)}
}

// As returns the first *Error in err's chain, or nil.
func As(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return nil
}

// KindOf returns the kind of the first *Error in err's chain; an error without
// one is Internal.
func KindOf(err error) Kind {
	if e := As(err); e != nil {
		return e.Kind
	}
	return Internal
}

// Clip keeps a text of a vendor's or a user's short, which a message shows: at most
// so many bytes, cut at a character, … for the rest.
func Clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := max(most-len("…"), 0)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
