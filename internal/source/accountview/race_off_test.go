//go:build !race

package accountview_test

const underRace = false
