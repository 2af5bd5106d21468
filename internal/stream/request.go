package stream

import (
	"errors"
	"io"
)

// In says where a parameter is sent.
type In int

// The places. ByMethod means the query string of a GET and the JSON body of a
// POST.
const (
	ByMethod In = iota
	InQuery
	InBody
	InHeader
	InForm // the body is application/x-www-form-urlencoded, as token endpoints want it
)

// Param is one named parameter, placeholder or member.
type Param struct {
	Name  string
	Value string
	In    In
	// Raw: in a JSON body Value is a literal, not text.
	Raw bool
}

// Request is one call. URL is a path below the source's base, a path that
// starts with a slash (below the origin), or absolute as a vendor's next link.
type Request struct {
	Method string
	URL    string
	Params []Param
	// Lane and Resource name the budgets that this call counts against.
	Lane     string
	Resource string
	// Cost is how many credits the call takes, where the vendor counts them; 0
	// means 1.
	Cost int
	// Brief: an answer that does not come in time is not waited for again, for
	// whoever asks can ask for less; see Late.
	Brief bool
	// MaxBody refuses a larger answer with TooLarge; 0 leaves it to the
	// client's own limit.
	MaxBody int64
	// File wants the body of a success as a file, see Response; it may be 16
	// times as large as one that is held in memory. An error's is a Body as ever.
	File bool
}

// File is a body on disk.
type File interface {
	io.ReaderAt
	Size() int64
}

// Response is an answer whose body was read whole within the attempt.
type Response struct {
	Status int
	Header Header
	Body   []byte
	// File is the body where the request wants a file, in place of Body; nil
	// elsewhere. Release closes it.
	File File
	// URL is the address that answered, redacted, for messages.
	URL string
	// Release gives Body back for reuse; nil where nobody wants it. Neither
	// Body nor anything that points into it, nor File, may be used afterwards.
	Release func()
}

// UnknownField is the refusal of a request that asks for a field which the
// vendor does not know.
type UnknownField struct {
	Names []string // what the vendor quotes: the field among them
	Err   error    // the refusal as it is told, once it has been redacted
}

// Error tells the refusal.
func (e *UnknownField) Error() string {
	if e.Err == nil {
		return "the vendor does not know a field that was asked for"
	}
	return e.Err.Error()
}

// Unwrap returns the refusal.
func (e *UnknownField) Unwrap() error { return e.Err }

// TooMany is, inside the fault of a refusal, that of a request with more ids than
// the vendor takes at once.
type TooMany struct {
	Limit int // as many are taken
	Err   error
}

// Error tells the refusal.
func (e *TooMany) Error() string { return e.Err.Error() }

// Unwrap returns the refusal.
func (e *TooMany) Unwrap() error { return e.Err }

// What Classify may answer beside faults.
var (
	// Accept takes the answer as it is, whatever its status.
	Accept = errors.New("accepted")
	// NoRows is an answer that says in its own way that there is nothing.
	NoRows = errors.New("no rows")
	// PastEnd is the refusal of a page beyond the last one: rows moved while
	// the pages were read.
	PastEnd = errors.New("page past the end")
	// Restart is the refusal of a page because its token ran out or has led as
	// far as tokens do: a sorted list is read on from the last value.
	Restart = errors.New("the pages must begin anew")
	// TooLarge is an answer beyond the request's MaxBody.
	TooLarge = errors.New("the answer is larger than was asked for")
	// Late is an answer that did not come in time: nobody but whoever asked knows
	// whether less would.
	Late = errors.New("no answer in time")
	// Stale is a refusal because the credentials ran out: where they can be
	// renewed, they are, and the request is sent once more. Without a verdict
	// that is what a 401 means.
	Stale = errors.New("the credentials ran out")
	// SkipParent is the refusal of the children of one parent row; the other
	// parents are read on.
	SkipParent = errors.New("this parent's children cannot be read")
)
