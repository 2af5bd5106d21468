package data

import (
	"io"
	"net/url"
	"strings"
	"testing"
	"time"
)

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		Open(Options{Records: 1_000_000, Seed: 1})
	}
}

// firstFields are as many fields of a module as a list call takes.
func firstFields(o *Org, module string, n int) string {
	var names []string
	for _, f := range o.byName[module].columns()[:n] {
		names = append(names, f.api)
	}
	return strings.Join(names, ",")
}

func BenchmarkListPage(b *testing.B) {
	o := Open(Options{Records: 1_000_000, Seed: 1})
	q := url.Values{"fields": {firstFields(o, "Contacts", 50)}, "sort_by": {"Modified_Time"}, "sort_order": {"asc"}, "page": {"10"}}
	since := o.start.Add(-300 * 24 * time.Hour)
	for b.Loop() {
		body, err := o.List("Contacts", q, since)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(body.JSON)))
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

var _ io.Writer = new(counter)

func BenchmarkCSV(b *testing.B) {
	o := Open(Options{Records: 100_000, Seed: 1})
	for b.Loop() {
		var n counter
		if _, _, _, err := o.CSV(&n, Query{Module: "Contacts"}); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(n))
	}
}
