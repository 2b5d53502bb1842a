package operator

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
)

// KeepLast replaces all characters of a string but the last N by With. A string of N
// characters or fewer is replaced whole, so that no value stays as it was. Characters
// are Unicode code points; a byte that is no UTF-8 counts as one.
type KeepLast struct {
	N    int  // at least 0, which leaves the length alone
	With byte // a printable ASCII character other than space; '*' when 0
}

func (KeepLast) name() string      { return "keep_last" }
func (KeepLast) takenText() string { return "strings" }

func (k KeepLast) check() error {
	if k.N < 0 {
		return fmt.Errorf("n is %d, less than 0", k.N)
	}
	if w := k.with(); w <= ' ' || w > '~' {
		return fmt.Errorf("with is %q, not a printable ASCII character", w)
	}
	return nil
}

func (KeepLast) takes(t arrow.DataType) bool {
	return t.ID() == arrow.STRING || t.ID() == arrow.LARGE_STRING
}

func (k KeepLast) with() byte { return cmp.Or(k.With, '*') }

// size: a character becomes one byte, which it was at least.
func (KeepLast) size(t *texts) int64 { return int64(t.offsets[t.rows()]) - int64(t.offsets[0]) }

func (k KeepLast) fill(t *texts, offsets []int32, out []byte) int {
	repeat(out, k.with()) // all is masked, and what stays is copied over it
	plain := ascii(t.data[t.offsets[0]:t.offsets[t.rows()]])
	at := 0
	for i := range t.rows() {
		offsets[i] = int32(at)
		if t.null(i) {
			continue
		}
		value := t.data[t.offsets[i]:t.offsets[i+1]]
		if !plain {
			at += k.characters(out[at:], value)
			continue
		}
		if rest := len(value) - k.N; rest > 0 {
			to := out[at : at+len(value)]
			for j := rest; j < len(value); j++ { // so few that copy takes longer
				to[j] = value[j]
			}
		}
		at += len(value)
	}
	offsets[t.rows()] = int32(at)
	return at
}

// characters masks a value at the beginning of out and returns its length there.
func (k KeepLast) characters(out, value []byte) int {
	rest := len(value)
	for range k.N {
		_, size := utf8.DecodeLastRune(value[:rest])
		rest -= size
		if rest == 0 {
			return utf8.RuneCount(value)
		}
	}
	n := utf8.RuneCount(value[:rest])
	return n + copy(out[n:], value[rest:])
}

// repeat fills b.
func repeat(b []byte, with byte) {
	if len(b) == 0 {
		return
	}
	b[0] = with
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

// ascii says whether b is ASCII throughout.
func ascii(b []byte) bool {
	const high = 0x8080808080808080
	var seen uint64
	for ; len(b) >= 32; b = b[32:] {
		seen |= binary.LittleEndian.Uint64(b) | binary.LittleEndian.Uint64(b[8:]) |
			binary.LittleEndian.Uint64(b[16:]) | binary.LittleEndian.Uint64(b[24:])
	}
	for _, c := range b {
		seen |= uint64(c)
	}
	return seen&high == 0
}
