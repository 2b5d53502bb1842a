package blocks

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrVersion is wrapped by the error of [ParseHeader] and [Decode] when a
	// block was written in a version of the format that this build does not know.
	ErrVersion = errors.New("unknown format version")
	// ErrHeader is wrapped by the error of [ParseHeader], [Header.Format] and
	// [Decode] when a header is missing, repeated, too long or unreadable.
	ErrHeader = errors.New("bad header")
	// ErrSpan is wrapped by the error of [ParseSpan].
	ErrSpan = errors.New("bad span")
	// ErrAccounting is wrapped when the rows of a block do not add up: the span's
	// rows are those in the batch, those dropped and those dead, each once.
	ErrAccounting = errors.New("rows do not add up")
	// ErrTooLarge is wrapped by the error of [Decode] when a payload is longer than
	// [DecodeOptions.MaxBytes].
	ErrTooLarge = errors.New("payload too large")
	// ErrChecksum is wrapped by the error of [Decode] when the payload is not the
	// one that was published.
	ErrChecksum = errors.New("checksum differs")
	// ErrSchema is wrapped by the error of [Decode] when the columns are not those
	// that the header announces or the caller expects.
	ErrSchema = errors.New("schema differs")
	// ErrType is wrapped when a column's type does not travel in blocks. [Plain]
	// turns most such columns into ones that do.
	ErrType = errors.New("type does not travel in blocks")
	// ErrPayload is wrapped by the error of [Decode] when the payload is not an
	// Arrow IPC stream of one record batch, or its buffers contradict each other.
	ErrPayload = errors.New("malformed payload")
	// ErrBlock is wrapped by the error of [Encode] when the block contradicts
	// itself, for example a batch whose rows are not those of its offsets.
	ErrBlock = errors.New("inconsistent block")
)

// DecodeError says why [Decode] refused a message. Err wraps one of this
// package's sentinels. It never carries a row's value.
type DecodeError struct {
	Block  string // the block's id as its headers name it; "" when they are unreadable
	Column string // the column at fault; "" when it is no single one
	Offset int64  // the byte of the payload at fault; -1 when there is none
	Err    error
}

func (e *DecodeError) Error() string {
	var b strings.Builder
	b.WriteString("decode block")
	if e.Block != "" {
		b.WriteByte(' ')
		b.WriteString(e.Block)
	}
	if e.Column != "" {
		fmt.Fprintf(&b, ": column %q", e.Column)
	}
	if e.Offset >= 0 {
		fmt.Fprintf(&b, ": byte %d", e.Offset)
	}
	b.WriteString(": ")
	b.WriteString(e.Err.Error())
	return b.String()
}

// Unwrap returns the cause.
func (e *DecodeError) Unwrap() error { return e.Err }
