package trial

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/expr"
	"github.com/levada-data/levada/pkg/pipeline"
)

// Verdict is how a case ended.
type Verdict struct {
	Name  string
	Place pipeline.Place
	Wrong []string // what was not as the case says; nil: it holds
}

// Case runs one case of a file against a pipeline whose source has the given columns. An
// error is a mistake in the case itself, a [pipeline.Errors], or of the surroundings.
func Case(ctx context.Context, mem memory.Allocator, f *pipeline.TestFile, c *pipeline.TestCase, spec *pipeline.Spec, source *arrow.Schema) (Verdict, error) {
	v := Verdict{Name: c.Name, Place: c.Place}
	p, err := pipeline.Compile(spec, source)
	switch {
	case c.Error != "" && err == nil:
		v.Wrong = []string{fmt.Sprintf("the pipeline takes these columns; the case wants an error with %q", c.Error)}
		return v, nil
	case c.Error != "" && !strings.Contains(err.Error(), c.Error):
		v.Wrong = append([]string{fmt.Sprintf("no error has %q; there is", c.Error)}, strings.Split(err.Error(), "\n")...)
		return v, nil
	case c.Error != "":
		return v, nil
	case err != nil:
		v.Wrong = append([]string{"the pipeline does not take these columns:"}, strings.Split(err.Error(), "\n")...)
		return v, nil
	}
	stages, in, wrong := staged(f, c, p, source)
	if wrong != nil {
		return v, pipeline.Errors{wrong}
	}
	rows, err := batch(mem, f, c.In, in)
	if err != nil {
		return v, err
	}
	defer rows.Release()
	if c.Stage == "" {
		narrow := project(rows, p.Source)
		defer narrow.Release()
		rows = narrow
	}
	o, err := Run(ctx, mem, stages, expr.Rows{}, rows)
	if err != nil {
		return v, err
	}
	defer o.Batch.Release()
	v.Wrong = deadWrong(c, o.Failed)
	more, err := outWrong(mem, f, c.Out, o.Batch)
	v.Wrong = append(v.Wrong, more...)
	return v, err
}

// staged is what a case runs, and the columns of its rows.
func staged(f *pipeline.TestFile, c *pipeline.TestCase, p *pipeline.Pipeline, source *arrow.Schema) ([]*pipeline.Stage, *arrow.Schema, *pipeline.Error) {
	if c.Stage == "" {
		stages, external := Local(p)
		if external != "" {
			return nil, nil, f.ErrorAt(c.Place, "try the others one by one: add stage: NAME to the case", "stage %s is external: only its process knows what it does", external)
		}
		return stages, source, nil
	}
	var names []string
	for _, s := range p.Stages {
		if s.Name == c.Stage && s.Chain == nil {
			return nil, nil, f.ErrorAt(c.Place, "test its process where it is written", "stage %s is external: only its process knows what it does", s.Name)
		}
		if s.Name == c.Stage {
			return []*pipeline.Stage{s}, s.In, nil
		}
		names = append(names, s.Name)
	}
	return nil, nil, f.ErrorAt(c.Place, "its stages are "+strings.Join(names, ", "), "the pipeline has no stage %q", c.Stage)
}

// Schema is the source's columns for a case: those of the file, and those that the case
// replaces or adds. base are the source's own, used when the file names none, and then all
// nullable; it may be nil otherwise. The error is a [pipeline.Errors].
func Schema(f *pipeline.TestFile, c *pipeline.TestCase, base *arrow.Schema) (*arrow.Schema, error) {
	var fields []arrow.Field
	if len(f.Columns) == 0 && base != nil {
		fields = slices.Clone(base.Fields())
		for i := range fields {
			fields[i].Nullable = true // a case names the columns that it is about
		}
	}
	var errs pipeline.Errors
	for _, col := range slices.Concat(f.Columns, c.Columns) {
		field, err := parseField(col.Name, col.Type)
		if err != nil {
			errs = append(errs, f.ErrorAt(col.Place, "types are "+typeForms, "%s", err))
			continue
		}
		if i := slices.IndexFunc(fields, func(f arrow.Field) bool { return f.Name == col.Name }); i >= 0 {
			fields[i] = field
		} else {
			fields = append(fields, field)
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return arrow.NewSchema(fields, nil), nil
}

// project keeps the columns of a schema. The caller must Release the result.
func project(b arrow.RecordBatch, s *arrow.Schema) arrow.RecordBatch {
	cols := make([]arrow.Array, s.NumFields())
	for i, f := range s.Fields() {
		cols[i] = b.Column(b.Schema().FieldIndices(f.Name)[0])
	}
	return array.NewRecordBatch(s, cols, b.NumRows())
}

// batch makes rows of what a case says. What a row does not name is null. The caller must
// Release the result. The error is a [pipeline.Errors].
func batch(mem memory.Allocator, f *pipeline.TestFile, rows []pipeline.TestRow, schema *arrow.Schema) (arrow.RecordBatch, error) {
	b := array.NewRecordBuilder(mem, schema)
	defer b.Release()
	var errs pipeline.Errors
	for _, r := range rows {
		for i, col := range schema.Fields() {
			at := slices.IndexFunc(r.Values, func(v pipeline.TestValue) bool { return v.Column == col.Name })
			if at < 0 && !col.Nullable {
				errs = append(errs, f.ErrorAt(r.Place, "give it a value", "column %q must not be null", col.Name))
			}
			if at < 0 {
				b.Field(i).AppendNull()
				continue
			}
			if err := add(b.Field(i), col, &r.Values[at]); err != nil {
				errs = append(errs, f.ErrorAt(r.Values[at].Place, "write a value of type "+col.Type.String(), "column %q: %s", col.Name, err))
				b.Field(i).AppendNull()
			}
		}
		errs = append(errs, strangers(f, r, schema)...)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return b.NewRecordBatch(), nil
}

// strangers are the columns that a row names and that are not there.
func strangers(f *pipeline.TestFile, r pipeline.TestRow, schema *arrow.Schema) pipeline.Errors {
	var errs pipeline.Errors
	for _, v := range r.Values {
		if !schema.HasField(v.Column) {
			errs = append(errs, f.ErrorAt(v.Place, pipeline.ColumnHint(v.Column, schema), "there is no column %q here", v.Column))
		}
	}
	return errs
}

var errValue = errors.New("this is no such value")

// add appends a value of a case, exactly or not at all.
func add(b array.Builder, col arrow.Field, v *pipeline.TestValue) (err error) {
	defer func() {
		if recover() != nil { // a builder that does not know the form
			err = errValue
		}
	}()
	before := b.Len()
	id := col.Type.ID()
	switch {
	case v.Null && !col.Nullable:
		return errors.New("must not be null")
	case v.Null:
		b.AppendNull()
	case v.Scalar && (id == arrow.STRING || id == arrow.LARGE_STRING):
		b.(interface{ Append(v string) }).Append(v.Text) //nolint:errcheck,forcetypeassert // of that type; recovered otherwise
	case v.Scalar && id == arrow.BOOL && v.Text != "true" && v.Text != "false":
		return errValue
	case v.Scalar && (arrow.IsInteger(id) || arrow.IsFloating(id) || arrow.IsDecimal(id) || temporal(id) || id == arrow.BOOL):
		err = b.AppendValueFromString(plainFloat(id, v.Text))
	default:
		err = b.UnmarshalJSON(slices.Concat([]byte("["), v.JSON, []byte("]")))
	}
	if err != nil || b.Len() != before+1 {
		return errValue
	}
	return nil
}

func temporal(id arrow.Type) bool {
	return slices.Contains([]arrow.Type{arrow.DATE32, arrow.DATE64, arrow.TIMESTAMP, arrow.TIME32, arrow.TIME64, arrow.DURATION}, id)
}

// plainFloat writes YAML's words for what is no finite number as Go has them.
func plainFloat(id arrow.Type, text string) string {
	if arrow.IsFloating(id) {
		switch strings.ToLower(text) {
		case ".nan":
			return "NaN"
		case ".inf", "+.inf":
			return "+Inf"
		case "-.inf":
			return "-Inf"
		}
	}
	return text
}

// deadWrong compares the rows that failed with those that must.
func deadWrong(c *pipeline.TestCase, failed []Failure) []string {
	var wrong []string
	left := slices.Clone(failed)
	for _, d := range c.Dead {
		i := slices.IndexFunc(left, func(f Failure) bool {
			return f.Row == d.Row && (d.Operator == "" || f.Operator == d.Operator) && strings.Contains(f.Reason, d.Reason)
		})
		if i < 0 {
			wrong = append(wrong, fmt.Sprintf("row %d of in does not fail%s", d.Row, deadText(d.Operator, d.Reason)))
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	for _, f := range left {
		wrong = append(wrong, fmt.Sprintf("row %d of in fails%s; if it must, write dead: [{ row: %d }]", f.Row, deadText(f.Operator, f.Reason), f.Row))
	}
	return wrong
}

func deadText(operator, reason string) string {
	text := ""
	if operator != "" {
		text += " in " + operator
	}
	if reason != "" {
		text += ": " + reason
	}
	return text
}

// outWrong compares the rows that came out with those that must: the columns that each
// of them names. The error is a [pipeline.Errors] about the case.
func outWrong(mem memory.Allocator, f *pipeline.TestFile, want []pipeline.TestRow, got arrow.RecordBatch) ([]string, error) {
	var (
		wrong []string
		errs  pipeline.Errors
	)
	for i, r := range want {
		errs = append(errs, strangers(f, r, got.Schema())...)
		for _, v := range r.Values {
			at := got.Schema().FieldIndices(v.Column)
			if len(at) == 0 {
				continue // a stranger
			}
			col := got.Schema().Field(at[0])
			b := array.NewBuilder(mem, col.Type)
			col.Nullable = true // null is a thing to want of any column
			err := add(b, col, &v)
			wanted := b.NewArray()
			b.Release()
			if err != nil {
				errs = append(errs, f.ErrorAt(v.Place, "write a value of type "+col.Type.String(), "column %q: %s", v.Column, err))
			} else if i < int(got.NumRows()) && !same(got.Column(at[0]), i, wanted) {
				wrong = append(wrong, fmt.Sprintf("row %d of out: column %q is %s, not %s", i, v.Column, shown(got.Column(at[0]), i), shown(wanted, 0)))
			}
			wanted.Release()
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	if n := int(got.NumRows()); n != len(want) {
		wrong = slices.Insert(wrong, 0, fmt.Sprintf("rows that come out: %d, not %d", n, len(want)))
		for i := len(want); i < min(n, len(want)+3); i++ {
			cells := make([]string, got.NumCols())
			for j := range cells {
				cells[j] = got.ColumnName(j) + ": " + shown(got.Column(j), i)
			}
			wrong = append(wrong, fmt.Sprintf("row %d of out: { %s }", i, strings.Join(cells, ", ")))
		}
	}
	return wrong, nil
}

// shown is a value of a test, which its author has invented.
func shown(a arrow.Array, i int) string {
	if a.IsNull(i) {
		return "null"
	}
	return a.ValueStr(i)
}

// nearEnough is how far, relative to it, a number may be from the one that is wanted: a
// person does not write 27.599999999999998.
const nearEnough = 1e-9

func same(a arrow.Array, i int, want arrow.Array) bool {
	if a.IsNull(i) || want.IsNull(0) {
		return a.IsNull(i) && want.IsNull(0)
	}
	var x, y float64
	switch a := a.(type) {
	case *array.Float64:
		x, y = a.Value(i), want.(*array.Float64).Value(0) //nolint:errcheck,forcetypeassert // made of the type of a
	case *array.Float32:
		x, y = float64(a.Value(i)), float64(want.(*array.Float32).Value(0)) //nolint:errcheck,forcetypeassert // made of the type of a
	default:
		return array.SliceApproxEqual(a, int64(i), int64(i)+1, want, 0, 1, array.WithNaNsEqual(true), array.WithAbsTolerance(nearEnough))
	}
	return x == y || math.IsNaN(x) && math.IsNaN(y) || math.Abs(x-y) <= nearEnough*max(math.Abs(x), math.Abs(y))
}
