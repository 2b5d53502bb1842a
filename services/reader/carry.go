package reader

import (
	"fmt"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/stitch"
	"github.com/levada-data/levada/pkg/pipeline"
)

// leastGroupRows is how many rows the row groups of a source have on average, at least,
// if they are to become those of the output as they are.
const leastGroupRows = 16 << 10

// carry decides which columns travel, by the first file of the source: all that are
// needed, or the touched ones. It says in carried what becomes of the others, or why all
// travel.
func carry(whole *pipeline.Pipeline, file *parquet.File, src *stitch.Source) (chosen *pipeline.Pipeline, carried []pipeline.Carried, why string, err error) {
	policy := whole.Spec.Policies.Carry
	if policy == pipeline.CarryAll {
		return whole, nil, "the pipeline says carry: all", nil
	}
	touched, refusal := whole.Touched()
	if refusal != nil {
		return whole, nil, refusal.Error(), nil //nolint:nilerr // why all travel is an answer
	}
	k := whole.Spec.Sink.Parquet
	layout, err := stitch.NewLayout(touched.Out, job.StitchOptions(k, whole.Stored))
	if err != nil {
		return nil, nil, "", fmt.Errorf("lay out files: %w", err)
	}
	carried = fates(touched, layout, src)
	if policy == pipeline.CarryTouched {
		return touched, carried, "", nil
	}
	if why := notWorth(touched, carried, file); why != "" {
		return whole, nil, why, nil
	}
	return touched, carried, "", nil
}

// fates says what becomes of the columns that do not travel. What the first row group
// allows, the others mostly do.
func fates(p *pipeline.Pipeline, layout *stitch.Layout, src *stitch.Source) []pipeline.Carried {
	var all []pipeline.Carried
	for i, o := range p.Origins {
		if o.Source == "" || o.Carried >= 0 {
			continue
		}
		c := pipeline.Carried{Column: p.Out.Field(i).Name}
		if src.Groups() > 0 {
			if err := layout.Passes(i, src, 0, o.Source); err != nil {
				c.NoCopy = err.Error()
			}
			if err := layout.Gathers(i, src, 0, o.Source); err != nil {
				c.NoGather = err.Error()
			}
		}
		all = append(all, c)
	}
	return all
}

// notWorth says why it does not pay to leave columns where they are, or "".
func notWorth(p *pipeline.Pipeline, carried []pipeline.Carried, file *parquet.File) string {
	groups, most := int64(file.RowGroups()), int64(0)
	for g := range file.RowGroups() {
		rg, err := file.RowGroup(g, []string{})
		if err != nil {
			return err.Error()
		}
		most = max(most, rg.Rows)
	}
	if groups == 0 || file.Rows()/groups < leastGroupRows {
		return fmt.Sprintf("the source's row groups are small: fewer than %d rows on average, and the output would have the same", leastGroupRows)
	}
	if limit := p.Spec.Sink.Parquet.RowsPerGroup; most > limit {
		return fmt.Sprintf("the source has row groups of %d rows, more than the sink's rows_per_group of %d", most, limit)
	}
	drops := p.Drops()
	for _, c := range carried {
		if c.NoCopy == "" && !drops || c.NoGather == "" && drops {
			return ""
		}
	}
	if drops {
		return carried[0].NoGather
	}
	return carried[0].NoCopy
}
