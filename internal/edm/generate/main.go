// Command generate writes the schemas of Exact Online's streams, one file for
// each in schemas/exact_online, from the entity data model. Run it by
// go generate ./internal/edm; a test tells when it has to be run. It must decide
// nothing itself: what a schema says is the model's.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
)

func main() {
	dir := flag.String("dir", filepath.Join("..", "..", "schemas", "exact_online"), "`FOLDER` to write to")
	flag.Parse()
	if err := write(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// write replaces the files and removes those of streams that are no more.
func write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	old, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range old {
		if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	for _, s := range edm.Sets() {
		if err := os.WriteFile(filepath.Join(dir, s.Name+".json"), s.Schema(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
