package buchhaltungsbutler

import (
	"fmt"
	"slices"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/buchhaltungsbutler/data"
)

// Change touches, deletes and adds rows of a stream; no stream means each large
// one. What that means differs: to touch a receipt is to edit it or to book its
// payment, to touch a posting is to confirm, fix or comment it; some rows cannot
// be deleted and are taken back by another. The note of a report tells.
func (s *Service) Change(c emulator.Change) ([]emulator.Report, error) {
	list := data.Large
	if c.Stream != "" {
		if !slices.Contains(streams, c.Stream) {
			return nil, fmt.Errorf("no stream %q", c.Stream)
		}
		list = []string{c.Stream}
	}
	var reports []emulator.Report
	for _, stream := range list {
		done, err := s.company.Change(stream, data.Wish{
			IDs: texts(c.IDs), Gone: texts(c.Gone), Rows: c.Rows, Delete: c.Delete, Insert: c.Insert, At: c.At,
		})
		if err != nil {
			return nil, err
		}
		reports = append(reports, emulator.Report{
			Stream: stream, At: c.At, Touched: named(done.Touched), Deleted: named(done.Deleted), Inserted: named(done.Inserted),
			Note: done.Note(),
		})
	}
	return reports, nil
}

func texts(ids []emulator.ID) []string {
	out := make([]string, len(ids))
	for k, id := range ids {
		out[k] = string(id)
	}
	return out
}

func named(ids []string) []emulator.ID {
	out := make([]emulator.ID, len(ids))
	for k, id := range ids {
		out[k] = emulator.ID(id)
	}
	return out
}
