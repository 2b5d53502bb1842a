package sink

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPrepare(t *testing.T) {
	old := []string{"a.parquet", "country=PT/part-run0-0123456789abcdef.parquet"}
	for _, c := range []struct {
		name, mode string
		files      []string
		old        []string
		skip, fail string
	}{
		{"error, empty", ModeError, nil, nil, "", ""},
		{"the default, empty", "", nil, nil, "", ""},
		{"error", ModeError, old, nil, "", "is not empty: 2 files, one is a.parquet; choose another output, or mode append, overwrite or ignore"},
		{"the default", "", old, nil, "", "is not empty"},
		{"append", ModeAppend, old, nil, "", ""},
		{"ignore, empty", ModeIgnore, nil, nil, "", ""},
		{"ignore", ModeIgnore, old, nil, "is not empty (2 files) and the mode is ignore", ""},
		{"overwrite, empty", ModeOverwrite, nil, nil, "", ""},
		{"overwrite", ModeOverwrite, old, old, "", ""},
		{"overwrite, not only Parquet", ModeOverwrite, append([]string{"README.txt"}, old...), nil, "", "holds README.txt, which is no Parquet file"},
		{"error, not only Parquet", ModeError, []string{"README.txt"}, nil, "", "is not empty"},
		{"unknown mode", "replace", old, nil, "", `unknown mode "replace"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := sinkOf(t, dir, "run1")
			acquire(t, s)
			for _, name := range c.files {
				write(t, dir, name, "x")
			}
			// None of these are data: what readers skip, and what is of this run (its
			// planner comes back).
			for _, name := range []string{"_SUCCESS", ".crc", "_temporary/0/part.parquet", "country=PT/.part.crc", "_levada/manifest-run0.json"} {
				write(t, dir, name, "x")
			}
			reveal(t, s, "country=PT", "own")
			stage(t, s, "country=PT", "own")

			old, skip, err := s.Prepare(t.Context(), c.mode)
			if c.fail != "" {
				require.ErrorContains(t, err, c.fail)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.old, old)
			if c.skip == "" {
				assert.Empty(t, skip)
			} else {
				assert.Contains(t, skip, c.skip)
			}
		})
	}
}

func TestPrepareOfAnOutputThatIsNotThereYet(t *testing.T) {
	s := sinkOf(t, filepath.Join(t.TempDir(), "a", "b"), "run1")
	old, skip, err := s.Prepare(t.Context(), ModeError)
	require.NoError(t, err)
	assert.Empty(t, old)
	assert.Empty(t, skip)
	assert.Equal(t, 1, acquire(t, s).Generation)
}
