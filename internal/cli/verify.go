package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/schema"
)

// verifier stands before stdout in a --test run and judges each record by the
// schema that was written for it, with a validator that is not our own code. It
// passes everything on; a record that its schema refuses is a defect of ours.
type verifier struct {
	w       io.Writer
	rest    []byte // the beginning of a line whose end is still to come
	schemas map[string]*schema.Validator
	err     error // the first finding
}

func newVerifier(w io.Writer) *verifier {
	return &verifier{w: w, schemas: map[string]*schema.Validator{}}
}

// Write implements io.Writer.
func (v *verifier) Write(p []byte) (int, error) {
	v.rest = append(v.rest, p...)
	for {
		line, rest, whole := bytes.Cut(v.rest, []byte{'\n'})
		if !whole {
			break
		}
		if err := v.line(line); err != nil && v.err == nil {
			v.err = &fault.Error{Kind: fault.Internal, Op: "--test", Err: err, Hint: "this is a defect of tap-backoffice, please report it"}
		}
		v.rest = rest
	}
	return v.w.Write(p)
}

func (v *verifier) line(line []byte) error {
	var m struct {
		Type, Stream   string
		Schema, Record json.RawMessage
	}
	if err := json.Unmarshal(line, &m); err != nil {
		return fmt.Errorf("a message is not JSON: %w", err)
	}
	switch m.Type {
	case "SCHEMA":
		s, err := schema.Compile(m.Schema)
		if err != nil {
			return fmt.Errorf("schema of %s: %w", m.Stream, err)
		}
		v.schemas[m.Stream] = s
	case "RECORD":
		s := v.schemas[m.Stream]
		if s == nil {
			return errors.New("a record of " + m.Stream + " comes before its schema")
		}
		if err := s.Validate(m.Record); err != nil {
			return fmt.Errorf("a record of %s does not fit its schema: %w", m.Stream, err)
		}
	}
	return nil
}
