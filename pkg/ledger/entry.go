package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Version of the entries that this package writes, and the only one it reads. A new
// kind or a new field is a new version: a build that does not know it must stop,
// not hold void what others count.
const Version = 1

// EntryCap is the size in bytes that an entry should stay under: a writer cuts
// before its commit reaches it (rule 16). It leaves room under a server's default
// max_payload of 1 MiB.
const EntryCap = 512 << 10

// Kind says what an entry states.
type Kind string

// The kinds of entries.
const (
	KindPlan    Kind = "plan"    // what the run will read; in parts when long
	KindExtent  Kind = "extent"  // a task has been read to its end
	KindCommit  Kind = "commit"  // files count, and the spans in them are covered
	KindDead    Kind = "dead"    // a span is settled without a file
	KindRequeue Kind = "requeue" // owed tasks are queued again, in a new epoch
	KindLost    Kind = "lost"    // a commit's file is gone: its spans are owed again
	KindCancel  Kind = "cancel"  // the run takes no more commits; cancelled or failed
	KindSeal    Kind = "seal"    // the manifest is written; nothing but the end follows
	KindEnd     Kind = "end"     // swept; the run is over for ever
)

// Entry is one message of a ledger: an envelope and the payload of its kind, the
// others nil.
type Entry struct {
	V    int       `json:"v"`
	Kind Kind      `json:"kind"`
	ID   string    `json:"id"`   // nonce of its author's making; an id is used once
	Prev Hash      `json:"prev"` // of the entry before, as its author read it
	At   time.Time `json:"at"`   // for people; nothing is decided by it
	By   string    `json:"by"`   // instance

	Plan    *PlanPart `json:"plan,omitempty"`
	Extent  *Extent   `json:"extent,omitempty"`
	Commit  *Commit   `json:"commit,omitempty"`
	Dead    *Dead     `json:"dead,omitempty"`
	Requeue *Requeue  `json:"requeue,omitempty"`
	Lost    *Lost     `json:"lost,omitempty"`
	Cancel  *Cancel   `json:"cancel,omitempty"`
	Seal    *Seal     `json:"seal,omitempty"`
	End     *End      `json:"end,omitempty"`
}

// Encode returns the entry's bytes. It wraps [ErrEntry] or [ErrVersion] for an entry
// that DecodeEntry would refuse.
func (e *Entry) Encode() ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("encode %s entry: %w", e.Kind, err)
	}
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode %s entry: %w", e.Kind, err)
	}
	return data, nil
}

// DecodeEntry reads what Encode wrote. The error wraps [ErrVersion] when the entry
// says something that this build does not know, [ErrEntry] when nobody could read it.
func DecodeEntry(data []byte) (*Entry, error) {
	var e Entry
	strict := decodeStrict(data, &e)
	if strict != nil {
		// Either it is malformed, or it is from a build that knows more.
		e = Entry{}
		var head struct {
			V    int  `json:"v"`
			Kind Kind `json:"kind"`
		}
		if err := json.Unmarshal(data, &head); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrEntry, err)
		}
		e.V, e.Kind = head.V, head.Kind
		if err := e.known(); err != nil {
			return nil, err
		}
		if json.Unmarshal(data, new(Entry)) == nil {
			return nil, fmt.Errorf("%w: %s entry of version %d: %w: use the build that wrote it, or a newer one", ErrVersion, e.Kind, e.V, strict)
		}
		return nil, fmt.Errorf("%w: %w", ErrEntry, strict)
	}
	if err := e.check(); err != nil {
		return nil, err
	}
	return &e, nil
}

// decodeStrict refuses fields that v does not have, and anything behind the value.
func decodeStrict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// known verifies the version and the kind. A version below the first is no version.
func (e *Entry) known() error {
	switch {
	case e.V < 1 || e.Kind == "":
		return fmt.Errorf("%w: it has no version or no kind", ErrEntry)
	case e.V != Version:
		return fmt.Errorf("%w: entry of version %d, this build knows %d: use the build that wrote it, or a newer one", ErrVersion, e.V, Version)
	}
	if _, ok := e.payloads()[e.Kind]; !ok {
		return fmt.Errorf("%w: entry of kind %.32q, which this build does not know: use the build that wrote it, or a newer one", ErrVersion, string(e.Kind))
	}
	return nil
}

func (e *Entry) payloads() map[Kind]bool {
	return map[Kind]bool{
		KindPlan: e.Plan != nil, KindExtent: e.Extent != nil, KindCommit: e.Commit != nil, KindDead: e.Dead != nil,
		KindRequeue: e.Requeue != nil, KindLost: e.Lost != nil, KindCancel: e.Cancel != nil, KindSeal: e.Seal != nil, KindEnd: e.End != nil,
	}
}

// check verifies what does not need the ledger's state.
func (e *Entry) check() error {
	if err := e.known(); err != nil {
		return err
	}
	if e.ID == "" {
		return fmt.Errorf("%w: %s without an id", ErrEntry, e.Kind)
	}
	has := e.payloads()
	if !has[e.Kind] {
		return fmt.Errorf("%w: %s without a payload", ErrEntry, e.Kind)
	}
	delete(has, e.Kind)
	for _, other := range has {
		if other {
			return fmt.Errorf("%w: %s with a payload of another kind", ErrEntry, e.Kind)
		}
	}
	var what string
	switch e.Kind {
	case KindPlan:
		what = e.Plan.fault()
	case KindExtent:
		what = when(e.Extent.Rows < 0, "a negative number of rows")
	case KindCommit:
		what = when(e.Commit.Spans.Rows() == 0, "no spans")
	case KindDead:
		what = when(!e.Dead.Span.Valid(), "no span")
	case KindRequeue:
		what = when(e.Requeue.Epoch == "", "no epoch")
	case KindLost:
		what = when(e.Lost.Commit == "", "no commit")
	case KindCancel, KindSeal, KindEnd:
	}
	if what != "" {
		return fmt.Errorf("%w: %s with %s", ErrEntry, e.Kind, what)
	}
	return nil
}

func when(wrong bool, what string) string {
	if wrong {
		return what
	}
	return ""
}
