package ledger

import (
	"errors"
	"fmt"
	"time"
)

// Status is where a run stands, by its ledger.
type Status int

// The statuses. A run passes through them downwards only:
//
//	Running ──cancel──► Cancelled
//	   │                   │
//	   └───────seal────────┴──► Sealed ──end──► Ended
const (
	Running Status = iota
	Cancelled
	Sealed
	Ended
)

func (s Status) String() string { return [...]string{"running", "cancelled", "sealed", "ended"}[s] }

// State is the fold of a ledger: what all its entries, in order, mean together. It
// is a pure function of them. Any number of goroutines may read it, but none while
// Apply runs.
type State struct {
	run  string
	seq  uint64
	last Hash

	status    Status
	cancelled bool
	failed    bool
	reason    string // of the cancel entry
	conflict  string // why the run must fail, if it must
	end       *End
	started   time.Time // of the first and the last standing entry, by their authors' clocks
	lastAt    time.Time

	plan    *Plan
	planID  string
	tasks   []PlanTask          // of the plan; none when it skips the run
	planned int64               // rows of tasks
	partial map[string][][]byte // parts of plans that are not complete
	epoch   string

	extents  map[uint32]int64
	read     int64 // rows of extents
	coverage Coverage
	commits  map[string]*Commit // standing
	order    []string           // their ids, in the order of the ledger
	deads    []*Dead
	graves   map[graveKey][]grave // dead rows by stage and attempt
	verdicts map[string]Verdict

	written, dead int64
	dropped       map[string]int64 // by operator
	deadBy        map[string]int64 // by stage
}

// New returns the fold of an empty ledger.
func New(run string) *State {
	return &State{
		run: run, last: Root(run), partial: map[string][][]byte{}, extents: map[uint32]int64{}, commits: map[string]*Commit{},
		graves: map[graveKey][]grave{}, verdicts: map[string]Verdict{}, dropped: map[string]int64{}, deadBy: map[string]int64{},
	}
}

// Apply folds the entry stored at the given sequence, which must be the one after
// Seq. It never fails: an entry that does not count is void, and the state stays as
// it was but for Seq, Last, and what Verdict and Failure say. Only with
// [Verdict.Fatal] nothing at all has changed, and the process must stop.
func (s *State) Apply(seq uint64, data []byte) Verdict {
	if seq != s.seq+1 {
		return Verdict{Fatal: fmt.Errorf("%w: %d, after %d", ErrGap, seq, s.seq)}
	}
	e, err := DecodeEntry(data)
	var v Verdict
	if err == nil {
		v, err = s.judge(e)
	}
	if errors.Is(err, ErrVersion) {
		return Verdict{Fatal: err}
	}
	if err != nil {
		v.Reason = VoidMalformed
	}
	s.seq, s.last = seq, HashOf(data)
	if _, known := s.verdicts[v.ID]; !known && v.ID != "" {
		s.verdicts[v.ID] = v
	}
	if v.Standing {
		if s.started.IsZero() {
			s.started = e.At
		}
		s.lastAt = e.At
	}
	return v
}

// judge says what becomes of an entry; if it stands, the state has changed. An error
// is one of a plan whose last part this was.
func (s *State) judge(e *Entry) (Verdict, error) {
	v := Verdict{Kind: e.Kind, ID: e.ID}
	var err error
	if v.Reason = s.void(e); v.Reason == "" {
		v.Reason, err = s.fold(e)
	}
	v.Standing = v.Reason == "" && err == nil
	return v, err
}
