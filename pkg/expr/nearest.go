package expr

import "strings"

// nearest is the name most like the given one, or empty when none is like it.
func nearest(name string, names []string) string {
	limit := 1 + len(name)/4
	best, least := "", limit+1
	for _, n := range names {
		d := distance(strings.ToLower(name), strings.ToLower(n), least)
		if d < least && d < len(name) {
			best, least = n, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two names, in bytes; it stops at most.
func distance(a, b string, most int) int {
	if len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
