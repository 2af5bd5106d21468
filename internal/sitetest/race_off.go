//go:build !race

package sitetest

// underRace tells of the race detector.
const underRace = false
