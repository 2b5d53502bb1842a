//go:build documents

package documents

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An output is checked by hand as docs/manifest.md says, whichever hash its writer has
// chosen, and a flipped bit is found.
func TestManifestIsCheckedByHand(t *testing.T) {
	some := commands(t, "jq")
	require.Len(t, some, 2, "one for each hash")
	for _, hash := range []string{"blake3", "sha256"} {
		t.Run(hash, func(t *testing.T) {
			dir, run := output(t)
			manifest := filepath.Join(dir, "_levada", "manifest-"+run+".json")
			files := rehash(t, dir, manifest, hash)
			checked := 0
			for _, c := range some {
				text := strings.ReplaceAll(c.Text, "RUN", run)
				out, err := shell(t, dir, text)
				if !strings.Contains(text, hash) {
					requireNothing(t, text, out, err)
					continue
				}
				require.NoError(t, err, "%s\n%s", text, out)
				require.Equal(t, len(files), strings.Count(out, ": OK\n"), out)
				checked++

				damage(t, filepath.Join(dir, files[0]))
				out, err = shell(t, dir, text)
				require.Error(t, err, out)
				require.Contains(t, out, files[0]+": FAILED")
			}
			require.Equal(t, 1, checked)
		})
	}
}

// requireNothing says what the page says of the hash that the manifest does not have.
func requireNothing(t *testing.T, text, out string, err error) {
	t.Helper()
	if strings.Contains(text, "b3sum") {
		require.NoError(t, err, out)
		require.Empty(t, out)
		return
	}
	require.Error(t, err)
	require.Regexp(t, "no properly formatted .*checksum lines found", out)
}

// rehash leaves one kind of hash in a manifest. A writer of this machine chooses one, and
// that of BLAKE3 is not to be had without a writer that chose it: then its test is that of
// b3sum, which makes it.
func rehash(t *testing.T, dir, path, hash string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var m struct {
		Files []struct{ Name string }
	}
	require.NoError(t, json.Unmarshal(text, &m))
	require.NotEmpty(t, m.Files)
	var names []string
	one := regexp.MustCompile(`"(blake3|sha256)":"[0-9a-f]{64}"`)
	for _, f := range m.Files {
		names = append(names, f.Name)
		at := bytes.Index(text, []byte(`"name":"`+f.Name+`"`))
		require.GreaterOrEqual(t, at, 0)
		found := one.FindSubmatchIndex(text[at:])
		require.NotNil(t, found)
		if string(text[at+found[2]:at+found[3]]) == hash {
			continue
		}
		var sum string
		if hash == "blake3" {
			sum = strings.Fields(must(t, dir, "b3sum "+f.Name))[0]
		} else {
			data, err := os.ReadFile(filepath.Join(dir, f.Name))
			require.NoError(t, err)
			digest := sha256.Sum256(data)
			sum = hex.EncodeToString(digest[:])
		}
		text = append(text[:at+found[0]:at+found[0]], append([]byte(`"`+hash+`":"`+sum+`"`), text[at+found[1]:]...)...)
	}
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return names
}

// damage flips a bit in the middle of a file.
func damage(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	data[len(data)/2] ^= 1
	require.NoError(t, os.WriteFile(path, data, 0o600))
}
