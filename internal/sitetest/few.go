package sitetest

import "testing"

// Brief tells whether a test does once what it otherwise does over and again: under
// the race detector, and where the tests are to be short.
func Brief() bool { return underRace || testing.Short() }

// Few are the cases of a test whose point is in their number: all of them, or n
// of a brief run, the first and those at even distances up to the last.
// A data race shows the first time that its code runs; every case is read
// by make suite.
func Few[T any](n int, all []T) []T {
	if !Brief() || n >= len(all) {
		return all
	}
	out := all[:1:1]
	for k := 1; k < n; k++ {
		out = append(out, all[k*(len(all)-1)/(n-1)])
	}
	return out
}
