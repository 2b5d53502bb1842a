package sink

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/levada-data/levada/pkg/blocks"
)

// The places of the sink that are not data. Everything is named relative to the
// sink's root, with slashes.
const (
	private     = "_levada"
	lockDir     = private + "/lock"
	dataSuffix  = ".parquet"
	usualName   = "part"
	nonceLength = 16
)

// newNonce returns 64 random bits as 16 hexadecimal characters.
func newNonce() string {
	var b [nonceLength / 2]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b[:])
}

// checkRun refuses run ids that would make file names ambiguous or leave their
// directory: an id has 1 to 64 lower-case letters and digits.
func checkRun(run string) error {
	if run == "" || len(run) > 64 || strings.Trim(run, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
		return fmt.Errorf("run id %.80q is not made of up to 64 lower-case letters and digits", run)
	}
	return nil
}

// dataName returns a name that was never used: <begin>-<run>-<nonce>.parquet, where begin
// is "part" when it is empty. With first, files of a directory sort by it:
// <begin>-<task>-<from>-<run>-<nonce>.parquet.
func dataName(run, begin string, first *blocks.Span) string {
	if begin == "" {
		begin = usualName
	}
	order := ""
	if first != nil {
		order = fmt.Sprintf("%06d-%012d-", first.Task, first.From)
	}
	// Rule 3 (names): the nonce makes a name that no other process, and no earlier
	// life of this one, has used or will use.
	return begin + "-" + order + run + "-" + newNonce() + dataSuffix
}

// runOf returns the run that wrote a data file, by its name alone.
func runOf(name string) (run string, ok bool) {
	stem, ok := strings.CutSuffix(path.Base(name), dataSuffix)
	if !ok {
		return "", false
	}
	parts := strings.Split(stem, "-")
	if len(parts) < 3 || parts[0] == "" {
		return "", false
	}
	nonce := parts[len(parts)-1]
	if len(nonce) != nonceLength || strings.Trim(nonce, "0123456789abcdef") != "" {
		return "", false
	}
	run = parts[len(parts)-2]
	return run, checkRun(run) == nil
}

// manifestName is where a run's manifest is.
func manifestName(run string) string { return private + "/manifest-" + run + ".json" }

// hidden reports that readers of a directory of Parquet files skip this name of a
// file or directory.
func hidden(base string) bool { return strings.HasPrefix(base, "_") || strings.HasPrefix(base, ".") }

// anyHidden reports that readers skip a file because of some part of its name.
func anyHidden(name string) bool {
	for segment := range strings.SplitSeq(name, "/") {
		if hidden(segment) {
			return true
		}
	}
	return false
}

// checkName refuses what is no name of a data file inside the sink: names come
// from ledgers and manifests, and files are deleted by them.
func checkName(name string) error {
	if path.Clean(name) == name && filepath.IsLocal(filepath.FromSlash(name)) && !anyHidden(name) {
		return nil
	}
	return fmt.Errorf("file name %q: %w", name, ErrName)
}
