package engine

import (
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// tellUnbounded tells, once a run, which of the streams that the user bounds by
// dates know none: their replication key is a row version or another number.
func (r *run) tellUnbounded() {
	var above, below []string
	for _, rd := range r.readers {
		if !rd.selected || !rd.incremental() || rd.unit != stream.Int {
			continue
		}
		if !r.End.IsZero() {
			above = append(above, rd.s.Name)
		}
		if !r.Since.IsZero() && rd.s.Cursor.Begin == nil {
			below = append(below, rd.s.Name)
		}
	}
	tell := func(names []string, what string) {
		const most = 10 // names in a line
		if len(names) == 0 {
			return
		}
		told := strings.Join(names[:min(len(names), most)], ", ")
		if len(names) > most {
			told += ", …"
		}
		r.Log.Warn("some streams go by row version or by number, which no date bounds: "+what, "count", len(names), "streams", told)
	}
	tell(above, "end_date and --until do not end them")
	tell(below, "--since does not start them, they are read from their beginning")
}
