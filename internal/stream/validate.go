package stream

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/singer"
)

// maxName is what the narrowest database takes for a table's name.
const maxName = 63

var (
	streamName  = regexp.MustCompile(`^[a-z][a-z_]*$`)
	placeholder = regexp.MustCompile(`\{([^{}]*)\}`)
	identifier  = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)
)

// Validate returns what is wrong with a table, a sentence for each finding, in
// the table's order; nothing for a good one. schemaOf gives a stream's schema.
// What a scope's partitions are called, and what values they carry, is known at
// run time only: of the placeholders of a stream with a scope, those that
// nothing else binds are taken to be theirs.
func (s *Source) Validate(schemaOf func(*Stream) (*singer.Schema, error)) []string {
	v := validation{source: s, schemaOf: schemaOf, all: s.every()}
	v.table()
	for i := range v.all {
		v.stream(i)
	}
	return v.found
}

type validation struct {
	source   *Source
	schemaOf func(*Stream) (*singer.Schema, error)
	found    []string
	all      []*Stream // and helpers

	s      *Stream // the stream at hand, nil for the source
	schema *singer.Schema
}

// say notes a finding.
func (v *validation) say(format string, args ...any) {
	place := v.source.Name
	if v.s != nil {
		place += ": " + v.s.Name
	}
	v.found = append(v.found, place+": "+fmt.Sprintf(format, args...))
}

// table checks what is not of one stream.
func (v *validation) table() {
	src := v.source
	if src.Origin == nil {
		v.say("has no Origin")
	}
	if !strings.HasPrefix(src.Base, "/") || !strings.HasSuffix(src.Base, "/") {
		v.say("Base %q has no slash at both ends", src.Base)
	}
	for _, name := range names(src.Base) {
		if !v.setting(name) {
			v.say("{%s} of Base is no setting", name)
		}
	}
	if src.Doc == "" {
		v.say("has no Doc")
	}
	if src.Probe != "" && src.Stream(src.Probe) == nil {
		v.say("Probe names no stream: %s", src.Probe)
	}
	for i := range src.Settings {
		if slices.ContainsFunc(src.Settings[:i], func(o Setting) bool { return o.Key == src.Settings[i].Key }) {
			v.say("setting %s is there twice", src.Settings[i].Key)
		}
	}
}

func (v *validation) setting(name string) bool {
	return slices.ContainsFunc(v.source.Settings, func(s Setting) bool { return s.Key == name && s.Kind != Secret })
}

// names lists the placeholders of a text.
func names(text string) []string {
	var out []string
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

func (v *validation) stream(i int) {
	v.s = v.all[i]
	s := v.s
	if !streamName.MatchString(s.Name) || len(s.Name) > maxName {
		v.say("the name is not up to %d of a-z and _, a letter first", maxName)
	}
	if slices.ContainsFunc(v.all[:i], func(o *Stream) bool { return o.Name == s.Name }) {
		v.say("the name is there twice")
	}
	if s.Doc == "" {
		v.say("has no Doc")
	}
	var err error
	if v.schema, err = v.schemaOf(s); err != nil {
		v.say("has no schema: %v", err)
	} else {
		v.properties()
	}
	if s.Scope != "" {
		if _, ok := v.source.Scopes[s.Scope]; !ok {
			v.say("Scope %s is none of the source's", s.Scope)
		}
	}
	v.needs()
	v.placeholders()
	v.filled()
	v.survey()
	v.cursor()
	v.repeats()
	v.page()
	v.chunked()
	v.shared()
	v.deletions()
	v.job()
}

// property checks that a name is one of the schema's and returns its schema.
func (v *validation) property(what, name string) *singer.Schema {
	p := v.schema.Property(name)
	if p == nil {
		v.say("%s %q is no property", what, name)
	}
	return p
}

// properties checks the names that have to be in the schema.
func (v *validation) properties() {
	s := v.s
	if len(s.Key) == 0 {
		v.say("has no Key")
	}
	for i, name := range s.Key {
		if slices.Contains(s.Key[:i], name) {
			v.say("key %q is there twice", name)
		}
		if p := v.property("key", name); p != nil && (p.Type == "object" || p.Type == "array") {
			v.say("key %q is no scalar", name)
		}
	}
	if c := s.Cursor; c != nil {
		p := v.property("replication key", c.Field)
		if p != nil && p.Type != "integer" && p.Format != "date-time" && p.Format != "date" {
			v.say("replication key %q is no date-time, date or integer", c.Field)
		}
		if p != nil && p.Type == "integer" && c.Layout != "" {
			v.say("an integer has no Layout")
		}
	}
	for _, name := range v.source.Scopes[s.Scope].Inject {
		if s.Parent == nil {
			v.property("injected", name)
		}
	}
	for _, b := range s.binds() {
		if b.Inject != "" {
			v.property("injected", b.Inject)
		}
	}
	for _, name := range s.Hidden {
		if v.property("hidden", name) != nil && (slices.Contains(s.Key, name) || s.Cursor != nil && s.Cursor.Field == name) {
			v.say("%q cannot be hidden, it is always emitted", name)
		}
	}
	for _, name := range s.Trim {
		v.property("trimmed", name)
	}
	for i := range v.schema.Properties {
		if name := v.schema.Properties[i].Name; slices.Contains(s.Ignore, name) {
			v.say("%q is ignored, but a property", name)
		}
	}
	for name := range s.Convert {
		if v.schema.Property(name) == nil {
			v.say("converted %q is no property", name)
		}
	}
}

// binds are what a stream gets from the rows of the one that it needs.
func (s *Stream) binds() []Bind {
	switch {
	case s.Parent != nil:
		return s.Parent.Bind
	case s.With != nil:
		return s.With.Inject
	}
	return nil
}

// needs checks parents and carriers.
func (v *validation) needs() {
	s := v.s
	if s.Parent != nil && s.With != nil {
		v.say("has both Parent and With")
		return
	}
	if s.Below != "" && (v.source.Stream(s.Below) == nil || s.Below == s.Name) {
		v.say("is Below %s, which is no other stream", s.Below)
	}
	if s.Needs() == "" {
		return
	}
	up := v.source.Stream(s.Needs())
	if up == nil {
		v.say("needs %s, which is no stream", s.Needs())
		return
	}
	for o, n := up, 0; o != nil && o.Needs() != ""; o, n = v.source.Stream(o.Needs()), n+1 {
		if n > len(v.all) || o.Needs() == s.Name {
			v.say("needs itself")
			return
		}
	}
	if up.Scope != s.Scope {
		v.say("Scope %q is not that of %s, %q", s.Scope, up.Name, up.Scope)
	}
	if s.Parent != nil {
		v.parent(up)
	} else {
		v.with(up)
	}
}

func (v *validation) parent(up *Stream) {
	p := v.s.Parent
	if len(p.Bind) == 0 {
		v.say("Parent binds nothing")
	}
	used := strings.Join(append(v.texts(), v.s.Path), " ")
	for i, b := range p.Bind {
		switch {
		case b.From == "" || b.To == "" && b.Inject == "":
			v.say("Bind %d needs From, and To or Inject", i+1)
		case b.To != "" && v.s.Job == nil && !strings.Contains(used, "{"+b.To+"}"):
			v.say("nothing uses {%s}", b.To)
		}
	}
	v.refusals()
	if p.Changed && up.Cursor == nil {
		v.say("Changed needs a replication key of %s", up.Name)
	}
}

func (v *validation) with(up *Stream) {
	s, w := v.s, v.s.With
	switch {
	case up.With != nil:
		v.say("rides on %s, which rides itself", up.Name)
	case up.Chunked != nil || up.Job != nil:
		v.say("rides on %s, whose answers are put together", up.Name)
	case up.Cursor != nil && up.Cursor.Drift != nil:
		v.say("rides on %s, of which pages are read more than once", up.Name)
	}
	if (w.On == "") != (w.From == "") {
		v.say("With needs both On and From, or neither")
	}
	if w.On == "" && w.Inside == "" && len(w.Inject) > 0 {
		v.say("With injects only where it joins")
	}
	v.inside()
	for i, b := range w.Inject {
		if b.From == "" || b.Inject == "" || b.To != "" {
			v.say("Inject %d of With needs From and Inject, and no To", i+1)
		}
	}
	if s.Method != "" || s.Path != "" || len(s.Params) > 0 || s.Page != nil || s.Chunked != nil || s.Job != nil || s.OneRow {
		v.say("rides on %s and asks nothing itself", up.Name)
	}
	if c := s.Cursor; c != nil && (c.Filtered() || c.Sorted) {
		v.say("rides on %s, so its Cursor filters and sorts nothing", up.Name)
	}
	for i := range v.all {
		o := v.all[i]
		carried := o == up || o != s && o.With != nil && o.With.Stream == up.Name
		if carried && o.Records == s.Records && w.Inside == "" && (o.With == nil || o.With.Inside == "") {
			v.say("its rows lie where those of %s do", o.Name)
		}
	}
}

// texts are the values of the parameters, in which placeholders are filled.
func (v *validation) texts() []string {
	var out []string
	for _, p := range v.s.Params {
		out = append(out, p.Value)
	}
	return out
}

func (v *validation) placeholders() {
	bound := func(name string) bool {
		return v.s.Scope != "" || v.setting(name) ||
			v.s.Parent != nil && slices.ContainsFunc(v.s.Parent.Bind, func(b Bind) bool { return b.To == name })
	}
	for _, name := range names(v.s.Path) {
		if !identifier.MatchString(name) || !bound(name) {
			v.say("{%s} of Path is bound by nothing", name)
		}
	}
	for _, text := range v.texts() {
		for _, name := range names(text) {
			// Other braces are the vendor's: {^2026-01-31}, {"date":"ASC"}.
			if identifier.MatchString(name) && !bound(name) {
				v.say("{%s} of a parameter is bound by nothing", name)
			}
		}
	}
}

func (v *validation) cursor() {
	c := v.s.Cursor
	if c == nil {
		return
	}
	if c.Filter != nil && (c.From != "" || c.To != "") {
		v.say("Filter and From, To exclude each other")
	}
	if c.To != "" && c.From == "" {
		v.say("To needs From")
	}
	counts := TotalPath(v.s.Page) != ""
	if c.MaxRows > 0 && (!counts || !c.Bounded()) {
		v.say("MaxRows needs both bounds and a pager that tells the total")
	}
	if c.Sparse && (!counts || !c.Filtered()) {
		v.say("Sparse needs a filter and a pager that tells the total")
	}
	if c.Unended && !c.Bounded() {
		v.say("Unended needs an upper bound that can be left out")
	}
	if c.Proof != nil && !c.Sorted {
		v.say("Proof is for a Cursor that is Sorted")
	}
	if c.Margin < 0 || c.Margin > 24*time.Hour || c.Margin > 0 && !c.Filtered() {
		v.say("Margin is up to a day, of a Cursor that filters")
	}
	v.drift(c)
	for _, name := range c.Epochs {
		if !strings.HasPrefix(name, "_") || v.s.Scope == "" || v.s.Parent != nil {
			v.say("epoch %q needs a leading _, a Scope, and a stream without Parent", name)
		}
	}
	if b := c.Begin; b != nil && (b.Ask == nil || b.Read == nil) {
		v.say("Begin needs Ask and Read")
	}
	if len(c.Front) > 0 && (!counts || !c.Filtered()) {
		v.say("Front needs a filter and a pager that tells the total")
	}
}

// drift checks what the proofs of a list whose rows move need.
func (v *validation) drift(c *Cursor) {
	s := v.s
	if c.Drift == nil {
		return
	}
	_, token := s.Page.(Token)
	if c.Drift.Pages <= 0 || !token || !c.Sorted || c.Proof != nil || !c.Filtered() || c.Bounded() {
		v.say("Drift needs Pages, pages by Token, and a Cursor that is Sorted, without Proof, and filters from below alone")
	}
	if v.schema != nil && v.schema.Property(c.Field) != nil && v.schema.Property(c.Field).Format != "date-time" {
		v.say("Drift needs a replication key of type date-time")
	}
	if s.Chunked != nil && !slices.Contains(s.Chunked.Always, c.Field) {
		v.say("Drift needs the replication key in Always")
	}
}

// page checks that a pager is whole, and that one is chosen: a forgotten one
// would read the first page and take it for all.
func (v *validation) page() {
	s := v.s
	if s.With != nil {
		return
	}
	if s.Job != nil {
		if s.Page != nil {
			v.say("Job and Page exclude each other")
		}
		return
	}
	incomplete := false
	switch p := s.Page.(type) {
	case nil:
		v.say("has no Page; say Single where one answer holds all rows")
	case NextLink:
		incomplete = p.Next == ""
	case Number:
		incomplete = p.Param == "" || p.Size <= 0 && p.More == ""
	case Offset:
		incomplete = p.Param == "" || p.Size <= 0 && !p.UntilEmpty
	case Token:
		incomplete = p.Param == "" || p.Token == ""
	case Keyset:
		incomplete = p.Param == "" || p.Field == "" || p.Size <= 0 && !p.UntilEmpty
	}
	if incomplete {
		v.say("Page lacks what it needs: %T", s.Page)
	}
}

// job checks that a bulk job is whole and that its file is read in one way.
func (v *validation) job() {
	v.wholeJob(v.s.Job)
	r := v.s.Roads
	if r == nil {
		return
	}
	if v.s.Page == nil || v.s.Job != nil || v.s.Parent != nil || v.s.With != nil {
		v.say("Roads lie beside pages, of a stream that is read by itself")
	}
	if (r.Count == nil) != (r.Counted == nil) {
		v.say("Roads needs both Count and Counted, or neither")
	}
	for i := range r.Ways {
		w := &r.Ways[i]
		if w.Name == "" || w.Job == nil || w.Cost == nil {
			v.say("a Road needs Name, Job and Cost")
		}
		v.wholeJob(w.Job)
	}
}

func (v *validation) wholeJob(j *Job) {
	if j == nil {
		return
	}
	if j.Create == nil && j.Open == nil || j.Poll == nil && j.Table != nil {
		v.say("Job needs Create, and Poll for what it does not answer at once")
	}
	if j.Table != nil && j.Table.Columns == nil {
		v.say("Table needs Columns")
	}
	if j.Table != nil && j.Rows != nil {
		v.say("Table and Rows exclude each other")
	}
}

// deletions checks where the deleted rows of a stream are listed.
func (v *validation) deletions() {
	d := v.s.Deletions
	if d == nil {
		return
	}
	list := v.source.Stream(d.Stream)
	switch {
	case list == nil:
		v.say("Deletions names no stream: %s", d.Stream)
		return
	case list.Cursor == nil || list.Needs() != "" || list.Scope != "" && list.Scope != v.s.Scope && (d.Partition == "" || v.s.Scope != ""):
		v.say("Deletions needs a list with a Cursor, of no other stream and no other scope: %s", d.Stream)
	}
	schema, err := v.schemaOf(list)
	if err != nil {
		return // said of that stream
	}
	for _, name := range []string{d.Key, d.At, d.Where} {
		if name != "" && schema.Property(name) == nil {
			v.say("Deletions: %q is no property of %s", name, d.Stream)
		}
	}
	if (d.Where == "") != (d.Is == "") {
		v.say("Deletions needs both Where and Is, or neither")
	}
	own := 0
	for _, k := range v.s.Key {
		if !strings.HasPrefix(k, "_") {
			own++
		}
	}
	if own != 1 {
		v.say("Deletions needs a key of one member of the vendor's")
	}
}

func (v *validation) chunked() {
	c := v.s.Chunked
	if c == nil {
		return
	}
	if v.s.Job != nil {
		v.say("Chunked and Job exclude each other")
	}
	if c.Param == "" || c.Key == "" || c.IDs == "" || c.MaxIDs <= 0 {
		v.say("Chunked needs Param, Key, IDs and MaxIDs")
	}
	if c.Max <= len(c.Always) {
		v.say("Chunked leaves no room beside Always")
	}
	if !slices.Contains(c.Always, c.Key) {
		v.say("Always lacks the Key of Chunked")
	}
	if c.One != "" && !strings.Contains(c.One, "{id}") {
		v.say("Chunked.One has no {id}")
	}
}
