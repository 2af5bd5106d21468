//go:build !race

package buchhaltungsbutler_test

const underRace = false
