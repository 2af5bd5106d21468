package singer

import (
	"fmt"
	"strconv"
)

// Rule numbers of the profile that loads in every known consumer.
const (
	ruleSchemaOnce = 1 + iota
	ruleKey
	ruleSchema
	ruleTypes
	ruleStructures
	ruleNumbers
	ruleInstants
	ruleDates
	ruleText
	ruleOrder
	ruleUndeclared
	ruleNames
	ruleStateEnds
	ruleCovers
	ruleContiguous
	ruleMessages
	ruleLines
	ruleNested
)

var ruleTitles = [...]string{
	ruleSchemaOnce: "one SCHEMA before the records",
	ruleKey:        "key properties",
	ruleSchema:     "schema keywords",
	ruleTypes:      "types",
	ruleStructures: "objects and arrays",
	ruleNumbers:    "numbers",
	ruleInstants:   "date-times",
	ruleDates:      "dates",
	ruleText:       "text",
	ruleOrder:      "members in one order",
	ruleUndeclared: "undeclared members",
	ruleNames:      "names",
	ruleStateEnds:  "STATE first and last",
	ruleCovers:     "what a STATE covers",
	ruleContiguous: "streams in one piece",
	ruleMessages:   "message types and keys",
	ruleLines:      "lines",
	ruleNested:     "nested date-times",
}

// Severity says whether a finding fails the check.
type Severity int

// The severities.
const (
	SeverityWarning Severity = iota // loads, but look at it
	SeverityError                   // fails or alters data in a known consumer
)

// String returns the severity in lower case.
func (s Severity) String() string {
	if s == SeverityError {
		return "error"
	}
	return "warning"
}

// A Finding is one way in which a message stream breaks a rule.
type Finding struct {
	Severity Severity
	Rule     int    // number of the rule in the profile
	Line     int64  // first line with it, counted from 1
	Stream   string // "" when no stream is concerned
	Text     string
	Count    int64 // how often it was seen
}

// String renders the finding in one line.
func (f Finding) String() string {
	text := fmt.Sprintf("%s: line %d: ", f.Severity, f.Line)
	if f.Stream != "" {
		text += f.Stream + ": "
	}
	text += fmt.Sprintf("%s (rule %d, %s", f.Text, f.Rule, ruleTitles[f.Rule])
	if f.Count > 1 {
		text += ", " + strconv.FormatInt(f.Count, 10) + " times"
	}
	return text + ")"
}

// StreamCount is what a message stream held of one stream.
type StreamCount struct {
	Stream  string
	Records int64
}

// A Report is the outcome of Lint.
type Report struct {
	Findings []Finding // in the order of their first line
	// More counts findings beyond those kept; they count in Errors and Warnings.
	More             int64
	Errors, Warnings int64
	Lines, Bytes     int64
	Records, States  int64
	Streams          []StreamCount // in the order in which they came

	seen map[findingKey]int
}

// OK reports a message stream without errors.
func (r *Report) OK() bool { return r.Errors == 0 }

// AppendText writes the findings, one a line, and a summary.
func (r *Report) AppendText(dst []byte) []byte {
	for _, f := range r.Findings {
		dst = append(append(dst, f.String()...), '\n')
	}
	if r.More > 0 {
		dst = fmt.Appendf(dst, "and %d more\n", r.More)
	}
	return fmt.Appendf(dst, "%d lines, %d streams, %d records, %d states: %d errors, %d warnings\n",
		r.Lines, len(r.Streams), r.Records, r.States, r.Errors, r.Warnings)
}

// maxFindings bounds what is kept: a broken stream of millions of records must
// not fill the memory.
const maxFindings = 500

type findingKey struct {
	rule         int
	stream, what string
}

// add counts a finding. Those with the same rule, stream and what are one; the
// text of the first is kept, and only built for it.
func (r *Report) add(sev Severity, rule int, line int64, stream, what string, text func() string) {
	if sev == SeverityError {
		r.Errors++
	} else {
		r.Warnings++
	}
	key := findingKey{rule, stream, what}
	if i, ok := r.seen[key]; ok {
		r.Findings[i].Count++
		return
	}
	if len(r.Findings) == maxFindings {
		r.More++
		return
	}
	if r.seen == nil {
		r.seen = make(map[findingKey]int)
	}
	r.seen[key] = len(r.Findings)
	r.Findings = append(r.Findings, Finding{sev, rule, line, stream, text(), 1})
}

// sample quotes a piece of the input, shortened: a report is for people.
func sample(b []byte) string {
	const most = 40
	if len(b) > most {
		return strconv.Quote(string(b[:most])) + "…"
	}
	return strconv.Quote(string(b))
}
