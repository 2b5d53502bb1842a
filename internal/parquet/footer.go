package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	maxFooter = 256 << 20
	tailBytes = 64 << 10 // first read from the end: the whole footer, mostly
	least     = 12       // bytes of a file: two magics and a length

	// FooterTail is how many bytes of a file are behind its footer: its length and the magic.
	FooterTail = 8
)

// ReadFooter returns the bytes of the footer of a file of size bytes, whose length it has
// compared with the file before anything is made for it. The error wraps [ErrNotParquet],
// [ErrEncrypted], [ErrCorrupt] or [ErrTooLarge], or is r's.
func ReadFooter(r io.ReaderAt, size int64) ([]byte, error) {
	if size < least {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrNotParquet, size)
	}
	tail := make([]byte, min(size, tailBytes))
	if err := ReadAt(r, tail, size-int64(len(tail))); err != nil {
		return nil, err
	}
	switch magic := string(tail[len(tail)-4:]); magic {
	case "PAR1":
	case "PARE":
		return nil, ErrEncrypted
	default:
		return nil, fmt.Errorf("%w: it does not end with PAR1; it may be truncated", ErrNotParquet)
	}
	n := int64(binary.LittleEndian.Uint32(tail[len(tail)-FooterTail:]))
	if n > size-least {
		return nil, fmt.Errorf("%w: its footer of %d bytes does not fit the file of %d", ErrCorrupt, n, size)
	}
	if n > maxFooter {
		return nil, fmt.Errorf("%w: its footer has %d bytes, more than %d", ErrTooLarge, n, int64(maxFooter))
	}
	if n+FooterTail <= int64(len(tail)) {
		return slices.Clone(tail[int64(len(tail))-FooterTail-n : len(tail)-FooterTail]), nil
	}
	footer := make([]byte, n)
	return footer, ReadAt(r, footer, size-FooterTail-n)
}

// ReadAt fills p from an offset on. The error wraps [ErrCorrupt] when the file ends before,
// or is r's.
func ReadAt(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it ends before byte %d", ErrCorrupt, at+int64(len(p)))
	}
	return err
}
