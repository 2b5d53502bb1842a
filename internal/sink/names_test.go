package sink

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/blocks"
)

// TestRule03Names_AreNeverUsedTwice is the model's trace: a writer crashes after its
// commit, starts again, and begins a file at the same place.
func TestRule03Names_AreNeverUsedTwice(t *testing.T) {
	dir := t.TempDir()
	first := reveal(t, sinkOf(t, dir, "run1"), "country=PT", "committed")
	second := reveal(t, sinkOf(t, dir, "run1"), "country=PT", "after the restart")
	assert.NotEqual(t, first.Name, second.Name)
	assert.Equal(t, "committed", content(t, dir, first.Name))
	assert.Equal(t, "after the restart", content(t, dir, second.Name))
}

func TestRule03Names_RevealReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	s := sinkOf(t, dir, "run1")
	f := stage(t, s, "country=PT", "new")
	write(t, dir, f.Name, "somebody's")
	err := s.Reveal(t.Context(), f)
	require.ErrorIs(t, err, ErrTaken)
	assert.True(t, IsPermanent(err))
	assert.Equal(t, "somebody's", content(t, dir, f.Name))
	there, err := s.Present(t.Context(), f)
	require.NoError(t, err)
	assert.True(t, there, "the staged file stays")
}

func TestDataNames(t *testing.T) {
	assert.Regexp(t, `^part-run1-[0-9a-f]{16}\.parquet$`, dataName("run1", "", nil))
	assert.Regexp(t, `^part-000012-000000004096-run1-[0-9a-f]{16}\.parquet$`,
		dataName("run1", "", &blocks.Span{Task: 12, From: 4096, To: 8192}))
	for name, want := range map[string]string{
		dataName("run1", "", nil):                                        "run1",
		"a=1/b=2/" + dataName("x9", "", &blocks.Span{To: 1}):             "x9",
		"part-run1-0123456789abcdef.parquet":                             "run1",
		"part-run1-0123456789abcdef.parquet.tmp":                         "",
		"part-run1-0123456789ABCDEF.parquet":                             "",
		"part-run1-0123456789abcde.parquet":                              "",
		"part-0123456789abcdef.parquet":                                  "",
		"part-00000-6ba7b810-9dad-11d1-80b4-00c04fd430c8.snappy.parquet": "",
		"run1-0123456789abcdef.parquet":                                  "",
		"part-00-run1-0123456789abcdef.parquet":                          "run1",
		dataName("run1", "orders-2024-02-29.v1", nil):                    "run1",
		dataName("run1", "a-b", &blocks.Span{To: 1}):                     "run1",
		"-run1-0123456789abcdef.parquet":                                 "",
		"":                                                               "",
	} {
		run, ok := runOf(name)
		assert.Equal(t, want != "", ok, name)
		if ok {
			assert.Equal(t, want, run, name)
		}
	}
}

// FuzzNames: a name that passes the check stays inside the data of the output.
func FuzzNames(f *testing.F) {
	f.Add("country=PT/part-run1-0123456789abcdef.parquet")
	f.Add("../part-run1-0123456789abcdef.parquet")
	f.Add("a//b")
	f.Fuzz(func(t *testing.T, name string) {
		run, ok := runOf(name)
		if ok {
			require.NoError(t, checkRun(run))
			require.Contains(t, name, run)
		}
		if checkName(name) != nil {
			return
		}
		require.NotEmpty(t, name)
		for segment := range strings.SplitSeq(name, "/") {
			require.NotEmpty(t, segment)
			require.NotContains(t, "._", segment[:1])
		}
	})
}
