// Package catalogs owns the golden output of discovery, one file for each
// source at <source>.json. The conformance suite compares discovery with them
// and writes them with -update; this package must hold no logic.
package catalogs

import "embed"

// FS holds the files.
//
//go:embed *.json
var FS embed.FS
