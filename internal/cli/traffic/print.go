package traffic

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/levada-data/levada/internal/cli/figure"
)

// Printer writes flows, one line each.
type Printer struct {
	w      io.Writer
	json   bool
	stages int // width of the first column
	headed bool
}

// NewPrinter writes tables, or one JSON object a line. names are those of the stages.
func NewPrinter(w io.Writer, asJSON bool, names []string) *Printer {
	p := &Printer{w: w, json: asJSON, stages: len("stage")}
	for _, n := range names {
		p.stages = max(p.stages, utf8.RuneCountInString(n))
	}
	return p
}

// heading has the columns of a table.
func heading() []string {
	return []string{"time", "stage", "blocks", "rows", "bytes", "a block", "latency", "99 %"}
}

// Print writes what passed within one interval.
func (p *Printer) Print(flows []Flow) error {
	if p.json {
		return p.lines(flows)
	}
	width := []int{8, p.stages, 7, 7, 11, 19, 7, 7}
	right := []bool{false, false, true, true, true, true, true, true}
	fit := p.fitting(width)
	line := func(cells []string) string {
		return figure.Line(pick(cells, fit), pick(width, fit), pick(right, fit))
	}
	if !p.headed {
		p.headed = true
		if _, err := fmt.Fprintln(p.w, line(heading())); err != nil {
			return err
		}
	}
	for _, f := range flows {
		seconds := f.Elapsed.Seconds()
		size, median, late := "-", "-", "-"
		if f.Blocks > 0 {
			size = figure.Bytes(f.Smallest)
			if f.Largest > f.Smallest {
				size += " – " + figure.Bytes(f.Largest)
			}
		}
		if f.Latency.Blocks > 0 {
			median, late = figure.Time(f.Latency.P50), figure.Time(f.Latency.P99)
		}
		text := line([]string{
			f.At.Local().Format("15:04:05"), f.Stage, figure.Rate(float64(f.Blocks) / seconds), figure.Rate(float64(f.Rows) / seconds),
			figure.Bytes(int64(float64(f.Bytes)/seconds)) + "/s", size, median, late,
		})
		if _, err := fmt.Fprintln(p.w, text); err != nil {
			return err
		}
	}
	return nil
}

// fitting are the columns that a terminal has room for, by their places; all of them
// elsewhere. Sizes of blocks go first.
func (p *Printer) fitting(width []int) []int {
	fit := []int{0, 1, 2, 3, 4, 5, 6, 7}
	room := figure.Width(p.w)
	total := -2
	for _, w := range width {
		total += w + 2
	}
	for _, drop := range []int{5, 2, 4, 0} {
		if room == 0 || total <= room {
			break
		}
		total -= width[drop] + 2
		fit = slices.DeleteFunc(fit, func(i int) bool { return i == drop })
	}
	return fit
}

func pick[T any](all []T, places []int) []T {
	some := make([]T, len(places))
	for i, place := range places {
		some[i] = all[place]
	}
	return some
}

// Sum writes what has passed in all. columns are those of each stage, by name; it may
// lack some.
func (p *Printer) Sum(flows []Flow, columns map[string]string) error {
	if p.json {
		return nil // each line is there: who reads them can add
	}
	for _, f := range flows {
		text := fmt.Sprintf("\n%s: %s, %s in %s, for %s of %s in %s", f.Stage, figure.Plural(f.Blocks, "block"),
			figure.Plural(f.Rows, "row"), figure.Bytes(f.Bytes), figure.Plural(f.Covered, "source row"), figure.Plural(int64(f.Tasks), "task"),
			figure.Time(f.Elapsed))
		if l := f.Latency; l.Blocks > 0 {
			text += fmt.Sprintf("\n  from the source to here: half within %s, 99 %% within %s, the slowest %s", figure.Time(l.P50), figure.Time(l.P99), figure.Time(l.Max))
		}
		text += "\n  schema " + f.Schema
		if c := columns[f.Stage]; c != "" {
			text += ": " + c
		}
		if _, err := fmt.Fprintln(p.w, text); err != nil {
			return err
		}
	}
	return nil
}

func (p *Printer) lines(flows []Flow) error {
	enc := json.NewEncoder(p.w)
	for _, f := range flows {
		if err := enc.Encode(f); err != nil {
			return err
		}
	}
	return nil
}
