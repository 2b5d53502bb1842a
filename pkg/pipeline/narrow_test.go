package pipeline

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"
)

// randomStages draws operators over columns that are all int64.
func randomStages(rng *rand.Rand, columns []string) string {
	var b strings.Builder
	pick := func() string { return columns[rng.IntN(len(columns))] }
	fresh := 0
	for i := range 1 + rng.IntN(2) {
		fmt.Fprintf(&b, "  - name: s%d\n    transform:\n", i)
		for range 1 + rng.IntN(4) {
			switch rng.IntN(5) {
			case 0:
				fmt.Fprintf(&b, "      - filter: \"%s > 1\"\n", pick())
			case 1:
				name := pick() // replaced, or new
				if rng.IntN(2) == 0 {
					fresh++
					name = fmt.Sprintf("n%d", fresh)
				}
				fmt.Fprintf(&b, "      - with: { %s: \"%s + 1\" }\n", name, pick())
				if !slices.Contains(columns, name) {
					columns = append(columns, name)
				}
			case 2:
				rng.Shuffle(len(columns), func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
				columns = slices.Clone(columns[:1+rng.IntN(len(columns))])
				fmt.Fprintf(&b, "      - select: [%s]\n", strings.Join(columns, ", "))
			case 3:
				if len(columns) > 1 {
					fmt.Fprintf(&b, "      - drop: [%s]\n", columns[0])
					columns = slices.Clone(columns[1:])
				} else {
					fmt.Fprintf(&b, "      - filter: \"%s > 1\"\n", pick())
				}
			case 4:
				fresh++
				old, name := rng.IntN(len(columns)), fmt.Sprintf("r%d", fresh)
				fmt.Fprintf(&b, "      - rename: { %s: %s }\n", columns[old], name)
				columns = slices.Clone(columns)
				columns[old] = name
			}
		}
	}
	return b.String()
}

// Reading fewer columns changes nothing of what comes out: neither names, nor types, nor
// their order; and who compiles against the plan's schema gets the same.
func TestNarrowingChangesNothingOfTheOutput(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	narrowed := 0
	for n := range 2000 {
		all := []string{"a", "b", "c", "d", "e"}
		var fields []arrow.Field
		for _, name := range all {
			fields = append(fields, arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Int64, Nullable: true})
		}
		source := arrow.NewSchema(fields, nil)
		listed := ""
		if n%3 == 0 {
			all = []string{"d", "b", "a"}
			listed = ", columns: [d, b, a]"
		}
		text := "apiVersion: levada/v1\nname: n\nsource: { parquet: { uri: in" + listed + " } }\nstages:\n" +
			randomStages(rng, slices.Clone(all)) + "sink: { parquet: { uri: out } }\n"
		spec, err := Parse("spec.yaml", []byte(text))
		require.NoError(t, err, text)
		c := &compiler{parser: parser{spec: spec}}
		whole := c.pipeline(c.declared(source))
		require.Empty(t, c.errs, text)
		p, err := Compile(spec, source)
		require.NoError(t, err, text)
		require.True(t, p.Out.Equal(whole.Out), "%s%s\n%s", text, p.Out, whole.Out)
		planned, err := CompilePlanned(spec, p.Source)
		require.NoError(t, err, text)
		require.True(t, planned.Out.Equal(whole.Out), text)
		require.True(t, planned.Source.Equal(p.Source), text)
		if p.Source.NumFields() < whole.Source.NumFields() {
			narrowed++
		}
	}
	require.Greater(t, narrowed, 300)
}
