package nearest

import (
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// Of returns the one of names that differs from name in the fewest characters, the first of
// several, or "" if none is like it: each differs in more than one and a quarter of name's,
// or in all of them. So two letters may be swapped, which is two differences, in a name of
// four. Upper and lower case are no difference; the distance is Levenshtein's.
func Of(name string, names []string) string {
	name = strings.ToLower(name)
	length := utf8.RuneCountInString(name)
	best, least := "", length/4+2
	for _, n := range names {
		if d := levenshtein.ComputeDistance(name, strings.ToLower(n)); d < least && d < length {
			best, least = n, d
		}
	}
	return best
}
