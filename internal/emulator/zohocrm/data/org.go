package data

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// Options say what the org holds and how its lists are cut.
type Options struct {
	Edition  string // of the account, and how many users it has paid for
	Licences int
	Records  int // rows of each large module
	Seed     uint64
	Now      func() time.Time // time.Now if nil
	Modules  int              // plain custom modules, next to the odd ones that every org has
	// Discrete is how many rows can be paged by number, Ceiling how many by
	// token (DOC: 2000 and 100,000).
	Discrete, Ceiling int
	Zone              *time.Location // of the authorised user; Europe/Amsterdam if nil
}

// Org is the data of one Zoho CRM org. It is safe for concurrent use.
type Org struct {
	opts    Options
	start   time.Time // midnight UTC before the org was opened: computed rows lie before it
	zone    zone
	modules []*module
	byName  map[string]*module
	sets    []*set
	byPath  map[string]*set

	mu       sync.Mutex
	switches map[string]bool
	plans    map[string]*plan
	edited   map[string]int64 // settings that were touched, and when
}

// The switches turn guesses about the service round, so that a client can be
// tried both ways. Off is what the dossier holds likelier.
const (
	UnboundSince   = "unbound-since"    // page tokens do not bind If-Modified-Since
	ExclusiveSince = "exclusive-since"  // If-Modified-Since leaves out its own second
	OffsetToken    = "offset-token"     // page tokens count rows instead of naming the last one
	StrictFields   = "strict-fields"    // unknown names in fields are INVALID_DATA
	EmptyList      = "empty-list"       // no rows: {"data":[]} instead of nothing
	CappedCOQL     = "coql-200"         // COQL gives 200 rows at most, whatever LIMIT says
	NarrowCOQL     = "coql-50-columns"  // COQL takes 50 columns at most, not 200
	FreeCOQL       = "coql-no-where"    // COQL does without WHERE
	FlatDeleted    = "flat-deleted"     // errors of /deleted come in the flat envelope
	LowerID        = "csv-lower-id"     // the added column of a bulk read is id, not Id
	AllDeleted     = "allusers-deleted" // AllUsers holds the deleted users, too
	NoBulkToken    = "csv-no-token"     // bulk reads go on by page number alone
	TagObjects     = "bulk-tags-json"   // bulk reads give tags as in lists, not joined by semicolons
	BareObjects    = "bulk-json-id"     // bulk reads give the id of an object, not the object
	OpenLeads      = "bulk-open-leads"  // bulk reads leave out the converted leads
	NoIDOrder      = "coql-no-id-order" // COQL orders by the first column alone
	NoCount        = "no-count"         // modules are not counted
)

// Switches are the names that [Org.Switch] knows and a list of faults can hold.
func Switches() []string {
	return []string{
		UnboundSince, ExclusiveSince, OffsetToken, StrictFields, EmptyList, CappedCOQL, NarrowCOQL, FreeCOQL, FlatDeleted, LowerID, AllDeleted, NoBulkToken,
		TagObjects, BareObjects, OpenLeads, NoIDOrder, NoCount,
	}
}

// Open makes an org. No rows are made yet.
func Open(opts Options) *Org {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	opts.Records = max(opts.Records, 0)
	if opts.Discrete <= 0 {
		opts.Discrete = 2000
	}
	if opts.Ceiling <= 0 {
		opts.Ceiling = 100_000
	}
	o := &Org{
		opts: opts, start: opts.Now().UTC().Truncate(24 * time.Hour), zone: newZone(opts.Zone),
		byName: make(map[string]*module), byPath: make(map[string]*set),
		switches: make(map[string]bool), plans: make(map[string]*plan),
		edited: make(map[string]int64),
	}
	o.build()
	o.buildSets()
	return o
}

// Switch turns one of the guesses round.
func (o *Org) Switch(name string, on bool) error {
	if !slices.Contains(Switches(), name) {
		return fmt.Errorf("no switch %q", name)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.switches[name] = on
	clear(o.plans) // rendered before
	return nil
}

func (o *Org) on(name string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.switches[name]
}

// Reset forgets every change; switches stay.
func (o *Org) Reset() {
	for _, m := range o.modules {
		m.reset()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.edited)
}

// Count is how many records there are now in the modules that can be read.
func (o *Org) Count() int64 {
	var n int64
	for _, m := range o.modules {
		if m.readable() {
			n += o.open(m).Live()
		}
	}
	return n
}

// readable tells whether records of a module can be had.
func (m *module) readable() bool { return m.supported && len(m.fields) > 0 }

// Modules are the api_names of the modules whose records can be read.
func (o *Org) Modules() []string {
	var out []string
	for _, m := range o.modules {
		if m.readable() {
			out = append(out, m.api)
		}
	}
	return out
}

// Streams are the names of all that can be read: the settings, the standard
// modules, and the custom ones by their api_name in lower case, where that
// collides with the end of the module's id.
func (o *Org) Streams() []string {
	var out []string
	for _, s := range o.sets {
		out = append(out, s.name)
	}
	out = append(out, "modules", "fields", "deleted_records", "recycle_bin", "deal_contact_roles", "timelines", "record_attachments", "record_emails")
	for _, m := range o.modules {
		if m.readable() {
			out = append(out, o.streamOf(m))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (o *Org) streamOf(m *module) string {
	lower := strings.ToLower(m.api)
	for _, other := range o.modules {
		if other != m && other.readable() && strings.ToLower(other.api) == lower {
			id := strconv.FormatInt(m.id, 10)
			return lower + "_" + id[len(id)-6:]
		}
	}
	return lower
}

func (o *Org) moduleOf(stream string) *module {
	for _, m := range o.modules {
		if m.readable() && o.streamOf(m) == stream {
			return m
		}
	}
	return nil
}

// module finds a module by the api_name in a path.
func (o *Org) module(name string) (*module, *Error) {
	m := o.byName[name]
	if m == nil || !m.supported {
		return nil, errModule()
	}
	if m.forbidden {
		return nil, &Error{Status: 403, Code: "NO_PERMISSION", Message: "permission denied", Details: map[string]any{"permissions": []string{"Crm_Implied_View_" + m.api}}}
	}
	return m, nil
}

// variant chooses what a row's less personal fields hold; every change of the
// row chooses another.
func (m *module) variant(r rows.Row) int {
	return int((rows.Mix(m.seed, uint64(r.ID)) + uint64(r.Rev)*7) % variants)
}

// Body is an answer with data.
type Body struct {
	JSON  []byte
	Rows  int
	IDs   []string // of the rows, as far as they have one
	Empty bool     // nothing to send: 204, or 304 where a time was given
}
