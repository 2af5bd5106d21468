//go:build unix

package engine

import (
	"io"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A table file of 100 MB, from its archive to lines: the bar is 100 MB per CPU
// second.
func BenchmarkTable(b *testing.B) {
	text, rows := bigTable(100 << 20)
	size := len(text)
	file := strings.NewReader(archive(b, entry{name: "7.csv", text: string(text)}))
	b.ReportMetric(float64(size)/float64(file.Len()), "ratio")
	b.ReportAllocs()
	b.ResetTimer()
	began := cpuTime()
	n := 0
	for b.Loop() {
		rep := tableRun(b, rows, file, io.Discard)
		if rep.Streams[0].Err != nil || rep.Streams[0].Records != int64(rows) {
			b.Fatal(rep.Streams[0].Err)
		}
		n += size
	}
	b.ReportMetric(float64(n)/1e6/(cpuTime()-began).Seconds(), "MB/cpu-s")
}
