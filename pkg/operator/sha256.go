package operator

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/apache/arrow-go/v18/arrow"
)

// SHA256 replaces a value by the SHA-256 (FIPS 180-4) of its bytes, in 64 lower-case
// hexadecimal digits. There is no salt: equal values stay equal, and a value that can be
// guessed can be found.
type SHA256 struct{}

// hexSize is the length of a digest in digits.
const hexSize = 2 * sha256.Size

// hexPairs are the two digits of every byte, as they stand in memory.
var hexPairs = func() (pairs [256]uint16) {
	for b := range pairs {
		pairs[b] = binary.LittleEndian.Uint16([]byte(hex.EncodeToString([]byte{byte(b)})))
	}
	return pairs
}()

func (SHA256) name() string      { return "sha256" }
func (SHA256) check() error      { return nil }
func (SHA256) takenText() string { return "strings and binary" }

func (SHA256) takes(t arrow.DataType) bool {
	switch t.ID() { //nolint:exhaustive // all others have no bytes that everybody agrees on
	case arrow.STRING, arrow.LARGE_STRING, arrow.BINARY, arrow.LARGE_BINARY:
		return true
	}
	return false
}

func (SHA256) size(t *texts) int64 { return hexSize * int64(t.rows()-t.nulls) }

func (SHA256) fill(t *texts, offsets []int32, out []byte) int {
	at := 0
	for i := range t.rows() {
		offsets[i] = int32(at)
		if t.null(i) {
			continue
		}
		sum := sha256.Sum256(t.data[t.offsets[i]:t.offsets[i+1]])
		digits := (*[hexSize]byte)(out[at:])
		for j, b := range sum {
			binary.LittleEndian.PutUint16(digits[2*j:], hexPairs[b])
		}
		at += hexSize
	}
	offsets[t.rows()] = int32(at)
	return at
}
