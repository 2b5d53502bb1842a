package sink

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/ledger"
)

// ManifestVersion is the form of manifests that this build writes, and the only one
// it reads.
const ManifestVersion = 1

// maxManifestBytes bounds what ReadManifest takes into memory.
const maxManifestBytes = 1 << 30

// Status is how a run ended.
type Status string

// The statuses.
const (
	StatusDone      Status = "done"      // the files are the whole output
	StatusCancelled Status = "cancelled" // on request; the files are what was visible by then
	StatusFailed    Status = "failed"    // likewise, for the reason given
)

// Manifest states what a run's output is. It is created once, beside the data, and
// from then on it is the last word: what it names stays, nothing else of the run
// does, whatever the ledger remembers (rule 9). docs/manifest.md is its form.
type Manifest struct {
	Version    int       `json:"version"`
	Run        string    `json:"run"`
	Pipeline   string    `json:"pipeline"`
	SpecHash   string    `json:"spec"`             // of the pipeline's spec
	Plan       string    `json:"plan"`             // id of the plan in the ledger
	Lock       string    `json:"lock"`             // nonce of the lock that the plan was made under
	Generation int       `json:"generation"`       // of that lock: orders the manifests of an output
	Status     Status    `json:"status"`           //
	Reason     string    `json:"reason,omitempty"` // why a run was cancelled or has failed
	Created    time.Time `json:"created"`

	PartitionBy []string     `json:"partition_by,omitempty"` // columns that are directories
	Books       ledger.Books `json:"books"`

	Columns []Column  `json:"columns,omitempty"` // those that are directories included
	Sources []Source  `json:"sources,omitempty"`
	Skipped []Skipped `json:"skipped,omitempty"`  // files of the source that could not be read, and were left out
	Files   []File    `json:"files"`              // by name
	Dead    []Dead    `json:"dead,omitempty"`     // source rows that are in the dead letters
	Old     []string  `json:"replaced,omitempty"` // files that the run replaces (mode overwrite)

	hash string // of the bytes in the sink
}

// Column is a column of the output.
type Column struct {
	Name     string `json:"name"`
	Type     string `json:"type"` // as Arrow prints it
	Nullable bool   `json:"nullable"`
}

// Source is a file that the run read, as its planner saw it.
type Source struct {
	URI    string `json:"uri"`
	Bytes  int64  `json:"bytes"`
	Rows   int64  `json:"rows"`
	Footer string `json:"footer"` // SHA-256 of the footer's bytes, hex
}

// Skipped is a file that could not be read and was left out, by on_bad_file: skip. Rows of
// a file that was found bad only while it was read are in the books, dropped by
// source/on_bad_file with its index in Sources.
type Skipped struct {
	URI    string `json:"uri"`
	Reason string `json:"reason"`
}

// File is one file of the output.
type File struct {
	Name      string            `json:"name"` // relative to the output, with slashes
	Bytes     int64             `json:"bytes"`
	Rows      int64             `json:"rows"`
	BLAKE3    string            `json:"blake3,omitempty"`    // of its bytes, 256 bits, hex
	SHA256    string            `json:"sha256,omitempty"`    // in its place: a file has one of the two
	Partition map[string]string `json:"partition,omitempty"` // column to value
	Commit    string            `json:"commit,omitempty"`    // id in the ledger; "" for the empty file of a run without rows
	Staged    string            `json:"staged"`              // token of its temporary
	Lineage   []Lineage         `json:"lineage,omitempty"`   // the source rows that it was made of
}

// Lineage is rows of one source. A file of a partition, or one behind a filter, has
// some of them; each of them that was neither dropped nor is dead is in one of the
// files whose lineage has it.
type Lineage struct {
	Source    int        `json:"source"`              // index in Sources; -1 for a range of numbers
	RowGroups [2]int     `json:"row_groups,omitzero"` // of the source, half open
	Rows      [][2]int64 `json:"rows"`                // half open, from the first row of the first row group
}

// Dead is rows that a stage could not process.
type Dead struct {
	Stage   string `json:"stage"`
	Attempt string `json:"attempt"` // whose dead letters count
	Lineage
}

// Ledger returns the file as commits name it, for [Sink.Reveal] and the like.
func (f *File) Ledger() ledger.File {
	return ledger.File{Name: f.Name, Staged: f.Staged, Bytes: f.Bytes, Rows: f.Rows, BLAKE3: f.BLAKE3, SHA256: f.SHA256, Partition: f.Partition}
}

// Describe sets what the output looks like: its columns, those included that are
// directories.
func (m *Manifest) Describe(schema *arrow.Schema, partitionBy []string) {
	m.Columns = make([]Column, schema.NumFields())
	for i, f := range schema.Fields() {
		m.Columns[i] = Column{Name: f.Name, Type: f.Type.String(), Nullable: f.Nullable}
	}
	m.PartitionBy = partitionBy
}

// Fill sets what the ledger knows: the plan, the sources, the books, the dead rows
// and, if asked for, the files of all standing commits.
func (m *Manifest) Fill(s *ledger.State, files bool) {
	m.Version, m.Run, m.Plan, m.Books = ManifestVersion, s.Run(), s.PlanID(), s.Books()
	plan := s.Plan()
	if plan == nil {
		return
	}
	m.Lock, m.Old = plan.Lock, plan.Old
	for _, f := range plan.Files {
		m.Sources = append(m.Sources, Source{URI: f.URI, Bytes: f.Size, Rows: f.Rows, Footer: f.Footer})
	}
	for _, f := range plan.Skipped {
		m.Skipped = append(m.Skipped, Skipped{URI: f.URI, Reason: f.Reason})
	}
	for d := range s.Buried() {
		m.Dead = append(m.Dead, Dead{Stage: d.Stage, Attempt: d.Attempt, Lineage: deadLineage(plan, d)})
	}
	if !files {
		return
	}
	for id, c := range s.Commits() {
		for _, f := range c.Files {
			m.AddFile(id, f)
			m.Files[len(m.Files)-1].Lineage = lineage(plan, &f.Spans)
		}
	}
}

// AddFile adds a file of a commit, without its lineage.
func (m *Manifest) AddFile(commit string, f ledger.File) {
	m.Files = append(m.Files, File{
		Name: f.Name, Bytes: f.Bytes, Rows: f.Rows, BLAKE3: f.BLAKE3, SHA256: f.SHA256, Partition: f.Partition, Commit: commit, Staged: f.Staged,
	})
}

// lineage maps spans to rows of sources, one Lineage a task.
func lineage(plan *ledger.Plan, spans *ledger.Coverage) []Lineage {
	var all []Lineage
	last := -1
	for span := range spans.Spans() {
		if int(span.Task) >= len(plan.Tasks) {
			continue // a commit of another plan is void, so this cannot be
		}
		if int(span.Task) != last {
			last = int(span.Task)
			all = append(all, lineageOf(plan.Tasks[last]))
		}
		l := &all[len(all)-1]
		start := plan.Tasks[last].From
		l.Rows = append(l.Rows, [2]int64{start + span.From, start + span.To})
	}
	return all
}

// deadLineage maps dead rows; without offsets the whole span is dead.
func deadLineage(plan *ledger.Plan, d ledger.DeadRows) Lineage {
	if int(d.Span.Task) >= len(plan.Tasks) {
		return Lineage{Source: -1} // as above
	}
	task := plan.Tasks[d.Span.Task]
	l := lineageOf(task)
	start := task.From + d.Span.From
	if len(d.Offsets) == 0 {
		l.Rows = [][2]int64{{start, task.From + d.Span.To}}
		return l
	}
	for _, offset := range d.Offsets {
		row := start + int64(offset)
		if n := len(l.Rows); n > 0 && l.Rows[n-1][1] == row {
			l.Rows[n-1][1]++
		} else {
			l.Rows = append(l.Rows, [2]int64{row, row + 1})
		}
	}
	return l
}

func lineageOf(t ledger.PlanTask) Lineage { return Lineage{Source: t.File, RowGroups: t.RowGroups} }

// Hash is the SHA-256 of the manifest's bytes in the sink, hex; "" for one that was
// never there. The ledger's seal names it.
func (m *Manifest) Hash() string { return m.hash }

// CreateManifest writes the run's manifest if there is none, and returns the one
// that is there, whoever wrote it.
func (s *Sink) CreateManifest(ctx context.Context, m Manifest) (stands *Manifest, created bool, err error) {
	data, err := s.encodeManifest(ctx, &m)
	if err != nil {
		return nil, false, fmt.Errorf("create manifest of run %s: %w", s.run, err)
	}
	// Rule 9 (manifest): created if absent. Of all who think they know how the run
	// ended, perhaps with different ledgers, the sink lets one decide.
	created, err = s.put(ctx, manifestName(s.run), data)
	if err != nil {
		return nil, false, fmt.Errorf("create manifest of run %s: %w", s.run, err)
	}
	stands, err = s.ReadManifest(ctx)
	return stands, created, err
}

// encodeManifest checks and completes a manifest.
func (s *Sink) encodeManifest(ctx context.Context, m *Manifest) ([]byte, error) {
	if m.Run != s.run {
		return nil, fmt.Errorf("it is of run %q", m.Run)
	}
	if m.Lock != "" {
		locks, found, err := s.since(ctx, m.Lock)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, s.notThis(m.Lock)
		}
		m.Generation = locks[len(locks)-1].Generation
	}
	for i := range m.Files {
		if err := s.owns(m.Files[i].Ledger()); err != nil {
			return nil, err
		}
	}
	for _, name := range m.Old {
		if err := checkName(name); err != nil {
			return nil, err
		}
	}
	m.Version = ManifestVersion
	m.Created = m.Created.UTC()
	m.Files = slices.Clone(m.Files)
	slices.SortFunc(m.Files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return m.encode()
}

// encode writes the manifest as JSON, its long lists with one item a line: a person
// can read it, and line tools can count and compare.
func (m *Manifest) encode() ([]byte, error) {
	head := *m
	head.Columns, head.Sources, head.Skipped, head.Files, head.Dead, head.Old = nil, nil, nil, nil, nil, nil
	type plain Manifest
	data, err := json.MarshalIndent(struct {
		plain
		Files *int `json:"files,omitempty"` // hides the one above, which is written last
	}{plain: plain(head)}, "", "  ")
	if err != nil {
		return nil, err
	}
	b := bytes.NewBuffer(bytes.TrimSuffix(data, []byte("\n}")))
	err = errors.Join(
		writeList(b, "columns", m.Columns, true), writeList(b, "sources", m.Sources, true), writeList(b, "skipped", m.Skipped, true), writeList(b, "files", m.Files, false),
		writeList(b, "dead", m.Dead, true), writeList(b, "replaced", m.Old, true))
	b.WriteString("\n}\n")
	return b.Bytes(), err
}

func writeList[T any](b *bytes.Buffer, key string, items []T, omitEmpty bool) error {
	if omitEmpty && len(items) == 0 {
		return nil
	}
	fmt.Fprintf(b, ",\n  %q: [", key)
	for i, item := range items {
		data, err := json.Marshal(item)
		if err != nil {
			return err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n    ")
		b.Write(data)
	}
	if len(items) > 0 {
		b.WriteString("\n  ")
	}
	b.WriteByte(']')
	return nil
}

// ReadManifest returns the run's manifest, and [ErrNoManifest] when it has none yet.
func (s *Sink) ReadManifest(ctx context.Context) (*Manifest, error) {
	data, err := s.read(ctx, manifestName(s.run), maxManifestBytes)
	if errors.Is(err, storage.ErrNotExist) {
		return nil, ErrNoManifest
	}
	if err != nil {
		return nil, fmt.Errorf("read manifest of run %s: %w", s.run, err)
	}
	m, err := DecodeManifest(data)
	if err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", s.where(manifestName(s.run)), err)
	}
	if m.Run != s.run {
		return nil, fmt.Errorf("read manifest %s: it is of run %q", s.where(manifestName(s.run)), m.Run)
	}
	return m, nil
}

// DecodeManifest reads a manifest. The error wraps [ErrVersion] when it was written
// by a levada that this one does not know.
func DecodeManifest(data []byte) (*Manifest, error) {
	var m Manifest
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, err
	}
	if head.Version != ManifestVersion {
		return nil, fmt.Errorf("%w: %d, this levada knows %d: use the levada that wrote it, or a newer one", ErrVersion, head.Version, ManifestVersion)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, err
	}
	m.hash = ledger.HashOf(data).String()
	return &m, nil
}
