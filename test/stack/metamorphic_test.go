package stack_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/rounds"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/services/reader"
	"github.com/levada-data/levada/services/transform"
	"github.com/levada-data/levada/services/writer"
	"github.com/levada-data/levada/test/stack"
)

// Block sizes, worker counts, process layouts, edges, redelivery and kills change
// nothing in the result: random pipelines, each run plainly and then in random other
// ways, give the same rows.
func TestMetamorphic_LayoutChangesNothing(t *testing.T) {
	const ways = 3
	tables := []string{stack.Customers(t, 12_000, 3, 1500), stack.Customers(t, 36_000, 3, 9000), customersWithPlaces(t, 24_000)} // the row groups of one are worth keeping
	for seed := range uint64(rounds.Of(6)) {
		t.Run(fmt.Sprintf("seed%d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			table := seed % uint64(len(tables))
			in := tables[table]
			stages := randomStages(r, table == 2)
			t.Log(stages)
			plain := way{blockBytes: 256 << 10, edge: 32 << 20, readers: 1, transforms: 1, writers: 1}
			want := plain.run(t, in, stages)
			require.NotEmpty(t, want)
			for i := range ways {
				w := randomWay(r)
				t.Logf("way %d: %+v", i, w)
				got := w.run(t, in, stages)
				require.Equal(t, stack.Digest(want), stack.Digest(got))
			}
		})
	}
}

// customersWithPlaces writes customers with a column of structs, of which one holds
// another; each of them can be null.
func customersWithPlaces(t *testing.T, rows int) string {
	t.Helper()
	geo := arrow.StructOf(arrow.Field{Name: "lat", Type: arrow.PrimitiveTypes.Float64, Nullable: true}, arrow.Field{Name: "near", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true})
	place := arrow.StructOf(arrow.Field{Name: "city", Type: arrow.BinaryTypes.String, Nullable: true}, arrow.Field{Name: "geo", Type: geo, Nullable: true})
	fields := []arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "signed_up", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}},
		{Name: "visits", Type: arrow.PrimitiveTypes.Int32},
		{Name: "amount", Type: arrow.PrimitiveTypes.Float64},
		{Name: "country", Type: arrow.BinaryTypes.String},
		{Name: "email", Type: arrow.BinaryTypes.String},
		{Name: "phone", Type: arrow.BinaryTypes.String},
		{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "place", Type: place, Nullable: true},
	}
	dir := t.TempDir()
	for file := range 2 {
		n := rows / 2
		put(t, filepath.Join(dir, fmt.Sprintf("%d.parquet", file)), fields, n, func(i int) string {
			id := file*n + i
			geo := fmt.Sprintf(`{"lat": %d.5, "near": ["n%d", null]}`, id%90, id%11)
			if id%5 == 0 {
				geo = "null"
			}
			place := fmt.Sprintf(`{"city": "city %d", "geo": %s}`, id%37, geo)
			if id%7 == 0 {
				place = "null"
			}
			note := "null"
			if id%3 > 0 {
				note = fmt.Sprintf(`"a note on %d, which is as long as notes are"`, id)
			}
			return fmt.Sprintf(`"id": %d, "signed_up": "20%02d-03-04T05:06:07Z", "visits": %d, "amount": %d.25, "country": "%s", "email": "a%d@example.org", "phone": "+351 9%08d", "note": %s, "place": %s`,
				id, 10+id%14, id%997, id%400, []string{"PT", "US", "ES"}[id%3], id, id, note, place)
		})
	}
	return filepath.Join(dir, "*.parquet")
}

// randomStages makes one to three stages of random operators over customers, with structs
// or without. The column id stays, so that rows differ.
func randomStages(r *rand.Rand, structs bool) string {
	filters := []string{
		"amount > 30.0", "visits % 3 != 0", "country != \"US\"", "isNull(note) || size(note) > 35", "amount * 2.0 < 500.0 && visits > 10",
		"email.contains(\"a\")", "id % 7 != 3", "signed_up > timestamp(\"2017-01-01T00:00:00Z\")", "amount > 1e9 || id < 6000",
	}
	withs := []string{
		"{ eur: \"amount * 0.92\" }", "{ twice: \"visits + visits\", up: \"upper(country)\" }", "{ amount: \"amount / 3\" }",
		"{ len: \"coalesce(size(note), -1)\" }", "{ no: \"rowNumber()\", key: \"uuid()\", local: \"split(string(amount), '.')[-1]\" }", "{ big: \"amount > 100.0 ? 1 : 0\" }",
	}
	others := []string{
		"cast: { visits: int64, amount: { to: float32, on_fail: \"null\" } }", "cast: { visits: { to: int8, on_fail: \"null\" } }",
		"fill_null: { note: none }", "sample: { fraction: 0.7, seed: 3 }", "sample: 0.4", "assert: { expr: \"visits % 5 != 1\", on_fail: drop }", "assert: \"amount >= 0.0\"",
		"assert: { expr: \"id % 101 != 7\", on_fail: dead_letter }", "cast: { amount: 'decimal(9,1)' }",
	}
	places := []string{"unnest: [place]", "flatten: [place]", "flatten: { columns: [place], separator: '.' }", "fill_null: { note: '?' }\n      - unnest: [place]\n      - flatten: [geo]"}
	masks := []string{"email, method: sha256", "phone, method: keep_last, n: 4", "note, method: sha256", "note, method: keep_last, n: 36, with: x"}
	var b strings.Builder
	for s := range 1 + r.IntN(3) {
		fmt.Fprintf(&b, "  - name: s%d\n    transform:\n", s)
		if s == 0 && r.IntN(2) == 0 {
			fmt.Fprintf(&b, "      - limit: %d\n", 5000+r.IntN(10_000))
		}
		for range 1 + r.IntN(3) {
			switch r.IntN(4) {
			case 3: // a column may have another type by now, which operators refuse: at most one
				if len(others) > 0 {
					i := r.IntN(len(others))
					fmt.Fprintf(&b, "      - %s\n", others[i])
					others = nil
				}
			case 0:
				fmt.Fprintf(&b, "      - filter: '%s'\n", filters[r.IntN(len(filters))])
			case 1:
				fmt.Fprintf(&b, "      - with: %s\n", withs[r.IntN(len(withs))])
			case 2:
				fmt.Fprintf(&b, "      - mask: { column: %s }\n", masks[r.IntN(len(masks))])
			}
		}
		if structs && s == 0 {
			if r.IntN(2) == 0 {
				b.WriteString("      - filter: 'isNull(place.city) || place.geo.lat > 12.0'\n")
			}
			fmt.Fprintf(&b, "      - %s\n", places[r.IntN(len(places))])
		}
	}
	if r.IntN(2) == 0 {
		b.WriteString("  - name: last\n    transform: [{ drop: [phone] }, { rename: { email: mail } }]\n")
	}
	return b.String()
}

// way is one way to run a pipeline.
type way struct {
	blockBytes, edge             int64
	readers, transforms, writers int
	workers, lanes               int
	visibility, extra            string
	kills                        int
	carry                        string // which columns travel
	fused                        uint64 // bit i: the edge that the i-th stage fills, from the source, has no stream
}

func randomWay(r *rand.Rand) way {
	w := way{
		blockBytes: 16 << 10 << r.IntN(5), edge: 1 << 20 << r.IntN(5), readers: 1 + r.IntN(2), transforms: 1 + r.IntN(3), writers: 1 + r.IntN(3),
		workers: 1 + r.IntN(3), lanes: 1 + r.IntN(2), visibility: []string{"file", "run"}[r.IntN(2)], kills: r.IntN(4),
	}
	w.carry = []string{"auto", "touched", "all"}[r.IntN(3)]
	switch r.IntN(3) {
	case 0:
		w.fused = math.MaxUint64
	case 1:
		w.fused = r.Uint64()
	}
	w.extra = []string{
		"", "    target_file: 64KiB\n", "    rows_per_group: 500\n", "    compression: zstd\n", "    preserve_order: true\n",
		"    page_checksums: true\n    file_name: x-{date}\n", "    sort_within: [id]\n    page_checksums: true\n", "    bloom_filters: [id]\n    encodings: { id: delta }\n",
	}[r.IntN(8)]
	if strings.Contains(w.extra, "sort_within") && w.carry == "touched" {
		w.carry = "auto" // it cannot be: rows get another order
	}
	return w
}

// run runs the pipeline this way and returns its rows.
func (w way) run(t *testing.T, in, stages string) []string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	s := stack.New(t)
	text := fmt.Sprintf("apiVersion: levada/v1\nname: meta\nsource: { parquet: { uri: %q } }\nstages:\n%ssink:\n  parquet:\n    uri: %q\n%spolicies:\n  max_age: 200ms\n",
		in, stages, out, w.extra)
	if strings.Contains(stages, "dead_letter") {
		text += "  max_dead_rows: 100000\n"
	}
	if w.carry != "" {
		text += "  carry: " + w.carry + "\n"
	}
	if w.visibility != "" {
		text += "  visibility: " + w.visibility + "\n"
	}
	run := s.Submit(t, text, func(r *flow.Record) {
		r.BlockBytes = w.blockBytes
		r.RequeueAfter = 300 * time.Millisecond
		for i := range r.Edges {
			if w.fused>>i&1 == 1 {
				r.Edges[i].Fused = true
			} else {
				r.Edges[i].MaxBytes = max(w.edge, 4*w.blockBytes)
			}
		}
	})
	start := map[string]func() *stack.Process{
		"reader":    func() *stack.Process { return s.Start(t, reader.New(reader.Config{Tasks: max(w.workers, 1)})) },
		"transform": func() *stack.Process { return s.Start(t, transform.New(transform.Config{Workers: max(w.workers, 1)})) },
		"writer":    func() *stack.Process { return s.Start(t, writer.New(writer.Config{Lanes: max(w.lanes, 1)})) },
		"all": func() *stack.Process {
			return s.Start(t, reader.New(reader.Config{Tasks: max(w.workers, 1)}), transform.New(transform.Config{Workers: max(w.workers, 1)}), writer.New(writer.Config{Lanes: max(w.lanes, 1)}))
		},
	}
	layout := map[string]int{"reader": w.readers, "transform": w.transforms, "writer": w.writers}
	if w.fused != 0 {
		layout = map[string]int{"all": w.readers}
	}
	var kinds []string
	for kind, n := range layout {
		for range n {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	procs := make([]*stack.Process, len(kinds))
	for i, kind := range kinds {
		procs[i] = start[kind]()
	}
	for k := range w.kills {
		i := k * 5 % len(procs)
		procs[i].Kill()
		procs[i] = start[kinds[i]]()
	}
	rec := s.Await(t, run)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	m := stack.Clean(t, out, run)
	rows := stack.Rows(t, out)
	require.Len(t, rows, int(m.Books.Written))
	for _, p := range procs {
		p.Kill()
	}
	return rows
}

// Rows of one file stand in the order of the source, and so do the files by their
// names.
func TestRule24PreserveOrder_RowsKeepTheirOrder(t *testing.T) {
	in := stack.Customers(t, 20_000, 2, 2000)
	out := filepath.Join(t.TempDir(), "out")
	s := stack.New(t)
	run := s.Submit(t, spec(in, out, "    preserve_order: true\n    target_file: 64KiB", ""), func(r *flow.Record) { r.BlockBytes = 32 << 10 })
	s.Start(t, reader.New(reader.Config{Tasks: 1}), transform.New(transform.Config{Workers: 4}), writer.New(writer.Config{}))
	require.Equal(t, flow.StatusDone, s.Await(t, run).Status)
	stack.Clean(t, out, run)
	id := regexp.MustCompile(`\|id=(\d+)\|`)
	for _, name := range stack.Visible(t, out) {
		last := -1
		for _, row := range stack.FileRows(t, out, name) {
			var n int
			_, err := fmt.Sscan(id.FindStringSubmatch(row)[1], &n)
			require.NoError(t, err)
			require.Greater(t, n, last, name)
			last = n
		}
	}
}

func TestRunsWithoutRowsEndWell(t *testing.T) {
	in := stack.Customers(t, 1000, 1, 500)
	for name, c := range map[string]struct {
		sink   string
		filter string
		status flow.Status
		files  int
	}{
		"FilteredOut":     {filter: "amount < 0.0", status: flow.StatusDone, files: 1},
		"NoneToRead":      {filter: "id < 0", status: flow.StatusDone, files: 1}, // every row group is pruned
		"RefusedByOption": {filter: "amount < 0.0", sink: "    empty: error\n", status: flow.StatusFailed},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			s := stack.New(t)
			text := fmt.Sprintf("apiVersion: levada/v1\nname: none\nsource: { parquet: { uri: %q } }\nstages: [{ name: f, transform: [{ filter: %q }] }]\nsink:\n  parquet:\n    uri: %q\n%s",
				in, c.filter, out, c.sink)
			run := s.Submit(t, text, nil)
			s.Start(t, stack.All()...)
			rec := s.Await(t, run)
			require.Equal(t, c.status, rec.Status, rec.Reason)
			m := stack.Clean(t, out, run)
			require.Len(t, m.Files, c.files)
			require.Empty(t, stack.Rows(t, out))
			require.Equal(t, int64(1000), m.Books.Source)
			require.Equal(t, int64(1000), m.Books.Dropped["f/filter[0]"])
		})
	}
}

func TestNoFilesIsAnErrorThatSaysSo(t *testing.T) {
	s := stack.New(t)
	out := filepath.Join(t.TempDir(), "out")
	run := s.Submit(t, spec(filepath.Join(t.TempDir(), "*.parquet"), out, "", ""), nil)
	s.Start(t, stack.All()...)
	rec := s.Await(t, run)
	require.Equal(t, flow.StatusFailed, rec.Status)
	require.Contains(t, rec.Reason, "matches no file")
	require.Empty(t, stack.Visible(t, out))
}

func TestTwoRunsAtOnceDoNotDisturbEachOther(t *testing.T) {
	s := stack.New(t)
	s.Start(t, stack.All()...)
	s.Start(t, stack.All()...)
	runs := map[flow.RunID]string{}
	for i := range 3 {
		out := filepath.Join(t.TempDir(), "out")
		runs[s.Submit(t, spec(stack.Customers(t, int64(5000*(i+1)), 2, 1000), out, "", ""), nil)] = out
	}
	for run, out := range runs {
		rec := s.Await(t, run)
		require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
		m := stack.Clean(t, out, run)
		require.Len(t, stack.Rows(t, out), int(m.Books.Written))
	}
}

// A row that fails goes to the dead letters; with max_dead_rows: 0 the run fails and
// says which row, in which file, and why.
func TestDeadRowsFailTheRunAndAreNamed(t *testing.T) {
	in := stack.Customers(t, 5000, 2, 1000)
	text := func(out string, limit int) string {
		return fmt.Sprintf("apiVersion: levada/v1\nname: dead\nsource: { parquet: { uri: %q } }\nstages: [{ name: div, transform: [{ with: { x: \"visits %% (id - 1234)\" } }] }]\nsink: { parquet: { uri: %q } }\npolicies: { max_dead_rows: %d, max_age: 300ms }\n",
			in, out, limit)
	}
	s := stack.New(t)
	s.Start(t, stack.All()...)
	out := filepath.Join(t.TempDir(), "out")
	rec := s.Await(t, s.Submit(t, text(out, 0), nil))
	require.Equal(t, flow.StatusFailed, rec.Status)
	for _, part := range []string{"customers-0000.parquet", "234", "div/with[0]", `"x"`, "division by zero"} {
		require.Contains(t, rec.Reason, part)
	}

	out = filepath.Join(t.TempDir(), "out")
	run := s.Submit(t, text(out, 1), nil)
	rec = s.Await(t, run)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	m := stack.Clean(t, out, run)
	require.Equal(t, int64(1), m.Books.Dead)
	require.Len(t, stack.Rows(t, out), 4999)
}

// A damaged page fails the run, with its file and row group, and nothing of it is seen.
func TestDamagedFileFailsTheRunAndIsNamed(t *testing.T) {
	in := stack.Customers(t, 8000, 2, 1000)
	name := filepath.Join(filepath.Dir(in), "customers-0001.parquet")
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	for i := range data[len(data)/2 : len(data)/2+4096] {
		data[len(data)/2+i] = 0xff
	}
	require.NoError(t, os.WriteFile(name, data, 0o644))
	s := stack.New(t)
	s.Start(t, stack.All()...)
	out := filepath.Join(t.TempDir(), "out")
	run := s.Submit(t, spec(in, out, "", "  visibility: run\n"), nil)
	rec := s.Await(t, run)
	require.Equal(t, flow.StatusFailed, rec.Status)
	require.Regexp(t, `customers-0001\.parquet: row group \d`, rec.Reason)
	require.Contains(t, rec.Reason, "damaged")
	require.Empty(t, stack.Visible(t, out))
	stack.Clean(t, out, run)
}
