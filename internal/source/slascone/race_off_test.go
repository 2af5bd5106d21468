//go:build !race

package slascone_test

const underRace = false
