package engine

import "github.com/tap-backoffice/tap-backoffice/internal/jsonspan"

// holds refuses an answer without the list of the stream's rows: one that is not
// there, or is null of a vendor whose lists never are.
func (rd *reader) holds(p *jsonspan.Page) error {
	if !rd.found(p, 0) {
		return &jsonspan.ShapeError{Path: rd.s.Records, Found: "nothing"}
	}
	if rd.s.NeverNull && p.Rows(0) == 0 && (p.Null(0) || rd.s.Bare != "" && p.Null(rd.outer()+1)) {
		return &jsonspan.ShapeError{Path: rd.s.Records, Found: "null in place of a list"}
	}
	return nil
}
