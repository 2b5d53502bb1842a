package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Hash is the SHA-256 of an entry's bytes.
type Hash [32]byte

// HashOf returns the hash of an entry as it is stored.
func HashOf(data []byte) Hash { return sha256.Sum256(data) }

// Root is what the first entry of a run's ledger names as the one before it.
func Root(run string) Hash { return HashOf([]byte("levada/ledger/v1/" + run)) }

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText implements [encoding.TextMarshaler]: 64 hexadecimal characters.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return fmt.Errorf("%w: hash of %d characters", ErrEntry, len(text))
	}
	if _, err := hex.Decode(h[:], text); err != nil {
		return fmt.Errorf("%w: hash: %w", ErrEntry, err)
	}
	return nil
}
