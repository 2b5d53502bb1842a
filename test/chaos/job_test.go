//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/levada-data/levada/test/oracle"
)

const second = time.Second

// shape is how the rows and columns of a job travel.
type shape struct {
	partitioned bool   // by country: then every column travels that the output needs
	carry       string // of one that is not
	large       bool   // row groups, so that one is copied as a whole where no row is missing
	filtered    bool
	narrow      bool // some columns are left out; else one that is touched comes out as it was
	ordered     bool
}

// shapes are those of the rounds, in turn. There are seven, so that with the rounds that
// have a bucket, every third, and those that replace an output, every second, they meet in
// all ways. The first four of a test are of each kind.
var shapes = []shape{
	{carry: "touched", large: true},
	{carry: "touched", large: true, filtered: true},
	{partitioned: true, filtered: true, narrow: true},
	{carry: "all", large: true, filtered: true},
	{carry: "touched", filtered: true, narrow: true, ordered: true},
	{carry: "all", narrow: true},
	{carry: "touched", large: true, narrow: true, ordered: true},
}

func shapeOf(n int) shape { return shapes[(n-1)%len(shapes)] }

func (s shape) String() string {
	parts := []string{"carry " + s.carry}
	if s.partitioned {
		parts[0] = "partitioned"
	}
	for name, is := range map[string]bool{"large": s.large, "filtered": s.filtered, "narrow": s.narrow, "ordered": s.ordered} {
		if is {
			parts = append(parts, name)
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// late reports that the writer takes columns from the source.
func (s shape) late() bool { return s.carry == "touched" }

// job is a pipeline over the customers, and what must come out of it.
type job struct {
	shape
	name       string
	input      place // a glob
	output     place
	stages     int     // transforms, 1 or 2
	above      float64 // the amount that the filter keeps
	codec      string
	mode       string
	visibility string
	maxAge     time.Duration
	durable    bool // every edge is a stream, where one process could do without
}

// stageNames are the producers of edges behind the source.
func (j *job) stageNames() []string { return []string{"refine", "score"}[:j.stages] }

// spec has small blocks, files and edges, so that there are many of each.
func (j *job) spec() string {
	stages := "  - name: refine\n    transform:\n"
	if j.filtered {
		stages += fmt.Sprintf("      - filter: \"amount > %.1f\"\n", j.above)
	}
	stages += "      - with: { eur: \"amount * 0.92\", twice: \"visits + visits\" }\n"
	if j.stages == 2 {
		stages += "  - name: score\n    transform:\n"
	}
	stages += "      - with: { per_visit: \"visits > 0 ? amount / visits : 0.0\" }\n"
	if j.narrow {
		stages += "      - select: [id, country, eur, twice, per_visit, note]\n"
	} else {
		stages += "      - with: { visits: \"visits + 1\" }\n      - drop: [phone]\n      - rename: { email: mail }\n"
	}
	how := ""
	if j.partitioned {
		how = "    partition_by: [country]\n"
	}
	if j.ordered {
		how += "    preserve_order: true\n"
	}
	fuse, carry := "auto", "auto"
	if j.durable {
		fuse = "never"
	}
	if j.carry != "" {
		carry = j.carry
	}
	return fmt.Sprintf(`apiVersion: levada/v1
name: %s
source: { parquet: { uri: %q } }
stages:
%ssink:
  parquet:
    uri: %q
%s    target_file: 256KiB
    compression: %s
    mode: %s
policies:
  visibility: %s
  max_age: %s
  requeue_after: 1s
  block_bytes: 64KiB
  edge_bytes: 16MiB
  fuse: %s
  carry: %s
`, j.name, j.input.uri, stages, j.output.uri, how, j.codec, j.mode, j.visibility, j.maxAge, fuse, carry)
}

// check compares the output with what DuckDB makes of the input, and with the run's
// manifest.
func (j *job) check(ctx context.Context, run string) error {
	const made = "amount * 0.92::DOUBLE AS eur, visits + visits AS twice, CASE WHEN visits > 0 THEN amount / visits ELSE 0.0::DOUBLE END AS per_visit"
	expect, columns := "SELECT id, country, note, "+made, "id, country, note, eur, twice, per_visit"
	if !j.narrow {
		expect += ", signed_up, amount, email AS mail, visits + 1 AS visits"
		columns += ", signed_up, amount, mail, visits"
	}
	expect += fmt.Sprintf(" FROM read_parquet('%s')", j.input.dir)
	if j.filtered {
		expect += fmt.Sprintf(" WHERE amount > %.1f", j.above)
	}
	files := fmt.Sprintf("read_parquet('%s'", filepath.Join(j.output.dir, "**", "*.parquet"))
	if j.partitioned {
		files += ", hive_partitioning = true, hive_types = {'country': VARCHAR}"
	}
	if err := oracle.SameRows(ctx, expect, fmt.Sprintf("SELECT %s FROM %s)", columns, files), "id"); err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	if j.ordered { // the ids of the input ascend
		got := fmt.Sprintf("SELECT id FROM (SELECT id, lag(id) OVER (PARTITION BY filename ORDER BY file_row_number) AS before FROM %s, filename = true, file_row_number = true)) WHERE before >= id", files)
		if err := oracle.SameRows(ctx, "SELECT 0::BIGINT AS id WHERE false", got, "id"); err != nil {
			return fmt.Errorf("order: %w", err)
		}
	}
	if err := oracle.Whole(ctx, j.output.dir, run); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	return j.output.clean(ctx, run)
}
