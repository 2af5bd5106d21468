package singer

import (
	"strconv"
	"time"
)

// A Metric is a measurement in the classic form of singer-python, as parsers of
// Singer logs look for it.
type Metric struct {
	Timer bool // a duration in seconds, else a counter
	Name  string
	Value float64
	Tags  []Tag
}

// A Tag qualifies a metric. A value that is a whole number is written as one.
type Tag struct {
	Name, Value string
	Number      bool
}

// RecordCount counts the records of a stream since the last such line.
func RecordCount(stream string, n int64) Metric {
	return Metric{Name: "record_count", Value: float64(n), Tags: []Tag{{Name: "endpoint", Value: stream}}}
}

// RequestCount counts the HTTP requests of a stream since the last such line.
func RequestCount(stream string, n int64) Metric {
	return Metric{Name: "http_request_count", Value: float64(n), Tags: []Tag{{Name: "endpoint", Value: stream}}}
}

// RequestDuration times one HTTP request. A status of 0 means that there was no
// answer.
func RequestDuration(endpoint string, status int, d time.Duration, ok bool) Metric {
	tags := []Tag{{Name: "endpoint", Value: endpoint}}
	if status != 0 {
		tags = append(tags, Tag{Name: "http_status_code", Value: strconv.Itoa(status), Number: true})
	}
	return Metric{Timer: true, Name: "http_request_duration", Value: d.Seconds(), Tags: append(tags, outcome(ok))}
}

// JobDuration times a job that the vendor ran for us, such as a bulk export.
func JobDuration(jobType string, d time.Duration, ok bool) Metric {
	return Metric{Timer: true, Name: "job_duration", Value: d.Seconds(), Tags: []Tag{{Name: "job_type", Value: jobType}, outcome(ok)}}
}

// SyncDuration times a whole stream.
func SyncDuration(stream string, d time.Duration, ok bool) Metric {
	return Metric{Timer: true, Name: "sync_duration", Value: d.Seconds(), Tags: []Tag{{Name: "stream", Value: stream}, outcome(ok)}}
}

func outcome(ok bool) Tag {
	if ok {
		return Tag{Name: "status", Value: "succeeded"}
	}
	return Tag{Name: "status", Value: "failed"}
}

// String returns the text of the log line behind "INFO ".
func (m Metric) String() string {
	kind := "counter"
	if m.Timer {
		kind = "timer"
	}
	dst := append([]byte(`METRIC: {"type": "`), kind...)
	dst = appendString(append(dst, `", "metric": `...), m.Name)
	dst = strconv.AppendFloat(append(dst, `, "value": `...), m.Value, 'f', -1, 64)
	dst = append(dst, `, "tags": {`...)
	for i, t := range m.Tags {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(appendString(dst, t.Name), ": "...)
		if t.Number {
			dst = append(dst, t.Value...)
		} else {
			dst = appendString(dst, t.Value)
		}
	}
	return string(append(dst, "}}"...))
}
