package rows

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/levada-data/levada/internal/cli/figure"
)

// Printer writes batches one after the other.
type Printer interface {
	// Print writes the rows of b, which it borrows for the call. Batches of another
	// schema than the first may come, except to an Arrow stream, which has one.
	Print(b arrow.RecordBatch) error
	// Close writes what belongs behind the last row. It does not close the writer.
	Close() error
}

// Formats are the names that [New] takes.
func Formats() []string { return []string{"table", "json", "csv", "arrow"} }

// New returns the printer of a format. The error names the formats there are.
func New(w io.Writer, format string) (Printer, error) {
	switch format {
	case "table":
		return &table{w: w}, nil
	case "json":
		return lines{w}, nil
	case "csv":
		return &commas{w: csv.NewWriter(w)}, nil
	case "arrow":
		return &stream{w: w}, nil
	default:
		return nil, fmt.Errorf("format %q is not known: %s", format, strings.Join(Formats(), ", "))
	}
}

// widest is how many characters of a value a table shows.
const widest = 40

// table aligns the rows of a batch under a heading, which it repeats when the columns
// change or have to become wider.
type table struct {
	w      io.Writer
	schema *arrow.Schema
	width  []int
	right  []bool // numbers
}

func (t *table) Print(b arrow.RecordBatch) error {
	if b.NumRows() == 0 {
		return nil
	}
	heading := t.schema == nil || !t.schema.Equal(b.Schema())
	if heading {
		t.schema, t.width, t.right = b.Schema(), make([]int, b.NumCols()), make([]bool, b.NumCols())
		for j, f := range t.schema.Fields() {
			id := f.Type.ID()
			t.right[j] = arrow.IsInteger(id) || arrow.IsFloating(id) || arrow.IsDecimal(id)
		}
	}
	cells := make([][]string, b.NumRows())
	for i := range cells {
		cells[i] = make([]string, b.NumCols())
		for j, col := range b.Columns() {
			cells[i][j] = shortened(col, i)
		}
	}
	head := make([]string, b.NumCols())
	for j := range head {
		head[j] = b.ColumnName(j)
	}
	for _, row := range cells {
		heading = t.widen(row) || heading
	}
	heading = t.widen(head) || heading
	var text strings.Builder
	n := t.fitting()
	line := func(row []string) {
		text.WriteString(figure.Line(row[:n], t.width, t.right))
		if n < len(row) {
			text.WriteString("  …")
		}
		text.WriteString("\n")
	}
	if heading {
		line(head)
	}
	for _, row := range cells {
		line(row)
	}
	_, err := io.WriteString(t.w, text.String())
	return err
}

// fitting is how many columns a terminal has room for, at least one; all of them elsewhere.
func (t *table) fitting() int {
	room := figure.Width(t.w)
	if room == 0 {
		return len(t.width)
	}
	const more = 3 // for the sign that there are more
	used, fit := -2, 0
	for j, w := range t.width {
		used += w + 2
		if used <= room && (j == len(t.width)-1 || used+more <= room) {
			fit = j + 1
		}
	}
	return max(fit, min(1, len(t.width)))
}

// widen makes room for a row, and reports whether that was needed.
func (t *table) widen(row []string) bool {
	wider := false
	for j, c := range row {
		if n := utf8.RuneCountInString(c); n > t.width[j] {
			t.width[j], wider = n, true
		}
	}
	return wider
}

func (t *table) Close() error { return nil }

// shortened is a value on one line, with an ellipsis where it is long. A null is a dot.
func shortened(col arrow.Array, i int) string {
	if col.IsNull(i) {
		return "·"
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(col.ValueStr(i), "\ufffd"))
	if utf8.RuneCountInString(text) > widest {
		return string([]rune(text)[:widest-1]) + "…"
	}
	return text
}

// lines writes a JSON object a row.
type lines struct{ w io.Writer }

func (l lines) Print(b arrow.RecordBatch) error { return array.RecordToJSON(b, l.w) }
func (l lines) Close() error                    { return nil }

// commas writes RFC 4180, with a heading where the columns change. A null is empty.
type commas struct {
	w      *csv.Writer
	schema *arrow.Schema
}

func (c *commas) Print(b arrow.RecordBatch) error {
	record := make([]string, b.NumCols())
	if c.schema == nil || !c.schema.Equal(b.Schema()) {
		c.schema = b.Schema()
		for j := range record {
			record[j] = b.ColumnName(j)
		}
		if err := c.w.Write(record); err != nil {
			return err
		}
	}
	for i := range int(b.NumRows()) {
		for j, col := range b.Columns() {
			record[j] = ""
			if col.IsValid(i) {
				record[j] = col.ValueStr(i)
			}
		}
		if err := c.w.Write(record); err != nil {
			return err
		}
	}
	c.w.Flush()
	return c.w.Error()
}

func (c *commas) Close() error { return nil }

// stream writes an Arrow IPC stream.
type stream struct {
	w   io.Writer
	out *ipc.Writer
}

func (s *stream) Print(b arrow.RecordBatch) error {
	if s.out == nil {
		s.out = ipc.NewWriter(s.w, ipc.WithSchema(b.Schema()))
	}
	return s.out.Write(b)
}

func (s *stream) Close() error {
	if s.out == nil {
		return nil
	}
	return s.out.Close()
}
