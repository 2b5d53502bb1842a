package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// APIVersion is the version of specs that this package reads.
const APIVersion = "levada/v1"

// Spec is a parsed pipeline. Its exported fields, as JSON, are its canonical form:
// defaults filled in, comments and formatting gone.
type Spec struct {
	APIVersion string      `json:"apiVersion"`
	Name       string      `json:"name"`
	Source     Source      `json:"source"`
	Stages     []StageSpec `json:"stages,omitempty"`
	Sink       Sink        `json:"sink"`
	Policies   Policies    `json:"policies"`

	file  string
	lines []string

	root       *yaml.Node
	wrong      Errors              // of a draft
	unresolved map[*yaml.Node]bool // have variables without a value: nothing more is said of them
}

// Source is where rows come from: exactly one of its fields is set.
type Source struct {
	Parquet *ParquetSource `json:"parquet,omitempty"`
	Range   *RangeSource   `json:"range,omitempty"`
}

// ParquetSource reads Parquet files.
type ParquetSource struct {
	URI     []string `json:"uri"`               // files, directories or globs
	Columns []string `json:"columns,omitempty"` // only these; all when empty
	S3      *S3      `json:"s3,omitempty"`

	Schemas   Schemas   `json:"schema,omitempty"`      // of files that differ
	Hive      *Hive     `json:"hive,omitempty"`        // directories that are columns; nil: none are
	OnBadFile OnBadFile `json:"on_bad_file,omitempty"` //

	node  *yaml.Node
	nodes []*yaml.Node // of Columns
}

// S3 says how buckets are reached, beyond the usual environment (AWS_REGION,
// AWS_PROFILE, AWS_ENDPOINT_URL_S3). Credentials are never in a spec. The zero value is
// that environment.
type S3 struct {
	Region        string `json:"region,omitempty"`
	Endpoint      string `json:"endpoint,omitempty"`   // URL of another store that speaks S3
	PathStyle     *bool  `json:"path_style,omitempty"` // nil: when there is an endpoint
	RequesterPays bool   `json:"requester_pays,omitempty"`
	SSE           string `json:"sse,omitempty"`           // "AES256" or "aws:kms"; a sink's
	KMSKey        string `json:"kms_key,omitempty"`       // a sink's
	ReadGap       int64  `json:"read_gap,omitempty"`      // bytes between ranges that are read together; a source's
	ReadSplit     int64  `json:"read_split,omitempty"`    // bytes of one request; a source's
	ReadParallel  int    `json:"read_parallel,omitempty"` // requests at once, of one row group; a source's
}

// RangeSource gives the whole numbers from 0, without a file.
type RangeSource struct {
	Rows   int64  `json:"rows"`
	Column string `json:"column"` // name; "id" by default
}

// StageSpec is one stage: operators that run together, or a stage of the user's own.
type StageSpec struct {
	Name      string         `json:"name"`
	Transform []OperatorSpec `json:"transform,omitempty"`
	External  *External      `json:"external,omitempty"`
	Workers   Workers        `json:"workers,omitzero"` // those of the policies when zero
	Fuse      Fuse           `json:"fuse,omitempty"`   // of the edge before it; that of the policies when empty

	node *yaml.Node
	path string
	bad  bool // reported, and nobody knows what its rows are
}

// External is a stage that a process of the user's own serves. Its rows are those
// that come in, with the declared columns added or replaced.
type External struct {
	Columns []ColumnSpec `json:"columns"`
}

// ColumnSpec declares a column of an external stage.
type ColumnSpec struct {
	Name string `json:"name"`
	Type string `json:"type"` // one of [ColumnTypes]

	node *yaml.Node
}

// OperatorSpec is one operator of a stage: its kind and the field of that kind.
type OperatorSpec struct {
	Kind   string       `json:"kind"`
	Names  []string     `json:"names,omitempty"`  // select, drop, unnest, flatten
	Rename []Pair       `json:"rename,omitempty"` // rename: old to new
	Expr   string       `json:"expr,omitempty"`   // filter, assert
	With   []Assignment `json:"with,omitempty"`   // with, in the order of the spec
	Mask   *MaskSpec    `json:"mask,omitempty"`   // mask

	Separator string      `json:"separator,omitempty"` // flatten
	Cast      []CastSpec  `json:"cast,omitempty"`
	Fill      []FillSpec  `json:"fill,omitempty"` // fill_null
	Sample    *SampleSpec `json:"sample,omitempty"`
	Limit     *int64      `json:"limit,omitempty"`
	OnFail    OnFail      `json:"on_fail,omitempty"` // assert, whose expression is Expr

	node  *yaml.Node
	items []*yaml.Node // of Names, and of the columns of mask, cast and fill_null
	path  string
	bad   bool // reported
}

// Pair is one entry of a rename.
type Pair struct {
	Old string `json:"old"`
	New string `json:"new"`

	node *yaml.Node
}

// Assignment is one entry of a with.
type Assignment struct {
	Column string `json:"column"`
	Expr   string `json:"expr"`

	key, node *yaml.Node
}

// MaskSpec is a mask: a column, and the method with its settings.
type MaskSpec struct {
	Column string `json:"column"`
	Method string `json:"method"`         // one of [MaskMethods]
	N      int64  `json:"n,omitempty"`    // keep_last: characters that stay
	With   string `json:"with,omitempty"` // keep_last: the character that stands for the others
}

// Sink is where rows go.
type Sink struct {
	Parquet *ParquetSink `json:"parquet"`
	Fuse    Fuse         `json:"fuse,omitempty"` // of the edge before it; that of the policies when empty
}

// ParquetSink writes Parquet files into a directory.
type ParquetSink struct {
	URI           string      `json:"uri"`
	PartitionBy   []string    `json:"partition_by,omitempty"` // columns; become Hive directories
	TargetFile    int64       `json:"target_file"`            // bytes at which a file is closed
	RowsPerGroup  int64       `json:"rows_per_group"`
	Compression   Compression `json:"compression"`
	Mode          Mode        `json:"mode"`
	PreserveOrder bool        `json:"preserve_order,omitempty"`
	Empty         Empty       `json:"empty"`
	MaxOpenFiles  int         `json:"max_open_files"` // of one writer lane
	S3            *S3         `json:"s3,omitempty"`

	Encodings     []ColumnEncoding `json:"encodings,omitempty"`      // where the data shall not decide
	BloomFilters  *BloomFilters    `json:"bloom_filters,omitempty"`  // nil: none
	SortWithin    []SortColumn     `json:"sort_within,omitempty"`    // rows of each row group
	PageChecksums bool             `json:"page_checksums,omitempty"` // CRC-32 of every page
	FileName      string           `json:"file_name,omitempty"`      // how names begin; "part" when empty

	sortNode  *yaml.Node
	node      *yaml.Node
	partition []*yaml.Node
	mode      *yaml.Node
}

// Compression is a codec and its level; 0 is the codec's default.
type Compression struct {
	Codec string `json:"codec"` // "none", "snappy", "zstd"
	Level int    `json:"level,omitempty"`
}

// Mode says what a run does when the sink has data.
type Mode string

// The modes.
const (
	ModeError     Mode = "error"     // refuse to run
	ModeAppend    Mode = "append"    // add files
	ModeOverwrite Mode = "overwrite" // replace what was there when the run is done
	ModeIgnore    Mode = "ignore"    // do nothing, successfully
)

// Empty says what a run without rows does.
type Empty string

// The ways to be empty.
const (
	EmptyFile  Empty = "file"  // write one file with the schema and no rows
	EmptyError Empty = "error" // fail
)

// Visibility says when output shows.
type Visibility string

// The visibilities.
const (
	VisibilityFile Visibility = "file" // each file at its commit
	VisibilityRun  Visibility = "run"  // all files together at the end
)

// Fuse says whether an edge may do without a stream where one process plays the stages
// on both sides of it. Empty is auto.
type Fuse string

// The ways to treat an edge.
const (
	FuseAuto  Fuse = "auto"  // without a stream where that can be
	FuseNever Fuse = "never" // always through a stream
)

// Carry says which columns travel in blocks. Empty is auto.
type Carry string

// The ways to carry.
const (
	CarryAuto    Carry = "auto"    // the touched ones, where source and sink allow it and something is gained
	CarryTouched Carry = "touched" // those that an operator reads or makes; the writer takes the others from the source
	CarryAll     Carry = "all"     // every one that the output needs
)

// Policies are how a run behaves.
type Policies struct {
	MaxDeadRows  int64         `json:"max_dead_rows"` // more of them fail the run
	Visibility   Visibility    `json:"visibility"`
	MaxAge       time.Duration `json:"max_age"`       // at which a writer commits what it holds
	RequeueAfter time.Duration `json:"requeue_after"` // of standing still, before owed tasks are queued again
	BlockBytes   int64         `json:"block_bytes,omitempty"`
	EdgeBytes    int64         `json:"edge_bytes,omitempty"`
	Workers      Workers       `json:"workers,omitzero"`
	Fuse         Fuse          `json:"fuse,omitempty"`  // of all edges
	Carry        Carry         `json:"carry,omitempty"` // which columns travel; auto when empty

	carry *yaml.Node

	node *yaml.Node
	vis  *yaml.Node
}

// Workers says how many blocks of a stage a process works on at once: at least Min, and
// up to Max while blocks wait. The zero value is as many as there are cores.
type Workers struct{ Min, Max int }

// MarshalJSON writes the short form where it says the same.
func (w Workers) MarshalJSON() ([]byte, error) {
	if w.Min == w.Max {
		return json.Marshal(w.Min)
	}
	return json.Marshal(map[string]int{"min": w.Min, "max": w.Max})
}

func (w Workers) String() string {
	switch {
	case w == Workers{}:
		return "as many workers as cores"
	case w.Min == w.Max && w.Min == 1:
		return "1 worker"
	case w.Min == w.Max:
		return fmt.Sprintf("%d workers", w.Min)
	default:
		return fmt.Sprintf("%d to %d workers", w.Min, w.Max)
	}
}

// Hash identifies what the spec says, however it is written: 16 hexadecimal
// characters.
func (s *Spec) Hash() string {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // a struct of strings and numbers can always be encoded
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// Beneath is a relative location of a source in a directory. Where it is a pattern, the
// directory's own brackets are none.
func Beneath(dir, uri string) string {
	if strings.ContainsAny(uri, `*?[{`) {
		dir = patternSigns.Replace(dir)
	}
	return filepath.Join(dir, uri)
}

var patternSigns = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `{`, `\{`)

// Absolute makes the local paths of the spec absolute, relative to dir, so that
// processes in other directories read and write the same files.
func (s *Spec) Absolute(dir string) {
	abs := func(p string) string {
		if strings.Contains(p, "://") || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(dir, p)
	}
	if s.Source.Parquet != nil {
		for i, u := range s.Source.Parquet.URI {
			if abs(u) != u {
				s.Source.Parquet.URI[i] = Beneath(dir, u)
			}
		}
	}
	if s.Sink.Parquet != nil {
		s.Sink.Parquet.URI = abs(s.Sink.Parquet.URI)
	}
}
