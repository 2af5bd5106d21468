package stream

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// longestLiteral bounds the literals of a Prune: longer values of a parent's row
// are not kept to be compared.
const longestLiteral = 32

// refusals checks what drops parents, before they are asked for and after.
func (v *validation) refusals() {
	p := v.s.Parent
	for i, cut := range p.Prune {
		if cut.Member == "" || len(cut.Is) == 0 {
			v.say("Prune %d needs Member and Is", i+1)
		}
		for _, literal := range cut.Is {
			if !json.Valid([]byte(literal)) || len(literal) > longestLiteral || strings.ContainsAny(literal, " \t\r\n") || literal == "null" {
				v.say("Prune %d: %s is no short JSON literal that tells something", i+1, literal)
			}
		}
	}
	for _, status := range p.None {
		if !slices.Contains(p.Refusals, status) {
			v.say("status %d of None is not among Refusals", status)
		}
	}
	for _, status := range p.Refusals {
		if status < http.StatusBadRequest || status >= http.StatusInternalServerError || status == http.StatusUnauthorized || status == http.StatusTooManyRequests {
			v.say("status %d is no refusal of one parent's children", status)
		}
	}
}

// inside checks a rider whose rows lie within those of its carrier.
func (v *validation) inside() {
	s, w := v.s, v.s.With
	if len(w.Whole) > 0 && len(w.Else) == 0 {
		v.say("Whole needs Else")
	}
	if v.schema != nil {
		for _, name := range w.Whole {
			v.property("whole", name)
		}
	}
	if w.Inside == "" {
		if len(w.Else) > 0 {
			v.say("Else needs Inside")
		}
		return
	}
	if w.On != "" || s.Records != "" || s.Bare != "" {
		v.say("Inside tells where the rows are; On, Records and Bare do not go with it")
	}
	if slices.Contains(strings.Split(w.Inside, "."), "") {
		v.say("Inside %q has an empty name", w.Inside)
	}
	if len(w.Else) > 0 && len(w.Else) != len(strings.Split(w.Inside, ".")) {
		v.say("Else needs a path for each name of Inside")
	}
	if len(w.Else) > 0 && s.Scope != "" {
		v.say("Else needs a carrier without Scope: a rider is lost for good, not for a partition")
	}
}

// filled checks values that come from elsewhere than the vendor's rows.
func (v *validation) filled() {
	s := v.s
	if v.schema == nil {
		return
	}
	for i, p := range s.Fill {
		v.property("filled", p.Name)
		if slices.ContainsFunc(s.Fill[:i], func(o Param) bool { return o.Name == p.Name }) {
			v.say("%q is filled twice", p.Name)
		}
		if p.Raw && !json.Valid([]byte(p.Value)) {
			v.say("%q is filled with what is no JSON literal", p.Name)
		}
		for _, name := range names(p.Value) {
			if identifier.MatchString(name) && !v.setting(name) {
				v.say("{%s} of a Fill is no setting", name)
			}
		}
	}
	if s.Scalar != "" {
		v.property("scalar", s.Scalar)
		if _, single := s.Page.(Single); !single || s.Records != "" || s.Bare != "" || s.Chunked != nil {
			v.say("Scalar is for an answer that is all there is")
		}
	}
	if e := s.Each; e != nil {
		if _, single := s.Page.(Single); !single || s.Cursor != nil || s.Parent != nil || e.Path == "" || e.Member == "" || e.Param == "" {
			v.say("Each needs Path, Member and Param, Single, and neither Cursor nor Parent")
		}
	}
}

// survey checks a list of pages of which little is told.
func (v *validation) survey() {
	p, ok := v.s.Page.(Number)
	if !ok {
		return
	}
	if p.SizeKey != "" && !v.setting(p.SizeKey) {
		v.say("SizeKey %s is no setting", p.SizeKey)
	}
	if p.Survey == nil {
		return
	}
	if p.Param == "" || p.SizeParam == "" || p.Size <= 0 || p.First <= 0 || p.More != "" || p.Survey.Least > p.Size {
		v.say("Survey needs Param, SizeParam, a Size of Least or more, First above 0, and no More")
	}
	if p.Survey.From != "" && p.Total == "" {
		v.say("From of Survey needs Total")
	}
	if v.s.Cursor != nil || v.s.Chunked != nil || v.s.Roads != nil {
		v.say("Survey reads whole lists: no Cursor, no Chunked, no Roads")
	}
}
