package nearest

import (
	"cmp"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// atLeast is how many bytes the shorter of two names has, of which one begins with the other.
const atLeast = 3

// Of returns the one of names that differs from name in the fewest characters, the first of
// several. None is like it if each differs in more than one and a quarter of name's, or in
// all of them; so two letters may be swapped, which is two differences, in a name of four.
// Then it is the longest one that name begins with, else the first one that begins with
// name, else "". Upper and lower case are no difference; the distance is Levenshtein's.
func Of(name string, names []string) string {
	name = strings.ToLower(name)
	length := utf8.RuneCountInString(name)
	best, least := "", length/4+2
	begun, begins := "", ""
	for _, n := range names {
		lower := strings.ToLower(n)
		if d := levenshtein.ComputeDistance(name, lower); d < least && d < length {
			best, least = n, d
		}
		switch {
		case min(len(lower), len(name)) < atLeast:
		case strings.HasPrefix(name, lower) && len(n) > len(begun):
			begun = n
		case strings.HasPrefix(lower, name) && begins == "":
			begins = n
		}
	}
	return cmp.Or(best, begun, begins)
}
