package ledger

import (
	"maps"
	"slices"
)

// Books are a run's accounts: every source row is written, dropped by an operator,
// or dead.
type Books struct {
	Source      int64            `json:"source"`                  // rows of the source: planned and pruned
	Pruned      int64            `json:"pruned"`                  // never read; counted in Dropped too
	Read        int64            `json:"read"`                    // by the extents
	Written     int64            `json:"written"`                 // by the standing commits
	Dropped     map[string]int64 `json:"dropped,omitempty"`       // by operator
	Dead        int64            `json:"dead"`                    // by the standing commits and dead entries
	DeadByStage map[string]int64 `json:"dead_by_stage,omitempty"` // the same rows
	Skipped     int              `json:"skipped_files,omitempty"` // of the source, which could not be read: nobody knows their rows
}

// DroppedRows is the sum over all operators.
func (b *Books) DroppedRows() int64 { return sum(b.Dropped) }

// Operators returns the names in Dropped, sorted.
func (b *Books) Operators() []string { return slices.Sorted(maps.Keys(b.Dropped)) }

// DeadStages returns the names in DeadByStage, sorted.
func (b *Books) DeadStages() []string { return slices.Sorted(maps.Keys(b.DeadByStage)) }

// Check returns a [*BooksError] when the books of a complete run do not balance.
func (b *Books) Check() error {
	switch {
	case b.Source != b.Read+b.Pruned:
		return &BooksError{*b, "rows of the source are not those read and pruned"}
	case b.Source != b.Written+b.DroppedRows()+b.Dead:
		return &BooksError{*b, "rows of the source are not those written, dropped and dead"}
	case b.Dead != sum(b.DeadByStage):
		return &BooksError{*b, "dead rows are not those of the stages"}
	}
	return nil
}

// post adds (sign 1) the rows of a commit or dead entry to the accounts, or takes
// them back (-1). An account without rows is closed, so that books do not depend on
// the way they came about.
func post(accounts map[string]int64, name string, rows int64) {
	if accounts[name] += rows; accounts[name] == 0 {
		delete(accounts, name)
	}
}
