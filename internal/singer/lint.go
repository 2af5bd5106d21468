package singer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	maxLine  = 16 << 20 // beyond it a line is not read at all
	longLine = 4 << 20  // beyond it consumers refuse a line
)

// Lint checks a message stream against the profile that loads in every known
// consumer, in one pass and in memory that does not grow with the number of
// records. The error is that of reading r.
func Lint(r io.Reader) (*Report, error) {
	l := linter{report: &Report{}, streams: make(map[string]*lintStream)}
	l.each = l.member
	in := bufio.NewReaderSize(r, 256<<10)
	var spill []byte
	for {
		line, whole, err := readLine(in, &spill)
		if err != nil && !errors.Is(err, io.EOF) {
			return l.report, fmt.Errorf("read messages: line %d: %w", l.n+1, err)
		}
		if err == nil || len(line) > 0 || !whole {
			l.n++
			l.report.Bytes += int64(len(line))
			l.line(line, whole)
		}
		if err != nil {
			l.finish()
			return l.report, nil //nolint:nilerr // the end of the input
		}
	}
}

// readLine returns the next line with its end; whole is false when it was too
// long to keep. spill is reused for lines that do not fit the reader's buffer.
func readLine(in *bufio.Reader, spill *[]byte) (line []byte, whole bool, err error) {
	line, err = in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, true, err
	}
	*spill, whole = append((*spill)[:0], line...), true
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = in.ReadSlice('\n')
		if whole = whole && len(*spill)+len(line) <= maxLine; whole {
			*spill = append(*spill, line...)
		}
	}
	if !whole {
		return nil, false, err
	}
	return *spill, true, err
}

type linter struct {
	report  *Report
	scan    scanner
	n       int64 // line number
	streams map[string]*lintStream
	current *lintStream // stream of the last record
	states  lintStates
	last    string // type of the last message
	msg     message
	each    func(token) bool // member, bound once
}

// A lintStream is what has been learnt of one stream.
type lintStream struct {
	name     string
	at       int // position in Report.Streams
	declared bool
	root     *column
	key      []*column
	repl     *column // first of the bookmark properties
	record   int64   // number of the record being read, marks columns as seen
	most     mark    // greatest replication value so far
	began    bool
	covered  mark // bookmark of the last STATE, when it was new
	fresh    bool // no record since that STATE
}

// A message is one line taken apart.
type message struct {
	kind, stream                                  string
	record, schema, value, keyProps, bookmarkKeys []byte
	hasStream, hasRecord, extracted, version      bool
	unknown                                       string // a key that no message has
	done                                          bool   // the record has been checked in passing
}

func (l *linter) add(sev Severity, rule int, stream, what string, text string) {
	l.report.add(sev, rule, l.n, stream, what, func() string { return text })
}

func (l *linter) fail(rule int, stream, text string) { l.add(SeverityError, rule, stream, text, text) }

func (l *linter) warn(rule int, stream, text string) {
	l.add(SeverityWarning, rule, stream, text, text)
}

func (l *linter) stream(name string) *lintStream {
	if s, ok := l.streams[name]; ok {
		return s
	}
	s := &lintStream{name: name, at: len(l.report.Streams)}
	l.streams[name] = s
	l.report.Streams = append(l.report.Streams, StreamCount{Stream: name})
	return s
}

func (l *linter) line(b []byte, whole bool) {
	l.report.Lines++
	if !whole {
		l.fail(ruleLines, "", fmt.Sprintf("is longer than %d MB and was not read", maxLine>>20))
		l.first("")
		return
	}
	if len(bytes.TrimSpace(b)) == 0 {
		l.fail(ruleLines, "", "is blank")
		return
	}
	l.scan.reset(b)
	m := &l.msg
	*m = message{}
	ok := l.scan.members(l.each) && l.scan.next() == 0 && l.scan.i == len(b)
	if len(b) > longLine {
		l.fail(ruleLines, m.stream, fmt.Sprintf("is longer than %d MB", longLine>>20))
	}
	if !ok {
		l.first("")
		l.syntax(b)
		return
	}
	l.first(m.kind)
	l.textFaults("message")
	if l.scan.twice != "" {
		l.add(SeverityError, ruleOrder, m.stream, "twice "+l.scan.twice, fmt.Sprintf("member %q is there twice", l.scan.twice))
	}
	l.message()
}

// syntax reports a line that is no JSON object.
func (l *linter) syntax(b []byte) {
	if l.scan.deep {
		l.fail(ruleMessages, l.msg.stream, fmt.Sprintf("nests deeper than %d levels", maxDepth))
		return
	}
	rest := b[min(l.scan.i, len(b)):]
	for _, word := range []string{"NaN", "Infinity"} {
		if bytes.HasPrefix(rest, []byte(word)) {
			l.fail(ruleNumbers, l.msg.stream, word+" is no JSON")
			return
		}
	}
	l.add(SeverityError, ruleMessages, l.msg.stream, "syntax",
		fmt.Sprintf("is not one JSON object: trouble at byte %d near %s", l.scan.i+1, sample(bytes.TrimRight(rest, "\r\n"))))
}

// first checks that a STATE comes before everything else.
func (l *linter) first(kind string) {
	if l.last == "" && kind != "STATE" {
		l.fail(ruleStateEnds, "", "the first message is not STATE")
	}
	if l.last = kind; kind == "" {
		l.last = "none"
	}
}

// textFaults reports those gathered since the last call.
func (l *linter) textFaults(where string) {
	if l.scan.bad != 0 {
		l.add(SeverityError, ruleText, l.msg.stream, where, fmt.Sprintf("%s in %s", l.scan.bad, where))
		l.scan.bad = 0
	}
}

// member takes one member of a message. Records are checked in passing when
// their type and stream came first, as they nearly always do.
func (l *linter) member(name token) bool {
	m, s := &l.msg, &l.scan
	s.next()
	from := s.i
	switch string(name.value()) {
	case "type":
		return l.kind()
	case "stream":
		return l.streamKey()
	case "time_extracted":
		return l.extracted()
	case "record":
		l.again(m.hasRecord, "record")
		m.hasRecord = true
		if st := l.streams[m.stream]; m.kind == "RECORD" && m.hasStream && st != nil && st.root != nil {
			l.begin(st)
			m.done = true
			return l.checkRecord(st)
		}
		ok := s.skip(0)
		m.record = s.b[from:s.i]
		return ok
	case "schema":
		return l.span(&m.schema, "schema")
	case "value":
		return l.span(&m.value, "value")
	case "key_properties":
		return l.span(&m.keyProps, "key_properties")
	case "bookmark_properties":
		return l.span(&m.bookmarkKeys, "bookmark_properties")
	case "version":
		m.version = true
	default:
		m.unknown = string(name.value())
	}
	return s.skip(0)
}

// span keeps the bytes of a member for later.
func (l *linter) span(into *[]byte, key string) bool {
	l.again(*into != nil, key)
	from := l.scan.i
	ok := l.scan.skip(0)
	*into = l.scan.b[from:l.scan.i]
	return ok
}

// kind reads the message type; the three known ones cost no allocation.
func (l *linter) kind() bool {
	l.again(l.msg.kind != "", "type")
	if l.scan.next() != '"' {
		l.msg.unknown = "type that is not a string"
		return l.scan.skip(0)
	}
	t, ok := l.scan.str()
	switch string(t.text) {
	case "RECORD":
		l.msg.kind = "RECORD"
	case "STATE":
		l.msg.kind = "STATE"
	default:
		l.msg.kind = string(t.value())
	}
	return ok
}

func (l *linter) streamKey() bool {
	l.again(l.msg.hasStream, "stream")
	if l.scan.next() != '"' {
		l.msg.unknown = "stream that is not a string"
		return l.scan.skip(0)
	}
	t, ok := l.scan.str()
	if l.current != nil && !t.escaped && l.current.name == string(t.text) {
		l.msg.stream = l.current.name
	} else {
		l.msg.stream = string(t.value())
	}
	l.msg.hasStream = true
	return ok
}

func (l *linter) extracted() bool {
	l.again(l.msg.extracted, "time_extracted")
	l.msg.extracted = true
	if l.scan.next() != '"' {
		l.fail(ruleInstants, l.msg.stream, "time_extracted is not a string")
		return l.scan.skip(0)
	}
	t, ok := l.scan.str()
	if _, good := parseInstant(t.value()); ok && !good {
		l.add(SeverityError, ruleInstants, l.msg.stream, "time_extracted", fmt.Sprintf("time_extracted %s is not RFC 3339 in UTC with Z", sample(t.text)))
	}
	return ok
}

func (l *linter) again(twice bool, key string) {
	if twice {
		l.fail(ruleOrder, l.msg.stream, fmt.Sprintf("message key %q is there twice", key))
	}
}

// message checks a whole line by its type.
func (l *linter) message() {
	m := &l.msg
	foreign := ""
	if m.unknown != "" {
		foreign = m.unknown
	}
	check := func(present bool, name string) {
		if present {
			foreign = name
		}
	}
	switch m.kind {
	case "SCHEMA":
		check(m.hasRecord, "record")
		check(m.value != nil, "value")
		check(m.extracted, "time_extracted")
		check(m.version, "version")
		l.schemaMessage()
	case "RECORD":
		check(m.schema != nil, "schema")
		check(m.value != nil, "value")
		check(m.keyProps != nil, "key_properties")
		check(m.bookmarkKeys != nil, "bookmark_properties")
		l.recordMessage()
	case "STATE":
		check(m.hasRecord, "record")
		check(m.schema != nil, "schema")
		check(m.hasStream, "stream")
		check(m.extracted, "time_extracted")
		check(m.keyProps != nil, "key_properties")
		check(m.bookmarkKeys != nil, "bookmark_properties")
		check(m.version, "version")
		l.report.States++
		if m.value != nil {
			l.stateMessage(m.value)
		} else {
			l.fail(ruleStateEnds, "", "STATE without value")
		}
	case "":
		l.fail(ruleMessages, m.stream, "a message without type")
		return
	default:
		l.add(SeverityError, ruleMessages, m.stream, "type "+m.kind, fmt.Sprintf("message type %s is not SCHEMA, RECORD or STATE", sample([]byte(m.kind))))
		return
	}
	if foreign != "" {
		l.add(SeverityError, ruleMessages, m.stream, "key "+foreign, fmt.Sprintf("key %s does not belong into a %s", sample([]byte(foreign)), m.kind))
	}
	if m.kind == "RECORD" && m.version {
		l.warn(ruleMessages, m.stream, "version is an extension that not every consumer knows")
	}
}

func (l *linter) recordMessage() {
	m := &l.msg
	l.report.Records++
	if !m.hasStream || m.stream == "" {
		l.fail(ruleMessages, "", "RECORD without stream")
		return
	}
	if !m.hasRecord {
		l.fail(ruleMessages, m.stream, "RECORD without record")
		return
	}
	st := l.stream(m.stream)
	if !st.declared {
		l.fail(ruleSchemaOnce, m.stream, "RECORD before the SCHEMA of its stream")
	}
	if !m.done {
		l.begin(st)
		if st.root != nil {
			l.scan.reset(m.record)
			l.checkRecord(st)
		}
	}
}

// begin notes that a record of st has come.
func (l *linter) begin(st *lintStream) {
	l.report.Streams[st.at].Records++
	if l.current != st && st.began {
		l.warn(ruleContiguous, st.name, "comes back after another stream has begun; interleave in large chunks only")
	}
	l.current, st.began = st, true
}

// finish checks what only the end shows.
func (l *linter) finish() {
	switch {
	case l.n == 0:
		l.fail(ruleStateEnds, "", "there is no message; even an empty run writes one STATE")
	case l.last != "STATE":
		l.fail(ruleStateEnds, "", "the last message is not STATE")
	}
	l.states.finish(l)
	slices.SortStableFunc(l.report.Findings, func(a, b Finding) int { return int(a.Line - b.Line) })
	l.report.seen = nil
}
