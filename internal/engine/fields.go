package engine

import (
	"errors"
	"slices"
	"strings"
	"sync"

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
}

func (f *fields) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.names, ",")
}

// drop leaves out the fields among names; what comes back are those that were
// there, nothing where one of them cannot be done without.
func (f *fields) drop(names []string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var gone []string
	for _, n := range names {
		if slices.Contains(f.names, n) && !slices.Contains(gone, n) {
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

// selection lists the vendor's fields that are emitted or needed by others.
// Members of our own, all beginning with "_", are not asked for.
func (rd *reader) selection() *fields {
	f := &fields{needed: func(name string) bool {
		return slices.Contains(rd.s.Key, name) || rd.s.Cursor != nil && rd.s.Cursor.Field == name || slices.Contains(rd.capture, name)
	}}
	for _, p := range rd.task.Schema.Properties {
		if !strings.HasPrefix(p.Name, "_") && (rd.keeps(p.Name) || slices.Contains(rd.capture, p.Name)) {
			f.names = append(f.names, p.Name)
		}
	}
	for _, name := range rd.capture {
		if !slices.Contains(f.names, name) {
			f.names = append(f.names, name)
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
	if gone := l.rd.fields.drop(unknown.Names); len(gone) > 0 {
		l.rd.run.Log.Warn("the service does not know a field of the catalog, it is left out and stays null", "stream", l.rd.s.Name, "field", strings.Join(gone, ", "))
	}
	req.Params = slices.Clone(req.Params)
	req.Params[i].Value = l.rd.fields.text()
	return req.Params[i].Value != asked // another lane may have learned it first
}
