package sourcetest

import "testing"

// brief tells whether a case does once what it otherwise does over and again: under
// the race detector, and where the tests are to be short.
func brief() bool { return underRace || testing.Short() }

// few are the elements with which a case does the same over and again: all of
// them, or n of a brief run, the first and those at even distances up to
// the last. A data race shows the first time that its code runs, and the detector
// makes everything ten times as slow; what only the repetition can show is read
// by make suite. A case gives n so that each path is walked.
func few[T any](n int, all []T) []T {
	if !brief() || n >= len(all) {
		return all
	}
	out := all[:1:1]
	for k := 1; k < n; k++ {
		out = append(out, all[k*(len(all)-1)/(n-1)])
	}
	return out
}

// fewer is how many rows the large tables have where a few pages show what a case
// is about: a third in a brief run, see few.
func fewer(rows int) int {
	if brief() {
		return rows / 3
	}
	return rows
}

// counted are the numbers from 1 to n.
func counted(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i + 1
	}
	return out
}
