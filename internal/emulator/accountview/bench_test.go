package accountview

import (
	"testing"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

func BenchmarkPages(b *testing.B) {
	a := newAPI(b, emulator.Options{Records: 1_000_000})
	for name, ask := range map[string][]string{
		"pages and lines": {"DJ2", "PageSize", "1000", "PageNumber", "100"},
		"relations":       {"CM1", "PageSize", "1000", "LastKey", "5"},
		"few columns":     {"CM1", "PageSize", "1000", "LastKey", "5", "Fields", "SUB_NR,CNG_DATE"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := a.data(ask[0], ask[1:]...)
				b.SetBytes(int64(len(r.Body)))
			}
		})
	}
}
