package pipeline

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"go.yaml.in/yaml/v3"

	"github.com/levada-data/levada/pkg/operator"
)

// Level is how much a finding weighs.
type Level string

// The levels.
const (
	LevelWarning Level = "warning" // probably not what is meant
	LevelHint    Level = "hint"    // could be cheaper, or plainer
)

// Finding is something in a pipeline that is right and could be better. Its error gives
// the place and the remedy.
type Finding struct {
	Rule  string // one of [LintRules]
	Level Level
	*Error
}

// Pretty renders the finding with the line of the spec and a caret under its place.
func (f *Finding) Pretty() string {
	rest, _ := strings.CutPrefix(f.Error.Pretty(), "error")
	return fmt.Sprintf("%s[%s]%s", f.Level, f.Rule, rest)
}

// LintFacts are what the rules know of the source. The zero value: nothing.
type LintFacts struct {
	Bytes int64 // of its files
	// Values is about how many different values a column of the source may have, by its
	// statistics; 0 when they do not say. nil: nothing is known.
	Values func(column string) int64
}

// lintRule finds one sort of thing.
type lintRule struct {
	level Level
	what  string
	find  func(l *linter)
}

// lintRules are all rules, by name.
var lintRules = map[string]lintRule{
	"unused-column":    {LevelWarning, "a column that is read or computed, and used by nothing", (*linter).unused},
	"late-filter":      {LevelHint, "a filter behind operators that work in vain on the dropped rows", (*linter).lateFilters},
	"adjacent-filters": {LevelHint, "two filters in a row: only the first can skip row groups", (*linter).adjacentFilters},
	"no-effect":        {LevelWarning, "an operator that changes nothing", (*linter).noEffect},
	"masked-twice":     {LevelWarning, "a mask of what is masked", (*linter).maskedTwice},
	"unmasked-copy":    {LevelWarning, "a copy of a column, made before it is masked, in the output", (*linter).copies},
	"late-mask":        {LevelWarning, "raw values that cross an edge although no operator needs them", (*linter).lateMasks},
	"tiny-files":       {LevelWarning, "an output of many small files", (*linter).tinyFiles},
	"slow-codec":       {LevelHint, "a compression that costs more than it saves", (*linter).slowCodec},
	"column-name":      {LevelHint, "a new column that expressions can name only with col", (*linter).columnNames},
	"default":          {LevelHint, "a field that says what holds without it", (*linter).defaults},
}

// LintRules lists the names of the rules, sorted.
func LintRules() []string { return slices.Sorted(maps.Keys(lintRules)) }

// LintRule says what a rule finds, and at which level; false when there is no such rule.
func LintRule(name string) (what string, level Level, ok bool) {
	r, ok := lintRules[name]
	return r.what, r.level, ok
}

// Lint looks for what could be better in a pipeline that is right. needed is the schema
// of the columns that it reads, as [Compile] has narrowed it. A comment
// "# lint:ignore RULE" on a line, or alone on the line above, keeps a rule quiet about it. The
// error is an [Errors].
func Lint(s *Spec, needed *arrow.Schema, f LintFacts) ([]Finding, error) {
	p, err := CompilePlanned(s, needed)
	if err != nil {
		return nil, err
	}
	l := &linter{spec: s, pipeline: p, facts: f}
	for _, name := range LintRules() {
		l.rule, l.level = name, lintRules[name].level
		lintRules[name].find(l)
	}
	slices.SortStableFunc(l.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return l.found, nil
}

type linter struct {
	spec     *Spec
	pipeline *Pipeline
	facts    LintFacts
	rule     string // that looks now
	level    Level  // its
	found    []Finding
}

var ignored = regexp.MustCompile(`#\s*lint:ignore\s+([a-z, -]+)`)

// report adds a finding, unless a comment wants it quiet.
func (l *linter) report(n *yaml.Node, path, remedy, format string, args ...any) {
	e := l.spec.errorAt(n, path, remedy, format, args...)
	above := ""
	if line := strings.TrimSpace(l.spec.line(e.Line - 1)); strings.HasPrefix(line, "#") {
		above = line
	}
	for _, line := range []string{l.spec.line(e.Line), above} {
		if m := ignored.FindStringSubmatch(line); m != nil && slices.Contains(strings.FieldsFunc(m[1], func(r rune) bool { return r == ',' || r == ' ' }), l.rule) {
			return
		}
	}
	l.found = append(l.found, Finding{Rule: l.rule, Level: l.level, Error: e})
}

// step is an operator of the pipeline, in the order of all stages.
type step struct {
	stage int
	spec  *OperatorSpec // nil for an external stage
	op    operator.Operator
	in    *arrow.Schema
	out   *arrow.Schema
}

func (s *step) path() string { return join(s.spec.path, s.spec.Kind) }

func (l *linter) steps() []step {
	var steps []step
	for i, st := range l.pipeline.Stages {
		if st.Chain == nil {
			steps = append(steps, step{stage: i, in: st.In, out: st.Out})
			continue
		}
		in := st.In
		for j, op := range st.Chain.Operators() {
			steps = append(steps, step{i, &l.spec.Stages[i].Transform[j], op, in, op.Out()})
			in = op.Out()
		}
	}
	return steps
}

// reads are the columns that a step reads; all of them when nobody knows.
func (s *step) reads() []string {
	if s.spec == nil {
		return names(s.in)
	}
	if r, ok := s.op.(operator.Reader); ok {
		return r.Reads()
	}
	return nil
}

// used reports that a column which a step has put out is read by one behind it, or is in the
// output; a column that only goes through is followed under its names.
func used(steps []step, after int, column string) bool {
	name := column
	for i := after + 1; i < len(steps); i++ {
		s := &steps[i]
		if slices.Contains(s.reads(), name) {
			return true
		}
		if s.spec == nil {
			continue
		}
		at := slices.Index(s.op.From(), s.in.FieldIndices(name)[0])
		if at < 0 {
			return false // dropped, or replaced
		}
		name = s.out.Field(at).Name
	}
	return true
}

func (l *linter) unused() {
	steps := l.steps()
	for i, s := range steps {
		if s.spec == nil || s.spec.Kind != "with" {
			continue
		}
		for _, a := range s.spec.With {
			if !used(steps, i, a.Column) {
				l.report(a.key, join(s.path(), a.Column), "leave it out", "column %q is computed, and nothing reads it or keeps it", a.Column)
			}
		}
	}
	q := l.spec.Source.Parquet
	if q == nil {
		return
	}
	for i, name := range q.Columns {
		if !l.pipeline.Needed.HasField(name) {
			l.report(q.nodes[i], fmt.Sprintf("source.parquet.columns[%d]", i), "leave it out", "column %q is listed, and nothing reads it or keeps it", name)
		}
	}
}

// lateFilters finds filters that could stand before operators that compute: what they read
// is there, under the same name.
func (l *linter) lateFilters() {
	steps := l.steps()
	for i, s := range steps {
		if s.spec == nil || s.spec.Kind != "filter" {
			continue
		}
		reads, before, first := s.reads(), 0, -1
		for j := i - 1; j >= 0 && passes(&steps[j], reads); j-- {
			if k := steps[j].spec.Kind; k == "with" || k == "mask" {
				before++
				first = j
			}
		}
		if first < 0 || len(reads) == 0 {
			continue
		}
		at := &steps[first]
		gain := ""
		if first == 0 {
			gain = ", where statistics may skip whole row groups too"
		}
		l.report(s.spec.node, s.path(), fmt.Sprintf("put it before the %s in line %d%s", at.spec.Kind, at.spec.node.Line, gain),
			"the filter reads nothing that the %s before it %s, and their work on the rows that it drops is for nothing", operators(before), made(before))
	}
}

func operators(n int) string {
	if n == 1 {
		return "operator"
	}
	return fmt.Sprintf("%d operators", n)
}

func made(n int) string {
	if n == 1 {
		return "makes"
	}
	return "make"
}

// passes reports that columns go through an operator as they are, so that a filter of them may
// stand on either side of it.
func passes(s *step, columns []string) bool {
	if s.spec == nil || !slices.Contains([]string{"with", "mask", "select", "drop", "rename"}, s.spec.Kind) {
		return false
	}
	for _, name := range columns {
		at := s.out.FieldIndices(name)
		if len(at) != 1 {
			return false
		}
		from := s.op.From()[at[0]]
		if from < 0 || s.in.Field(from).Name != name {
			return false
		}
	}
	return true
}

func (l *linter) adjacentFilters() {
	for _, st := range l.spec.Stages {
		for i := 1; i < len(st.Transform); i++ {
			if a, b := &st.Transform[i-1], &st.Transform[i]; a.Kind == "filter" && b.Kind == "filter" {
				l.report(b.node, join(b.path, b.Kind), fmt.Sprintf("join it with the filter in line %d by &&, unless the books shall tell them apart", a.node.Line),
					"two filters in a row: only the first one is used to skip row groups by their statistics")
			}
		}
	}
}

func (l *linter) noEffect() {
	for _, s := range l.steps() {
		if s.spec == nil {
			continue
		}
		switch s.spec.Kind {
		case "with":
			for _, a := range s.spec.With {
				if strings.TrimSpace(a.Expr) == a.Column && s.in.HasField(a.Column) {
					l.report(a.key, join(s.path(), a.Column), "leave it out", "column %q is replaced by itself", a.Column)
				}
			}
		case "rename":
			for _, r := range s.spec.Rename {
				if r.Old == r.New {
					l.report(r.node, join(s.path(), r.Old), "leave it out", "column %q is renamed to itself", r.Old)
				}
			}
		case "filter":
			if strings.TrimSpace(s.spec.Expr) == "true" {
				l.report(s.spec.node, s.path(), "leave it out", "the filter keeps every row")
			}
		}
	}
}

// masks are the steps that mask, with the column that each masks.
func masks(steps []step) map[int]string {
	out := map[int]string{}
	for i, s := range steps {
		if s.spec != nil && s.spec.Mask != nil {
			out[i] = s.spec.Mask.Column
		}
	}
	return out
}

func (l *linter) maskedTwice() {
	steps := l.steps()
	found := masks(steps)
	for _, i := range slices.Sorted(maps.Keys(found)) {
		for j := range steps[:i] {
			if found[j] == found[i] && passesAll(steps[j+1:i], found[i]) {
				l.report(steps[i].spec.node, steps[i].path(), "leave one of them out", "column %q is masked in line %d already", found[i], steps[j].spec.node.Line)
			}
		}
	}
}

func passesAll(steps []step, column string) bool {
	return !slices.ContainsFunc(steps, func(s step) bool { return s.spec != nil && s.spec.Kind != "filter" && !passes(&s, []string{column}) })
}

// verbatimCopy is an expression that gives a column as it is, or nearly.
var verbatimCopy = regexp.MustCompile(`^\s*(?:(?:lower|upper|trim|string|coalesce)\s*\(\s*)?([A-Za-z_][A-Za-z0-9_]*)\s*(?:,[^()]*)?\)?\s*$`)

func (l *linter) copies() {
	steps := l.steps()
	found := masks(steps)
	for _, i := range slices.Sorted(maps.Keys(found)) {
		column := found[i]
		for j := range steps[:i] {
			s := &steps[j]
			if s.spec == nil || s.spec.Kind != "with" {
				continue
			}
			for _, a := range s.spec.With {
				m := verbatimCopy.FindStringSubmatch(a.Expr)
				if m != nil && m[1] == column && a.Column != column && passesAll(steps[j+1:i], column) && reachesOutput(steps, j, a.Column) {
					l.report(a.key, join(s.path(), a.Column), "mask it too, make it behind the mask, or drop it",
						"column %q is a copy of %q, which is masked in line %d, and goes into the output as it is", a.Column, column, steps[i].spec.node.Line)
				}
			}
		}
	}
}

// reachesOutput reports that a column which a step has put out is in the output, unmasked.
func reachesOutput(steps []step, after int, column string) bool {
	for i := after + 1; i < len(steps); i++ {
		s := &steps[i]
		if s.spec == nil {
			continue
		}
		at := slices.Index(s.op.From(), s.in.FieldIndices(column)[0])
		if at < 0 {
			return false
		}
		column = s.out.Field(at).Name
	}
	return true
}

// lateMasks finds masks behind an edge that could stand before it: no operator up to them
// reads the column.
func (l *linter) lateMasks() {
	steps := l.steps()
	found := masks(steps)
	for _, i := range slices.Sorted(maps.Keys(found)) {
		column := found[i]
		if steps[i].stage == 0 {
			continue
		}
		reachable := true
		for j := i - 1; j >= 0 && reachable; j-- {
			s := &steps[j]
			reachable = s.spec != nil && !slices.Contains(s.reads(), column) && (s.spec.Kind == "filter" || passes(s, []string{column}))
		}
		if reachable {
			l.report(steps[i].spec.node, steps[i].path(), "put it into the first stage, "+l.spec.Stages[0].Name,
				"raw values of %q cross %s before they are masked, and lie in the dead letters of the stages before", column, edges(steps[i].stage))
		}
	}
}

func edges(n int) string {
	if n == 1 {
		return "an edge"
	}
	return fmt.Sprintf("%d edges", n)
}

const (
	// tinyFile is below which a file costs a reader more to open than to read.
	tinyFile = 8 << 20
	// manyFiles is how many of them are worth a word.
	manyFiles = 16
)

func (l *linter) tinyFiles() {
	k := l.spec.Sink.Parquet
	path := "sink.parquet.target_file"
	if files := l.facts.Bytes / max(k.TargetFile, 1); k.TargetFile < tinyFile && files > manyFiles {
		l.report(cmp.Or(l.spec.at(path), k.node), path, "128MiB is the default", "the source has %s: that gives about %d files of %s", size(l.facts.Bytes), files, size(k.TargetFile))
	}
	if e := l.spec.Policies.EdgeBytes; e > 0 && e < 2*k.TargetFile {
		path := "policies.edge_bytes"
		l.report(l.spec.at(path), path, fmt.Sprintf("write at least %s, two files, or leave it out", strings.ReplaceAll(size(2*k.TargetFile), " ", "")),
			"writers hold the blocks of their open files in the edge, and %s close files before they have %s", size(e), size(k.TargetFile))
	}
	if a := l.spec.Policies.MaxAge; a < 5*time.Second {
		path := "policies.max_age"
		l.report(l.spec.at(path), path, "30s is the default", "a writer closes its files every %s, however small they are", brief(a))
	}
	if l.facts.Values == nil {
		return
	}
	parts := int64(1)
	for i, name := range k.PartitionBy {
		at := slices.Index(names(l.pipeline.Out), name)
		origin, _ := l.pipeline.provenanceOf(at)
		if origin == "" {
			continue // made on the way, or by somebody else: nobody knows
		}
		n := l.facts.Values(origin)
		if n == 0 {
			continue
		}
		if parts = min(parts*n, 1<<40); parts > manyFiles && l.facts.Bytes/parts < tinyFile {
			path := fmt.Sprintf("sink.parquet.partition_by[%d]", i)
			l.report(k.partition[min(i, len(k.partition)-1)], path, "partition by something coarser: a day, a country",
				"column %q has up to %d values by its statistics: that is a directory each, with about %s", name, n, size(l.facts.Bytes/parts))
			return
		}
	}
}

// provenanceOf is the column of the source that a column of the output is, value for
// value; "" when it is none.
func (p *Pipeline) provenanceOf(column int) (source string, ok bool) {
	if slices.ContainsFunc(p.Stages, func(s *Stage) bool { return s.Chain == nil }) {
		return "", false
	}
	origin, _ := p.provenance()
	if column < 0 || column >= len(origin) || origin[column] < 0 {
		return "", false
	}
	return p.Needed.Field(origin[column]).Name, true
}

func (l *linter) slowCodec() {
	path := "sink.parquet.compression"
	switch c := l.spec.Sink.Parquet.Compression; {
	case c.Codec == "none":
		l.report(l.spec.at(path), path, "snappy, the default, costs little", "uncompressed files are two to four times as large, and slower to read over a network")
	case c.Level > 9:
		l.report(l.spec.at(path), path, "try zstd:3: measure both", "zstd:%d takes several times the time of zstd:3 for a few per cent of the size", c.Level)
	}
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (l *linter) columnNames() {
	for _, s := range l.steps() {
		if s.spec == nil {
			continue
		}
		for _, a := range s.spec.With {
			if !plainName.MatchString(a.Column) {
				l.report(a.key, join(s.path(), a.Column), "use letters, digits and _", "expressions can name column %q only as col(%q)", a.Column, a.Column)
			}
		}
		for _, r := range s.spec.Rename {
			if !plainName.MatchString(r.New) {
				l.report(r.node, join(s.path(), r.Old), "use letters, digits and _", "expressions can name column %q only as col(%q)", r.New, r.New)
			}
		}
	}
}

// defaultValues are those of fields that hold whatever else the spec says.
var defaultValues = map[string]string{
	"source.range.column": "id", "sink.parquet.target_file": "128MiB", "sink.parquet.rows_per_group": "1048576", "sink.parquet.compression": "snappy",
	"sink.parquet.mode": "error", "sink.parquet.preserve_order": "false", "sink.parquet.empty": "file", "sink.parquet.max_open_files": "256",
	"policies.max_dead_rows": "0", "policies.max_age": "30s", "policies.requeue_after": "5s", "policies.fuse": "auto", "policies.carry": "auto",
}

func (l *linter) defaults() {
	for path, val := range defaultValues {
		if n := l.spec.at(path); n != nil && n.Kind == yaml.ScalarNode && strings.ReplaceAll(n.Value, "_", "") == val {
			l.report(n, path, "leave it out, or keep it for who reads the spec with # lint:ignore default", "%s is the default", val)
		}
	}
}

// at is the value of a field; nil when the spec does not have it.
func (s *Spec) at(path string) *yaml.Node {
	n := s.root
	for key := range strings.SplitSeq(path, ".") {
		if n == nil {
			return nil
		}
		n = target(n)
		var next *yaml.Node
		for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
			if n.Content[i].Value == key {
				next = n.Content[i+1]
			}
		}
		n = next
	}
	return n
}
