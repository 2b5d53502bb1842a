package flow

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	// ErrNoRun is returned when a run id is unknown to the server.
	ErrNoRun = errors.New("run not found")
	// ErrRunEnded is returned by calls that need a live run.
	ErrRunEnded = errors.New("run has ended")
	// ErrRunActive is returned by calls that need a run which has ended.
	ErrRunActive = errors.New("run has not ended")
	// ErrLedgerFull is returned by [Ledger.Append] when the ledger's stream has
	// reached its size. It is never a conflict: somebody must enlarge the stream.
	ErrLedgerFull = errors.New("ledger is full: raise max_bytes of its stream and the run goes on")
	// ErrDeadFull is returned when the dead-letter stream of a run has reached its
	// size: the run fails rather than lose a row.
	ErrDeadFull = errors.New("dead-letter stream is full: too many rows fail; look at them with their reasons, mend the pipeline or the data, and run again")
	// ErrTooLarge is returned when a message exceeds the server's max_payload.
	ErrTooLarge = errors.New("message exceeds the server's max_payload")
	// ErrVersion is wrapped when the record of a run, or a task, was written in a form
	// that this build does not know.
	ErrVersion = errors.New("unknown version")
	// ErrNoJetStream is returned by [Connect] when the server has no JetStream.
	ErrNoJetStream = errors.New("server has no JetStream: start nats-server with -js and a store directory")
)

// StoreError says that the server's store cannot hold a run's streams.
type StoreError struct {
	Stream string // the stream that did not fit
	Want   int64  // its max_bytes
	Have   int64  // bytes that the account may still reserve; -1 when unknown
	Err    error
}

func (e *StoreError) Error() string {
	have := "unknown"
	if e.Have >= 0 {
		have = fmt.Sprintf("%d MiB", e.Have>>20)
	}
	return fmt.Sprintf("create stream %s: it reserves %d MiB, the server's store has %s left: "+
		"lower policies.edge_bytes or sink.parquet.target_file, remove old runs, or raise max_file_store: %v",
		e.Stream, e.Want>>20, have, e.Err)
}

func (e *StoreError) Unwrap() error { return e.Err }

// An operator's error states its intent. Plain errors are retried with
// back-off, a bounded number of times; the others are made by the functions
// below. One classifier, [classOf], reads them.
type class int

const (
	classRetry     class = iota // the stage tries again after a back-off; then it is permanent
	classPermanent              // the block can never be processed: dead letter, settled by a dead entry
	classSnooze                 // later; not counted as an attempt
	classFatal                  // the stage stops; a person or a supervisor must act
	classLeave                  // the process leaves the run to newer ones, and serves the others
)

type intentError struct {
	class class
	after time.Duration
	err   error
}

func (e *intentError) Error() string { return e.err.Error() }
func (e *intentError) Unwrap() error { return e.err }

// Permanent marks an error that the same input will always give. The block goes
// to the dead letters and a dead entry settles its span. Permanent(nil) is nil.
func Permanent(err error) error { return intent(classPermanent, 0, err) }

// Fatal marks an error that makes the stage useless until somebody acts, for
// example a missing device. The block is given back. Fatal(nil) is nil.
func Fatal(err error) error { return intent(classFatal, 0, err) }

// Leave marks an error that says that something of a run is of a version which this
// process does not know. It gives back what it holds of the run, says so, and leaves
// the run to processes that know more; all other runs it serves as before. Nothing of
// what it could not read is settled. Leave(nil) is nil.
func Leave(err error) error { return intent(classLeave, 0, err) }

// Snooze marks an error that passes by itself: the block comes back after d, and
// the attempt does not count. Snooze(d, nil) is nil.
func Snooze(d time.Duration, err error) error { return intent(classSnooze, d, err) }

func intent(c class, after time.Duration, err error) error {
	if err == nil {
		return nil
	}
	return &intentError{class: c, after: after, err: err}
}

func classOf(err error) (class, time.Duration) {
	if i, ok := errors.AsType[*intentError](err); ok {
		return i.class, i.after
	}
	return classRetry, 0
}

// isFinal reports that nothing this process may do again mends the error.
func isFinal(err error) bool {
	c, _ := classOf(err)
	return c == classFatal || c == classLeave
}

// IsLeave reports that err was marked by [Leave].
func IsLeave(err error) bool {
	c, _ := classOf(err)
	return c == classLeave
}

// The server's error codes that have no constant in the client.
const (
	codeStoreFailed       jetstream.ErrorCode = 10077 // bytes, messages per subject, or message too large
	codeStorageExceeded   jetstream.ErrorCode = 10047 // the sum of max_bytes exceeds the store
	codeConsumerCreate    jetstream.ErrorCode = 10012 // whatever went wrong; its description says what
	codeAccountResources  jetstream.ErrorCode = 10002 // account limit
	codeNoMatchingStream  jetstream.ErrorCode = 10060 // expected stream does not match
	codeInsufficientStore jetstream.ErrorCode = 10023 // no server with enough storage
)

func apiCode(err error) (jetstream.ErrorCode, string) {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.ErrorCode, api.Description
	}
	return 0, ""
}

// isFull reports that a bounded stream refused a message for want of bytes.
// Error 10077 has three meanings, which only its description tells apart.
func isFull(err error) bool {
	code, text := apiCode(err)
	return code == codeStoreFailed && strings.Contains(text, "maximum bytes exceeded")
}

func isTooLarge(err error) bool {
	code, text := apiCode(err)
	return errors.Is(err, nats.ErrMaxPayload) || code == jetstream.JSErrCodeStreamMessageExceedsMaximum ||
		code == codeStoreFailed && strings.Contains(text, "message size")
}

// isWrongSequence reports that optimistic concurrency refused an append.
func isWrongSequence(err error) bool {
	code, _ := apiCode(err)
	return code == jetstream.JSErrCodeStreamWrongLastSequence || code == jetstream.JSErrCodeStreamWrongLastSequenceConstant
}

// isMissing reports that a stream, consumer or bucket is not there (any more),
// so that nothing can have been stored.
func isMissing(err error) bool {
	code, _ := apiCode(err)
	return errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrConsumerDeleted) ||
		errors.Is(err, jetstream.ErrConsumerDoesNotExist) || errors.Is(err, jetstream.ErrBucketNotFound) ||
		errors.Is(err, nats.ErrNoResponders) || code == codeNoMatchingStream
}

// isHollow reports that a consumer cannot be opened because the server has lost the
// directory that it keeps it in.
func isHollow(err error) bool {
	code, text := apiCode(err)
	return code == codeConsumerCreate && strings.Contains(text, "no such file or directory")
}

func isNoSpace(err error) bool {
	code, _ := apiCode(err)
	return code == codeStorageExceeded || code == codeAccountResources || code == codeInsufficientStore
}
