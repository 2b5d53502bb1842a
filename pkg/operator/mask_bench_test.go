package operator_test

import (
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/operator"
)

// Values as people have them: e-mails of 25 bytes, phone numbers of 14, names of which
// some are not ASCII.
func BenchmarkMask(b *testing.B) {
	for _, c := range []struct {
		name   string
		method operator.MaskMethod
		value  func(row int) string
	}{
		{"sha256", operator.SHA256{}, func(row int) string { return fmt.Sprintf("customer.%05d@example.org", row%100_000) }},
		{"keep_last", operator.KeepLast{N: 4}, func(row int) string { return fmt.Sprintf("+351 9%08d", row) }},
		{"keep_last/not_ascii", operator.KeepLast{N: 4}, func(row int) string { return fmt.Sprintf("João %08d", row) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			const rows = 65536
			in := arrow.NewSchema([]arrow.Field{{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
			op, err := operator.Mask(in, "s", c.method)
			require.NoError(b, err)
			batch := textBatch(memory.DefaultAllocator, in, rows, func(b *array.StringBuilder, row int) { b.Append(c.value(row)) })
			defer batch.Release()
			measure(b, op, batch)
		})
	}
}

// textBatch makes a batch of one column of strings. The caller must Release it.
func textBatch(mem memory.Allocator, in *arrow.Schema, rows int, appendRow func(b *array.StringBuilder, row int)) arrow.RecordBatch {
	b := array.NewStringBuilder(mem)
	defer b.Release()
	for row := range rows {
		appendRow(b, row)
	}
	col := b.NewArray()
	defer col.Release()
	return array.NewRecordBatch(in, []arrow.Array{col}, int64(rows))
}
