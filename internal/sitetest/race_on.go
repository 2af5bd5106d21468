//go:build race

package sitetest

// underRace tells of the race detector: it makes everything ten times as slow, and
// sees the same code with a part of the switches. All are read without it.
const underRace = true
