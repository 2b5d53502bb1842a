package compare

import "github.com/apache/arrow-go/v18/arrow"

// Hashes are those of an array's values.
func Hashes(a arrow.Array) ([]uint64, error) {
	out := make([]uint64, a.Len())
	return out, hashes(a, out)
}
