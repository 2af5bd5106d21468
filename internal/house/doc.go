// Package house owns the rules about the code itself, as tests: which package
// may import which, what is documented, who may print, what is in the binary,
// and the lint configuration, whose layer rules are written from the same table
// (go test ./internal/house -update). Each rule carries its reason, which is
// what a failing test prints.
//
// It must never judge behaviour, which is what the other tests are for, and
// must hold no code that anything imports.
package house
