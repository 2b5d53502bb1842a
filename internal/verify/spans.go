package verify

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/levada-data/levada/internal/sink"
)

// books says what in the accounts of a manifest does not add up.
func books(m *sink.Manifest) []string {
	var texts []string
	say := func(format string, args ...any) { texts = append(texts, fmt.Sprintf(format, args...)) }
	rows, sources := int64(0), int64(0)
	for i := range m.Files {
		rows += m.Files[i].Rows
	}
	for _, s := range m.Sources {
		sources += s.Rows
	}
	b := &m.Books
	if m.Status == sink.StatusDone {
		if err := b.Check(); err != nil {
			say("%v", err)
		}
		if rows != b.Written {
			say("its files have %d rows, its books say that %d were written", rows, b.Written)
		}
		if len(m.Sources) > 0 && sources != b.Source {
			say("its sources have %d rows, its books say %d", sources, b.Source)
		}
	}
	if rows > b.Source {
		say("its files have %d rows, more than the %d of the source", rows, b.Source)
	}
	return texts
}

// place is where spans of one task lie: their rows count from the first of its row groups.
type place struct{ source, group int }

// piece is an interval of source rows, and the commit that it belongs to; "" for dead rows.
type piece struct {
	from, to int64
	commit   string
	file     string
}

// spans says what is wrong with the source rows that the files of a manifest were made of.
func spans(m *sink.Manifest) []string {
	var texts []string
	say := func(format string, args ...any) { texts = append(texts, fmt.Sprintf(format, args...)) }
	pieces := map[place][]piece{}
	put := func(l *sink.Lineage, commit, file string) (rows int64) {
		if l.Source >= len(m.Sources) || l.Source < -1 {
			say("%s comes of source %d, and there are %d", file, l.Source, len(m.Sources))
			return 0
		}
		p := place{l.Source, l.RowGroups[0]}
		for _, r := range l.Rows {
			if r[0] < 0 || r[0] >= r[1] || l.Source >= 0 && r[1] > m.Sources[l.Source].Rows {
				say("%s comes of the rows [%d,%d) of source %d, which it does not have", file, r[0], r[1], l.Source)
				continue
			}
			rows += r[1] - r[0]
			pieces[p] = append(pieces[p], piece{r[0], r[1], commit, file})
		}
		return rows
	}
	for i := range m.Files {
		f := &m.Files[i]
		rows := int64(0)
		for j := range f.Lineage {
			rows += put(&f.Lineage[j], f.Commit, f.Name)
		}
		if rows < f.Rows {
			say("%s has %d rows and comes of %d of the source", f.Name, f.Rows, rows)
		}
	}
	for i := range m.Dead {
		put(&m.Dead[i].Lineage, "", "a dead letter")
	}
	covered := int64(0)
	for _, p := range sorted(pieces) {
		rows, twice := cover(pieces[p])
		covered += rows
		if twice != "" {
			say("%s", twice)
		}
	}
	if m.Status != sink.StatusDone {
		return texts
	}
	b := &m.Books
	// A commit all of whose rows were dropped has no file, and its spans are not here.
	dropped := b.DroppedRows() - b.Pruned
	if covered > b.Read || covered < b.Read-dropped {
		say("its files and dead letters come of %d rows of the source, its books say that %d were read and %d of them dropped", covered, b.Read, dropped)
	}
	return texts
}

func sorted(pieces map[place][]piece) []place {
	var all []place
	for p := range pieces {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b place) int { return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.group, b.group)) })
	return all
}

// cover counts the rows of all pieces together, and names two files of different commits that
// come of the same rows: files of one commit, and its dead rows, may share them.
func cover(all []piece) (rows int64, twice string) {
	slices.SortFunc(all, func(a, b piece) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	end := int64(0)
	var last *piece // of a commit, that reaches the furthest
	for i := range all {
		p := &all[i]
		if p.to > end {
			rows += p.to - max(p.from, end)
			end = p.to
		}
		if p.commit == "" {
			continue
		}
		if last != nil && p.from < last.to && p.commit != last.commit && twice == "" {
			twice = fmt.Sprintf("%s and %s, of two commits, both come of rows [%d,%d)", last.file, p.file, p.from, min(p.to, last.to))
		}
		if last == nil || p.to > last.to {
			last = p
		}
	}
	return rows, twice
}
