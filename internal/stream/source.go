// Package stream owns the table: what a source is, as Go values. A source
// package returns one Source literal; the engine owns every loop that reads it
// (partitions, windows, pages, retries, bookmarks, emission). A field is data
// unless a vendor fact forces code; each function field is such a hook and
// cites its fact where it is set.
//
// This package does no I/O and must not import the engine, a source, an HTTP
// client (it re-exports the one header type) or cobra.
package stream

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/singer"
)

// Header is an HTTP header, re-exported so that sources need not import net/http.
type Header = http.Header

// Schema is singer's, re-exported for sources whose streams are found at run time.
type Schema = singer.Schema

// Property is singer's, re-exported as Schema is.
type Property = singer.Property

// Source is one back-office system.
type Source struct {
	Name  string // config, folders, state: lower case with underscores
	Title string // for people
	Doc   string // where the vendor documents its API
	// Settings are the config keys besides the common ones.
	Settings []Setting
	// Origin returns the vendor's scheme and host. The config's api_url
	// replaces it; nothing outside of it is ever asked.
	Origin func(Config) string
	// Base is the path of the API root below the origin, with {config_key}
	// placeholders and slashes at both ends.
	Base string
	Auth Auth
	// Limits are the vendor's budgets and our own default pace.
	Limits []Limit
	// Timeout is the default of request_timeout; 0 means 300 s.
	Timeout time.Duration
	// Lookback is the default of lookback.
	Lookback time.Duration
	// Window is the default of date_window_size in days; 0 means that nothing
	// is windowed unless the user asks.
	Window int
	// Zone is the zone of values that carry none; nil means UTC.
	Zone func(Config) *time.Location
	// Instant returns the conversion of a date-time property from the vendor's
	// own form, nil for one in a common form. A Stream's Convert goes first.
	Instant func(c Config, property string) func(dst, raw []byte) ([]byte, bool)
	// Ignore tells members that no schema knows and that are neither emitted
	// nor rescued, by their name and raw value.
	Ignore func(name, raw []byte) bool
	// Open asks, once before a sync or a check, what the account says of itself.
	// What it returns is added to the Config.
	Open func(context.Context, Fetcher, Config) ([]Param, error)
	// Classify judges an answer before the default rules by status do. It
	// returns nil to leave the answer to them, Accept to take it as it is, a
	// sentinel of this package, an *UnknownField or a *fault.Error.
	Classify func(*Response) error
	// Rights builds the question whether the account may read a stream that
	// answered an empty list, which some vendors do in place of a refusal; nil
	// where nobody tells. Granted reads the answer.
	Rights  func(*Stream, *Partition) *Request
	Granted func(*Response) bool
	// Appeal judges, of a vendor whose words tell nothing, why a stream is refused
	// (fault.Refused) of which nothing came yet: it may ask, and returns the refusal
	// as it is to be taken, or as it was given. nil where the words are all.
	Appeal func(ctx context.Context, f Fetcher, c Config, s *Stream, refusal error) error
	// Probe is the stream whose first page is the connection check.
	Probe string
	// Scopes name the ways in which streams are cut into partitions.
	Scopes map[string]Scope
	// Lane names the requests that the vendor wants one at a time, where a
	// partition names none; "" for none.
	Lane string
	// Streams are the static streams in catalog order.
	Streams []Stream
	// Helpers are in no catalog: they are read since others need their rows.
	// Their Schema is set.
	Helpers []Stream
	// Schema makes the schema of a static stream from the model that the vendor
	// publishes; nil where schemas/<source>/<stream>.json holds it.
	Schema func(stream string) ([]byte, error)
	// Deletions: what was deleted is written too, with DeletedAt; see For.
	Deletions bool
	// Discover finds further streams at run time; nil where all are static.
	// With them it may replace static ones of the same name. What is known of a
	// stream from a catalog is not asked for, and need not be returned.
	Discover func(ctx context.Context, f Fetcher, c Config, known Known) ([]Stream, error)
}

// Known returns the schema that a catalog has of a stream, nil for one that it
// lacks, which is not read then. A nil Known: there is no catalog.
type Known func(stream string) *Schema

// For returns the source as a config wants it.
func (s *Source) For(c Config) *Source {
	out := s.sized(c)
	if !c.Bool("include_deleted") {
		return out
	}
	with := *out
	with.Deletions = true
	return &with
}

// sized gives pages the size that a config wants.
func (s *Source) sized(c Config) *Source {
	sizes := func(list []Stream) []Stream {
		list = slices.Clone(list)
		for i := range list {
			if p, other := resized(list[i].Page, c); other {
				list[i].Page = p
			}
		}
		return list
	}
	if !slices.ContainsFunc(s.every(), func(st *Stream) bool { _, other := resized(st.Page, c); return other }) {
		return s
	}
	out := *s
	out.Streams, out.Helpers = sizes(s.Streams), sizes(s.Helpers)
	return &out
}

// Deletes tells whether deleted rows of a stream are written after its rows.
func (s *Source) Deletes(st *Stream) bool { return s.Deletions && st.Deletions != nil }

// Stream returns the static stream or helper of that name, or nil.
func (s *Source) Stream(name string) *Stream {
	for _, st := range s.every() {
		if st.Name == name {
			return st
		}
	}
	return nil
}

// Finding returns the source with streams that were found at run time beside its
// static ones, or in place of those of the same name.
func (s *Source) Finding(found []Stream) *Source {
	whole := *s
	whole.Streams = slices.Clone(s.Streams)
	for _, st := range found {
		if old := whole.Stream(st.Name); old != nil {
			*old = st
		} else {
			whole.Streams = append(whole.Streams, st)
		}
	}
	return &whole
}

// every are the static streams and the helpers.
func (s *Source) every() []*Stream {
	all := make([]*Stream, 0, len(s.Streams)+len(s.Helpers))
	for _, list := range [][]Stream{s.Streams, s.Helpers} {
		for i := range list {
			all = append(all, &list[i])
		}
	}
	return all
}

// Stream is one table of a source.
type Stream struct {
	Name string
	Doc  string // the document or client that shows this resource
	// Group is what the stream is listed under, "" for a source without groups.
	Group string
	// Selected is selected-by-default.
	Selected bool
	// Schema is set for streams found at run time; for a static one see
	// [Source].Schema.
	Schema *Schema

	Method string  // "" is GET
	Path   string  // below the source's base, with {placeholders}
	Params []Param // sent with every first page
	// Records is the dotted path of the rows inside an answer, "" where the
	// answer itself is the array. Bare is another path at which a vendor puts
	// them in some answers, "" for none.
	Records, Bare string
	// Elsewhere: an answer that has no member Records may have the rows under
	// another name: the first of its members that no rider reads.
	Elsewhere bool
	// OneRow allows a bare object where an array of rows is expected.
	OneRow bool
	// NeverNull: the vendor's lists are empty where there are no rows, and one that
	// is null breaks the contract. Elsewhere null is an empty list.
	NeverNull bool
	// Scalar is the member that holds an answer which is nothing but a number, a
	// text or a boolean: a row of its own. "" for answers with rows.
	Scalar string
	// Select names the parameter that lists the fields wanted, comma separated:
	// what is not emitted is not asked for. "" where a vendor has none.
	Select string
	// All: without that parameter an answer holds all fields. Where fields are
	// refused that cannot be named one by one, it is left out.
	All bool

	Key    []string // key properties
	Cursor *Cursor  // nil: FULL_TABLE
	Page   Pager    // Single{} where one answer holds all
	// Chunked: no answer may carry all fields; the rest is asked by the ids
	// of each page and merged by key.
	Chunked *Chunked
	// Job: the rows are made by create, poll, download in place of pages.
	Job *Job
	// Roads: beside its pages there are jobs that give the same rows.
	Roads *Roads
	// Added are properties that discovery found beside those of the schema file.
	Added []Property
	// Hints tell of a property what its schema does not: the vendor's type. They
	// are kept in the catalog, so that a run with one need not ask for them.
	Hints map[string]string

	// Deletions tells where the vendor lists this stream's deleted rows, which
	// are written after its rows if the source's Deletions say so.
	Deletions *Deletions

	// Passes are lists that together hold the stream's rows, which may go from one
	// to another meanwhile: they are read one after another, in this order.
	Passes []Pass

	// Scope names the source's Scope that cuts this stream into partitions. What
	// the scope injects and the schema of a stream with a Parent lacks is left out.
	Scope string
	// Parent makes this stream a child: it is read once per parent row.
	Parent *Parent
	// Below names the stream that the catalog tells as the parent, where the vendor's
	// is not the one in Parent, or there is none; "" for that of Parent.
	Below string
	// With makes this stream ride on the answers of another one.
	With *With

	// Optional: not every account has this resource; a 404 skips the stream
	// with a warning.
	Optional bool

	// Lift names object members whose inner members become top-level ones,
	// named <object>_<member>.
	Lift []string
	// Ignore names members that are neither emitted nor rescued.
	Ignore []string
	// Trim names text properties that the vendor pads with blanks.
	Trim []string
	// Fill holds the values of properties that the vendor leaves null or absent;
	// {config_key} in them are filled in.
	Fill []Param
	// Each is how the list is read where it is refused as a whole.
	Each *Each
	// Hidden names properties that are not selected by default.
	Hidden []string
	// Convert holds conversions of a property's raw JSON value into the JSON
	// literal that is emitted; false means that the value does not fit.
	Convert map[string]func(dst, raw []byte) ([]byte, bool)
}

// Incremental tells whether the stream keeps a bookmark.
func (s *Stream) Incremental() bool { return s.Cursor != nil }

// Needs returns the name of the stream whose rows or answers this one needs,
// or "".
func (s *Stream) Needs() string {
	switch {
	case s.Parent != nil:
		return s.Parent.Stream
	case s.With != nil:
		return s.With.Stream
	}
	return ""
}

// Pass is one of several lists of a stream.
type Pass struct {
	Params []Param
	// If names the config key of a boolean without which the list is left out; ""
	// is none.
	If string
}

// Chunked tells how a row is put together from several calls.
type Chunked struct {
	Param  string   // parameter that lists the fields, comma separated
	Max    int      // fields a call
	Always []string // fields that every call asks for, the key among them
	Key    string   // member by which the parts of a row are joined
	IDs    string   // parameter that lists the keys of the rows wanted
	MaxIDs int      // keys a call
	// One is the path of one row, whose key is {id}, with every field: a row that is
	// listed and does not come by its id is asked for there, and has gone if it is
	// not there either. "": what does not come by its id has gone.
	One string
}

// Roads are the ways to a stream's rows beside its pages. All give the same
// records; for each read the one with the least cost is taken, pages where a
// first page is all, or where nothing else can do what is wanted.
type Roads struct {
	// Only names the one that the config insists on: "list" for the pages, a
	// Road's Name, "" for the cheapest.
	Only func(Config) string
	// Count asks how many rows a read would bring, once a first page has shown
	// that there are more. Counted reads the answer; ok is false where it does
	// not tell.
	Count   func(Read) *Request
	Counted func(*Response) (rows int64, ok bool)
	// Ways are the jobs, in the order of preference at one price.
	Ways []Road
	// Cut is after how many characters pages cut a text that the ways give
	// whole; 0: they do not.
	Cut int
}

// Road is one of the ways.
type Road struct {
	Name string // for people, and for Roads.Only
	Job  *Job
	// Suits tells why the way cannot give what a read wants, "" where it can.
	Suits func(Read) string
	// Cost is what so many rows cost by this way, in the vendor's units, of
	// which a page's call costs one.
	Cost func(r Read, rows int64) float64
	// MaxRows is how many rows one job may give; a window with more is cut in
	// two, as long as it can be. 0: any number.
	MaxRows int64
}

// Job tells how a bulk job is made, watched and read.
type Job struct {
	// Open gets what the job needs to know before it begins, and returns the
	// one that knows it. nil: the job itself.
	Open func(context.Context, Fetcher, Read) (*Job, error)
	// Create builds the request that starts a job over a window.
	Create func(Read) (*Request, error)
	// Poll reads the answer of Create or of an earlier poll. NoRows is the end
	// of a job that found nothing, a fault of kind Transient that of one which
	// the vendor gave up: the next run makes it anew. A nil Poll means that the
	// answer of Create is the file already.
	Poll func(*Response) (Step, error)
	// Rows reads a downloaded file and hands over its rows as JSON objects;
	// more is the request that creates the next job, nil at the end. A nil
	// Rows means that the file is JSON with its rows at Stream.Records.
	Rows func(body []byte, row func([]byte) error) (more *Request, err error)
	// Table: the file is a ZIP archive with one CSV file, in place of Rows. It
	// goes to disk and is never whole in memory.
	Table *Table
	// Sorted: the rows come in ascending order of the replication key, so that
	// a bookmark may move after each answer.
	Sorted bool
}

// Table tells what the CSV file of a Job means.
type Table struct {
	// Columns tells what the columns under a header hold, one for each and in
	// their order. fields are the properties that are wanted.
	Columns func(header []string, fields []Property) ([]Column, error)
	// More reads the poll that told where the file is: the request that creates
	// the next job, nil at the end. A nil More means that one file is all.
	More func(*Response) (*Request, error)
}

// Column is one column of a Table, whose values are text.
type Column struct {
	// Name is the member of a row that the column holds; "" skips it.
	Name string
	// Inner is a member of that member, which is an object then, null where its
	// first column is empty. Columns of one object stand next to each other.
	Inner string
	// Separator cuts the text into an array of texts; "" where it is one value.
	Separator string
	// Value appends the JSON literal that a text stands for, in place of the
	// rules of the property's type. false: the text is none of the forms that
	// are known; then nothing of this way is right, and another one is taken.
	Value func(dst, text []byte) ([]byte, bool)
}

// Read is what a job has to cover.
type Read struct {
	Config Config
	// From and To are the bounds, "" where open; both belong to what is read.
	From, To string
	// Start and End are what the user wants to be covered: start_date, zero for
	// none, and the earlier of end_date and now.
	Start, End time.Time
	// Fields are the selected properties without the tap's own.
	Fields []Property
	// Hint returns the hint of a property, "" for none.
	Hint func(property string) string
}

// Step is what to do with a job next: ask again after a while, or download.
type Step struct {
	Ask *Request
	// After is the least wait; what is waited grows from one poll to the next.
	After    time.Duration
	Download *Request
	// Here: the answer itself is the file.
	Here bool
	// Rows is how many rows the file of a Table has to hold, 0 where the vendor
	// does not tell.
	Rows int64
}

// Parent tells which rows a child stream is read for.
type Parent struct {
	Stream string
	Bind   []Bind
	// Prune drops parents that are known to have no children, without a call.
	Prune []Prune
	// Refusals are the statuses by which the vendor refuses the children of one
	// parent: it is left out with a warning, and the others are read on. No
	// bookmark passes what it may have had. Where all are refused it is a fault.
	Refusals []int
	// None are those of Refusals that may as well tell of a parent without
	// children, so that all of them may be refused.
	None []int
	// Changed reads the children only of parents that changed since the
	// children were last read whole; otherwise all parents are read.
	Changed bool
}

// Prune tells that a parent has no children: its member Member is one of the
// JSON literals Is. A member that is absent tells nothing.
type Prune struct {
	Member string
	Is     []string
}

// Each is another list, with whose rows a list is asked that a vendor may refuse,
// with 400, to give as a whole.
type Each struct {
	Path   string // of the other list, a bare array of rows
	Member string // of its rows
	Param  string // gets the member's value
}

// Bind carries a value from a parent's row to its children.
type Bind struct {
	From   string // member of the parent's row as the vendor names it
	To     string // {placeholder} in the child's path or parameters
	Inject string // property of the child that gets the value, "" for none
}

// With tells where the rows of a rider lie in the answers of its carrier.
type With struct {
	Stream string
	// On is the rider's member that equals the carrier's member From; the
	// values of Inject are copied from that carrier row. Empty: no join.
	On, From string
	Inject   []Bind
	// Fields goes before the names of the rider's fields where the carrier's
	// Select lists them: "LINE."; "" where it does not.
	Fields string
	// Inside is the path, within each of the carrier's rows, of the array or
	// object that holds the rider's rows; arrays on the way are gone through. The
	// values of Inject come from the carrier's row, or are those that its Parent
	// binds.
	Inside string
	// Else are asked, one for each name of Inside, where that member is null or
	// absent, for a vendor who does not tell whether that means none: bare arrays.
	// Empty: it means none. Their {placeholders} are the carrier's and the members
	// of the object that lacks the rows. What refuses or fails one concerns the rider
	// alone; by the carrier's Parent.Refusals it is left out as that parent's rows.
	Else []string
	// Whole names members that a row in its own list has: where a row inside lacks
	// one that is wanted, or has null there, the last list of Else is asked for too
	// and its rows are taken.
	Whole []string
	// Params go with the carrier's requests, if the rider is wanted, or the
	// carrier's own records show what lies Inside.
	Params []Param
}

// DeletedAt is the property that tells when a row was deleted.
const DeletedAt = "_deleted_at"

// Deletions is where a vendor lists the rows that were deleted from a stream:
// a stream of the same scope, or of none, read from its own cursor on.
type Deletions struct {
	Stream string
	// Partition is the one of that stream's scope in which they are, for a
	// stream that has no scope of its own.
	Partition string
	// Key is its member that holds the key of the deleted row, At the one that
	// holds the moment.
	Key, At string
	// Where is its member whose raw value Is tells that a row belongs to this
	// stream; "" where all do.
	Where, Is string
}

// Partition is one part of a stream that has its own bookmark: a division, a
// company, a module.
type Partition struct {
	ID string // key in the state and in logs
	// Within: this is the part called Part of something larger, under whose name
	// the state keeps one bookmark for all its parts; it moves once all were read.
	// See Scope.Parts.
	Within, Part string
	Name         string // for people
	// Values fill {placeholders} of the path and the parameters. A parameter that is
	// nothing but one of them is left out where that is "".
	Values []Param
	// Inject holds the JSON literals of the scope's Inject properties.
	Inject []string
	// Lane names requests that the vendor wants one at a time; "" for none.
	Lane string
	// Epochs are the partition's values of the members that a Cursor's Epochs
	// name, as JSON scalars.
	Epochs []Param
	// Skip tells why the partition cannot be read, "" where it can. Chosen: the
	// user named it.
	Skip   string
	Chosen bool
	// Others are the values of the scope's Tells that rows of other partitions have,
	// with what these are called.
	Others map[string]string
}

// Scope is one way to cut streams into partitions.
type Scope struct {
	// Inject names the properties that the tap adds to each row.
	Inject []string
	// Parts is the member of the state, beginning with "_", that lists the parts
	// which a bookmark covers, of partitions that are Within something: one that is
	// not among them is read from its beginning.
	Parts string
	// Noun is what a partition is called, for people.
	Noun string
	// Tells is a member by which a row may tell that the vendor took another
	// partition for the one that was asked for, see Partition.Others: the partition
	// fails, and Instead is what to do. A row that lacks it, or has a value that
	// nobody knows, tells nothing. "" where rows tell nothing.
	Tells, Instead string
	// Expand lists the partitions, once per run, also those to be skipped.
	Expand func(context.Context, Fetcher, Config) ([]Partition, error)
}

// Fetcher asks the vendor. The error of Fetch is classified and redacted.
type Fetcher interface {
	Fetch(context.Context, *Request) (*Response, error)
}

// Called returns the noun, "partition" where a scope has none.
func (s Scope) Called() string {
	if s.Noun == "" {
		return "partition"
	}
	return s.Noun
}
