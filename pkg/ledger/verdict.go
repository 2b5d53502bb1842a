package ledger

// VoidReason says why an entry does not count.
type VoidReason string

// The reasons.
const (
	VoidChain     VoidReason = "written for another past"                             // rule 5
	VoidMalformed VoidReason = "malformed"                                            //
	VoidOver      VoidReason = "the run takes no more"                                // rules 6, 19
	VoidNoPlan    VoidReason = "there is no plan yet"                                 //
	VoidPlan      VoidReason = "of another plan"                                      // rule 17
	VoidOverlap   VoidReason = "a span is covered already"                            // rules 4, 7
	VoidKnown     VoidReason = "the id is known already"                              // rule 4
	VoidDuplicate VoidReason = "stated already"                                       //
	VoidComplete  VoidReason = "the run is complete"                                  // rule 6
	VoidUnsealed  VoidReason = "the run is not sealed"                                // rule 9
	VoidUnknown   VoidReason = "the commit does not stand"                            // rule 26
	VoidLost      VoidReason = "its file was lost"                                    // rule 26, of a commit that stood
	VoidConflict  VoidReason = "it contradicts the plan or itself, and fails the run" // rule 17
)

// Verdict is what the fold says about one entry.
type Verdict struct {
	Kind     Kind       `json:"kind,omitempty"` // "" when it could not be decoded, as ID
	ID       string     `json:"id,omitempty"`
	Standing bool       `json:"standing,omitempty"`
	Reason   VoidReason `json:"reason,omitempty"` // when not standing
	// Fatal is set when the entry cannot be folded: it wraps [ErrVersion] when this
	// build does not know what it means, [ErrGap] when it is not the next one. The
	// fold is unchanged, Seq too, and the process must stop.
	Fatal error `json:"-"`
}
