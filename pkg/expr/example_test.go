package expr_test

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/expr"
)

var orders = arrow.NewSchema([]arrow.Field{
	{Name: "amount", Type: arrow.PrimitiveTypes.Float64},
	{Name: "items", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "day", Type: arrow.FixedWidthTypes.Timestamp_us},
}, nil)

func ExampleProgram_Eval() {
	batch, _, err := array.RecordFromJSON(memory.DefaultAllocator, orders, strings.NewReader(
		`[{"amount":12,"items":3}, {"amount":8,"items":0}, {"amount":5,"items":null}]`))
	if err != nil {
		log.Fatal(err)
	}
	defer batch.Release()
	p, err := expr.Compile("amount / items", orders)
	if err != nil {
		log.Fatal(err)
	}
	prices, failed, err := p.Eval(context.Background(), memory.DefaultAllocator, batch)
	if err != nil {
		log.Fatal(err)
	}
	defer prices.Release()
	fmt.Println(p.Type(), prices)
	for _, f := range failed {
		fmt.Printf("row %d: %v\n", f.Row, f.Err)
	}
	// Output:
	// float64 [4 (null) (null)]
	// row 1: division by zero
}

func ExampleCompile_error() {
	_, err := expr.Compile("amuont > 20 && items > 1", orders)
	fmt.Println(err)
	// Output: expression 1:1: there is no column "amuont" (did you mean amount?)
}

func ExampleProgram_CanSkip() {
	p, err := expr.Compile(`day >= timestamp("2024-03-01T00:00:00Z") && amount > 20.0`, orders)
	if err != nil {
		log.Fatal(err)
	}
	group := map[string]expr.Stats{"day": {
		Min: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Max: time.Date(2024, 1, 31, 0, 0, 0, 0, time.UTC),
		Rows: 100_000, Exact: true,
	}}
	fmt.Println(p.CanSkip(func(column string) (expr.Stats, bool) { s, known := group[column]; return s, known }))
	// Output: true
}
