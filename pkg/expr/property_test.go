package expr_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/levada-data/levada/pkg/expr"
)

var resultTypes = map[string]arrow.DataType{
	"int": arrow.PrimitiveTypes.Int64, "double": arrow.PrimitiveTypes.Float64, "string": arrow.BinaryTypes.String,
	"bool": arrow.FixedWidthTypes.Boolean, "timestamp": arrow.FixedWidthTypes.Timestamp_us, "duration": arrow.FixedWidthTypes.Duration_us,
	"bytes": arrow.BinaryTypes.Binary,
}

func meaningsByKind() map[string][]meaning {
	by := map[string][]meaning{}
	for _, m := range meanings() {
		by[m.result] = append(by[m.result], m)
	}
	return by
}

// compileTerm compiles what the oracle says compiles; nil for what it refuses.
func compileTerm(t *rapid.T, term term, schema *arrow.Schema) *expr.Program {
	p, err := expr.Compile(term.src, schema)
	if term.refused {
		if err == nil {
			t.Fatalf("%s\nis compiled, though a constant part of it fails in every row", term.src)
		}
		return nil
	}
	if err != nil {
		t.Fatalf("%s\n%v", term.src, err)
	}
	return p
}

func usedBy(p *expr.Program) map[string]bool {
	used := map[string]bool{}
	for _, c := range p.Columns() {
		used[c] = true
	}
	return used
}

func TestEvalAgreesWithTheOracle(t *testing.T) {
	schema := testSchema()
	table := meaningsByKind()
	nested := map[string][]nestedMeaning{}
	for _, m := range nestedMeanings() {
		nested[m.result] = append(nested[m.result], m)
	}
	rapid.Check(t, func(t *rapid.T) {
		g := &generator{t: t, columns: columnsByKind(), table: table, nested: nested}
		kind, term := g.any(rapid.IntRange(0, 5).Draw(t, "depth"))
		p := compileTerm(t, term, schema)
		if p == nil {
			return
		}
		if !arrow.TypeEqual(p.Type(), resultTypes[kind]) {
			t.Fatalf("%s\nis %s, not %s", term.src, p.Type(), kind)
		}
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		rows := rapid.SampledFrom([]int{0, 1, 2, 7, 8, 9, 63, 64, 65, 200, 1023, 1024, 1025, 2100}).Draw(t, "rows")
		batch, values := drawBatch(t, mem, rows, usedBy(p))
		for range 2 { // the second time in a frame that has been used
			compare(t, term, p, mem, batch, values)
		}
		batch.Release()
		if n := mem.CurrentAlloc(); n != 0 {
			t.Fatalf("%d bytes leaked", n)
		}
	})
}

// Each function of the table by itself: one in a large random expression is seldom reached.
func TestEachFunctionAgreesWithTheOracle(t *testing.T) {
	schema := testSchema()
	rapid.Check(t, func(t *rapid.T) {
		g := &generator{t: t, columns: columnsByKind()}
		var term term
		switch rapid.IntRange(0, 5).Draw(t, "sort") {
		case 0:
			term = g.nestedTerm(rapid.SampledFrom(decimalMeanings()).Draw(t, "decimal"), 0)
		case 1:
			term = g.nestedTerm(rapid.SampledFrom(nestedMeanings()).Draw(t, "access"), rapid.IntRange(0, 1).Draw(t, "depth"))
		default:
			term = g.meant(rapid.SampledFrom(meanings()).Draw(t, "function"), 0)
		}
		p := compileTerm(t, term, schema)
		if p == nil {
			return
		}
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		batch, values := drawBatch(t, mem, rapid.SampledFrom([]int{0, 1, 65, 200}).Draw(t, "rows"), usedBy(p))
		compare(t, term, p, mem, batch, values)
		batch.Release()
		if n := mem.CurrentAlloc(); n != 0 {
			t.Fatalf("%d bytes leaked", n)
		}
	})
}

func compare(t *rapid.T, term term, p *expr.Program, mem memory.Allocator, batch arrow.RecordBatch, values []row) {
	got, failed, err := p.Eval(t.Context(), mem, batch)
	if err != nil {
		t.Fatalf("%s\n%v", term.src, err)
	}
	defer got.Release()
	if got.Len() != len(values) || !arrow.TypeEqual(got.DataType(), p.Type()) {
		t.Fatalf("%s\n%d rows of %s", term.src, got.Len(), got.DataType())
	}
	if v, ok := got.(interface{ ValidateFull() error }); ok {
		if err := v.ValidateFull(); err != nil {
			t.Fatalf("%s\n%v", term.src, err)
		}
	}
	if !slices.IsSortedFunc(failed, func(a, b expr.RowError) int { return a.Row - b.Row }) {
		t.Fatalf("%s\nerrors out of order: %v", term.src, failed)
	}
	for i, r := range values {
		want, wantErr := term.eval(r)
		var gotErr error
		if len(failed) > 0 && failed[0].Row == i {
			gotErr, failed = failed[0].Err, failed[1:]
		}
		if !errors.Is(gotErr, wantErr) {
			t.Fatalf("%s\nrow %d, %v\nerror %v, want %v", term.src, i, r, gotErr, wantErr)
		}
		if wantErr != nil {
			want = nil
		}
		if v := valueAt(got, i); !same(v, want) {
			t.Fatalf("%s\nrow %d, %v\ngives %#v, want %#v", term.src, i, r, v, want)
		}
		if want == nil && wantErr == nil && !p.Nullable() {
			t.Fatalf("%s\nis null in row %d, but said not to be nullable", term.src, i)
		}
	}
	if len(failed) > 0 {
		t.Fatalf("%s\nerrors for rows that are not there: %v", term.src, failed)
	}
}

// predicate draws filters of the sort that prune: comparisons of columns, and
// of little arithmetic on them, with constants, joined.
func (g *generator) predicate(depth int) term {
	if depth > 0 {
		switch g.pick("join", 6) {
		case 0, 1:
			return logic("(%s && %s)", false, g.predicate(depth-1), g.predicate(depth-1))
		case 2, 3:
			return logic("(%s || %s)", true, g.predicate(depth-1), g.predicate(depth-1))
		case 4:
			return apply("!(%s)", func(v []any) (any, error) { return !v[0].(bool), nil }, g.predicate(depth-1))
		}
	}
	if g.pick("wild", 4) == 0 {
		return g.bool(2)
	}
	return g.bool(0)
}

func TestCanSkipNeverSkipsARowThatCounts(t *testing.T) {
	schema := testSchema()
	table := meaningsByKind()
	asked, skipped := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		g := &generator{t: t, columns: columnsByKind(), table: table}
		term := g.predicate(rapid.IntRange(0, 3).Draw(t, "depth"))
		p := compileTerm(t, term, schema)
		if p == nil {
			return
		}
		rows := rapid.IntRange(1, 12).Draw(t, "rows")
		batch, values := drawBatch(t, memory.DefaultAllocator, rows, usedBy(p))
		defer batch.Release()
		known := map[string]expr.Stats{}
		for name := range usedBy(p) {
			if s, ok := drawStats(t, name, values); ok {
				known[name] = s
			}
		}
		asked++
		if !p.CanSkip(func(column string) (expr.Stats, bool) { s, ok := known[column]; return s, ok }) {
			return
		}
		skipped++
		for i, r := range values {
			v, err := term.eval(r)
			if v == true || err != nil {
				t.Fatalf("%s\nwith %v\nis skipped, but gives %v, %v in row %d: %v", term.src, known, v, err, i, r)
			}
		}
	})
	if skipped*20 < asked {
		t.Errorf("%d of %d groups skipped: the property says little", skipped, asked)
	}
}

// drawStats is the statistics of a column, wider than need be, or useless, or none.
func drawStats(t *rapid.T, name string, values []row) (expr.Stats, bool) {
	s := expr.Stats{Rows: int64(len(values)), Exact: true}
	var present []any
	for _, r := range values {
		switch v := r[name].(type) {
		case nil:
			s.Nulls++
		case badInput:
			// What it would be in Parquet does not fit an int64; a reader gives none.
			s.Nulls = -1
			return s, true
		default:
			if f, ok := v.(float64); !ok || f == f {
				present = append(present, v)
			}
		}
	}
	if len(present) > 0 {
		lo, hi := present[0], present[0]
		for _, v := range present {
			if v == true || v != false && v != true && holds("<", v, lo) {
				if v != true {
					lo = v
				}
			}
			if v == false {
				lo = v
			}
			if v == true || v != false && holds(">", v, hi) {
				hi = v
			}
		}
		s.Min, s.Max = widened(t, lo, -1), widened(t, hi, 1)
	}
	switch rapid.IntRange(0, 11).Draw(t, "knowledge") {
	case 0:
		return expr.Stats{}, false
	case 1:
		s.Nulls = -1
	case 2:
		s.Min = nil
	case 3:
		s.Max = nil
	case 4:
		s.Exact, s.Nulls, s.Min, s.Max = false, 0, int64(5), int64(5)
	case 5:
		s.Rows = 0
	}
	return s, true
}

// widened is a bound in the type that Stats wants, at times further out.
func widened(t *rapid.T, v any, direction int64) any {
	by := direction * rapid.SampledFrom([]int64{0, 0, 1, 100}).Draw(t, "wider")
	add := func(x int64) int64 {
		if sum := x + by; (sum > x) == (by > 0) {
			return sum
		}
		return x
	}
	switch v := v.(type) {
	case int64:
		return add(v)
	case float64:
		return v + float64(by)
	case string:
		if by > 0 {
			return v + "\xff"
		}
		if by < 0 && v != "" {
			return v[:len(v)-1]
		}
	case instant:
		return time.UnixMicro(add(int64(v)))
	case span:
		if x := add(int64(v)); x < 9e15 && x > -9e15 {
			return time.Duration(x) * time.Microsecond
		}
		return nil
	}
	return v
}

// Batches are evaluated by many goroutines at once, and one batch by many programs.
func TestEvalIsSafeForManyGoroutines(t *testing.T) {
	schema := testSchema()
	p, err := expr.Compile(`coalesce(dict, s) + string(i64 % 7) + lower(large) + coalesce(st.name, string(size(xs)), string(items.exists(e, e.n == i8 || 'a' in ss)), string(d2), '')`, schema)
	if err != nil {
		t.Fatal(err)
	}
	random := rapid.Custom(func(t *rapid.T) arrow.RecordBatch {
		batch, _ := drawBatch(t, memory.DefaultAllocator, 1500, usedBy(p))
		return batch
	})
	for seed := range 20 {
		batch := random.Example(seed)
		var results [4]arrow.Array
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				a, _, err := p.Eval(t.Context(), memory.DefaultAllocator, batch)
				if err != nil {
					t.Error(err)
				}
				results[i] = a
			})
		}
		wg.Wait()
		for _, a := range results {
			if !array.Equal(results[0], a) {
				t.Error("two goroutines disagree")
			}
		}
		for _, a := range results {
			a.Release()
		}
		batch.Release()
	}
}

// A function without a meaning of its own in the oracle is tested by its example alone.
func TestEveryFunctionHasAnOracle(t *testing.T) {
	// Those of the generator of each kind, in oracle_test.go.
	drawn := `+ - * / % == != < <= > >= in && || ! ?: isNull coalesce nullIf int double string bool timestamp duration abs min max round floor ceil
		size lower upper trim contains startsWith endsWith matches substring`
	known := map[string]bool{}
	for name := range strings.FieldsSeq(drawn) {
		known[name] = true
	}
	var forms []string
	for _, m := range meanings() {
		forms = append(forms, m.form)
	}
	for _, m := range append(nestedMeanings(), decimalMeanings()...) {
		forms = append(forms, m.form)
	}
	name := regexp.MustCompile(`([a-zA-Z_0-9]+)\(`)
	for _, form := range forms {
		for _, m := range name.FindAllStringSubmatch(form, -1) {
			known[m[1]] = true
		}
	}
	known["rowNumber"], known["uuid"] = true, true // TestRowsAreWhereTheyAre
	for _, form := range formsOf() {
		if m := name.FindStringSubmatch(form); m != nil {
			require.True(t, known[m[1]], "%s has no oracle", m[1])
		}
	}
}
