package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/expr"
	"github.com/levada-data/levada/pkg/nearest"
	"github.com/levada-data/levada/pkg/operator"
)

// Pipeline is a spec compiled against the schema of its source.
type Pipeline struct {
	Spec    *Spec
	Needed  *arrow.Schema // the columns of the source that something reads or the output keeps
	Source  *arrow.Schema // what the source emits: all that are needed, or those that are touched
	Stages  []*Stage
	Carried *arrow.Schema // what the sink receives; the offsets column is not in it
	Out     *arrow.Schema // what the output holds: the same, unless the writer adds columns
	Origins []Origin      // of each column of Out; nil when it is that of Carried
	Prune   []Prune
	Stored  *arrow.Schema // what the files of the output call their columns (see StoredAs); nil: as Out does
	Limit   *Limit        // what the plan need not read beyond; nil: all is read
}

// Stage is a compiled stage.
type Stage struct {
	Name    string
	Chain   *operator.Chain // nil for an external stage
	In, Out *arrow.Schema
	Workers Workers // the stage's own, else those of the policies
}

// Prune is a filter that may be judged by the statistics of a row group: nothing
// before it drops a row, fails one, or changes what it reads.
type Prune struct {
	Operator string // label with the stage's name, as in the books: "protect/filter[0]"
	Program  *expr.Program
}

// columnTypes are the types that an external stage may declare.
var columnTypes = map[string]arrow.DataType{
	"int64": arrow.PrimitiveTypes.Int64, "int32": arrow.PrimitiveTypes.Int32, "float64": arrow.PrimitiveTypes.Float64,
	"float32": arrow.PrimitiveTypes.Float32, "string": arrow.BinaryTypes.String, "bool": arrow.FixedWidthTypes.Boolean,
	"binary": arrow.BinaryTypes.Binary, "timestamp": arrow.FixedWidthTypes.Timestamp_us, "date": arrow.FixedWidthTypes.Date32,
}

// ColumnTypes lists the types that an external stage may declare.
func ColumnTypes() []string { return slices.Sorted(maps.Keys(columnTypes)) }

// Compile infers the schema through every operator. source is the schema of the
// source as it is: the pipeline's own is narrowed to the columns that are needed, and
// goes into the plan. The error is an [Errors]; of a [Draft] with errors it has those too.
func Compile(s *Spec, source *arrow.Schema) (*Pipeline, error) {
	// Metadata of files must not tell batches of one run apart.
	source = plain(source)
	c := &compiler{parser: parser{spec: s, errs: slices.Clone(s.wrong)}}
	declared := c.declared(source)
	whole := c.pipeline(declared)
	c.checkLimits()
	if len(c.errs) > 0 {
		return nil, c.errs.sorted()
	}
	needed := c.needed(whole, declared)
	if needed.NumFields() != declared.NumFields() {
		var err error
		if whole, err = CompilePlanned(s, needed); err != nil {
			return nil, err
		}
	}
	if s.Policies.Carry == CarryTouched {
		if _, err := whole.Touched(); err != nil {
			c.fail(s.Policies.carry, "policies.carry", "write carry: auto, or leave it out", "%s", err)
			return nil, c.errs.sorted()
		}
	}
	return whole, nil
}

// CompilePlanned is [Compile] for the schema of a plan, which Compile has narrowed: it
// misses columns that the spec only lists, to keep or to drop. The error is an [Errors].
func CompilePlanned(s *Spec, narrowed *arrow.Schema) (*Pipeline, error) {
	c := &compiler{parser: parser{spec: s}, narrowed: true}
	p := c.pipeline(plain(narrowed))
	if len(c.errs) > 0 {
		return nil, c.errs.sorted()
	}
	return p, nil
}

// plain drops metadata of schema and fields.
func plain(s *arrow.Schema) *arrow.Schema {
	fields := slices.Clone(s.Fields())
	for i := range fields {
		fields[i].Metadata = arrow.Metadata{}
	}
	return arrow.NewSchema(fields, nil)
}

type compiler struct {
	parser
	narrowed bool // columns that are only listed may be missing
	touched  bool // so may those that are only renamed, and all that a select keeps

	// What an operator would have made that was found to be wrong: that it is not there
	// is no other fault. lost: nobody knows the columns any more.
	doubtful map[string]bool
	lost     bool
}

// listed returns the names of a list of columns that are there to be kept or dropped.
func (c *compiler) listed(list []string, in *arrow.Schema) []string {
	if !c.narrowed {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(name string) bool { return !in.HasField(name) })
}

// declared is the source's schema after source.parquet.columns.
func (c *compiler) declared(source *arrow.Schema) *arrow.Schema {
	q := c.spec.Source.Parquet
	if q != nil && slices.ContainsFunc(source.Fields(), func(f arrow.Field) bool { return f.Name == blocks.OffsetsColumn }) {
		c.fail(q.node, "source.parquet", "rename it at the source", "the source has a column of the reserved name %q", blocks.OffsetsColumn)
	}
	if q == nil || len(q.Columns) == 0 {
		return source
	}
	sel, err := operator.Select(source, q.Columns)
	if err != nil {
		c.columnError(q.node, "source.parquet.columns", source, err)
		return source
	}
	return sel.Out()
}

// columnError reports an operator's complaint about a column, with the nearest name.
func (c *compiler) columnError(n nodeOf, path string, in *arrow.Schema, err error) {
	if ce := (*operator.ColumnError)(nil); errors.As(err, &ce) {
		if c.doubtful[ce.Column] {
			return
		}
		hint := ce.Hint
		if hint == "" {
			hint = ColumnHint(ce.Column, in)
		}
		c.fail(n, path, hint, "%s", (&operator.ColumnError{Column: ce.Column, Msg: ce.Msg}).Error())
		return
	}
	msg, hint := err.Error(), "docs/pipeline.md describes the operators"
	if i := strings.LastIndex(msg, ": "); i >= 0 {
		msg, hint = msg[:i], msg[i+2:]
	}
	c.fail(n, path, hint, "%s", msg)
}

// ColumnHint is the remedy for a column that a schema does not have: the nearest name,
// and those that there are.
func ColumnHint(column string, in *arrow.Schema) string {
	hint := "columns here: " + strings.Join(names(in), ", ")
	if near := nearest.Of(column, names(in)); near != "" {
		hint = fmt.Sprintf("did you mean %q? %s", near, hint)
	}
	return hint
}

func names(s *arrow.Schema) []string {
	out := make([]string, s.NumFields())
	for i, f := range s.Fields() {
		out[i] = f.Name
	}
	return out
}

// pipeline compiles all stages over a source schema.
func (c *compiler) pipeline(source *arrow.Schema) *Pipeline {
	p := &Pipeline{Spec: c.spec, Needed: source, Source: source}
	at := source
	for i := range c.spec.Stages {
		st := c.stage(&c.spec.Stages[i], at)
		p.Stages = append(p.Stages, st)
		at = st.Out
	}
	p.Carried, p.Out = at, at
	if !c.touched {
		c.checkSink(at)
	}
	if len(c.errs) == 0 {
		p.Prune, p.Limit = prunable(p), limitOf(p)
	}
	return p
}

func (c *compiler) stage(s *StageSpec, in *arrow.Schema) *Stage {
	st := &Stage{Name: s.Name, In: in, Out: in, Workers: cmp.Or(s.Workers, c.spec.Policies.Workers)}
	if c.lost = c.lost || s.bad; c.lost {
		return st
	}
	if s.External != nil {
		fields := slices.Clone(in.Fields())
		for _, col := range s.External.Columns {
			f := arrow.Field{Name: col.Name, Type: columnTypes[col.Type], Nullable: true}
			if i := slices.IndexFunc(fields, func(f arrow.Field) bool { return f.Name == col.Name }); i >= 0 {
				fields[i] = f
			} else {
				fields = append(fields, f)
			}
		}
		st.Out = arrow.NewSchema(fields, nil)
		return st
	}
	var ops []operator.Operator
	for i := range s.Transform {
		op := c.operator(&s.Transform[i], st.Out)
		if op == nil {
			c.doubt(&s.Transform[i]) // reported; go on with the schema as it was, to find more
			if c.lost {
				break
			}
			continue
		}
		ops = append(ops, op)
		st.Out = op.Out()
	}
	st.Chain = operator.NewChain(ops...)
	return st
}

// operator compiles one operator; nil when it was reported as wrong.
func (c *compiler) operator(o *OperatorSpec, in *arrow.Schema) operator.Operator {
	path := join(o.path, o.Kind)
	if o.bad {
		return nil // the parser has reported it
	}
	var (
		op  operator.Operator
		err error
	)
	switch o.Kind {
	case "select":
		op, err = c.pick(o, in, operator.Select)
	case "drop":
		op, err = c.pick(o, in, operator.Remove)
	case "rename":
		pairs := map[string]string{}
		for _, r := range o.Rename {
			if !c.touched || in.HasField(r.Old) {
				pairs[r.Old] = r.New
			}
		}
		op, err = operator.Rename(in, pairs)
	case "filter":
		prog := c.expression(o.node, path, o.Expr, in)
		if prog == nil {
			return nil
		}
		op, err = operator.Filter(in, prog)
	case "with":
		var cols []operator.Computed
		bad := len(c.errs)
		for _, a := range o.With {
			if prog := c.expression(a.node, join(path, a.Column), a.Expr, in); prog != nil {
				cols = append(cols, operator.Computed{Name: a.Column, Program: prog})
			}
		}
		if len(c.errs) > bad {
			return nil
		}
		op, err = operator.With(in, cols)
	case "mask":
		op, err = operator.Mask(in, o.Mask.Column, o.Mask.method())
	default:
		op, err = c.oneOf(o, path, in)
		if op == nil && err == nil {
			return nil // reported
		}
	}
	if err != nil {
		c.columnError(c.nodeFor(o, err), path, in, err)
		return nil
	}
	return op
}

// pick compiles a select or a drop. Of touched columns it may keep none, which
// construct refuses.
func (c *compiler) pick(o *OperatorSpec, in *arrow.Schema, construct func(*arrow.Schema, []string) (operator.Operator, error)) (operator.Operator, error) {
	names := c.listed(o.Names, in)
	keeps := len(names)
	if o.Kind == "drop" {
		keeps = in.NumFields() - len(names)
	}
	if c.touched && keeps == 0 {
		return operator.Pick(o.Kind, in, nil), nil
	}
	return construct(in, names)
}

// nodeFor is the place of the column that an error names, else the operator's.
func (c *compiler) nodeFor(o *OperatorSpec, err error) nodeOf {
	if ce := (*operator.ColumnError)(nil); errors.As(err, &ce) {
		for _, n := range o.items {
			if n.Value == ce.Column {
				return n
			}
		}
		for _, r := range o.Rename {
			if r.Old == ce.Column || r.New == ce.Column {
				return r.node
			}
		}
	}
	return o.node
}

// expression compiles an expression; what is wrong inside it is placed inside it, all of
// it, but for what may follow from errors that were reported before.
func (c *compiler) expression(n nodeOf, path, src string, in *arrow.Schema) *expr.Program {
	if c.spec.unresolved[n] {
		return nil
	}
	prog, err := expr.Compile(src, in)
	if err == nil {
		return prog
	}
	var wrong expr.Errors
	errors.As(expr.Check(src, in, slices.Collect(maps.Keys(c.doubtful))...), &wrong)
	for _, xe := range wrong {
		hint := xe.Hint
		if hint == "" {
			hint = "docs/expressions.md describes the language, function by function"
		}
		e := c.spec.errorAt(n, path, hint, "%s", xe.Msg)
		c.spec.inside(e, n, xe)
		c.errs = append(c.errs, e)
	}
	return nil
}

func (c *compiler) checkSink(out *arrow.Schema) {
	k := c.spec.Sink.Parquet
	if k == nil || c.lost {
		return
	}
	if err := blocks.CheckSchema(out); err != nil {
		c.fail(k.node, "sink.parquet", "drop the column, or read another file", "%s", err)
	}
	for i, name := range k.PartitionBy {
		at := fmt.Sprintf("sink.parquet.partition_by[%d]", i)
		if name == "" {
			continue // reported
		}
		idx, err := operator.Column(out, name)
		if err != nil {
			c.columnError(k.partition[min(i, len(k.partition)-1)], at, out, err)
			continue
		}
		if t := out.Field(idx).Type; !partitionable(t) {
			c.fail(k.partition[min(i, len(k.partition)-1)], at, "partition by a string, an integer, a boolean or a date", "column %q is %s", name, t)
		}
		if slices.Contains(k.PartitionBy[:i], name) {
			c.fail(k.partition[min(i, len(k.partition)-1)], at, "name each column once", "column %q is there twice", name)
		}
	}
	if len(k.PartitionBy) > 0 && len(k.PartitionBy) >= out.NumFields() {
		c.fail(k.node, "sink.parquet.partition_by", "partition columns are not stored in the files", "no column is left to write")
	}
	c.checkFinish(out)
	if k.PreserveOrder && len(k.PartitionBy) > 0 {
		// Rule 24: rows of one partition come from all over the source.
		c.fail(k.node, "sink.parquet.preserve_order", "leave one of them out", "preserve_order and partition_by exclude each other")
	}
}

func partitionable(t arrow.DataType) bool {
	switch t.ID() { //nolint:exhaustive // all others make no directory name
	case arrow.STRING, arrow.LARGE_STRING, arrow.BOOL, arrow.DATE32,
		arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		return true
	}
	return false
}

// needed narrows the source to the columns that something reads or the sink keeps.
func (c *compiler) needed(p *Pipeline, source *arrow.Schema) *arrow.Schema {
	want := map[string]bool{}
	for _, name := range names(p.Out) {
		want[name] = true
	}
	// Backwards: what must be there before an operator, for what is wanted after it.
	ordered := false // by a later select, so that the places of columns do not matter
	for i, st := range slices.Backward(c.spec.Stages) {
		if st.External != nil {
			for _, name := range names(p.Stages[i].In) {
				want[name] = true // nobody knows what it reads
			}
			ordered = false
			continue
		}
		ops := p.Stages[i].Chain.Operators()
		for j := len(st.Transform) - 1; j >= 0; j-- {
			in := p.Stages[i].In
			if j > 0 {
				in = ops[j-1].Out()
			}
			if ordered {
				in = nil
			}
			before(&st.Transform[j], ops[j], in, want)
			ordered = ordered || st.Transform[j].Kind == "select"
		}
	}
	var fields []arrow.Field
	for _, f := range source.Fields() {
		if want[f.Name] {
			fields = append(fields, f)
		}
	}
	if len(fields) == 0 && source.NumFields() > 0 {
		fields = append(fields, source.Field(0)) // rows are counted in some column
	}
	return arrow.NewSchema(fields, nil)
}

// before changes want from what is needed after an operator to what is needed
// before it. in are the columns of its input if their order counts, else nil.
func before(o *OperatorSpec, op operator.Operator, in *arrow.Schema, want map[string]bool) {
	switch o.Kind {
	case "select", "drop":
		if out := names(op.Out()); !slices.ContainsFunc(out, func(name string) bool { return want[name] }) {
			want[out[0]] = true // rows are counted in some column
		}
	case "rename":
		back := map[string]string{}
		for _, r := range o.Rename {
			back[r.New] = r.Old
			delete(want, r.New)
		}
		for _, old := range back {
			want[old] = true
		}
	case "filter", "assert", "mask", "cast", "fill_null": // what is changed keeps its place
		addReads(op, want)
		for _, name := range o.named() {
			want[name] = true // also those that it leaves as they are
		}
	case "unnest", "flatten":
		for i, from := range op.From() {
			if from < 0 {
				delete(want, op.Out().Field(i).Name)
			}
		}
		addReads(op, want)
	case "with":
		for _, a := range o.With {
			if in == nil || !in.HasField(a.Column) { // one that is replaced keeps its place among the others
				delete(want, a.Column)
			}
		}
		addReads(op, want)
	}
}

// addReads wants what an operator reads.
func addReads(op operator.Operator, want map[string]bool) {
	if r, ok := op.(operator.Reader); ok {
		for _, name := range r.Reads() {
			want[name] = true
		}
	}
}

// prunable lists the filters that a row group's statistics may decide: those at the
// head of the first stage. Behind the first operator that computes, a row could have
// failed before it reached the filter, and the books would differ. A mask fails no row,
// but a filter that reads what it has masked sees other values than the source has.
func prunable(p *Pipeline) []Prune {
	if len(p.Stages) == 0 || p.Stages[0].Chain == nil {
		return nil
	}
	masked := map[string]bool{}
	for i, op := range p.Stages[0].Chain.Operators() {
		switch op.Kind() {
		case "select", "drop":
			continue
		case "mask":
			addReads(op, masked)
			continue
		case "filter":
			// Only the first: a second one would be booked for rows that the first had
			// dropped.
			f, ok := op.(interface{ Predicate() *expr.Program })
			if ok && !slices.ContainsFunc(f.Predicate().Columns(), func(name string) bool { return masked[name] }) {
				return []Prune{{Operator: p.Stages[0].Name + "/" + operator.Label(op.Kind(), i), Program: f.Predicate()}}
			}
		}
		return nil
	}
	return nil
}
