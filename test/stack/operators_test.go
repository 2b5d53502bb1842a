package stack_test

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/rounds"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/test/stack"
)

// layouts are ways that differ in all that operators must not see.
var layouts = map[string]way{
	"Durable":       {blockBytes: 64 << 10, edge: 4 << 20, readers: 2, transforms: 2, writers: 2, workers: 2, lanes: 2, carry: "all"},
	"SmallBlocks":   {blockBytes: 16 << 10, edge: 1 << 20, readers: 1, transforms: 1, writers: 1, carry: "all", kills: 2},
	"Fused":         {blockBytes: 256 << 10, edge: 4 << 20, readers: 2, lanes: 2, carry: "all", fused: math.MaxUint64},
	"Touched":       {blockBytes: 256 << 10, edge: 4 << 20, readers: 2, transforms: 1, writers: 2, carry: "touched"},
	"TouchedFused":  {blockBytes: 64 << 10, edge: 4 << 20, readers: 1, lanes: 2, carry: "touched", fused: math.MaxUint64, kills: 1},
	"Mixed":         {blockBytes: 16 << 10, edge: 4 << 20, readers: 1, lanes: 2, carry: "all", fused: 1},
	"OrderedFiles":  {blockBytes: 64 << 10, edge: 4 << 20, readers: 2, transforms: 1, writers: 1, carry: "touched", extra: "    preserve_order: true\n"},
	"TouchedDecode": {blockBytes: 32 << 10, edge: 4 << 20, readers: 1, transforms: 2, writers: 1, carry: "touched", extra: "    compression: zstd\n"},
}

// A limit gives exactly its number of rows, the first ones of the source, and a sample
// the same ones, however they travel. So does what changes and drops rows.
func TestOperators_GiveTheSameRowsHoweverTheyTravel(t *testing.T) {
	in, places := stack.Customers(t, 30_000, 3, 4000), customersWithPlaces(t, 30_000)
	for name, c := range map[string]struct {
		stages string
		rows   int // -1: not known, but not none
	}{
		"Unnest":      {"  - name: s\n    transform: [{ unnest: [place] }, { filter: 'isNull(city) || geo.lat > 20.0' }]\n", -1},
		"Flatten":     {"  - name: r\n    transform: [{ flatten: [place] }]\n  - name: s\n    transform: [{ fill_null: { place_city: nowhere } }, { mask: { column: place_city, method: sha256 } }]\n", 30_000},
		"Limit":       {"  - name: s\n    transform: [{ limit: 11000 }]\n", 11_000},
		"LimitFirst":  {"  - name: s\n    transform: [{ drop: [phone] }, { limit: 25001 }, { filter: 'id % 2 == 0' }]\n", 12_501},
		"LimitLater":  {"  - name: r\n    transform: [{ with: { x: 'visits + 1' } }]\n  - name: s\n    transform: [{ limit: 1 }]\n", 1},
		"Sample":      {"  - name: s\n    transform: [{ sample: { fraction: 0.3, seed: 5 } }]\n", -1},
		"SampleThen":  {"  - name: r\n    transform: [{ filter: 'visits % 2 == 0' }]\n  - name: s\n    transform: [{ sample: 0.5 }, { with: { y: 'amount * 2.0' } }]\n", -1},
		"CastAndFill": {"  - name: s\n    transform: [{ cast: { id: string, amount: 'decimal(12,1)', visits: { to: int8, on_fail: 'null' } } }, { fill_null: { visits: 0, note: none } }]\n", 30_000},
		"AssertDrops": {"  - name: s\n    transform: [{ assert: { expr: 'visits % 7 != 0', on_fail: drop } }]\n", -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := in
			if strings.Contains(c.stages, "place") {
				in = places
			}
			want := way{blockBytes: 256 << 10, edge: 32 << 20, readers: 1, transforms: 1, writers: 1, carry: "all"}.run(t, in, c.stages)
			if c.rows >= 0 {
				require.Len(t, want, c.rows)
			} else {
				require.NotEmpty(t, want)
				require.Less(t, len(want), 30_000)
			}
			some := slices.Sorted(maps.Keys(layouts))
			for i := range rounds.Of(3) { // of each case others
				layout := some[(len(name)+3*i)%len(some)]
				w := layouts[layout]
				require.Equal(t, stack.Digest(want), stack.Digest(w.run(t, in, c.stages)), layout)
			}
		})
	}
}

// Rows beyond a limit are not read, and are counted as dropped by it.
func TestLimit_IsInTheBooks(t *testing.T) {
	in := stack.Customers(t, 20_000, 2, 2500)
	out := filepath.Join(t.TempDir(), "out")
	s := stack.New(t)
	s.Start(t, stack.All()...)
	text := fmt.Sprintf("apiVersion: levada/v1\nname: first\nsource: { parquet: { uri: %q } }\nstages: [{ name: s, transform: [{ limit: 6000 }] }]\nsink: { parquet: { uri: %q } }\n", in, out)
	run := s.Submit(t, text, nil)
	require.Equal(t, flow.StatusDone, s.Await(t, run).Status)
	m := stack.Clean(t, out, run)
	require.EqualValues(t, 6000, m.Books.Written)
	require.EqualValues(t, 14_000, m.Books.Dropped["s/limit[0]"])
	require.EqualValues(t, 20_000, m.Books.Source)

	out = filepath.Join(t.TempDir(), "numbers")
	text = fmt.Sprintf("apiVersion: levada/v1\nname: few\nsource: { range: { rows: 1000000000000 } }\nstages: [{ name: s, transform: [{ limit: 10 }] }]\nsink: { parquet: { uri: %q } }\n", out)
	run = s.Submit(t, text, nil)
	require.Equal(t, flow.StatusDone, s.Await(t, run).Status)
	m = stack.Clean(t, out, run)
	require.EqualValues(t, 10, m.Books.Written)
	require.EqualValues(t, 999_999_999_990, m.Books.Dropped["s/limit[0]"])
}

// An assert stops the run, drops, or dead-letters; the books know which.
func TestAssert_EndsOrCounts(t *testing.T) {
	in := stack.Customers(t, 6000, 2, 1500)
	s := stack.New(t)
	s.Start(t, stack.All()...)
	submit := func(onFail, policies string) (flow.RunID, string, *flow.Record) {
		out := filepath.Join(t.TempDir(), "out")
		text := fmt.Sprintf("apiVersion: levada/v1\nname: check\nsource: { parquet: { uri: %q } }\nstages: [{ name: check, transform: [{ assert: { expr: \"id != 4321 && id != 17\", on_fail: %s } }] }]\nsink: { parquet: { uri: %q } }\npolicies: { max_age: 300ms%s }\n",
			in, onFail, out, policies)
		run := s.Submit(t, text, nil)
		rec := s.Await(t, run)
		return run, out, rec
	}
	_, _, rec := submit("fail", ", max_dead_rows: 100")
	require.Equal(t, flow.StatusFailed, rec.Status)
	require.Regexp(t, `customers-000\d\.parquet, row group \d, row \d+ of it`, rec.Reason)
	require.Contains(t, rec.Reason, "operator check/assert[0]: assert does not hold: id != 4321 && id != 17")

	run, out, rec := submit("drop", "")
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	m := stack.Clean(t, out, run)
	require.EqualValues(t, 2, m.Books.Dropped["check/assert[0]"])
	require.EqualValues(t, 5998, m.Books.Written)

	run, out, rec = submit("dead_letter", ", max_dead_rows: 2")
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	m = stack.Clean(t, out, run)
	require.EqualValues(t, 2, m.Books.Dead)
	var dead []string
	attached, err := s.Connect(t).Attach(t.Context(), run)
	require.NoError(t, err)
	for l, err := range attached.Letters(t.Context(), "") {
		require.NoError(t, err)
		require.Equal(t, "check/assert[0]", l.Operator)
		for i := range int(l.Rows.NumRows()) {
			dead = append(dead, l.Rows.Column(0).ValueStr(i))
		}
		l.Rows.Release()
	}
	slices.Sort(dead)
	require.Equal(t, []string{"17", "4321"}, dead)

	_, _, rec = submit("dead_letter", "")
	require.Equal(t, flow.StatusFailed, rec.Status, "two dead rows are more than max_dead_rows allows")
}
