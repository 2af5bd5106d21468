//go:build race

package sourcetest

// underRace: the race detector makes everything ten times as slow. Each way and
// each seed is read without it, by make suite.
const underRace = true
