package zohocrm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// standard are the modules of which fields are known without asking. Those of an
// account that its discovery finds replace them.
var standard = []metaModule{
	{APIName: "Products"},
	{APIName: "Consents"},
	{APIName: "Tasks"},
	{APIName: "Data_Subject_Requests", timeless: true},
	{APIName: "Vendors"},
	{APIName: "Appointments__s"},
	{APIName: "Calls"},
	{APIName: "Leads"},
	{APIName: "Deals"},
	{APIName: "Quotes"},
	{APIName: "Invoices"},
	{APIName: "Campaigns"},
	{APIName: "Attachments"},
	{APIName: "Price_Books"},
	{APIName: "Sales_Orders"},
	{APIName: "Services__s"},
	{APIName: "Contacts"},
	{APIName: "Solutions"},
	{APIName: "Events"},
	{APIName: "Purchase_Orders"},
	{APIName: "Accounts"},
	{APIName: "Cases"},
	{APIName: "Notes"},
	{APIName: "Quoted_Items"},
	{APIName: "Ordered_Items"},
	{APIName: "Invoiced_Items"},
	{APIName: "Purchase_Items"},
	{APIName: "Appointments_Rescheduled_History__s"},
	{APIName: "DealHistory"},
	{APIName: "Entity_Scores__s", timeless: true},
}

// metaModule is a row of settings/modules.
type metaModule struct {
	ID           string
	APIName      string `json:"api_name"`
	APISupported bool   `json:"api_supported"`
	Generated    string `json:"generated_type"`

	timeless bool // has no Modified_Time
	// stamp is the field that takes its place, Modified_Time in another case, ""
	// for none.
	stamp string
	name  string
}

// maxFields is how many fields a call may ask for, maxIDs how many rows by their
// ids. DOC (OAS); the latter is GUESS for records: it is that of users.
const (
	maxFields = 50
	maxIDs    = 100
	idsParam  = "ids"
)

// modifiedTime is the field by which modules are read incrementally.
const modifiedTime = "Modified_Time"

// provenPages are few enough for a run that is cut short to go on near its end,
// and so many that a hundred thousand rows cost seven calls more.
const provenPages = 125

// lines tells whether the rows are lines of others'.
func (m *metaModule) lines() bool { return strings.HasSuffix(m.Generated, "subform") }

// module is the stream of a module's records.
func module(m metaModule, static bool) stream.Stream {
	s := stream.Stream{
		Name: m.stream(), Doc: doc + "get-records.html", Selected: !static, Path: m.APIName, Records: "data", Key: []string{"id"},
		Page: tokens(),
		// One that discovery finds and whose path is unknown is no question of rights:
		// 404 is fatal, DOC.
		Optional: static, NeverNull: true,
		Chunked: &stream.Chunked{
			Param: "fields", Max: maxFields, Always: []string{"id"}, Key: "id", IDs: idsParam, MaxIDs: maxIDs,
			One: m.APIName + "/{id}", // DOC (OAS): every field, in an answer like a list's
		},
	}
	order := "id"
	if !m.timeless {
		order = modifiedTime
		s.Chunked.Always = append(s.Chunked.Always, order)
		s.Cursor = &stream.Cursor{
			Field: order, From: since, In: stream.InHeader, Layout: layout, Sorted: true,
			// Whether the header's own second counts in, and whether a token names a
			// row or a count, is GUESS. Lines of subforms are in no list of deletions.
			Margin: time.Second, Drift: &stream.Drift{Pages: provenPages, Silent: m.lines()},
		}
	}
	if m.timeless && m.stamp != "" {
		// Whether filter, order and the other ways know a field of that name is GUESS:
		// read whole, older rows dropped here.
		s.Chunked.Always = append(s.Chunked.Always, m.stamp)
		s.Cursor = &stream.Cursor{Field: m.stamp}
	}
	// Rows that change move to the end, where they are met again.
	s.Params = []stream.Param{{Name: "sort_by", Value: order}, {Name: "sort_order", Value: "asc"}}
	if m.APIName == leadModule {
		s.Params = append(s.Params, stream.Param{Name: "converted", Value: "both"}) // else converted ones vanish, DOC
	}
	if m.stamp == "" {
		s.Roads = roads(m.APIName)
	}
	s.Deletions = &stream.Deletions{Stream: "deleted_records", Partition: m.APIName, Key: "id", At: "deleted_time"}
	return s
}

// stream is the name of a module's stream, as TAP has it.
func (m *metaModule) stream() string { return cmp.Or(m.name, strings.ToLower(m.APIName)) }

// unreadable are modules that say the API supports them and that nobody can
// read: without fields, refused, or the union of others. CLIENT
// (databrickslabs/lakeflow-community-connectors).
var unreadable = regexp.MustCompile(`^(Home|Feeds|Reports|Analytics|Social|SalesInbox|Documents|Forecasts.*|Email_.*|Visits|Actions_Performed|Locking_Information__s|Activities)$`)

// modules asks which modules the account has that the API can read.
func modules(ctx context.Context, f stream.Fetcher) ([]metaModule, error) {
	resp, err := f.Fetch(ctx, &stream.Request{URL: "settings/modules", Resource: "modules"})
	if err != nil {
		return nil, settled(err, "settings/modules")
	}
	var a struct{ Modules []metaModule }
	err = stream.Unmarshal(resp.Body, &a)
	if resp.Release != nil {
		resp.Release()
	}
	if err != nil {
		return nil, &fault.Error{Kind: fault.Contract, Whole: true, Op: "settings/modules", Err: errors.New("the answer has another shape than documented"), Hint: "run again, and report it if it stays"}
	}
	found := slices.DeleteFunc(a.Modules, func(m metaModule) bool {
		return !m.APISupported || m.APIName == "" || unreadable.MatchString(m.APIName)
	})
	distinguish(found)
	return found, nil
}

// taken are the names of streams that are no module's.
func taken() map[string]bool {
	names := map[string]bool{}
	for _, list := range [][]stream.Stream{fixed(), helpers()} {
		for i := range list {
			names[list[i].Name] = true
		}
	}
	for i := range standard {
		delete(names, standard[i].stream())
	}
	return names
}

// distinguish names modules apart that collide in lower case, with each other or
// with a stream that is none.
func distinguish(found []metaModule) {
	count := map[string]int{}
	taken := taken()
	for name := range taken {
		count[name]++
	}
	for i := range found {
		count[strings.ToLower(found[i].APIName)]++
	}
	for i := range found {
		m := &found[i]
		m.name = strings.ToLower(m.APIName)
		if count[m.name] > 1 && len(m.ID) >= 6 {
			m.name += "_" + m.ID[len(m.ID)-6:]
		}
	}
	// Of two streams of one name the first would not be read: should the ends of
	// the ids be the same too, the place in the list tells them apart.
	for i := range found {
		m := &found[i]
		for n := 2; taken[m.name]; n++ {
			m.name = strings.ToLower(m.APIName) + "_" + strconv.Itoa(n)
		}
		taken[m.name] = true
	}
}

// partitions are the modules whose deletions are listed.
func partitions(ctx context.Context, f stream.Fetcher, _ stream.Config) ([]stream.Partition, error) {
	found, err := modules(ctx, f)
	if err != nil {
		return nil, err
	}
	var out []stream.Partition
	for i := range found {
		quoted, err := json.Marshal(found[i].APIName)
		if err != nil {
			return nil, err
		}
		out = append(out, stream.Partition{ID: found[i].APIName, Inject: []string{string(quoted)}})
	}
	return out, nil
}

// recordParts are the modules whose records have something hanging on them: lines
// of a subform have not.
func recordParts(ctx context.Context, f stream.Fetcher, _ stream.Config) ([]stream.Partition, error) {
	found, err := modules(ctx, f)
	if err != nil {
		return nil, err
	}
	var out []stream.Partition
	for i := range found {
		if found[i].lines() {
			continue
		}
		converted := "" // only leads know it, and are left out without it, DOC
		if found[i].APIName == leadModule {
			converted = "both"
		}
		out = append(out, stream.Partition{ID: found[i].APIName, Values: []stream.Param{{Name: "converted", Value: converted}}})
	}
	return out, nil
}

// discover finds the modules of the account, and what fields those have that no
// catalog knows.
func discover(ctx context.Context, f stream.Fetcher, _ stream.Config, known stream.Known) ([]stream.Stream, error) {
	found, err := modules(ctx, f)
	if err != nil {
		return nil, err
	}
	var out []stream.Stream
	if known != nil {
		for i := range found {
			m := &found[i]
			if s := known(m.stream()); s != nil {
				m.timeless = s.Property(modifiedTime) == nil
				for _, p := range s.Properties {
					if m.timeless && strings.EqualFold(p.Name, modifiedTime) {
						m.stamp = p.Name
					}
				}
				out = append(out, module(*m, false))
			}
		}
		return out, nil
	}
	fields, err := describeAll(ctx, f, found)
	if err != nil {
		return nil, err
	}
	display := shown(found, fields)
	for i := range found {
		if len(fields[i]) > 0 {
			out = append(out, *found[i].shaped(fields[i], display))
		}
	}
	return out, nil
}

// atOnce is how many modules are asked about side by side; whoever sends the
// requests may want fewer.
const atOnce = 8

// describeAll asks for the fields of every module. What is told of an error is
// that of the first module which has one.
func describeAll(ctx context.Context, f stream.Fetcher, found []metaModule) ([][]metaField, error) {
	fields, errs := make([][]metaField, len(found)), make([]error, len(found))
	run := ctx
	ctx, stop := context.WithCancel(run)
	defer stop()
	next := make(chan int)
	var g sync.WaitGroup
	for range min(atOnce, len(found)) {
		g.Go(func() {
			for i := range next {
				if fields[i], errs[i] = described(ctx, f, &found[i]); errs[i] != nil {
					stop() // the others need not be asked
				}
			}
		})
	}
	for i := range found {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	g.Wait()
	return fields, firstOf(append(errs, context.Cause(run))) // a run that ends has not asked about all
}

// described is describe where nobody else would recover from a defect.
func described(ctx context.Context, f stream.Fetcher, m *metaModule) (fields []metaField, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &fault.Error{Kind: fault.Internal, Whole: true, Err: fmt.Errorf("panic: fields of %s: %v\n%s", m.APIName, p, debug.Stack())}
		}
	}()
	return describe(ctx, f, m)
}

// firstOf is the first error, but one that another one brought about.
func firstOf(errs []error) error {
	var first error
	for _, err := range errs {
		if err != nil && (first == nil || errors.Is(first, context.Canceled)) {
			first = err
		}
	}
	return first
}
