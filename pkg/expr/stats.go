package expr

// Stats says what is known of a column in a group of rows (a Parquet row
// group, say) without reading it.
type Stats struct {
	// Min and Max bound every value of the column that is neither null nor NaN:
	// Min <= v <= Max. They need not occur. nil means unknown. Their Go type
	// follows the column: int64 for integers (uint64 is understood too), float64,
	// string, bool, time.Time for timestamps and dates, time.Duration. One of
	// another type, or a pair out of order, is ignored.
	Min, Max any
	// Nulls is the number of nulls; negative means unknown.
	Nulls int64
	// Rows is the number of rows of the group; 0 means unknown.
	Rows int64
	// Exact says that Min, Max and Nulls can be relied on as described. When
	// it is false they are ignored.
	Exact bool
}

// CanSkip says whether a group of rows need not be read for the filter p: true
// means that no row of the group can make p true, and that none can raise a row
// error (it would have been a dead row, which somebody must see). false promises
// nothing. stats gives what is known of a column; it may say that it knows nothing.
//
// It works on ranges: from what each column can be it derives what each part of
// the expression can be: its range, whether it can be null or NaN, whether it
// can fail. Arithmetic on integers, for example, stops a skip exactly where the
// ranges allow an overflow. A part of which the ranges tell nothing can be
// anything.
func (p *Program) CanSkip(stats func(column string) (Stats, bool)) bool {
	if p.kind != kindBool {
		return false
	}
	b := p.root.bounds(stats)
	return !b.canTrue && !b.fails
}
