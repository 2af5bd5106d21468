package jsonspan

// Members iterates over the members of one object, in their order:
//
//	m := jsonspan.NewMembers(b, i)
//	for m.Next() {
//		use(m.Name(), m.Value())
//	}
//	if m.Err() != nil { … }
//
// Each value is scanned by Next. It does not allocate.
type Members struct {
	list
	nameStart, nameEnd int
	nameInfo           Info
}

// Elements iterates over the elements of one array, as [Members] does over an
// object.
type Elements struct{ list }

// list is what both iterators share: a position between brackets.
type list struct {
	b          []byte
	at         int // where the next step looks; after the last step, the end
	start, end int // the current value
	info       Info
	started    bool
	done       bool
	err        error
}

// NewMembers starts an iteration over the object at b[i].
func NewMembers(b []byte, i int) Members {
	m := Members{list: list{b: b, at: i}}
	m.enter('{', "an object should start here")
	return m
}

// NewElements starts an iteration over the array at b[i].
func NewElements(b []byte, i int) Elements {
	e := Elements{list{b: b, at: i}}
	e.enter('[', "an array should start here")
	return e
}

func (l *list) enter(bracket byte, msg string) {
	if l.at >= len(l.b) || l.b[l.at] != bracket {
		l.fail(Fault(l.b, l.at, msg))
		return
	}
	l.at = Space(l.b, l.at+1)
}

func (l *list) fail(err error) {
	l.err, l.done = err, true
}

// step moves to the start of the next member or element.
func (l *list) step(closing byte) bool {
	if l.done {
		return false
	}
	if l.at < len(l.b) && l.b[l.at] == closing {
		l.at++
		l.done = true
		return false
	}
	if l.started {
		if l.at >= len(l.b) || l.b[l.at] != ',' {
			l.fail(Fault(l.b, l.at, "comma or closing bracket expected"))
			return false
		}
		l.at = Space(l.b, l.at+1)
	}
	l.started = true
	return true
}

// value scans the current value.
func (l *list) value() bool {
	end, info, err := Scan(l.b, l.at)
	if err != nil {
		l.fail(err)
		return false
	}
	l.start, l.end, l.info = l.at, end, info
	l.at = Space(l.b, end)
	return true
}

// Next moves to the next member; false at the end or at an error.
func (m *Members) Next() bool {
	if !m.step('}') {
		return false
	}
	end, value, info, err := Name(m.b, m.at)
	if err != nil {
		m.fail(err)
		return false
	}
	m.nameStart, m.nameEnd, m.nameInfo = m.at, end, info
	m.at = value
	return m.value()
}

// Next moves to the next element; false at the end or at an error.
func (e *Elements) Next() bool {
	return e.step(']') && e.value()
}

// Name returns the member's name as it is written, without the quotes; when
// [Members.NameInfo] has Escaped, [Unescape] gives its text.
func (m *Members) Name() []byte { return m.b[m.nameStart+1 : m.nameEnd-1] }

// NameInfo returns the flags of the member's name.
func (m *Members) NameInfo() Info { return m.nameInfo }

// Named tells whether the member's name is name, whichever way it is written.
func (m *Members) Named(name string) bool { return equalText(m.Name(), m.nameInfo, name) }

// Value returns the bytes of the current value.
func (l *list) Value() []byte { return l.b[l.start:l.end] }

// Start returns the index of the current value.
func (l *list) Start() int { return l.start }

// Info says what the current value is.
func (l *list) Info() Info { return l.info }

// End returns the index after the closing bracket, once Next has returned false
// without an error.
func (l *list) End() int { return l.at }

// Err returns the error that ended the iteration, or nil.
func (l *list) Err() error { return l.err }
