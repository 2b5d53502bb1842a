package flow

import (
	"crypto/rand"
	"encoding/hex"
	"regexp"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// The names of a run's subjects and streams; docs/format.md draws them.
const (
	subjectRoot = "levada"
	// SourceStage is the name of the edge that readers fill.
	SourceStage = "source"
	// SinkStage is the name under which writers report statistics.
	SinkStage = "sink"
	// partition is the only partition of an edge that is not re-keyed.
	partition = "0"

	runsBucket      = "levada-runs"
	pipelinesBucket = "levada-pipelines"
	snapshotsBucket = "levada-snapshots"
)

// RunID names one execution of a pipeline: a lower-case ULID, so that ids sort
// by the time of their submission.
type RunID string

// NewRunID returns a fresh id.
func NewRunID() RunID { return RunID(strings.ToLower(ulid.Make().String())) }

// Submitted is when the id was made; the zero time for what is no id.
func (r RunID) Submitted() time.Time {
	id, err := ulid.ParseStrict(strings.ToUpper(string(r)))
	if err != nil {
		return time.Time{}
	}
	return ulid.Time(id.Time()).UTC()
}

var runPattern = regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{26}$`)

// Valid reports whether the id is a lower-case ULID, which makes it safe in a
// subject, a stream name and a file name.
func (r RunID) Valid() bool { return runPattern.MatchString(string(r)) }

// NewNonce returns 16 random hexadecimal characters: an attempt, an epoch, or
// the id of a ledger entry. Nonces are never reused.
func NewNonce() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails: it crashes the process instead
	return hex.EncodeToString(b[:])
}

// BlocksSubject is where a stage publishes its blocks.
func BlocksSubject(run RunID, stage string) string {
	return strings.Join([]string{subjectRoot, "blocks", string(run), stage, partition}, ".")
}

// TasksSubject is where tasks wait for readers.
func TasksSubject(run RunID) string { return subjectRoot + ".tasks." + string(run) }

// LedgerSubject is where the run's ledger is appended to.
func LedgerSubject(run RunID) string { return subjectRoot + ".ledger." + string(run) }

// DeadSubject is where a stage puts the rows that it could not process.
func DeadSubject(run RunID, stage string) string {
	return subjectRoot + ".dead." + string(run) + "." + stage
}

// StatsSubject is where an instance of a stage reports once a second.
func StatsSubject(run RunID, stage, instance string) string {
	return subjectRoot + ".stats." + string(run) + "." + stage + "." + instance
}

// statsAskSubject is where a follower asks all instances to report at once. Its
// root differs from that of the reports, so that a subscriber of the reports
// never sees the question.
func statsAskSubject(run RunID) string { return subjectRoot + ".ask." + string(run) }

func blocksStream(run RunID, stage string) string {
	return "levada-blocks-" + string(run) + "-" + stage
}
func tasksStream(run RunID) string  { return "levada-tasks-" + string(run) }
func ledgerStream(run RunID) string { return "levada-ledger-" + string(run) }
func deadStream(run RunID) string   { return "levada-dead-" + string(run) }

// The consumer of the task queue, and that of the edge which feeds a stage.
const tasksConsumer = "readers"

func edgeConsumer(stage string) string { return "to-" + stage }
