// Package schema owns the judgement of schemas: whether a record is valid under
// one, and whether a schema file keeps the rules by which every known consumer
// loads it. It hides the validator library behind Validator; no other package
// may import that. It must not read files, fetch references or change a
// record.
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

// Validator judges records by one schema.
type Validator struct{ schema *jsonschema.Schema }

// Compile reads a JSON Schema as draft 7 with formats asserted. References to
// other documents are refused.
func Compile(schemaJSON []byte) (*Validator, error) {
	const here = "mem:///schema.json"
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft7
	c.AssertFormat = true
	c.LoadURL = func(string) (io.ReadCloser, error) {
		return nil, errors.New("schemas do not refer to other documents")
	}
	if err := c.AddResource(here, bytes.NewReader(schemaJSON)); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	s, err := c.Compile(here)
	if err != nil {
		return nil, fmt.Errorf("compile schema: %w", err)
	}
	return &Validator{s}, nil
}

// Validate tells what is wrong with a record, a line for each fault. Numbers
// are judged by their digits, not as floats.
func (v *Validator) Validate(recordJSON []byte) error {
	dec := json.NewDecoder(bytes.NewReader(recordJSON))
	dec.UseNumber()
	var record any
	if err := dec.Decode(&record); err != nil {
		return fmt.Errorf("read record: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read record: more than one value")
	}
	err := v.schema.Validate(record)
	if e, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return errors.New(strings.Join(leaves(e, nil), "\n"))
	}
	return err
}

// leaves collects the innermost causes, which name the place and the reason.
func leaves(e *jsonschema.ValidationError, lines []string) []string {
	if len(e.Causes) == 0 {
		place := e.InstanceLocation
		if place == "" {
			place = "/"
		}
		return append(lines, place+": "+fault.Clip(e.Message, 200))
	}
	for _, c := range e.Causes {
		lines = leaves(c, lines)
	}
	return lines
}
