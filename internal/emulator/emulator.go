// Package emulator is the sandbox: one server on the loopback interface on
// which stand-ins of the vendors' services answer under /<source>/, each as
// its vendor would, limits and faults included. It owns what they share: the
// mounts, the request log, the faults, the control of live data and the
// address they listen on.
//
// It must never be kinder than a vendor: what a stand-in does follows from the
// vendor's documents, from clients that run against the real service, or is
// marked a guess; never from what the tap would like. It takes time only from
// package time and starts no goroutine of its own while it answers, so that it
// runs in virtual time (testing/synctest) through [Server.Transport]. Nothing
// outside tests and the sandbox command may import it.
package emulator

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Options are those of the sandbox command.
type Options struct {
	Sources []string // names of plugins; none: all of them
	Listen  string   // loopback address and port, default 127.0.0.1:0
	Records int      // rows of each large stream, default 1000
	Seed    int64
	Limits  string        // "real" (default) or "off"
	Latency time.Duration // before each answer
	Faults  string        // see [KnownFaults]
	// WriteConfig is a folder for <source>.json, a config of the tap that
	// works as it is; "" writes none.
	WriteConfig string
}

// Plugin is a vendor's stand-in that can be opened. A caller passes an
// explicit list of them to [New].
type Plugin struct {
	Name string // the source's name, and its path
	Open func(Env) (Service, error)
	// Guesses are lists of faults, each of which makes a service that the vendor's
	// papers allow for as much as they do for the one without: whoever reads it
	// must get the same rows.
	Guesses []string
	// Throttles are such lists that show at the vendor's limits alone: in how much
	// may be asked for, and how often.
	Throttles []string
	// Passing are faults of the vendor's own, each with a count, that go away when
	// they are asked again.
	Passing []string
	// Broken are such lists with the streams that cannot be read of that service:
	// whoever does must find it out.
	Broken map[string][]string
}

// Env is what a stand-in is told about the sandbox it is opened in.
type Env struct {
	Mount   string // path before everything the service serves, "/<source>"
	Records int
	Seed    uint64
	Limited bool // keep the vendor's limits

	faults *faults
	hook   *atomic.Pointer[func(Page)]
}

// Share tells what part of the rows of a resource a data fault such as
// offset-times changes: 0 is none, standard is used if the list names the
// fault without a share.
func (e Env) Share(fault, resource string, standard float64) float64 {
	return e.faults.share(fault, resource, standard)
}

// Fires tells whether a fault that the stand-in itself carries out, such as
// moving, happens at this request.
func (e Env) Fires(fault, resource string) bool { return e.faults.fires(fault, resource) }

// PageHook returns what [Server.OnPage] set, or nil. A stand-in calls it when
// a page is made and before its last byte is sent, so that whatever it changes
// is changed before the client can ask again.
func (e Env) PageHook() func(Page) {
	if fn := e.hook.Load(); fn != nil {
		return *fn
	}
	return nil
}

// Page is one page of a list as it goes out.
type Page struct {
	Source, Resource string
	Number           int64 // from 1
	Count            int64 // rows in all its pages, if the vendor tells
	Query            url.Values
	IDs              []ID
}

// ID is the key of a row as text. In JSON an integer is a number.
type ID string

// MarshalJSON writes an integer bare and anything else as a string.
func (id ID) MarshalJSON() ([]byte, error) {
	if n, err := strconv.ParseInt(string(id), 10, 64); err == nil && strconv.FormatInt(n, 10) == string(id) {
		return []byte(id), nil
	}
	return json.Marshal(string(id))
}

// Change is a wish for live data.
type Change struct {
	Stream string    // "" means each large stream
	Rows   int       // rows to touch: their cursor becomes At and a visible value changes
	Delete int       // rows to delete, listed where the vendor lists deletions
	Insert int       // rows to add
	IDs    []ID      // touch these, next to Rows
	Gone   []ID      // delete these, next to Delete
	At     time.Time // zero: now
}

// Report is what became of a [Change] in one stream.
type Report struct {
	Stream   string    `json:"stream"`
	At       time.Time `json:"at"`
	Touched  []ID      `json:"touched"`
	Deleted  []ID      `json:"deleted"`
	Inserted []ID      `json:"inserted"`
	Note     string    `json:"note,omitempty"` // what a reader of the report should know
}

// Answer is a whole response.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Send writes the answer in one piece, its length told.
func (a Answer) Send(w http.ResponseWriter) {
	a.head(w, len(a.Body))
	_, _ = w.Write(a.Body) // a client that went away is no fault of ours
}

// head sends status and headers; a negative length is not told.
func (a Answer) head(w http.ResponseWriter, length int) {
	h := w.Header()
	maps.Copy(h, a.Header)
	if length >= 0 {
		h.Set("Content-Length", strconv.Itoa(length))
	} else {
		h.Del("Content-Length")
	}
	w.WriteHeader(a.Status)
}

// Service is a vendor's stand-in. Its ServeHTTP sees the path below the mount,
// which still begins with a slash, and must be safe for concurrent use.
type Service interface {
	http.Handler

	// Config is a config of the tap that works with the stand-in as it is.
	// base is the address of the mount; source and api_url are filled in.
	Config(base string) map[string]any
	// Rows is how many rows there are now, over all streams.
	Rows() int64
	// Resource names the stream a path belongs to, for faults and statistics;
	// what is below a stream begins with its name and a slash.
	Resource(path string) string
	// Admit is asked first, if limits are real: it may set headers of the
	// coming answer, or return the refusal of a request that is over a limit.
	Admit(r *http.Request, h http.Header) *Answer
	// Refuse words a refusal (401, 403, 404, 429) as the vendor does.
	Refuse(status int, wait time.Duration) Answer
	// Mangle applies a fault that needs to know the vendor's envelope (deep,
	// dup, next-self, next-foreign) to a good body.
	Mangle(fault string, r *http.Request, body []byte) []byte
	// Change disturbs the data.
	Change(c Change) ([]Report, error)
	// Truth writes every live row of a stream as the service would give it,
	// one a line, those included that no filter can reach.
	Truth(w io.Writer, stream string) error
	// Reset forgets every change.
	Reset()
}

// Server is the sandbox.
type Server struct {
	opts   Options
	mounts map[string]*mount
	names  []string // in the order of the plugins
	hook   atomic.Pointer[func(Page)]
}

// New opens the chosen stand-ins.
func New(o Options, plugins ...Plugin) (*Server, error) {
	if o.Records == 0 {
		o.Records = 1000
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Limits == "" {
		o.Limits = "real"
	}
	known := make([]string, len(plugins))
	for k, p := range plugins {
		known[k] = p.Name
	}
	switch {
	case o.Limits != "real" && o.Limits != "off":
		return nil, fmt.Errorf("limits %q: real or off", o.Limits)
	case o.Records < 0:
		return nil, fmt.Errorf("records %d: not negative", o.Records)
	case o.Latency < 0:
		return nil, fmt.Errorf("latency %s: not negative", o.Latency)
	}
	for _, name := range o.Sources {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown source %q, known are %s", name, strings.Join(known, ", "))
		}
	}
	list, err := parseFaults(o.Faults)
	if err != nil {
		return nil, err
	}
	s := &Server{opts: o, mounts: make(map[string]*mount)}
	for _, p := range plugins {
		if len(o.Sources) > 0 && !slices.Contains(o.Sources, p.Name) {
			continue
		}
		m := &mount{
			name: p.Name, prefix: "/" + p.Name, latency: o.Latency, limited: o.Limits == "real",
			faults: newFaults(list, p.Name, uint64(o.Seed)), log: newLog(),
		}
		m.service, err = p.Open(Env{
			Mount: m.prefix, Records: o.Records, Seed: uint64(o.Seed), Limited: m.limited,
			faults: m.faults, hook: &s.hook,
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		s.mounts[p.Name] = m
		s.names = append(s.names, p.Name)
	}
	return s, nil
}

// Sources are the names of the open stand-ins.
func (s *Server) Sources() []string { return slices.Clone(s.names) }

// OnPage sets what is called when a page is about to go out, so that a test
// can move rows between two requests; nil takes it away. The call is made by
// the goroutine that answers, with no lock held.
func (s *Server) OnPage(fn func(Page)) {
	if fn == nil {
		s.hook.Store(nil)
		return
	}
	s.hook.Store(&fn)
}

func (s *Server) mount(source string) (*mount, error) {
	if m, ok := s.mounts[source]; ok {
		return m, nil
	}
	return nil, fmt.Errorf("unknown source %q, open are %s", source, strings.Join(s.names, ", "))
}

// Config is a config of the tap that works with a source as it is. origin is
// scheme, host and port of the sandbox.
func (s *Server) Config(source, origin string) (map[string]any, error) {
	m, err := s.mount(source)
	if err != nil {
		return nil, err
	}
	base := origin + m.prefix
	config := m.service.Config(base)
	config["source"], config["api_url"] = source, base
	return config, nil
}

// Change disturbs the data of a source.
func (s *Server) Change(source string, c Change) ([]Report, error) {
	m, err := s.mount(source)
	if err != nil {
		return nil, err
	}
	return m.change(c)
}

// Truth writes every live row of a stream, one a line.
func (s *Server) Truth(w io.Writer, source, stream string) error {
	m, err := s.mount(source)
	if err != nil {
		return err
	}
	return m.service.Truth(w, stream)
}

// Stats are the counters of a source.
func (s *Server) Stats(source string) (Stats, error) {
	m, err := s.mount(source)
	if err != nil {
		return Stats{}, err
	}
	return m.log.stats(source), nil
}

// Log is what a source was asked, oldest first, as far as it is kept.
func (s *Server) Log(source string) ([]Entry, error) {
	m, err := s.mount(source)
	if err != nil {
		return nil, err
	}
	return m.log.entries(), nil
}

// Reset empties the log and the counters of a source.
func (s *Server) Reset(source string) error {
	m, err := s.mount(source)
	if err == nil {
		m.log.reset()
	}
	return err
}
