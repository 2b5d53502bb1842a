// Command budget says on which steps a run has spent its CPU time, from the profile that
// `levada run --profile` writes.
//
//	budget [-rows N] cpu.pprof
//
// It prints a Markdown table. With the number of rows of the source, it has CPU
// nanoseconds a row, too.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/google/pprof/profile"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "budget:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("budget", flag.ContinueOnError)
	rows := flags.Int64("rows", 0, "of the source")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 || *rows < 0 {
		return errors.New("usage: budget [-rows N] cpu.pprof")
	}
	f, err := os.Open(flags.Arg(0))
	if err != nil {
		return err
	}
	p, err := profile.Parse(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", flags.Arg(0), err)
	}
	return table(out, spent(p), *rows)
}

// spent is the CPU nanoseconds of each step.
func spent(p *profile.Profile) map[string]int64 {
	cpu := len(p.SampleType) - 1 // samples, then nanoseconds
	steps := map[string]int64{}
	for _, s := range p.Sample {
		steps[stepOf(s)] += s.Value[cpu]
	}
	return steps
}

// stepOf is the step of the innermost frame that belongs to one.
func stepOf(s *profile.Sample) string {
	for _, loc := range s.Location { // from the innermost on
		for _, line := range loc.Line {
			if line.Function == nil {
				continue
			}
			for i := range steps {
				if steps[i].of.MatchString(line.Function.Name) {
					return steps[i].name
				}
			}
		}
	}
	return "everything else"
}

func table(out io.Writer, spent map[string]int64, rows int64) error {
	total := int64(0)
	names := make([]string, 0, len(spent))
	for name, ns := range spent {
		total += ns
		names = append(names, name)
	}
	if total == 0 {
		return errors.New("the profile has no samples")
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b)) })
	head, rule := "| step | CPU s | share |", "|---|---|---|"
	if rows > 0 {
		head, rule = head+" ns a row |", rule+"---|"
	}
	_, err := fmt.Fprintf(out, "%s\n%s\n", head, rule)
	line := func(name string, ns int64) {
		if err == nil {
			_, err = fmt.Fprintf(out, "| %s | %.2f | %.0f %% |", name, float64(ns)/1e9, float64(ns)*100/float64(total))
		}
		if err == nil && rows > 0 {
			_, err = fmt.Fprintf(out, " %.0f |", float64(ns)/float64(rows))
		}
		if err == nil {
			_, err = fmt.Fprintln(out)
		}
	}
	for _, name := range names {
		line(name, spent[name])
	}
	line("**all**", total)
	return err
}

// place is where a step stands in the table: in the order of a block's way.
func place(name string) int {
	for i := range steps {
		if steps[i].name == name {
			return i
		}
	}
	return len(steps)
}
