package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/internal/compare"
)

// Difference writes in what two data sets differ. key are the columns that rows were told
// apart by.
func Difference(w io.Writer, r *compare.Result, key []string) {
	sides(w, r)
	for i, d := range r.Schema {
		if i == 0 {
			fmt.Fprintln(w, "\nschema:")
		}
		switch {
		case d.B == "":
			fmt.Fprintf(w, "  column %s (%s) is only in A\n", d.Column, d.A)
		case d.A == "":
			fmt.Fprintf(w, "  column %s (%s) is only in B\n", d.Column, d.B)
		default:
			fmt.Fprintf(w, "  column %s is %s in A and %s in B\n", d.Column, d.A, d.B)
		}
	}
	fmt.Fprintln(w)
	checksums(w, r)
	rows(w, r, key)
	fmt.Fprintln(w)
	if r.Equal {
		fmt.Fprintln(w, "equal")
		return
	}
	fmt.Fprintln(w, "different")
}

func sides(w io.Writer, r *compare.Result) {
	t := newTable("", "", "data set", ">files", ">rows", ">bytes")
	t.add("A", r.A.URI, figure.Rows(int64(r.A.Files)), figure.Rows(r.A.Rows), figure.Bytes(r.A.Bytes))
	t.add("B", r.B.URI, figure.Rows(int64(r.B.Files)), figure.Rows(r.B.Rows), figure.Bytes(r.B.Bytes))
	t.write(w)
}

// checksums writes a line for each column, and one for the rows as a whole.
func checksums(w io.Writer, r *compare.Result) {
	t := newTable("", "column", "type", "checksum in A", "checksum in B", ">nulls in A", ">nulls in B")
	t.without("nulls in B", "nulls in A", "type")
	other := func(a, b string) string {
		if a == b {
			return "the same"
		}
		return b
	}
	for _, c := range r.Columns {
		t.add(c.Column, c.Type, c.A.Checksum, other(c.A.Checksum, c.B.Checksum), figure.Rows(c.A.Nulls), figure.Rows(c.B.Nulls))
	}
	t.add("(rows)", "", r.Rows.A, other(r.Rows.A, r.Rows.B), "", "")
	t.write(w)
}

func rows(w io.Writer, r *compare.Result, key []string) {
	s := &r.Rows
	if s.Equal {
		return
	}
	least := ""
	if !s.All {
		least = "at least "
	}
	fmt.Fprintf(w, "\nrows: %s%s only in A, %s only in B", least, figure.Rows(s.OnlyA), figure.Rows(s.OnlyB))
	if len(key) > 0 {
		fmt.Fprintf(w, ", %s changed", figure.Rows(s.Changed))
	}
	fmt.Fprintln(w)
	if !s.All {
		fmt.Fprintln(w, "(so many differ that only the first of them were counted)")
	}
	if len(s.First) == 0 {
		return
	}
	fmt.Fprintln(w)
	shown := columnsToShow(r, key)
	headings := []string{"", "file", ">row"}
	for _, i := range shown {
		headings = append(headings, r.Columns[i].Column)
	}
	t := newTable("", headings...)
	for i := len(shown) - 1; i > 0; i-- {
		if c := r.Columns[shown[i]].Column; !slices.Contains(key, c) {
			t.may = append(t.may, c)
		}
	}
	line := func(side string, row *compare.Row) {
		if row == nil {
			return
		}
		cells := []string{side, row.Name, figure.Rows(row.Row)}
		for _, i := range shown {
			cells = append(cells, oneLine(row.Texts[i]))
		}
		t.add(cells...)
	}
	for _, d := range s.First {
		mark := map[string]string{compare.Changed: "~"}[d.Kind]
		line(cmp.Or(mark, "-")+"A", d.A)
		line(cmp.Or(mark, "+")+"B", d.B)
	}
	t.write(w)
}

// columnsToShow are all, those of the key first, then those that have changed in the rows
// shown, then those that differ somewhere: the others go where there is no room.
func columnsToShow(r *compare.Result, key []string) []int {
	var keys, changed, differ, others []int
	for i, c := range r.Columns {
		switch {
		case slices.Contains(key, c.Column):
			keys = append(keys, i)
		case slices.ContainsFunc(r.Rows.First, func(d compare.RowDifference) bool { return slices.Contains(d.Columns, c.Column) }):
			changed = append(changed, i)
		case !c.Equal:
			differ = append(differ, i)
		default:
			others = append(others, i)
		}
	}
	return slices.Concat(keys, changed, differ, others)
}
