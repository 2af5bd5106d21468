package zohocrm

import (
	"fmt"
	"slices"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// large are the streams that a change without a stream is meant for.
var large = []string{"leads", "contacts", "accounts", "deals", "products", "invoices"}

// dated are the settings whose rows tell when they were modified.
var dated = []string{"users", "currencies", "territories"}

// Change touches, deletes and adds rows of a module, which is named as its
// stream is; users, currencies and territories can be touched only. No stream
// means each large one.
func (s *Service) Change(c emulator.Change) ([]emulator.Report, error) {
	streams := large
	if c.Stream != "" {
		streams = []string{c.Stream}
	}
	var reports []emulator.Report
	for _, stream := range streams {
		r, err := s.change(stream, c)
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	return reports, nil
}

func (s *Service) change(stream string, c emulator.Change) (emulator.Report, error) {
	report := emulator.Report{Stream: stream, At: c.At, Touched: []emulator.ID{}, Deleted: []emulator.ID{}, Inserted: []emulator.ID{}}
	module, ok := s.modules.module[stream]
	if !ok {
		switch {
		case slices.Contains(dated, stream):
			if c.Insert+c.Delete+len(c.Gone) > 0 {
				report.Note = "rows of this stream are neither added nor deleted"
			}
			err := note(&report.Touched)(s.org.Touch(stream, c.At, c.Rows, texts(c.IDs)...))
			return report, err
		case !slices.Contains(s.org.Streams(), stream):
			return report, fmt.Errorf("no stream %q", stream)
		}
		return report, fmt.Errorf("stream %s is no module: its rows do not change", stream)
	}
	err := note(&report.Deleted)(s.org.Delete(module, c.At, c.Delete, texts(c.Gone)...))
	if err == nil {
		err = note(&report.Touched)(s.org.Touch(module, c.At, c.Rows, texts(c.IDs)...))
	}
	if err == nil {
		err = note(&report.Inserted)(s.org.Insert(module, c.At, c.Insert))
	}
	return report, err
}

// note adds the ids that a change tells of.
func note(done *[]emulator.ID) func([]string, error) error {
	return func(ids []string, err error) error {
		for _, id := range ids {
			*done = append(*done, emulator.ID(id))
		}
		return err
	}
}

func texts(ids []emulator.ID) []string {
	out := make([]string, len(ids))
	for k, id := range ids {
		out[k] = string(id)
	}
	return out
}
