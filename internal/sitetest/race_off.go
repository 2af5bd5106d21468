//go:build !race

package sitetest

// UnderRace tells of the race detector.
const UnderRace = false
