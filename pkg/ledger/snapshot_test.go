package ledger

import (
	"crypto/sha256"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func foldAll(t require.TestingT, s *State, log [][]byte) []Verdict {
	var verdicts []Verdict
	for _, data := range log {
		v := s.Apply(s.Seq()+1, data)
		require.NoError(t, v.Fatal)
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// requireSameState compares two folds by all that a snapshot holds, and by all that is
// computed from it.
func requireSameState(t require.TestingT, want, got *State) {
	a, err := want.Snapshot()
	require.NoError(t, err)
	b, err := got.Snapshot()
	require.NoError(t, err)
	require.Equal(t, string(openText(t, a)), string(openText(t, b)))
	require.True(t, want.coverage.Equal(&got.coverage))
	require.Equal(t, want.Books(), got.Books())
	require.Equal(t, want.Progress(), got.Progress())
	require.Equal(t, want.Complete(), got.Complete())
	require.Equal(t, want.Owed(), got.Owed())
	require.Equal(t, want.DeadRows(), got.DeadRows())
	require.Len(t, got.graves, len(want.graves))
}

func openText(t require.TestingT, snapshot []byte) []byte {
	text, err := decompress(snapshot[snapshotHead:], snapshotLimit)
	require.NoError(t, err)
	return text
}

func TestSnapshot_IsTheStateAtEveryEntry(t *testing.T) {
	log := sampleLedger(t).log
	whole := New("run")
	verdicts := foldAll(t, whole, log)
	for cut := 1; cut <= len(log); cut++ {
		s := New("run")
		foldAll(t, s, log[:cut])
		data, err := s.Snapshot()
		require.NoError(t, err)
		back, err := Restore("run", data)
		require.NoError(t, err)
		requireSameState(t, s, back)
		require.Equal(t, uint64(cut), back.Seq())
		require.Equal(t, HashOf(log[cut-1]), back.Last())
		require.ElementsMatch(t, verdicts[cut:], foldAll(t, back, log[cut:]))
		requireSameState(t, whole, back)
	}
}

// fold(beginning), snapshot, restore, fold(rest) is fold(all), for any ledger.
func TestSnapshot_ChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := drawLedger(t)
		whole := New("run")
		foldAll(t, whole, log)
		cut := rapid.IntRange(1, len(log)).Draw(t, "cut")
		s := New("run")
		foldAll(t, s, log[:cut])
		data, err := s.Snapshot()
		require.NoError(t, err)
		back, err := Restore("run", data)
		require.NoError(t, err)
		requireSameState(t, s, back)
		foldAll(t, back, log[cut:])
		requireSameState(t, whole, back)
	})
}

func TestSnapshot_RefusesAnotherRunOrVersion(t *testing.T) {
	a := sampleLedger(t)
	data, err := a.Snapshot()
	require.NoError(t, err)
	_, err = Restore("other", data)
	require.ErrorIs(t, err, ErrSnapshot)
	require.ErrorContains(t, err, `it is of run "run"`)

	newer := append([]byte(nil), data...)
	newer[len(snapshotMagic)]++
	_, err = Restore("run", newer)
	require.ErrorIs(t, err, ErrSnapshot)
	require.ErrorContains(t, err, "version 2, this build knows 1")

	empty, err := New("run").Snapshot()
	require.NoError(t, err)
	_, err = Restore("run", empty)
	require.ErrorIs(t, err, ErrSnapshot, "of no entry: there is no hash to check it by")
}

// No changed bit and no cut makes another state.
func TestSnapshot_RefusesDamage(t *testing.T) {
	data, err := sampleLedger(t).Snapshot()
	require.NoError(t, err)
	for i := range data {
		bad := append([]byte(nil), data...)
		bad[i] ^= 1 << (i % 8)
		_, err := Restore("run", bad)
		require.ErrorIs(t, err, ErrSnapshot)
		_, err = Restore("run", data[:i])
		require.ErrorIs(t, err, ErrSnapshot)
	}
}

// What has a good checksum may still be no state: written by a fault, or by an enemy.
func TestSnapshot_RefusesWhatNoFoldGives(t *testing.T) {
	a := newAuthor(t)
	a.plan(20)
	a.say(a.extent(0, 20))
	a.say(a.commit("0:[0,10)"))
	a.say(a.dead("0:[10,12)"))
	data, err := a.Snapshot()
	require.NoError(t, err)
	text := openText(t, data)
	for what, spoil := range map[string]func(*frozen){
		"sequence":            func(f *frozen) { f.Seq = 0 },
		"status":              func(f *frozen) { f.Status = 4 },
		"negative status":     func(f *frozen) { f.Status = -1 },
		"plan":                func(f *frozen) { f.Plan.Tasks[0].Rows = -1 },
		"no plan":             func(f *frozen) { f.Plan = nil },
		"extent":              func(f *frozen) { f.Extents[0] = 19 },
		"extent of no task":   func(f *frozen) { f.Extents[1] = 20 },
		"no commit":           func(f *frozen) { f.Commits[0].Commit = nil },
		"commit twice":        func(f *frozen) { f.Commits = append(f.Commits, f.Commits[0]) },
		"commits overlap":     func(f *frozen) { f.Commits = append(f.Commits, frozenCommit{"x", f.Commits[0].Commit}) },
		"commit out of books": func(f *frozen) { f.Commits[0].Commit.Counts.Written++ },
		"no dead entry":       func(f *frozen) { f.Deads[0] = nil },
		"dead and committed":  func(f *frozen) { f.Deads[0].Span.From = 9 },
		"dead out of plan":    func(f *frozen) { f.Deads[0].Span.To = 21 },
		"dead out of books":   func(f *frozen) { f.Deads[0].Dropped = map[string]int64{"f": 3} },
	} {
		var f frozen
		require.NoError(t, json.Unmarshal(text, &f))
		spoil(&f)
		forged, err := json.Marshal(&f)
		require.NoError(t, err)
		snap, err := sealSnapshot(forged)
		require.NoError(t, err)
		_, err = Restore("run", snap)
		require.ErrorIs(t, err, ErrSnapshot, what)
	}
	for what, text := range map[string]string{"": "", "list": "[]", "field": `{"run":"run","seq":1,"more":1}`, "two": `{}{}`} {
		snap, err := sealSnapshot([]byte(text))
		require.NoError(t, err)
		_, err = Restore("run", snap)
		require.ErrorIs(t, err, ErrSnapshot, what)
	}
}

// FuzzRestore puts any text behind a good checksum, and any bytes as they are.
func FuzzRestore(f *testing.F) {
	a := sampleLedger(f)
	s := New("run")
	for i, data := range a.log {
		s.Apply(uint64(i+1), data)
		snap, err := s.Snapshot()
		require.NoError(f, err)
		f.Add(snap)
		f.Add(openText(f, snap))
		f.Add(snap[snapshotHead:])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := Restore("run", data); err != nil {
			require.ErrorIs(t, err, ErrSnapshot)
		}
		sum := sha256.Sum256(data)
		head := append([]byte(snapshotMagic), snapshotVersion)
		if _, err := Restore("run", append(append(head, sum[:]...), data...)); err != nil {
			require.ErrorIs(t, err, ErrSnapshot)
		}
		snap, err := sealSnapshot(data)
		require.NoError(t, err)
		s, err := Restore("run", snap)
		if err != nil {
			require.ErrorIs(t, err, ErrSnapshot)
			return
		}
		p := s.Progress()
		require.LessOrEqual(t, p.Covered, p.Planned)
		again, err := s.Snapshot()
		require.NoError(t, err)
		back, err := Restore("run", again)
		require.NoError(t, err)
		requireSameState(t, s, back)
		for _, e := range a.log { // whatever it is, it can be folded on
			s.Apply(s.Seq()+1, e)
		}
	})
}
