package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/levada-data/levada/pkg/pipeline"
)

const workersUsage = "blocks worked on at once, per stage: 4, or 1-8 to grow and shrink with the load (default the spec's, else the cores)"

// workersFlag is how many workers a stage has: a number, or a least and a most.
type workersFlag struct{ least, most int }

// String implements pflag.Value; the zero value is no number at all.
func (w *workersFlag) String() string {
	switch w.least {
	case 0:
		return ""
	case w.most:
		return strconv.Itoa(w.least)
	default:
		return fmt.Sprintf("%d-%d", w.least, w.most)
	}
}

// Set implements pflag.Value.
func (w *workersFlag) Set(text string) error {
	low, high, pool := strings.Cut(text, "-")
	if !pool {
		high = low
	}
	least, lerr := strconv.Atoi(low)
	most, herr := strconv.Atoi(high)
	switch {
	case lerr != nil || herr != nil:
		return errors.New("write a number, or a least and a most: 4, 1-8")
	case least < 1 || most > pipeline.MaxWorkers:
		return fmt.Errorf("from 1 to %d workers", pipeline.MaxWorkers)
	case least > most:
		return fmt.Errorf("the most, %d, is less than the least, %d", most, least)
	}
	w.least, w.most = least, most
	return nil
}

// Type implements pflag.Value.
func (w *workersFlag) Type() string { return "N[-MAX]" }
