package generate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"golang.org/x/sync/errgroup"

	"github.com/levada-data/levada/internal/parquet"
)

// Options say how much to generate. The zero value of a field is its default.
type Options struct {
	Rows         int64  // 1,000,000 when 0
	Files        int    // 4 when 0
	RowsPerGroup int64  // 65,536 when 0
	Seed         uint64 // 0 is a seed like any other
	Dir          string // made if it is absent
	Keep         bool   // leaves a file that is there, whatever is in it
}

// batchRows is how many rows are generated at once.
const batchRows = 8192

// CustomersSchema is the table of [Customers].
var CustomersSchema = arrow.NewSchema([]arrow.Field{ //nolint:gochecknoglobals // a constant in all but the language
	{Name: "id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "signed_up", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}},
	{Name: "visits", Type: arrow.PrimitiveTypes.Int32},
	{Name: "amount", Type: arrow.PrimitiveTypes.Float64},
	{Name: "country", Type: arrow.BinaryTypes.String},
	{Name: "email", Type: arrow.BinaryTypes.String},
	{Name: "phone", Type: arrow.BinaryTypes.String},
	{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true},
}, nil)

// Customers writes a table of invented customers as Parquet files: ids from 0 in
// order, unique e-mails, about 40 countries of uneven size, amounts from 0 to 1,000 with
// a long tail, and a note of about 40 bytes that is null in 30 %. The same options give
// the same bytes. progress, which may be nil, is told the rows written so far, from
// several goroutines. It returns the files' paths.
func Customers(ctx context.Context, o Options, progress func(rows int64)) ([]string, error) {
	if o.Rows == 0 {
		o.Rows = 1_000_000
	}
	if o.Files == 0 {
		o.Files = 4
	}
	if o.RowsPerGroup == 0 {
		o.RowsPerGroup = 1 << 16
	}
	if o.Rows < 0 || o.Files < 0 || int64(o.Files) > max(o.Rows, 1) || o.RowsPerGroup < 0 {
		return nil, fmt.Errorf("generate customers: %d rows cannot be spread over %d files", o.Rows, o.Files)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil { //nolint:gosec // data that others may read
		return nil, fmt.Errorf("generate customers: %w", err)
	}
	files := make([]string, o.Files)
	var done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range o.Files {
		from, to := o.Rows*int64(i)/int64(o.Files), o.Rows*int64(i+1)/int64(o.Files)
		files[i] = filepath.Join(o.Dir, fmt.Sprintf("customers-%04d.parquet", i))
		g.Go(func() error {
			return customersFile(ctx, files[i], o, from, to, func(n int64) {
				if progress != nil {
					progress(done.Add(n))
				}
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("generate customers: %w", err)
	}
	return files, nil
}

// customersFile writes the rows [from,to) beside the name, and renames: a file that is
// there is whole.
func customersFile(ctx context.Context, path string, o Options, from, to int64, wrote func(int64)) (err error) {
	if o.Keep {
		if _, err := os.Stat(path); err == nil {
			wrote(to - from)
			return nil
		}
	}
	tmp := path + ".tmp"
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(tmp))
		}
	}()
	w, err := parquet.NewWriter(f, CustomersSchema, parquet.WriteOptions{RowsPerGroup: o.RowsPerGroup})
	if err != nil {
		return err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, CustomersSchema)
	defer b.Release()
	for at := from; at < to; at += batchRows {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		n := min(batchRows, to-at)
		for id := at; id < at+n; id++ {
			customer(b, o.Seed, id)
		}
		batch := b.NewRecordBatch()
		err := w.Write(batch)
		batch.Release()
		if err != nil {
			return err
		}
		wrote(n)
	}
	if _, err := w.Close(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

var (
	// countries, the larger ones first: the place decides how often one comes.
	countries = [...]string{ //nolint:gochecknoglobals // a constant in all but the language
		"US", "DE", "GB", "FR", "BR", "IN", "ES", "IT", "PL", "NL", "CA", "PT", "MX", "JP", "AU", "SE", "BE", "CH", "AT", "AR",
		"DK", "NO", "FI", "IE", "CZ", "GR", "RO", "HU", "CL", "CO", "NZ", "ZA", "KR", "TR", "IL", "SG", "SK", "SI", "LU", "IS",
	}
	firstNames = [...]string{"ana", "bruno", "carla", "david", "elisa", "filipe", "greta", "hugo", "ines", "jonas", "katja", "luis", "marta", "nuno", "olga", "paulo", "rita", "sven", "tania", "vasco"}                               //nolint:gochecknoglobals // likewise
	lastNames  = [...]string{"almeida", "becker", "costa", "dias", "esteves", "ferreira", "gomes", "horvat", "jensen", "keller", "lopes", "moreau", "novak", "oliveira", "pereira", "rossi", "santos", "teixeira", "vogel", "weber"}   //nolint:gochecknoglobals // likewise
	words      = [...]string{"asked", "for", "a", "late", "delivery", "prefers", "email", "called", "about", "an", "invoice", "moved", "house", "wants", "the", "blue", "one", "loyal", "since", "spring", "returned", "two", "items"} //nolint:gochecknoglobals // likewise
)

// customer appends one row. Each row has a generator of its own, so that a row is the
// same in whatever file it stands.
func customer(b *array.RecordBuilder, seed uint64, id int64) {
	r := rand.New(rand.NewPCG(seed, uint64(id))) //nolint:gosec // not a secret, and reproducible on purpose; an id is never negative
	column[*array.Int64Builder](b, 0).Append(id)
	start := time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	column[*array.TimestampBuilder](b, 1).Append(arrow.Timestamp(start + r.Int64N(10*365*24*3600*1_000_000)))
	column[*array.Int32Builder](b, 2).Append(r.Int32N(500))
	amount := math.Min(1000, -80*math.Log(1-r.Float64()))
	column[*array.Float64Builder](b, 3).Append(math.Round(amount*100) / 100)
	place := int(float64(len(countries)) * r.Float64() * r.Float64()) // small places come more often
	column[*array.StringBuilder](b, 4).Append(countries[place])

	var buf [96]byte
	text := append(buf[:0], firstNames[r.IntN(len(firstNames))]...)
	text = append(append(text, '.'), lastNames[r.IntN(len(lastNames))]...)
	text = append(strconv.AppendInt(append(text, '.'), id, 36), "@example.com"...)
	column[*array.StringBuilder](b, 5).BinaryBuilder.Append(text)

	text = strconv.AppendInt(append(buf[:0], "+351 9"...), 10_000_000+r.Int64N(90_000_000), 10)
	column[*array.StringBuilder](b, 6).BinaryBuilder.Append(text)

	if r.IntN(10) < 3 {
		column[*array.StringBuilder](b, 7).AppendNull()
		return
	}
	text = buf[:0]
	for want := 30 + r.IntN(20); len(text) < want; {
		if len(text) > 0 {
			text = append(text, ' ')
		}
		text = append(text, words[r.IntN(len(words))]...)
	}
	column[*array.StringBuilder](b, 7).BinaryBuilder.Append(text)
}

// column is a column's builder by its type, which [CustomersSchema] fixes.
func column[B array.Builder](b *array.RecordBuilder, i int) B {
	c, ok := b.Field(i).(B)
	if !ok {
		panic(fmt.Sprintf("column %d of customers is %s", i, b.Field(i).Type()))
	}
	return c
}
