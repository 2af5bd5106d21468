// Package sourcetest owns the conformance suite: what every source has to do,
// run over all that are registered. [Run] makes subtests per source and case;
// a source is found by the registry and its stand-in by its name, so adding one
// changes nothing here.
//
// A case drives the real way from a config to stdout (config, auth, budget,
// httpx, engine, singer) against the stand-in, in process and in virtual time.
// What it expects follows from contract.md and the stand-in's truth; it must
// never ask the tap's own converters what a record should be, know a vendor, or
// need a network, a wall clock or another package's test data.
//
// Where a source has more than a hundred streams, shared runs look at all of them
// and the other cases at one of each look, which the table's data tell, see
// [subject.some]; no stream is chosen by its name.
//
// Where a config can insist on one of several ways to a stream's rows, the cases
// that read rows are run once more for each, which the table tells too. Some are
// run in each position of what a vendor's papers leave open, which the stand-in
// tells.
//
// Where nobody knows what a vendor does, the stand-in tells the positions that its
// switches can be in: [emulator.Plugin]'s Guesses, in which cases that read rows are
// run once more, Throttles and Broken.
//
// -update writes catalogs/, testdata/golden and testdata/pages anew; the diff
// is read in review.
package sourcetest
