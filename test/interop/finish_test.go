//go:build interop

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a sink asks for is in its files, as pyarrow and DuckDB see them, and every value
// too, as Polars and DataFusion also do: for columns that are copied from the source,
// gathered, and encoded.
func TestOthersFindTheFinish(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "source.parquet")
	python(t, "finish.py", "write", source)
	bin := env(t, "LEVADA_BIN")
	for kind, sink := range map[string]string{
		"encoded": "encodings: { price: byte_stream_split, rate: byte_stream_split, id: delta, country: dictionary, day: plain }, compression: zstd",
		"bloom":   "bloom_filters: { columns: [email, id], fpp: 0.01 }",
		"sorted":  "sort_within: [{ column: country, nulls: first }, { column: price, order: desc }], rows_per_group: 6000",
		"summed":  "page_checksums: true, bloom_filters: [email]",
	} {
		for way, share := range map[string]int{"all": 10, "touched": 10, "gathered": 7} {
			carry := way
			if way == "gathered" {
				carry = "touched"
			}
			if kind == "sorted" && carry == "touched" {
				continue // rows get another order: every column travels
			}
			t.Run(kind+"/"+way, func(t *testing.T) {
				out := filepath.Join(dir, kind+"-"+way)
				spec := out + ".yaml"
				require.NoError(t, os.WriteFile(spec, fmt.Appendf(nil, `apiVersion: levada/v1
name: finish
source: { parquet: { uri: %q } }
stages: [{ name: s, transform: [{ with: { level: "level + 0" } }, { cast: { level: int32 } }, { filter: "id %% 10 < %d" }] }]
sink: { parquet: { uri: %q, %s } }
policies: { carry: %s }
`, source, share, out, sink, carry), 0o600))
				cmd := exec.CommandContext(t.Context(), bin, "run", spec, "--state-dir", filepath.Join(dir, "state"), "--no-progress")
				text, err := cmd.CombinedOutput()
				require.NoError(t, err, "%s", text)
				t.Log(strings.TrimSpace(python(t, "finish.py", "check", source, out, kind, strconv.Itoa(share))))
			})
		}
	}
}

// Structs are flattened as pyarrow flattens them, nulls at every level too.
func TestStructsAreFlattenedAsOthersDo(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "source.parquet")
	python(t, "structs.py", "write", source)
	for name, ops := range map[string]string{"flatten": "{ flatten: [address] }", "unnest": "{ rename: { address: a } }, { unnest: [a] }, { unnest: [geo] }, { rename: { city: address_city, lat: address_geo_lat, tags: address_geo_tags, zip: address_zip } }"} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(dir, name)
			spec := out + ".yaml"
			require.NoError(t, os.WriteFile(spec, fmt.Appendf(nil, `apiVersion: levada/v1
name: structs
source: { parquet: { uri: %q } }
stages: [{ name: s, transform: [%s] }]
sink: { parquet: { uri: %q } }
`, source, ops, out), 0o600))
			cmd := exec.CommandContext(t.Context(), env(t, "LEVADA_BIN"), "run", spec, "--state-dir", filepath.Join(dir, "state"), "--no-progress")
			text, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", text)
			python(t, "structs.py", "check", source, out)
		})
	}
}
