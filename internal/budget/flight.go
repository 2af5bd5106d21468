package budget

import (
	"slices"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// flights are the requests under way, oldest first, each with a mark. A request
// that is under way twice is taken to be the older one: what a mark says of a
// longer time is the more careful.
type flights[M any] []flight[M]

type flight[M any] struct {
	req  *stream.Request
	mark M
}

func (f *flights[M]) start(req *stream.Request, mark M) {
	*f = append(*f, flight[M]{req, mark})
}

func (f flights[M]) find(req *stream.Request) int {
	return slices.IndexFunc(f, func(o flight[M]) bool { return o.req == req })
}

// end takes a request away and returns its mark.
func (f *flights[M]) end(req *stream.Request) (mark M, ok bool) {
	i := f.find(req)
	if i < 0 {
		return mark, false
	}
	mark = (*f)[i].mark
	*f = slices.Delete(*f, i, i+1)
	return mark, true
}
