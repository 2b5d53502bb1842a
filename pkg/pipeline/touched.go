package pipeline

import (
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/levada-data/levada/pkg/operator"
)

// Origin is where a column of the output comes from. Both fields are set for a column
// that travels unchanged.
type Origin struct {
	Carried int    // column of what the sink receives, or -1
	Source  string // column of the source that it is, value for value, or ""
}

// Carried says what becomes of a column that does not travel.
type Carried struct {
	Column   string // of the output
	NoCopy   string // why it cannot be copied where all rows of a row group go on; "" when it can
	NoGather string // why it cannot be gathered where some do; "" when it can
}

// Drops reports that an operator may drop rows, by what the spec says: rows may fail in
// others.
func (p *Pipeline) Drops() bool {
	for _, st := range p.Stages {
		for _, op := range st.Chain.Operators() {
			if d, ok := op.(operator.Dropper); ok && d.Drops() {
				return true
			}
		}
	}
	return false
}

// Late reports that the writer takes columns from the source itself, by span and row.
func (p *Pipeline) Late() bool { return p.Origins != nil }

// Touched returns the pipeline in which only those columns travel that an operator reads
// or makes. The writer adds the others to the rows that reach it:
//
//	source    id  amount  email  note
//	travels       amount  email              with: { z: "amount * 2.5" }, mask: { column: email ... }
//	reaches       z       email              amount is unchanged: it need not come back
//	output    id  amount  email  note  z     id, amount and note from the source's files
//
// Where an operator drops rows, what has travelled unchanged goes all the way, because
// its rows have been chosen already. The error says why a pipeline has no such form.
func (p *Pipeline) Touched() (*Pipeline, error) {
	if err := p.touchable(); err != nil {
		return nil, err
	}
	origin, read := p.provenance()
	var fields []arrow.Field
	for i, f := range p.Needed.Fields() {
		if read[i] {
			fields = append(fields, f)
		}
	}
	c := &compiler{parser: parser{spec: p.Spec}, narrowed: true, touched: true}
	t := c.pipeline(arrow.NewSchema(fields, nil))
	if len(c.errs) > 0 {
		return nil, c.errs.sorted()
	}
	t.Needed, t.Out, t.Stored = p.Needed, p.Out, p.Stored
	if !p.Drops() {
		t.leaveUnchanged(p.Out, origin)
	}
	untouched := false
	for i, f := range t.Out.Fields() {
		o := Origin{Carried: -1}
		if at := t.Carried.FieldIndices(f.Name); len(at) > 0 {
			o.Carried = at[0]
		}
		if origin[i] >= 0 {
			o.Source = p.Needed.Field(origin[i]).Name
		}
		untouched = untouched || o.Carried < 0
		t.Origins = append(t.Origins, o)
	}
	if !untouched {
		return nil, errors.New("every column is read or made by an operator")
	}
	return t, nil
}

// touchable says why the writer cannot add columns, whatever they are.
func (p *Pipeline) touchable() error {
	k := p.Spec.Sink.Parquet
	switch {
	case p.Spec.Source.Parquet == nil:
		return errors.New("the source has no files to take columns from")
	case k == nil:
		return errors.New("the sink has no files to put columns into")
	case p.Spec.Source.Parquet.OnBadFile == BadFileSkip:
		return errors.New("on_bad_file: skip reads every column before a row goes on")
	case len(k.SortWithin) > 0:
		return errors.New("sort_within puts the rows of a row group into another order")
	case len(k.PartitionBy) > 0:
		return errors.New("partition_by spreads the rows of a block over many files")
	}
	for _, st := range p.Stages {
		if st.Chain == nil {
			return fmt.Errorf("stage %s is external: nobody knows what it reads", st.Name)
		}
	}
	return nil
}

// provenance follows the columns of the source through all operators: for each column of
// the output the needed one that it is, or -1; and which of those are read on the way.
func (p *Pipeline) provenance() (origin []int, read []bool) {
	read = make([]bool, p.Needed.NumFields())
	for i := range read {
		origin = append(origin, i)
	}
	for _, st := range p.Stages {
		in := st.In
		for _, op := range st.Chain.Operators() {
			if r, ok := op.(operator.Reader); ok {
				for _, name := range r.Reads() {
					if at := origin[in.FieldIndices(name)[0]]; at >= 0 {
						read[at] = true
					}
				}
			}
			next := make([]int, 0, op.Out().NumFields())
			for _, from := range op.From() {
				if from >= 0 {
					from = origin[from]
				}
				next = append(next, from)
			}
			origin, in = next, op.Out()
		}
	}
	return origin, read
}

// leaveUnchanged ends the last stage with an operator that lets only those columns go on
// which some operator has made.
func (p *Pipeline) leaveUnchanged(out *arrow.Schema, origin []int) {
	if len(p.Stages) == 0 {
		return // nothing travels at all
	}
	last := p.Stages[len(p.Stages)-1]
	var made []int
	for i, f := range last.Out.Fields() {
		if at := out.FieldIndices(f.Name); len(at) == 0 || origin[at[0]] < 0 {
			made = append(made, i)
		}
	}
	if len(made) == last.Out.NumFields() {
		return
	}
	pick := operator.Pick("carry", last.Out, made)
	last.Chain = operator.NewChain(append(slices.Clone(last.Chain.Operators()), pick)...)
	last.Out = pick.Out()
	p.Carried = last.Out
}
