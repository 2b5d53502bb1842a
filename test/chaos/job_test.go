//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/levada-data/levada/test/oracle"
)

const second = time.Second

// job is a pipeline over the customers, and what must come out of it.
type job struct {
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
	stages := fmt.Sprintf(`  - name: refine
    transform:
      - filter: "amount > %.1f"
      - with: { eur: "amount * 0.92", twice: "visits + visits" }
`, j.above)
	more := `      - with: { per_visit: "visits > 0 ? amount / visits : 0.0" }
      - select: [id, country, eur, twice, per_visit, note]
`
	if j.stages == 2 {
		more = "  - name: score\n    transform:\n" + more
	}
	fuse := "auto"
	if j.durable {
		fuse = "never"
	}
	return fmt.Sprintf(`apiVersion: levada/v1
name: %s
source: { parquet: { uri: %q } }
stages:
%s%ssink:
  parquet:
    uri: %q
    partition_by: [country]
    target_file: 256KiB
    compression: %s
    mode: %s
policies:
  visibility: %s
  max_age: %s
  requeue_after: 1s
  block_bytes: 64KiB
  edge_bytes: 16MiB
  fuse: %s
`, j.name, j.input.uri, stages, more, j.output.uri, j.codec, j.mode, j.visibility, j.maxAge, fuse)
}

// check compares the output with what DuckDB makes of the input, and with the run's
// manifest.
func (j *job) check(ctx context.Context, run string) error {
	expect := fmt.Sprintf(`SELECT id, country, amount * 0.92::DOUBLE AS eur, visits + visits AS twice,
		CASE WHEN visits > 0 THEN amount / visits ELSE 0.0::DOUBLE END AS per_visit, note
		FROM read_parquet('%s') WHERE amount > %.1f`, j.input.dir, j.above)
	got := fmt.Sprintf(`SELECT id, country, eur, twice, per_visit, note
		FROM read_parquet('%s', hive_partitioning = true, hive_types = {'country': VARCHAR})`, filepath.Join(j.output.dir, "**", "*.parquet"))
	if err := oracle.SameRows(ctx, expect, got, "id"); err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	if err := oracle.Whole(ctx, j.output.dir, run); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	return j.output.clean(ctx, run)
}
