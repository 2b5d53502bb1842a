package ledger

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sampleLedger has an entry of every kind.
func sampleLedger(t testing.TB) *author {
	t.Helper()
	a := newAuthor(t)
	a.plan(20, 5)
	c := a.commit("0:[0,10)", "1:[2,5)")
	c.Counts.Written, c.Counts.Dead, c.Files[0].Rows = 10, 1, 10
	c.Counts.Dropped = map[string]int64{"protect/filter[0]": 2}
	c.Files[0].Partition = map[string]string{"country": "PT"}
	c.Dead = []DeadRows{{Span: span(t, "0:[0,10)"), Stage: "protect", Attempt: "a1", Offsets: []uint32{7}}}
	lost := a.say(c)
	a.say(a.extent(0, 20))
	d := a.dead("0:[10,20)")
	d.Before = []DeadRows{{Span: d.Span, Stage: "protect", Attempt: "a2", Offsets: []uint32{3}}}
	a.say(d)
	a.say(&Requeue{Epoch: "again"})
	a.void(a.commit("0:[0,10)"), VoidOverlap)
	a.say(&Lost{Commit: lost})
	a.say(&Cancel{Reason: "2 dead rows, 1 allowed", Failed: true})
	a.say(&Seal{Manifest: "5a5a"})
	a.say(&End{Status: "failed", Reason: "2 dead rows, 1 allowed", Stats: json.RawMessage(`{"rows":20}`)})
	return a
}

func TestEntry_DecodesWhatItEncodes(t *testing.T) {
	kinds := map[Kind]bool{}
	for _, data := range sampleLedger(t).log {
		e, err := DecodeEntry(data)
		require.NoError(t, err)
		kinds[e.Kind] = true
		again, err := e.Encode()
		require.NoError(t, err)
		require.Equal(t, string(data), string(again))
	}
	require.Len(t, kinds, len((&Entry{}).payloads()))
}

func TestEntry_RefusesByName(t *testing.T) {
	prev := Root("run").String()
	envelope := func(rest string) string {
		return `{"v":1,"id":"x","prev":"` + prev + `","at":"2026-03-01T12:00:00Z","by":"me",` + rest + `}`
	}
	good := envelope(`"kind":"cancel","cancel":{"reason":"r"}`)
	_, err := DecodeEntry([]byte(good))
	require.NoError(t, err)
	for _, c := range []struct {
		name, data string
		is         error
		says       string
	}{
		{"nothing", ``, ErrEntry, "unexpected end"},
		{"noise", "\x00\xff", ErrEntry, "invalid character"},
		{"no object", `7`, ErrEntry, ""},
		{"two values", good + good, ErrEntry, "after top-level value"},
		{"cut off", good[:len(good)-1], ErrEntry, "unexpected end"},
		{"no version", strings.Replace(good, `"v":1,`, ``, 1), ErrEntry, "no version"},
		{"version zero", strings.Replace(good, `"v":1,`, `"v":0,`, 1), ErrEntry, "no version"},
		{"version two", strings.Replace(good, `"v":1,`, `"v":2,`, 1), ErrVersion, "entry of version 2, this build knows 1"},
		{"version two of another form", `{"v":2,"kind":"plan","plan":7,"more":[]}`, ErrVersion, "entry of version 2"},
		{"version as text", strings.Replace(good, `"v":1,`, `"v":"1",`, 1), ErrEntry, ""},
		{"new kind", envelope(`"kind":"split","split":{}`), ErrVersion, `kind "split"`},
		{"new kind with a known payload", envelope(`"kind":"split","cancel":{}`), ErrVersion, `kind "split"`},
		{"no kind", envelope(`"cancel":{}`), ErrEntry, "no kind"},
		{"new field", envelope(`"kind":"cancel","cancel":{"reason":"r","mode":"fast"}`), ErrVersion, `cancel entry of version 1: json: unknown field "mode": use the build that wrote it, or a newer one`},
		{"new field of the envelope", envelope(`"kind":"cancel","cancel":{},"sig":"x"`), ErrVersion, `unknown field "sig"`},
		{"no id", strings.Replace(good, `"id":"x",`, ``, 1), ErrEntry, "without an id"},
		{"no payload", envelope(`"kind":"cancel"`), ErrEntry, "without a payload"},
		{"null payload", envelope(`"kind":"cancel","cancel":null`), ErrEntry, "without a payload"},
		{"payload of another kind", envelope(`"kind":"cancel","seal":{}`), ErrEntry, "without a payload"},
		{"two payloads", envelope(`"kind":"cancel","cancel":{},"seal":{}`), ErrEntry, "another kind"},
		{"short hash", strings.Replace(good, prev, prev[2:], 1), ErrEntry, "hash of 62 characters"},
		{"no hash", strings.Replace(good, prev[:2], "zz", 1), ErrEntry, "hash"},
		{"negative extent", envelope(`"kind":"extent","extent":{"rows":-1}`), ErrEntry, "negative"},
		{"negative task", envelope(`"kind":"extent","extent":{"task":-1}`), ErrEntry, ""},
		{"commit of nothing", envelope(`"kind":"commit","commit":{"spans":""}`), ErrEntry, "no spans"},
		{"commit of noise", envelope(`"kind":"commit","commit":{"spans":"~"}`), ErrEntry, "malformed coverage"},
		{"dead without a span", envelope(`"kind":"dead","dead":{}`), ErrEntry, "no span"},
		{"dead with an empty span", envelope(`"kind":"dead","dead":{"span":"0:[5,5)"}`), ErrEntry, ""},
		{"requeue without an epoch", envelope(`"kind":"requeue","requeue":{}`), ErrEntry, "no epoch"},
		{"lost without a commit", envelope(`"kind":"lost","lost":{}`), ErrEntry, "no commit"},
		{"plan without data", envelope(`"kind":"plan","plan":{"of":1}`), ErrEntry, "part of 0 bytes"},
		{"plan without parts", envelope(`"kind":"plan","plan":{"of":0,"data":"AA=="}`), ErrEntry, "part 0 of 0"},
		{"plan part out of range", envelope(`"kind":"plan","plan":{"part":2,"of":2,"data":"AA=="}`), ErrEntry, "part 2 of 2"},
		{"plan of too many parts", envelope(`"kind":"plan","plan":{"of":5000,"data":"AA=="}`), ErrEntry, "of 5000"},
		{"negative plan part", envelope(`"kind":"plan","plan":{"part":-1,"of":2,"data":"AA=="}`), ErrEntry, "part -1"},
	} {
		e, err := DecodeEntry([]byte(c.data))
		assert.Nil(t, e, c.name)
		if assert.ErrorIs(t, err, c.is, c.name) {
			assert.ErrorContains(t, err, c.says, c.name)
		}

		// The fold: nobody can read a malformed one, so it is void for all; another build
		// may understand an unknown one, so this one must stop.
		s := New("run")
		v := s.Apply(1, []byte(c.data))
		assert.False(t, v.Standing, c.name)
		if c.is == ErrEntry { //nolint:errorlint // the sentinel of the table
			assert.Equal(t, VoidMalformed, v.Reason, c.name)
			assert.NoError(t, v.Fatal, c.name)
			assert.Equal(t, uint64(1), s.Seq(), c.name)
			assert.Equal(t, HashOf([]byte(c.data)), s.Last(), c.name)
		} else {
			assert.ErrorIs(t, v.Fatal, ErrVersion, c.name)
			assert.Zero(t, s.Seq(), "%s: the fold stays where it is understood", c.name)
			assert.Equal(t, Root("run"), s.Last(), c.name)
		}
	}
}

func TestEntry_EncodeRefusesWhatDecodeWould(t *testing.T) {
	for _, e := range []*Entry{
		{},
		{V: 1, Kind: KindCancel, ID: "x"},
		{V: 2, Kind: KindCancel, ID: "x", Cancel: &Cancel{}},
		{V: 1, Kind: KindCancel, Cancel: &Cancel{}},
		{V: 1, Kind: "split", ID: "x", Cancel: &Cancel{}},
		{V: 1, Kind: KindCommit, ID: "x", Commit: &Commit{}},
		{V: 1, Kind: KindEnd, ID: "x", End: &End{Stats: json.RawMessage("{")}},
	} {
		_, err := e.Encode()
		require.Error(t, err)
	}
}

// A plan of a newer build is not void either: it stops the process.
func TestPlan_OfANewerBuildIsFatal(t *testing.T) {
	a := newAuthor(t)
	data, err := json.Marshal(map[string]any{"nonce": "n", "spec": "s", "max_block_bytes": 1, "sharding": "new"})
	require.NoError(t, err)
	snap, err := sealSnapshot(data) // compresses
	require.NoError(t, err)
	packed := snap[snapshotHead:]
	entry, err := a.entry(&PlanPart{Plan: planID(packed), Of: 1, Data: packed}).Encode()
	require.NoError(t, err)
	v := a.store(entry)
	require.ErrorIs(t, v.Fatal, ErrVersion)
	require.ErrorContains(t, v.Fatal, "sharding")
	require.Zero(t, a.Seq())
}

func TestPlan_Malformed(t *testing.T) {
	task := PlanTask{File: -1, To: 1, Rows: 1}
	for what, p := range map[string]*Plan{
		"task 0 is malformed":                 {Tasks: []PlanTask{{File: 0, Rows: 1}}},
		"task 1 is malformed":                 {Tasks: []PlanTask{task, {File: -2}}},
		"task 2 is malformed":                 {Tasks: []PlanTask{task, task, {File: -1, Rows: -1}}},
		"task 3 is malformed":                 {Tasks: []PlanTask{task, task, task, {File: -1, Rows: maxRow + 1}}},
		"task 4 is malformed":                 {Tasks: []PlanTask{task, task, task, task, {File: -1, BlockRows: -1}}},
		"too many rows":                       {PrunedRows: -1, PrunedBy: "f"},
		"pruned rows that no operator pruned": {PrunedRows: 1},
	} {
		_, err := p.Parts("n")
		require.ErrorIs(t, err, ErrEntry)
		require.ErrorContains(t, err, what)

		// The same from someone who did not look.
		data, err := json.Marshal(p)
		require.NoError(t, err)
		snap, err := sealSnapshot(data)
		require.NoError(t, err)
		packed := snap[snapshotHead:]
		a := newAuthor(t)
		a.void(&PlanPart{Plan: planID(packed), Of: 1, Data: packed}, VoidMalformed)
	}
	for _, packed := range [][]byte{[]byte("no zstd"), {0x28, 0xb5, 0x2f, 0xfd}} {
		a := newAuthor(t)
		a.void(&PlanPart{Plan: planID(packed), Of: 1, Data: packed}, VoidMalformed)
	}
}

func TestApply_RefusesAGap(t *testing.T) {
	a := newAuthor(t)
	a.plan(10)
	data, err := a.entry(&Seal{}).Encode()
	require.NoError(t, err)
	for _, seq := range []uint64{0, 1, 3} {
		require.ErrorIs(t, a.Apply(seq, data).Fatal, ErrGap)
		require.Equal(t, uint64(1), a.Seq())
	}
	require.True(t, a.Apply(2, data).Standing)
}

func TestHash_RootNamesTheRun(t *testing.T) {
	require.NotEqual(t, Root("a"), Root("b"))
	require.Equal(t, HashOf([]byte("levada/ledger/v1/a")), Root("a"))
	require.Len(t, Root("a").String(), 64)
}

func FuzzDecodeEntry(f *testing.F) {
	for _, data := range sampleLedger(f).log {
		f.Add(data)
	}
	f.Add([]byte(`{"v":2,"kind":"split"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := DecodeEntry(data)
		if err != nil {
			return
		}
		again, err := e.Encode()
		require.NoError(t, err)
		back, err := DecodeEntry(again)
		require.NoError(t, err)
		third, err := back.Encode()
		require.NoError(t, err)
		require.Equal(t, string(again), string(third))
	})
}

// FuzzApply folds any bytes after a sound beginning.
func FuzzApply(f *testing.F) {
	a := sampleLedger(f)
	for _, data := range a.log {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := New("run")
		for i, e := range a.log[:4] {
			s.Apply(uint64(i+1), e)
		}
		// The chain would stop all noise: the entry is put on the ledger's end.
		if e, err := DecodeEntry(data); err == nil {
			e.Prev = s.Last()
			data, err = e.Encode()
			require.NoError(t, err)
		}
		v := s.Apply(s.Seq()+1, data)
		require.Equal(t, v.Reason == "" && v.Fatal == nil, v.Standing)
		p := s.Progress()
		require.LessOrEqual(t, p.Covered, p.Planned)
		if s.Complete() {
			books := s.Books()
			require.NoError(t, books.Check())
		}
	})
}
