package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// readState reads the state of an earlier run; none is a first run. The static
// streams' part of it is in our form then.
func (a *app) readState(src *stream.Source) (*singer.State, error) {
	if a.flags.state == "" {
		return singer.NewState(), nil
	}
	data, err := readFile(fault.State, "state", a.flags.state)
	if errors.Is(err, os.ErrNotExist) {
		a.log.Info("the state file is not there yet: this is a first run", "state", a.flags.state)
		return singer.NewState(), nil
	}
	if err != nil {
		return nil, err
	}
	st, err := singer.LoadState(data)
	if err != nil {
		return nil, err
	}
	a.warnings("state", st.Warnings())
	if st.Empty() {
		a.log.Info("the state is empty: this is a first run", "state", a.flags.state)
		return st, nil
	}
	return st, normalize(src, st)
}

// matchState checks a state against the streams that there are.
func (a *app) matchState(src *stream.Source, st *singer.State) error {
	known := streamNames(src.Streams)
	unknown := st.Unknown(func(name string) bool { return slices.Contains(known, name) })
	switch {
	case len(unknown) > 0 && len(unknown) == len(st.Streams()):
		return &fault.Error{
			Kind: fault.State, Source: src.Name, Op: "state",
			Err:  fmt.Errorf("it is of another source, none of its streams is known here: %s", list(unknown)),
			Hint: "check --state; for a first run leave it out",
		}
	case len(unknown) > 0:
		a.log.Warn("state: " + src.Name + " has no such streams, their bookmarks are kept as they are: " + list(unknown))
	}
	return normalize(src, st)
}

// normalize brings the bookmarks of a source's streams into our form.
func normalize(src *stream.Source, st *singer.State) error {
	for i := range src.Streams {
		if s := &src.Streams[i]; s.Cursor != nil {
			if err := st.Normalize(s.Name, s.Cursor.Field); err != nil {
				return err
			}
		}
	}
	return nil
}

// list names a few of many.
func list(names []string) string {
	const most = 10
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
