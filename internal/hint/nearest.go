// Package hint owns the guess at what a misspelt name was meant to be. It must
// know nothing of what the names stand for.
package hint

import "strings"

// Nearest returns the known name that name was most likely meant to be, or ""
// when none is close: at most half of its letters may differ. Case and the
// difference between - and _ do not count.
func Nearest(name string, known []string) string {
	if len(name) > 64 {
		return ""
	}
	fold := strings.NewReplacer("-", "_")
	a := fold.Replace(strings.ToLower(name))
	best, least := "", max(1, len(a)/2)+1
	for _, k := range known {
		if d := distance(a, fold.Replace(strings.ToLower(k))); d < least && d < len(k) {
			best, least = k, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
