package writer

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// strangerError says that a stage sends blocks of another schema than the pipeline
// has. Every block of it does, so the run fails: with a stage of the user's own, its
// declaration in the spec and what it returns differ.
type strangerError struct {
	stage string
	err   error
}

func (e *strangerError) Error() string {
	return fmt.Sprintf("blocks of stage %s are not what the pipeline says: %v: mend the stage, or its declaration in the spec", e.stage, e.err)
}

func (e *strangerError) Unwrap() error { return e.err }

// conform gives a batch the sink's schema: the same columns in the same order and of
// the same types; a column without nulls will do for a nullable one. It borrows the
// batch; the caller must Release the result.
func conform(batch arrow.RecordBatch, want *arrow.Schema) (arrow.RecordBatch, error) {
	got := batch.Schema()
	if got.NumFields() != want.NumFields() {
		return nil, fmt.Errorf("%d columns where %d were expected", got.NumFields(), want.NumFields())
	}
	for i, f := range want.Fields() {
		g := got.Field(i)
		switch {
		case g.Name != f.Name:
			return nil, fmt.Errorf("column %d is %q where %q was expected", i+1, g.Name, f.Name)
		case !arrow.TypeEqual(g.Type, f.Type):
			return nil, fmt.Errorf("column %q is %s where %s was expected", f.Name, g.Type, f.Type)
		case !f.Nullable && batch.Column(i).NullN() > 0:
			return nil, fmt.Errorf("column %q has nulls and must not", f.Name)
		}
	}
	return array.NewRecordBatch(want, batch.Columns(), batch.NumRows()), nil
}
