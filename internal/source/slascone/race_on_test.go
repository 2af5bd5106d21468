//go:build race

package slascone_test

// underRace: the race detector makes everything ten times as slow, and sees the same
// code with a part of the switches. All are read without it.
const underRace = true
