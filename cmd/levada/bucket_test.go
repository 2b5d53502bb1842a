package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/s3test"
)

// inspect, diff, verify and manifest look into a bucket as into a directory.
func TestDataInABucket(t *testing.T) {
	s := s3test.New(t)
	dir := t.TempDir()
	levada := func(args ...string) (string, int) {
		var out, errs bytes.Buffer
		err := run(t.Context(), args, func(name string) string {
			return map[string]string{"XDG_STATE_HOME": filepath.Join(dir, "state")}[name]
		}, &out, &errs)
		if err != nil {
			out.WriteString(err.Error())
		}
		return out.String(), exitCode(err)
	}
	data, spec := filepath.Join(dir, "data"), filepath.Join(dir, "spec.yaml")
	_, code := levada("generate", "customers", "--rows", "2000", "--files", "2", "--out", data, "--no-progress")
	require.Zero(t, code)
	require.NoError(t, os.WriteFile(spec, []byte(`apiVersion: levada/v1
name: bucket
source: { parquet: { uri: "`+data+`/*.parquet" } }
sink: { parquet: { uri: "`+s.URI("out")+`", partition_by: [country] } }
`), 0o600))
	text, code := levada("run", spec, "--no-progress")
	require.Zero(t, code, text)

	text, code = levada("diff", data, s.URI("out"))
	require.Zero(t, code, text)
	require.Contains(t, text, "\nequal\n")
	text, code = levada("verify", s.URI("out"))
	require.Zero(t, code, text)
	text, code = levada("manifest", s.URI("out"))
	require.Zero(t, code, text)
	require.Contains(t, text, "written  2,000")
	text, code = levada("inspect", s.URI("out/country=PT"))
	require.Zero(t, code, text)
	require.Contains(t, text, s.URI("out/country=PT/part-"))

	// What a store does not have, and one that is not there, are not differences.
	text, code = levada("diff", data, s.URI("nothing"))
	require.Equal(t, exitUsage, code, text)
	text, code = levada("verify", s.URI("nothing"))
	require.Equal(t, exitUsage, code, text)
	require.Contains(t, text, "no run has left a manifest here")
}
