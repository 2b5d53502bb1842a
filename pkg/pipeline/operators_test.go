package pipeline_test

import (
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/operator"
	"github.com/levada-data/levada/pkg/pipeline"
)

// Every form in which the reference writes these operators.
func TestOperatorForms(t *testing.T) {
	s := parse(t, head+`stages:
  - name: a
    transform:
      - limit: 1_000
      - cast: { id: string, amount: "decimal(10,2)", visits: { to: int8, on_fail: null }, country: { to: binary, on_fail: dead_letter } }
      - fill_null: { amount: 1.5, country: "" }
      - unnest: address
      - flatten: [address]
      - flatten: { columns: [a, b], separator: "." }
      - sample: 0.25
      - sample: { fraction: 1, seed: 42 }
      - assert: "amount > 0"
      - assert: { expr: "amount > 0", on_fail: dead_letter }
`+tail)
	ops := s.Stages[0].Transform
	require.EqualValues(t, 1000, *ops[0].Limit)
	require.Len(t, ops[1].Cast, 4)
	require.Equal(t, "decimal(10,2)", ops[1].Cast[1].To)
	require.Equal(t, "null", ops[1].Cast[2].OnFail)
	require.Empty(t, ops[1].Cast[3].OnFail)
	require.Equal(t, "1.5", ops[2].Fill[0].Value)
	require.Empty(t, ops[2].Fill[1].Value)
	require.Equal(t, []string{"address"}, ops[3].Names)
	require.Equal(t, "_", ops[4].Separator)
	require.Equal(t, ".", ops[5].Separator)
	require.Equal(t, &pipeline.SampleSpec{Fraction: 0.25}, ops[6].Sample)
	require.Equal(t, &pipeline.SampleSpec{Fraction: 1, Seed: 42}, ops[7].Sample)
	require.Equal(t, operator.OnFailFail, ops[8].OnFail)
	require.Equal(t, operator.OnFailDeadLetter, ops[9].OnFail)
}

// What a limit leaves out need not be read, where nothing before it could have failed.
func TestLimit_IsKnownToThePlan(t *testing.T) {
	of := func(ops string) *pipeline.Limit {
		return compile(t, "stages: [{ name: a, transform: ["+ops+"] }]\n").Limit
	}
	require.Equal(t, &pipeline.Limit{Operator: "a/limit[0]", Rows: 7}, of("{ limit: 7 }"))
	require.Equal(t, &pipeline.Limit{Operator: "a/limit[2]", Rows: 7}, of("{ drop: [tags] }, { fill_null: { amount: 0 } }, { limit: 7 }"))
	require.Nil(t, of("{ cast: { amount: int64 } }, { limit: 7 }"), "rows that fail in the cast are dead, not dropped")
	require.Nil(t, of("{ filter: \"id > 1\" }"))
}

// Columns keep being needed as the operators need them.
func TestOperators_NeedColumns(t *testing.T) {
	place := arrow.StructOf(arrow.Field{Name: "city", Type: arrow.BinaryTypes.String})
	schema := arrow.NewSchema(append(customers.Fields(), arrow.Field{Name: "address", Type: place}), nil)
	for stages, want := range map[string]string{
		"{ flatten: [address] }, { select: [address_city] }":             "address",
		"{ unnest: [address] }, { select: [city, id] }":                  "id address",
		"{ cast: { amount: float64 } }, { select: [id] }":                "id amount", // it must be there to be cast
		"{ fill_null: { visits: 0, amount: 1 } }, { select: [country] }": "amount visits country",
		"{ assert: \"visits > 0\" }, { select: [id] }":                   "id visits",
		"{ sample: 0.5 }, { select: [id] }":                              "id",
	} {
		p, err := pipeline.Compile(parse(t, head+"stages: [{ name: a, transform: ["+stages+"] }]\n"+tail), schema)
		require.NoError(t, err, stages)
		var got []string
		for _, f := range p.Needed.Fields() {
			got = append(got, f.Name)
		}
		require.Equal(t, want, strings.Join(got, " "), stages)
	}
}

// A cast or a fill_null that changes nothing leaves its column where it is.
func TestOperators_ThatChangeNothingLetColumnsStay(t *testing.T) {
	p := compile(t, "stages: [{ name: a, transform: [{ cast: { id: int64, visits: int64 } }, { fill_null: { country: x } }] }]\n")
	touched, err := p.Touched()
	require.NoError(t, err)
	require.Equal(t, []string{"visits"}, namesOf(touched.Source))
	require.True(t, touched.Out.Equal(p.Out))
	require.False(t, p.Drops())
	for _, op := range []string{"sample: 0.5", "limit: 3", "assert: { expr: \"id > 0\", on_fail: drop }"} {
		require.True(t, compile(t, "stages: [{ name: a, transform: [{ "+op+" }] }]\n").Drops(), op)
	}
	require.False(t, compile(t, "stages: [{ name: a, transform: [{ assert: \"id > 0\" }] }]\n").Drops())
}

func namesOf(s *arrow.Schema) []string {
	var all []string
	for _, f := range s.Fields() {
		all = append(all, f.Name)
	}
	return all
}
