package ledger

import (
	"encoding/json"

	"github.com/levada-data/levada/pkg/blocks"
)

// Extent says how many rows a task had when it was read to its end.
type Extent struct {
	Plan string `json:"plan"`
	Task uint32 `json:"task"`
	Rows int64  `json:"rows"` // source rows, as planned: anything else fails the run
}

// Commit makes files count and covers the spans in them. Its counts must add up to
// its spans, else the run fails.
type Commit struct {
	Plan   string     `json:"plan"`
	Files  []File     `json:"files,omitempty"` // none when all rows of the spans were dropped
	Spans  Coverage   `json:"spans"`           // at least one row
	Counts Counts     `json:"counts"`
	Dead   []DeadRows `json:"dead,omitempty"` // rows of the spans that are in the dead letters
}

// File is one finished file of a commit.
type File struct {
	Name      string            `json:"name"`   // final, relative to the sink, slashes; of this file alone (rule 3)
	Staged    string            `json:"staged"` // token of the invisible file; of the sink's making
	Bytes     int64             `json:"bytes"`
	Rows      int64             `json:"rows"`
	BLAKE3    string            `json:"blake3,omitempty"`    // of the file's bytes, 256 bits, hex
	SHA256    string            `json:"sha256,omitempty"`    // in its place: a file has one of the two
	Partition map[string]string `json:"partition,omitempty"` // column to value, as in the name
	// Lineage: source rows that may be in the file. They lie in the commit's spans,
	// and there are at least as many as the file has rows. Files of one commit may
	// share them.
	Spans Coverage `json:"spans"`
}

// Counts are the rows of a commit's spans: Read = Written + dropped + Dead.
type Counts struct {
	Read    int64            `json:"read"`              // rows of the spans
	Written int64            `json:"written"`           // rows of the files
	Dropped map[string]int64 `json:"dropped,omitempty"` // by operator, "stage/kind[index]"
	Dead    int64            `json:"dead,omitempty"`    // rows that Commit.Dead names
	Bytes   int64            `json:"bytes,omitempty"`   // of the files
}

// DroppedRows is the sum over all operators.
func (c *Counts) DroppedRows() int64 { return sum(c.Dropped) }

func sum(rows map[string]int64) int64 {
	n := int64(0)
	for _, r := range rows {
		n += r
	}
	return n
}

// DeadRows are rows of one block that one attempt of one stage gave to the dead
// letters. They count because a commit names the attempt.
type DeadRows struct {
	Span    blocks.Span `json:"span"`
	Stage   string      `json:"stage"`
	Attempt string      `json:"attempt"`
	Offsets []uint32    `json:"offsets"` // from Span.From, ascending, at least one
}

// Dead settles a span that no attempt can process: a commit without a file.
type Dead struct {
	Plan    string      `json:"plan"`
	Span    blocks.Span `json:"span"`
	Stage   string      `json:"stage"`
	Attempt string      `json:"attempt"`
	Reason  string      `json:"reason"` // never a row value
	// Rows of the span that earlier operators dropped or buried: only the rest is
	// dead by this entry.
	Dropped map[string]int64 `json:"dropped,omitempty"`
	Before  []DeadRows       `json:"before,omitempty"`
}

// Requeue says that owed tasks are queued again; blocks made for it carry its epoch.
type Requeue struct {
	Epoch string `json:"epoch"` // a nonce
}

// Lost takes a commit out of the coverage whose file is gone (rule 26).
type Lost struct {
	Commit string `json:"commit"` // id
}

// Cancel ends a run before it is complete.
type Cancel struct {
	Reason string `json:"reason"`
	Failed bool   `json:"failed,omitempty"` // for a fault, not on request
}

// Seal says that the manifest is in the sink.
type Seal struct {
	Manifest string `json:"manifest,omitempty"` // its SHA-256; "" for a run that wrote nothing
}

// End is the last entry.
type End struct {
	Status string          `json:"status"` // "done", "failed", "cancelled"
	Reason string          `json:"reason,omitempty"`
	Stats  json.RawMessage `json:"stats,omitempty"`
}
