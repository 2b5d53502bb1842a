package expr

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/expressions.md from the table of functions")

func TestReferencePageIsMadeOfTheTable(t *testing.T) {
	const page = "../../docs/expressions.md"
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(Reference()), 0o644))
	}
	have, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, Reference(), string(have), "run: go test ./pkg/expr -run TestReference -update")
}

// An entry is complete: someone who adds a function is told here what is missing.
func TestEveryFunctionIsDescribed(t *testing.T) {
	for _, f := range functions() {
		t.Run(f.form, func(t *testing.T) {
			require.NotEmpty(t, f.form)
			require.NotEmpty(t, f.doc)
			require.NotEmpty(t, f.examples)
			require.NotEmpty(t, f.signatures)
			for _, s := range f.signatures {
				if len(f.forms) > 0 {
					continue
				}
				ways := 0
				for _, is := range []bool{s.kernel != nil, s.prepare != nil, s.identity, s.build != nil} {
					if is {
						ways++
					}
				}
				require.Equal(t, 1, ways, "one of kernel, prepare, identity, build")
				if len(s.errs) > 0 && !s.lenient {
					require.NotEmpty(t, f.fails, "a function with row errors says when")
				}
			}
		})
	}
}
