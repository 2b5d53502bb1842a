package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) //nolint:forbidigo // a main
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code) //nolint:forbidigo // a main
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("rule", "", "run only the mutants whose rule matches this regular expression")
	jobs := flags.Int("jobs", 1, "mutants at once")
	timeout := flags.Duration("timeout", 2*time.Minute, "of one go test; a mutant that hangs that long is killed")
	root := flags.String("root", ".", "directory of the module")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	rule, err := regexp.Compile(*only)
	if err != nil || flags.NArg() != 1 {
		fmt.Fprintln(stderr, "usage: mutants [flags] TABLE; -h lists the flags")
		return 2
	}
	all, err := readTable(flags.Arg(0))
	if err != nil {
		fmt.Fprintln(stderr, "mutants:", err)
		return 2
	}
	all = slices.DeleteFunc(all, func(m *mutant) bool { return !rule.MatchString(m.rule) })

	r := &runner{root: *root, jobs: *jobs, timeout: timeout.String()}
	results := r.run(ctx, all, func(res result) {
		fmt.Fprintf(stdout, "%-8s  %5.1f s  %-28s %s\n", res.verdict, res.took.Seconds(), res.rule, res.detail)
	})
	return report(results, stdout)
}

// report prints the sum, with the failures once more where the end of a log shows them,
// and returns the exit code.
func report(results []result, w io.Writer) int {
	count := map[verdict]int{}
	for _, res := range results {
		count[res.verdict]++
	}
	fmt.Fprintf(w, "%d passed, %d failed\n", count[killed], count[survived]+count[broken])
	for _, res := range results {
		if res.verdict != killed {
			fmt.Fprintf(w, "%s: %s: %s\n", res.verdict, res.rule, res.detail)
		}
	}
	switch {
	case count[broken] > 0:
		return 2
	case count[survived] > 0:
		return 1
	}
	return 0
}
