package ledger

import (
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// Plan is what a run will read, and how: fixed once, so that every process cuts the
// same spans (rule 17).
type Plan struct {
	Nonce string     `json:"nonce"` // makes two equal plans two; set by Parts
	Spec  string     `json:"spec"`  // hash of the pipeline's spec
	Files []PlanFile `json:"files,omitempty"`
	Tasks []PlanTask `json:"tasks,omitempty"` // a task's id is its place here

	PrunedRows   int64  `json:"pruned_rows,omitempty"`   // of row groups that statistics show to be filtered out
	PrunedGroups int64  `json:"pruned_groups,omitempty"` //
	PrunedBy     string `json:"pruned_by,omitempty"`     // the operator whose books they are in

	Schema        []byte `json:"schema,omitempty"` // the columns of the source that are needed: Arrow IPC stream without batches
	Late          bool   `json:"late,omitempty"`   // only the touched ones travel; writers take the others from the files
	MaxBlockBytes int64  `json:"max_block_bytes"`

	Lock    string     `json:"lock,omitempty"`    // nonce of the sink's lock
	Old     []string   `json:"old,omitempty"`     // files that mode overwrite replaces
	Stored  []byte     `json:"stored,omitempty"`  // what the output calls its columns, with metadata: Arrow IPC stream without batches
	Skipped []PlanSkip `json:"skipped,omitempty"` // files that cannot be read, and which the pipeline leaves out

	Skip string `json:"skip,omitempty"` // why there is nothing to do: the run is complete at once, whatever its tasks
}

// PlanFile is one file of the source, as the planner saw it.
type PlanFile struct {
	URI    string `json:"uri"`
	Size   int64  `json:"size"`
	Footer string `json:"footer"` // SHA-256 of the footer's bytes, hex
	Rows   int64  `json:"rows"`
	// Hive are the columns that stand in the file's name, as they stand there.
	Hive map[string]string `json:"hive,omitempty"`
}

// PlanSkip is a file of the source that is left out.
type PlanSkip struct {
	URI    string `json:"uri"`
	Reason string `json:"reason"`
}

// PlanTask is a re-readable slice of the source.
type PlanTask struct {
	File      int    `json:"file"`                 // index in Files; -1 for a range
	RowGroups [2]int `json:"row_groups,omitzero"`  // of the file, half open
	FirstRow  int64  `json:"first_row,omitempty"`  // rows of the file before those of the task
	From      int64  `json:"from,omitempty"`       // of a range
	To        int64  `json:"to,omitempty"`         //
	Rows      int64  `json:"rows"`                 //
	BlockRows int64  `json:"block_rows,omitempty"` // rows of a block; a row group's last may have fewer
}

// PlanPart is a piece of a plan: zstd-compressed JSON, cut so that an entry stays
// small. The first plan whose parts are all there stands.
type PlanPart struct {
	Plan string `json:"plan"` // the plan's id in blocks and entries: 16 hex characters of the SHA-256 of all its parts
	Part int    `json:"part"` // from 0
	Of   int    `json:"of"`
	Data []byte `json:"data"`
}

const (
	planPartBytes = 192 << 10 // 256 KiB in base64
	maxPlanParts  = 1 << 12
	maxPlanBytes  = 256 << 20 // of JSON: a few million tasks
)

// Parts encodes the plan. nonce makes its id its author's own.
func (p *Plan) Parts(nonce string) ([]*PlanPart, error) {
	named := *p
	named.Nonce = nonce
	if what := named.fault(); what != "" {
		return nil, fmt.Errorf("encode plan: %w: %s", ErrEntry, what)
	}
	data, err := json.Marshal(&named)
	if err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	if len(data) > maxPlanBytes {
		return nil, fmt.Errorf("encode plan: %d tasks take %d MiB, of at most %d: read fewer files in one run", len(p.Tasks), len(data)>>20, maxPlanBytes>>20)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	packed := enc.EncodeAll(data, nil)
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	of := (len(packed) + planPartBytes - 1) / planPartBytes
	parts := make([]*PlanPart, of)
	for i := range parts {
		parts[i] = &PlanPart{Plan: planID(packed), Part: i, Of: of, Data: packed[i*planPartBytes : min((i+1)*planPartBytes, len(packed))]}
	}
	return parts, nil
}

func planID(packed []byte) string {
	h := HashOf(packed)
	return hex.EncodeToString(h[:8])
}

// fault says what is wrong with a part by itself, or "".
func (p *PlanPart) fault() string {
	switch {
	case p.Of < 1 || p.Of > maxPlanParts || p.Part < 0 || p.Part >= p.Of:
		return fmt.Sprintf("part %d of %d", p.Part, p.Of)
	case len(p.Data) == 0 || len(p.Data) > planPartBytes:
		return fmt.Sprintf("a part of %d bytes", len(p.Data))
	}
	return ""
}

// fault says what is wrong with a plan, or "".
func (p *Plan) fault() string {
	total := tally{limit: maxRows}
	for i, t := range p.Tasks {
		if t.File < -1 || t.File >= len(p.Files) || t.Rows < 0 || t.Rows > maxRow || t.BlockRows < 0 {
			return fmt.Sprintf("task %d is malformed", i)
		}
		total.add(t.Rows)
	}
	total.add(p.PrunedRows)
	switch {
	case int64(len(p.Tasks)) > 1<<32:
		return "too many tasks"
	case total.bad:
		return "too many rows"
	case p.PrunedRows > 0 && p.PrunedBy == "":
		return "pruned rows that no operator pruned"
	}
	return ""
}

// decodePlan puts the parts of a plan together. The error wraps [ErrVersion] or
// [ErrEntry].
func decodePlan(id string, packed []byte) (*Plan, error) {
	if planID(packed) != id {
		return nil, fmt.Errorf("%w: plan %.16s: its parts are not of one plan", ErrEntry, id)
	}
	data, err := decompress(packed, maxPlanBytes)
	if err != nil {
		return nil, fmt.Errorf("%w: plan: %w", ErrEntry, err)
	}
	var p Plan
	if strict := decodeStrict(data, &p); strict != nil {
		if json.Unmarshal(data, new(Plan)) == nil {
			return nil, fmt.Errorf("%w: plan: %w: use the build that wrote it, or a newer one", ErrVersion, strict)
		}
		return nil, fmt.Errorf("%w: plan: %w", ErrEntry, strict)
	}
	if what := p.fault(); what != "" {
		return nil, fmt.Errorf("%w: plan: %s", ErrEntry, what)
	}
	return &p, nil
}

// decompress unpacks at most limit bytes of zstd.
func decompress(packed []byte, limit uint64) ([]byte, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(limit))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	return dec.DecodeAll(packed, nil)
}
