// Package schemas owns the JSON Schemas of static streams, one file for each at
// <source>/<stream>.json; those of Exact Online are made from the vendor's model
// (package edm). The files are the source of truth for what a
// stream emits, in the order in which it emits it: the key first, then the
// vendor's fields. What the tap adds itself, such as _rescued_data, is not in
// them. Package schema states their rules in Lint; this package must hold no
// logic.
package schemas

import (
	"embed"
	"path"
)

// FS holds the files.
//
//go:embed */*.json
var FS embed.FS

// File returns the schema of a stream. Its error tells that there is none.
func File(source, stream string) ([]byte, error) {
	return FS.ReadFile(path.Join(source, stream+".json"))
}
