package saasoptics

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// discard takes an answer and keeps its size.
type discard struct {
	header http.Header
	size   int
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(int)     {}
func (d *discard) Write(p []byte) (int, error) {
	d.size += len(p)
	return len(p), nil
}

// BenchmarkPage makes pages of 100 rows: contracts is to take 60 µs at most,
// windows must not cost more in a table of five million rows.
func BenchmarkPage(b *testing.B) {
	const window = "modified__gte=2025-01-01T00:00:00Z&modified__lte=2025-12-31T00:00:00Z&"
	for _, bench := range []struct {
		name, path string
		records    int
	}{
		{"contracts", "contracts/?page=3", 1000},
		{"contracts window", "contracts/?" + window + "page=2", 1000},
		{"contracts window of 5M", "contracts/?" + window + "page=2000", 5_000_000},
		{"customers", "customers/?page=3", 1000},
		{"invoices", "invoices/?page=3", 1000},
		{"transactions", "transactions/?page=3", 1000},
		{"revenue_entries", "revenue_entries/?page=3", 1000},
		{"sales_orders", "sales_orders/?page=3", 1000},
		{"payments", "payments/?page=3", 1000},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s, err := emulator.New(emulator.Options{Limits: "off", Records: bench.records}, Plugin)
			require.NoError(b, err)
			h := s.Handler()
			r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:1/saasoptics/acme/api/v1.0/"+bench.path, nil)
			r.Header.Set("Authorization", "Token "+Token)
			w := &discard{header: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				w.size = 0
				h.ServeHTTP(w, r)
			}
			require.Greater(b, w.size, 10_000)
			b.SetBytes(int64(w.size))
		})
	}
}
