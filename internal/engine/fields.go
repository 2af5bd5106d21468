package engine

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// maxUnknown bounds how many refusals of a field are answered by asking without
// it: some vendors lock a key after ten.
const maxUnknown = 3

// fields is what is asked for of each row of a stream that has a Select. Lanes
// share it: what one of them learned to leave out, the others leave out too.
type fields struct {
	mu      sync.Mutex
	names   []string
	needed  func(name string) bool
	unknown int // refusals
	// ids is how many ids a call may hold, told by a refusal; 0 for as many as the
	// table says.
	ids atomic.Int64
	// all: the parameter is left out, so that every field comes; can tells
	// whether that may be.
	all, can bool
}

func (f *fields) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all {
		return ""
	}
	return strings.Join(f.names, ",")
}

// giveUp asks for all fields from now on, where that may be: what refuses one
// of a rider's fields may not take any of them.
func (f *fields) giveUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = f.can
}

// foreign tells whether a field is one that a rider wants.
func (f *fields) foreign(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Contains(name, ".") && contains(f.names, name)
}

// drop leaves out the fields among names; what comes back are those that were
// there, nothing where one of them cannot be done without.
func (f *fields) drop(names []string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var gone []string
	for _, n := range f.names {
		if contains(names, n) {
			gone = append(gone, n)
		}
	}
	if len(gone) == 0 || f.unknown >= maxUnknown || slices.ContainsFunc(gone, f.needed) {
		return nil
	}
	f.unknown++
	f.names = slices.DeleteFunc(slices.Clone(f.names), func(n string) bool { return slices.Contains(gone, n) })
	return gone
}

// dropOrAll is drop, and where that is no way out, or the fields are a rider's,
// asks for all.
func (f *fields) dropOrAll(names []string) []string {
	if slices.ContainsFunc(names, f.foreign) {
		f.giveUp()
		return nil
	}
	gone := f.drop(names)
	if gone == nil && slices.ContainsFunc(names, f.asked) {
		f.giveUp()
	}
	return gone
}

// asked tells whether a field is asked for.
func (f *fields) asked(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return contains(f.names, name)
}

// contains tells whether a field is among others, whichever case a vendor quotes
// it in.
func contains(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// selection lists the vendor's fields that are emitted or needed by others.
// Members of our own, all beginning with "_", are not asked for.
func (rd *reader) selection() *fields {
	f := &fields{needed: func(name string) bool {
		return slices.Contains(rd.s.Key, name) || rd.s.Cursor != nil && rd.s.Cursor.Field == name || slices.Contains(rd.capture, name) && name != rd.tells
	}}
	for _, p := range rd.task.Schema.Properties {
		if !strings.HasPrefix(p.Name, "_") && (rd.keeps(p.Name) || slices.Contains(rd.capture, p.Name)) {
			f.names = append(f.names, p.Name)
		}
	}
	for _, name := range rd.capture {
		// What rows are joined by need be no field.
		if !slices.Contains(f.names, name) && !slices.Contains(rd.s.Ignore, name) {
			f.names = append(f.names, name)
		}
	}
	f.can = rd.s.All
	for _, rider := range rd.riders {
		if with := rider.s.With; with.Fields != "" {
			for _, name := range rider.selection().names {
				f.names = append(f.names, with.Fields+name)
			}
		}
	}
	return f
}

// without changes a request whose fields the vendor does not all know, and
// tells whether to ask again.
func (l *lane) without(req *stream.Request, err error) bool {
	unknown, ok := errors.AsType[*stream.UnknownField](err)
	if !ok || l.rd.s.Select == "" {
		return false
	}
	i := slices.IndexFunc(req.Params, func(p stream.Param) bool { return p.Name == l.rd.s.Select })
	if i < 0 {
		return false
	}
	asked := req.Params[i].Value
	if gone := l.rd.fields.dropOrAll(unknown.Names); gone == nil && l.rd.fields.text() == "" {
		if asked == "" {
			return false
		}
		l.rd.run.Log.Warn("the service refuses fields of the catalog, all that it has are asked for", "stream", l.rd.s.Name, "reason", err.Error())
		req.Params = slices.Delete(slices.Clone(req.Params), i, i+1)
		return true
	} else if len(gone) > 0 {
		l.rd.run.Log.Warn("the service does not know a field of the catalog, it is left out and stays null", "stream", l.rd.s.Name, "field", strings.Join(gone, ", "))
	}
	req.Params = slices.Clone(req.Params)
	req.Params[i].Value = l.rd.fields.text()
	return req.Params[i].Value != asked // another lane may have learned it first
}
