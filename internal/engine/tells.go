package engine

import (
	"fmt"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

// telltale captures the member by which rows may tell that they are of another
// partition.
func (rd *reader) telltale() {
	if rd.s.Scope == "" {
		return
	}
	if name := rd.run.Source.Scopes[rd.s.Scope].Tells; name != "" && rd.task.Schema.Property(name) != nil {
		rd.tells = name
		rd.need(name)
	}
}

// foreign refuses a row that says of itself that it is of another partition than
// was asked for.
func (l *lane) foreign(f *feed, st *pageState) error {
	if f.rd.tells == "" || len(l.part.Others) == 0 {
		return nil
	}
	raw := f.captured(f.rd.tells)
	if len(raw) == 0 || string(raw) == st.ours {
		return nil
	}
	value := strings.TrimSpace(plain(string(raw)))
	other, ok := l.part.Others[value]
	if !ok {
		st.ours = string(raw)
		return nil
	}
	scope := l.rd.run.Source.Scopes[l.rd.s.Scope]
	return &fault.Error{
		Kind: fault.Contract, Hint: scope.Instead,
		Err: fmt.Errorf("%s %s was asked for, and a row of %s is of %s: its %s is %s", scope.Called(), title(l.part), f.rd.s.Name, other, f.rd.tells, told(value)),
	}
}
