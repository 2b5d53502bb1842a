package suggest

import (
	"fmt"
	"math"
	"time"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/pkg/flow"
)

// role is what serves a stage: a command of levada, or "" for a process of the user's own.
func role(st *Stage) string {
	switch {
	case st.Name == flow.SourceStage:
		return "reader"
	case st.Name == flow.SinkStage:
		return "writer"
	case st.External:
		return ""
	default:
		return "transform"
	}
}

// plain names a stage in a sentence.
func plain(st *Stage) string {
	switch st.Name {
	case flow.SourceStage:
		return "the reader"
	case flow.SinkStage:
		return "the writer"
	default:
		return st.Name
	}
}

func whose(st *Stage) string { return plain(st) + "'s" }

func count(st *Stage, n int) string {
	switch st.Name {
	case flow.SourceStage:
		return figure.Plural(int64(n), "reader")
	case flow.SinkStage:
		return figure.Plural(int64(n), "writer")
	default:
		return figure.Plural(int64(n), "instance")
	}
}

// flagOf is the flag for the workers of a stage, and what they are called.
func flagOf(st *Stage) string {
	switch st.Name {
	case flow.SourceStage:
		return "tasks"
	case flow.SinkStage:
		return "lanes"
	default:
		return "workers"
	}
}

// ways are the commands that bring a stage to n instances, one way or another.
func (d *deduction) ways(st *Stage, n int) []string {
	name := role(st)
	switch {
	case name == "":
		more := max(n-st.Instances, 1)
		text := "start %d more processes of your own that serve %s"
		if more == 1 {
			text = "start %d more process of your own that serves %s"
		}
		return []string{fmt.Sprintf(text, more, st.Name)}
	case d.Local:
		return []string{fmt.Sprintf("levada resume %s --%s %d, after Ctrl-C: it goes on where it stopped", d.Run, flagOf(st), n)}
	}
	ways := []string{
		fmt.Sprintf("levada %s & (%d more)", name, max(n-st.Instances, 1)),
		fmt.Sprintf("docker compose up -d --no-recreate --scale %s=%d", name, n),
		fmt.Sprintf("kubectl scale deployment/%s --replicas %d", name, n),
	}
	if name == "transform" && st.Workers > 0 && st.CPU < st.Working/2 && st.CPU > 0 {
		each := st.Workers / max(st.Instances, 1)
		ways = append(ways, fmt.Sprintf("or workers: { min: %d, max: %d } in the spec: its workers wait, they do not compute", each, each*n/max(st.Instances, 1)))
	}
	return ways
}

func percent(share float64) int { return int(math.Round(min(share, 1) * 100)) }

func coreCount(n float64) string {
	if n == 1 {
		return "1 core"
	}
	return fmt.Sprintf("%.4g cores", n)
}

// number is a pace in as many digits as it can be known in.
func number(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.2g", v)
	}
	return figure.Rows(int64(math.Round(v)))
}

// span is a short time in as many digits as it can be known in: "5.1 ms".
func span(d time.Duration) string {
	ms := d.Seconds() * 1000
	switch {
	case d >= time.Second:
		return figure.Time(d)
	case ms >= 10:
		return fmt.Sprintf("%.0f ms", ms)
	case ms >= 1:
		return fmt.Sprintf("%.1f ms", ms)
	case ms >= 0.1:
		return fmt.Sprintf("%.2f ms", ms)
	default:
		return fmt.Sprintf("%.0f µs", ms*1000)
	}
}
