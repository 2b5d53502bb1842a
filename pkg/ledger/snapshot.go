package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/klauspost/compress/zstd"
)

// A snapshot is magic, version, SHA-256 of what follows, and zstd-compressed JSON. A
// changed bit must not become a changed state.
const (
	snapshotMagic = "LVSN"
	// snapshotVersion changes with every change of frozen or of the fold; a snapshot
	// of another version is not used.
	snapshotVersion = 1
	snapshotHead    = len(snapshotMagic) + 1 + sha256.Size
	// snapshotLimit bounds what Restore unpacks.
	snapshotLimit = 1 << 30
)

// frozen is a State in the form that is stored: what cannot be computed from the
// rest of it.
type frozen struct {
	Run       string              `json:"run"`
	Seq       uint64              `json:"seq"`
	Last      Hash                `json:"last"`
	Status    Status              `json:"status"`
	Cancelled bool                `json:"cancelled,omitempty"`
	Failed    bool                `json:"failed,omitempty"`
	Reason    string              `json:"reason,omitempty"`
	Conflict  string              `json:"conflict,omitempty"`
	End       *End                `json:"end,omitempty"`
	Started   time.Time           `json:"started"`
	LastAt    time.Time           `json:"last_at"`
	Plan      *Plan               `json:"plan,omitempty"`
	PlanID    string              `json:"plan_id,omitempty"`
	Partial   map[string][][]byte `json:"partial,omitempty"`
	Epoch     string              `json:"epoch,omitempty"`
	Extents   map[uint32]int64    `json:"extents,omitempty"`
	Commits   []frozenCommit      `json:"commits,omitempty"`
	Deads     []*Dead             `json:"deads,omitempty"`
	Verdicts  map[string]Verdict  `json:"verdicts,omitempty"`
}

type frozenCommit struct {
	ID     string  `json:"id"`
	Commit *Commit `json:"commit"`
}

// Snapshot returns the state in a form that Restore reads. It is a cache: it counts
// only while the ledger's entry at Seq has the hash Last, which the reader of the
// ledger must check. Equal states have equal snapshots.
func (s *State) Snapshot() ([]byte, error) {
	f := frozen{
		Run: s.run, Seq: s.seq, Last: s.last, Status: s.status, Cancelled: s.cancelled, Failed: s.failed, Reason: s.reason,
		Conflict: s.conflict, End: s.end, Started: s.started, LastAt: s.lastAt, Plan: s.plan, PlanID: s.planID,
		Partial: s.partial, Epoch: s.epoch, Extents: s.extents, Deads: s.deads, Verdicts: s.verdicts,
	}
	for id, c := range s.Commits() {
		f.Commits = append(f.Commits, frozenCommit{id, c})
	}
	data, err := json.Marshal(&f)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return sealSnapshot(data)
}

func sealSnapshot(data []byte) ([]byte, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	body := enc.EncodeAll(data, nil)
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	sum := sha256.Sum256(body)
	return bytes.Join([][]byte{[]byte(snapshotMagic), {snapshotVersion}, sum[:], body}, nil), nil
}

// Restore reads a snapshot of the given run. The error wraps [ErrSnapshot]; the
// remedy is always to fold the ledger from its beginning.
func Restore(run string, data []byte) (*State, error) {
	f, err := openSnapshot(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if f.Run != run {
		return nil, fmt.Errorf("%w: it is of run %.64q", ErrSnapshot, f.Run)
	}
	s := New(run)
	if why := s.thaw(f); why != "" {
		return nil, fmt.Errorf("%w: %s", ErrSnapshot, why)
	}
	return s, nil
}

func openSnapshot(data []byte) (*frozen, error) {
	if len(data) < snapshotHead || string(data[:len(snapshotMagic)]) != snapshotMagic {
		return nil, fmt.Errorf("%d bytes that are none", len(data))
	}
	if v := data[len(snapshotMagic)]; v != snapshotVersion {
		return nil, fmt.Errorf("version %d, this build knows %d", v, snapshotVersion)
	}
	body := data[snapshotHead:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], data[snapshotHead-sha256.Size:snapshotHead]) {
		return nil, fmt.Errorf("checksum of %d bytes", len(body))
	}
	text, err := decompress(body, snapshotLimit)
	if err != nil {
		return nil, err
	}
	var f frozen
	if err := decodeStrict(text, &f); err != nil {
		return nil, err
	}
	return &f, nil
}

// thaw takes over what was stored and computes the rest from it. It verifies what
// the fold relies on, or says what is wrong.
func (s *State) thaw(f *frozen) string {
	if f.Status < Running || f.Status > Ended || f.Seq == 0 {
		return "no such state"
	}
	s.seq, s.last, s.status, s.cancelled, s.failed, s.reason, s.conflict = f.Seq, f.Last, f.Status, f.Cancelled, f.Failed, f.Reason, f.Conflict
	s.end, s.started, s.lastAt = f.End, f.Started, f.LastAt
	maps.Copy(s.partial, f.Partial)
	maps.Copy(s.verdicts, f.Verdicts)
	maps.Copy(s.extents, f.Extents)
	if f.Plan != nil {
		if what := f.Plan.fault(); what != "" {
			return "plan: " + what
		}
		s.adopt(f.PlanID, f.Plan)
	}
	s.epoch = f.Epoch
	for task, rows := range s.extents {
		if int64(task) >= int64(len(s.tasks)) || rows != s.tasks[task].Rows {
			return "an extent that is not planned"
		}
		s.read += rows
	}
	for _, c := range f.Commits {
		if c.Commit == nil || s.commits[c.ID] != nil || s.coverage.Overlaps(&c.Commit.Spans) || s.faultOfCommit(c.Commit) != "" {
			return "a commit that cannot stand"
		}
		s.take(c.ID, c.Commit)
	}
	for _, d := range f.Deads {
		if d == nil || !d.Span.Valid() || s.coverage.Overlap(d.Span) != OverlapNone || s.faultOfDead(d) != "" {
			return "a dead entry that cannot stand"
		}
		s.takeDead(d)
	}
	return ""
}
