package progress

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/levada-data/levada/internal/cli/figure"
)

// Style is what a terminal can show.
type Style struct {
	Unicode bool
}

const (
	leastBar = 10 // columns under which a bar says nothing
	mostBar  = 40
)

// Main is the view's first line, at most width columns wide. When there is little
// room, it leaves out the least important.
func (v *View) Main(width int, style Style) string {
	count := figure.Rows(v.Done) + " rows"
	share := v.Phase
	if v.Planned > 0 {
		count = figure.Rows(v.Done) + "/" + figure.Rows(v.Planned) + " rows"
		share = figure.Percent(v.Done, v.Planned)
	}
	if v.Planned > 0 && v.Phase != "running" {
		share += " " + v.Phase
	}
	rate, left := "", ""
	if v.Rate > 0 {
		rate = figure.Rate(v.Rate)
	}
	if v.Left >= 0 {
		left = figure.About(v.Left) + " left"
	}
	// From the most to the least: what is cut away first is last.
	for _, try := range [][]string{
		{v.Name, "bar", share, count, rate, left},
		{v.Name, "bar", share, rate, left},
		{"bar", share, rate, left},
		{"bar", share, left},
		{"bar", share},
		{v.Name, share},
	} {
		if line, ok := v.fit(try, width, style); ok {
			return line
		}
	}
	return cut(share, width)
}

// fit lays the parts out in a line, with a bar in place of "bar" that takes what
// the others leave; it reports false when that is not enough.
func (v *View) fit(parts []string, width int, style Style) (string, bool) {
	used, bars := 0, 0
	for _, p := range parts {
		switch p {
		case "":
		case "bar":
			bars++
			used += 2
		default:
			used += utf8.RuneCountInString(p) + 2
		}
	}
	room := min(width-max(used-2, 0), mostBar)
	if room < bars*leastBar {
		return "", false
	}
	var shown []string
	for _, p := range parts {
		switch p {
		case "":
		case "bar":
			shown = append(shown, v.bar(room, style))
		default:
			shown = append(shown, p)
		}
	}
	return strings.Join(shown, "  "), true
}

func (v *View) bar(width int, style Style) string {
	full, empty := "#", "."
	if style.Unicode {
		full, empty = "█", "░"
	}
	n := 0
	if v.Planned > 0 {
		n = int(float64(width) * float64(v.Done) / float64(v.Planned))
	}
	n = min(max(n, 0), width)
	return strings.Repeat(full, n) + strings.Repeat(empty, width-n)
}

// StageLine is the line of stage i, at most width columns wide.
func (v *View) StageLine(i, width int) string {
	s := &v.Stages[i]
	name := 0
	for _, o := range v.Stages {
		name = max(name, utf8.RuneCountInString(o.Name))
	}
	state := s.State
	switch {
	case s.Instances == 0:
		state = "nobody yet"
	case s.Instances > 1:
		state = fmt.Sprintf("%s x%d", s.State, s.Instances)
	}
	line := fmt.Sprintf("  %-*s  %-10s", name, s.Name, state)
	if s.Instances == 0 {
		return cut(strings.TrimRight(line, " "), width)
	}
	parts := []string{
		fmt.Sprintf("%13s rows", figure.Rows(s.Rows)),
		fmt.Sprintf("%7s in", figure.Rate(s.In)),
		fmt.Sprintf("%7s out", figure.Rate(s.Out)),
	}
	if w := s.waiting(); w != "" {
		parts = append(parts, w)
	}
	for _, p := range parts {
		if utf8.RuneCountInString(line)+2+utf8.RuneCountInString(p) > width {
			break
		}
		line += "  " + p
	}
	return cut(strings.TrimRight(line, " "), width)
}

// waiting says what the stage waits for, when it waits for more than a fifth of its
// time.
func (s *StageView) waiting() string {
	const much = 0.2
	switch {
	case s.WaitOut >= much && s.WaitOut >= s.WaitIn:
		return fmt.Sprintf("waits for the next stage %.0f%%", s.WaitOut*100)
	case s.WaitIn >= much:
		return fmt.Sprintf("waits for input %.0f%%", s.WaitIn*100)
	default:
		return ""
	}
}

// Plain is the view in one line without a bar: for a file or a pipe.
func (v *View) Plain() string {
	if v.Planned == 0 {
		return fmt.Sprintf("%s: %s", v.Name, v.Phase)
	}
	s := fmt.Sprintf("%s: %s, %s of %s rows", v.Name, figure.Percent(v.Done, v.Planned), figure.Rows(v.Done), figure.Rows(v.Planned))
	if v.Phase != "running" {
		s += ", " + v.Phase
	}
	if v.Rate > 0 {
		s += ", " + figure.Rate(v.Rate)
	}
	if v.Left >= 0 {
		s += ", " + figure.About(v.Left) + " left"
	}
	return s
}

// cut shortens a line to width columns.
func cut(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:max(width, 0)])
}
