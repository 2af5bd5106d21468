// Package singer owns the Singer wire: schemas, the catalog and what it
// selects, the state, metric lines, the linter behind conform, and the one
// writer of stdout.
//
// It must never do HTTP, read flags or files, or know a source: callers hand it
// bytes and names. Its errors are [fault.Error] values of kind Config (catalog,
// schema, pattern), State or Output.
package singer
