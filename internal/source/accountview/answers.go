package accountview

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// problem is an error of AccountView. CLIENT (OMNI).
type problem struct {
	ErrorType    string
	ErrorNumbers json.RawMessage // null or a list
	ErrorMessage string
}

// classify finds errors, which may come with status 200 (GUESS: OMNI reads every
// answer as one too, APIC looks at nothing but ErrorMessage).
func classify(r *stream.Response) error {
	switch {
	case r.Status == http.StatusNotFound:
		return nothing(r)
	case r.Status == http.StatusUnauthorized, r.Status == http.StatusTooManyRequests, r.Status >= 500:
		return nil
	}
	p, ok := read(r.Body)
	if !ok {
		return nil
	}
	return judge(r.Status, &p)
}

// nothing: no rows may come as 404 (CLIENT PAS). What is no path of the service is
// one too (the words are those of ASP.NET).
func nothing(r *stream.Response) error {
	path, _, _ := strings.Cut(strings.ToLower(r.URL), "?")
	body := bytes.TrimSpace(r.Body)
	if !strings.HasSuffix(path, "data") || bytes.HasPrefix(body, []byte("<")) || bytes.Contains(body, []byte("No HTTP resource")) {
		return nil
	}
	return stream.NoRows
}

// read reads an error; ok is false for an answer with rows, of which no more is
// looked at than its first member.
func read(body []byte) (p problem, ok bool) {
	at := jsonspan.Space(body, 0)
	if at >= len(body) || body[at] != '{' || !early.Match(body[:min(len(body), 4096)]) {
		return p, false
	}
	if stream.Unmarshal(body, &p) != nil {
		return p, false
	}
	return p, p.ErrorType != "" || p.ErrorMessage != ""
}

var early = regexp.MustCompile(`^\s*\{\s*"(?:[A-Za-z]+"\s*:\s*(?:null|"(?:[^"\\]|\\.)*"|\[[\d, ]*\])\s*,\s*")*Error(?:Type|Message)"`)

// judge tells errors apart by their texts and numbers, which are not documented:
// what is not recognised is a refusal of this request.
func judge(status int, p *problem) error {
	words := p.ErrorMessage
	if words == "" {
		words = p.ErrorType
	}
	f := &fault.Error{Kind: fault.Refused, Status: status, Err: errors.New("AccountView says: " + words), Hint: "see what AccountView says; the other streams can be read"}
	if columns := named(words); len(columns) > 0 {
		return &stream.UnknownField{Names: columns, Err: f}
	}
	switch {
	case status == http.StatusForbidden, barred.MatchString(words):
		f.Kind = fault.Permission
		f.Hint = "give the user the right, or the licence the module, or deselect the stream"
	case busy.MatchString(words), p.has("108", "109", "110", "1705"):
		f.Kind = fault.Transient
		f.Hint = "the administration or the communication service cannot answer now, run again later: the run resumes from its state"
	}
	return f
}

var (
	// GUESS: words of a refusal for rights or licence.
	barred = regexp.MustCompile(`(?i)\brecht(en)?\b|\blicentie|\bbevoegd|\bgeautoriseerd|\btoegang\b|\bmodule\b`)
	// GUESS: words of an installation that is offline, or in use by another.
	busy = regexp.MustCompile(`(?i)\bin gebruik\b|\bgeblokkeerd\b|\bniet bereikbaar\b|\bniet beschikbaar\b|\bgereorganiseerd\b`)
	// GUESS: words about a column.
	aboutColumn = regexp.MustCompile(`(?i)\bkolom|\bveld|\bvariabele|\bcolumn|\bfield`)
	columnName  = regexp.MustCompile(`\b(?:[A-Z][A-Z0-9_]*\.)?[A-Z][A-Z0-9_]*\b`)
)

// named lists the columns that a refusal names, with and without their tables:
// which of them was asked for, the asker knows.
func named(words string) []string {
	if !aboutColumn.MatchString(words) {
		return nil
	}
	return columnName.FindAllString(words, -1)
}

// has tells whether one of the error's numbers is among those: errors of FoxPro
// about a file or a row that somebody else has. GUESS: that they are FoxPro's.
func (p *problem) has(numbers ...string) bool {
	for word := range strings.FieldsFuncSeq(string(p.ErrorNumbers), func(r rune) bool { return r < '0' || r > '9' }) {
		if slices.Contains(numbers, word) {
			return true
		}
	}
	return false
}
