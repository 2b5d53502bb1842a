package ledger

import (
	"fmt"
	"io/fs"

	"github.com/levada-data/levada/pkg/blocks"
)

// An entry of this run's plan that contradicts the plan or itself comes from a fault
// in what made it. It is void, and the run must fail, for no one can say which rows
// its files hold.

// contradict notes why the run must fail. What a complete run is told is too late:
// the entry that completed it decides (rule 6).
func (s *State) contradict(format string, args ...any) VoidReason {
	if s.Complete() {
		return VoidComplete
	}
	if s.conflict == "" {
		s.conflict = fmt.Sprintf(format, args...)
	}
	return VoidConflict
}

func (s *State) plannedRows(task uint32) string {
	if int64(task) >= int64(len(s.tasks)) {
		return "no such task"
	}
	return fmt.Sprint(s.tasks[task].Rows)
}

// outside reports that a span names rows that the plan does not have.
func (s *State) outside(span blocks.Span) bool {
	return int64(span.Task) >= int64(len(s.tasks)) || span.To > s.tasks[span.Task].Rows
}

// faultOfCommit says why a commit's counts do not add up to its spans, or "".
func (s *State) faultOfCommit(c *Commit) string {
	for span := range c.Spans.Spans() {
		if s.outside(span) {
			return fmt.Sprintf("span %s is not in the plan", span)
		}
	}
	k, rows := &c.Counts, c.Spans.Rows()
	if k.Read != rows {
		return fmt.Sprintf("it counts %d source rows, its spans have %d", k.Read, rows)
	}
	all := tally{limit: rows}
	all.add(k.Written)
	all.add(k.Dead)
	for _, n := range k.Dropped {
		all.add(n)
	}
	if all.bad || all.n != rows {
		return fmt.Sprintf("of %d source rows it counts %d written, %d dropped, %d dead", rows, k.Written, k.DroppedRows(), k.Dead)
	}
	if why := faultOfFiles(c); why != "" {
		return why
	}
	named, why := countDead(c.Dead, &c.Spans)
	if why == "" && named != k.Dead {
		why = fmt.Sprintf("it counts %d dead rows and names %d", k.Dead, named)
	}
	return why
}

// faultOfFiles says why the files of a commit cannot hold its written rows, or "". It
// tells them by their place: their names may hold partition values.
func faultOfFiles(c *Commit) string {
	written := tally{limit: c.Spans.Rows()}
	names := make(map[string]bool, len(c.Files))
	for i := range c.Files {
		f := &c.Files[i]
		switch {
		case !fs.ValidPath(f.Name) || names[f.Name]:
			return fmt.Sprintf("file %d has no name of its own", i)
		case f.Bytes < 0 || f.Rows < 0 || f.Rows > f.Spans.Rows():
			return fmt.Sprintf("file %d has %d rows in %d bytes, of %d source rows", i, f.Rows, f.Bytes, f.Spans.Rows())
		case !c.Spans.Includes(&f.Spans):
			return fmt.Sprintf("file %d has rows of spans that the commit does not cover", i)
		}
		names[f.Name] = true
		written.add(f.Rows)
	}
	if written.bad || written.n != c.Counts.Written {
		return fmt.Sprintf("it counts %d rows written, its files have %d", c.Counts.Written, written.n)
	}
	return ""
}

// faultOfDead says why a dead entry does not add up to its span, or "".
func (s *State) faultOfDead(d *Dead) string {
	if s.outside(d.Span) {
		return "it is not in the plan"
	}
	gone := tally{limit: d.Span.Rows()}
	for _, n := range d.Dropped {
		gone.add(n)
	}
	var span Coverage
	_ = span.Add(d.Span) // inside the plan
	before, why := countDead(d.Before, &span)
	if why != "" {
		return why
	}
	if gone.add(before); gone.bad {
		return fmt.Sprintf("of %d rows it counts %d dropped and %d dead before", d.Span.Rows(), sum(d.Dropped), before)
	}
	return ""
}

// countDead counts rows of blocks that lie in the given spans, or says what is wrong
// with them: a row dies once.
func countDead(dead []DeadRows, spans *Coverage) (int64, string) {
	if len(dead) == 0 {
		return 0, ""
	}
	within := spans.Clone()
	var rows Coverage
	for _, d := range dead {
		if !d.Span.Valid() || !within.Contains(d.Span) || len(d.Offsets) == 0 {
			return 0, fmt.Sprintf("dead rows of block %s, which it does not cover", d.Span)
		}
		for _, o := range d.Offsets {
			row := blocks.Span{Task: d.Span.Task, From: d.Span.From + int64(o), To: d.Span.From + int64(o) + 1}
			if !d.Span.Contains(row) || rows.Add(row) != nil {
				return 0, fmt.Sprintf("dead rows of block %s are not rows of it, or dead twice", d.Span)
			}
		}
	}
	return rows.Rows(), ""
}

// postCommit adds (sign 1) a commit's rows to the books or takes them back (-1).
func (s *State) postCommit(c *Commit, sign int64) {
	s.written += sign * c.Counts.Written
	for op, n := range c.Counts.Dropped {
		post(s.dropped, op, sign*n)
	}
	s.postDeadRows(c.Dead, sign)
}

func (s *State) postDead(d *Dead) {
	rest := d.Span.Rows()
	for op, n := range d.Dropped {
		post(s.dropped, op, n)
		rest -= n
	}
	for _, b := range d.Before {
		rest -= int64(len(b.Offsets))
	}
	s.postDeadRows(d.Before, 1)
	s.dead += rest
	post(s.deadBy, d.Stage, rest)
}

func (s *State) postDeadRows(dead []DeadRows, sign int64) {
	for _, d := range dead {
		n := sign * int64(len(d.Offsets))
		s.dead += n
		post(s.deadBy, d.Stage, n)
	}
}
