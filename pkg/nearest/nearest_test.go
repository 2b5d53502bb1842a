package nearest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/levada-data/levada/pkg/nearest"
)

func TestOf(t *testing.T) {
	for name, c := range map[string]struct {
		name, want string
		names      []string
	}{
		"OneTooMany":         {"amouunt", "amount", []string{"id", "amount", "account"}},
		"Swapped":            {"naem", "name", []string{"id", "name"}},
		"Case":               {"ID", "id", []string{"amount", "id"}},
		"TheFirstOfTwo":      {"ab", "abc", []string{"abc", "abd"}},
		"TheClosest":         {"amoumt", "amount", []string{"amounts", "amount"}},
		"SomethingElse":      {"country", "", []string{"amount", "id"}},
		"LongerThanTheName":  {"hive_partitions", "hive", []string{"uri", "hive", "hi"}},
		"BeginningOfOne":     {"mem", "memory", []string{"name", "memory", "memory_limit"}},
		"TooShortABeginning": {"co", "", []string{"country", "nothing"}},
		"CloserThanEither":   {"files", "file", []string{"fil", "file", "files_expected"}},
		"NothingInCommon":    {"x", "", []string{"y", "zz"}},
		"NoNames":            {"amount", "", nil},
		"EmptyName":          {"", "", []string{"a", "b"}},
		"CharactersNotBytes": {"дум", "дом", []string{"дом"}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, nearest.Of(c.name, c.names))
		})
	}
}
