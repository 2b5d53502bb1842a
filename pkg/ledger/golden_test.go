package ledger

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "add golden ledgers that are missing; those that are there are never changed")

// Ledgers of every format there has been, an entry of every kind in each, with what they
// mean beside them: the verdict on each entry, and the fold at the end. They are added,
// never edited: a run of an older build is finished by today's, so both must agree.
func TestGoldenLedgersMeanWhatTheyMeant(t *testing.T) {
	if *update {
		a := newAuthor(t)
		a.plan(20, 5)
		first := a.commit("0:[0,10)", "1:[2,5)")
		first.Counts.Written, first.Counts.Dead, first.Files[0].Rows = 10, 1, 10
		first.Counts.Dropped = map[string]int64{"protect/filter[0]": 2}
		first.Files[0].Partition = map[string]string{"country": "PT"}
		first.Dead = []DeadRows{{Span: span(t, "0:[0,10)"), Stage: "protect", Attempt: "a1", Offsets: []uint32{7}}}
		id := a.say(first)
		a.say(a.extent(0, 20))
		a.say(a.dead("0:[10,20)"))
		a.say(&Requeue{Epoch: "again"})
		a.void(a.commit("0:[0,10)"), VoidOverlap)
		a.say(&Lost{Commit: id})
		a.say(first)
		a.say(&Cancel{Reason: "11 dead rows, 1 allowed", Failed: true})
		a.say(&Seal{Manifest: "5a5a"})
		a.say(&End{Status: "failed", Reason: "11 dead rows, 1 allowed", Stats: json.RawMessage(`{"rows":20}`)})
		log := append(bytes.Join(a.log, []byte("\n")), '\n')
		snapshot, err := a.Snapshot()
		require.NoError(t, err)
		add(t, "ledger-v1-blake3.jsonl", log) // ledger-v1 has SHA-256 of the files
		add(t, "ledger-v1-blake3.txt", []byte(meaning(t, log)))
		add(t, "snapshot-v1-blake3.bin", snapshot)
	}
	paths, err := filepath.Glob("testdata/golden/ledger-*.jsonl")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		log, err := os.ReadFile(path)
		require.NoError(t, err)
		want, err := os.ReadFile(strings.TrimSuffix(path, ".jsonl") + ".txt")
		require.NoError(t, err)
		require.Equal(t, string(want), meaning(t, log), path)
	}
}

// A snapshot of an older build stands for the same ledger.
func TestGoldenSnapshotsStandForTheirLedgers(t *testing.T) {
	paths, err := filepath.Glob("testdata/golden/snapshot-*.bin")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		restored, err := Restore("run", data)
		require.NoError(t, err, path)
		log, err := os.ReadFile("testdata/golden/ledger-" + strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "snapshot-"), ".bin") + ".jsonl")
		require.NoError(t, err)
		folded := newAuthor(t)
		for line := range bytes.Lines(log) {
			folded.store(bytes.TrimSuffix(line, []byte("\n")))
		}
		requireSameState(t, folded.State, restored)
	}
}

// A ledger that a newer build goes on with: the fold stays at the last entry that it
// understands, whatever comes behind, and names the version.
func TestFold_StopsBeforeANewerEntry(t *testing.T) {
	a := newAuthor(t)
	a.plan(20)
	a.say(a.commit("0:[0,10)"))
	before := a.sum()
	newer := fmt.Appendf(nil, `{"v":2,"kind":"commit","id":"x","prev":%q,"commit":{"spans":[[0,10,20]]}}`, a.Last())
	seq := a.Seq()
	for range 2 { // it may be read again and again
		v := a.Apply(seq+1, newer)
		require.ErrorIs(t, v.Fatal, ErrVersion)
		require.ErrorContains(t, v.Fatal, "entry of version 2, this build knows 1: use the build that wrote it, or a newer one")
		require.Equal(t, before, a.sum())
		require.Equal(t, seq, a.Seq())
	}
}

// meaning is what a ledger says, in words.
func meaning(t *testing.T, log []byte) string {
	t.Helper()
	a := newAuthor(t)
	var b strings.Builder
	for line := range bytes.Lines(log) {
		v := a.store(bytes.TrimSuffix(line, []byte("\n")))
		require.NoError(t, v.Fatal)
		what := "stands"
		if !v.Standing {
			what = "void: " + string(v.Reason)
		}
		fmt.Fprintf(&b, "%d %s %s\n", a.Seq(), v.Kind, what)
	}
	fmt.Fprintf(&b, "%s, cancelled %t, failed %t: %s\n", a.Status(), a.Cancelled(), a.Failed(), a.Reason())
	fmt.Fprintf(&b, "plan %s of %d tasks, %d read, epoch %s, owed %v\n", a.PlanID(), len(a.Plan().Tasks), a.Extents(), a.Epoch(), a.Owed())
	for span := range a.Coverage().Spans() {
		fmt.Fprintln(&b, "covered", span)
	}
	for id, c := range a.Commits() {
		for _, f := range c.Files {
			fmt.Fprintf(&b, "commit %s: %s, %d rows, %s\n", id, f.Name, f.Rows, cmp.Or(f.SHA256, "blake3 "+f.BLAKE3))
		}
	}
	books := a.Books()
	fmt.Fprintf(&b, "books: source %d, read %d, written %d, dropped %d, dead %d\n", books.Source, books.Read, books.Written, books.DroppedRows(), books.Dead)
	fmt.Fprintf(&b, "end %s: %s %s at %s\n", a.End().Status, a.End().Reason, a.End().Stats, a.LastAt().Format(time.RFC3339))
	return b.String()
}

// add writes a golden file that is not there yet.
func add(t *testing.T, name string, data []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return
	}
	require.NoError(t, err)
	_, err = f.Write(data)
	require.NoError(t, errors.Join(err, f.Close()))
}
