//go:build kubernetes

package kubernetes

import (
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// conform says what is wrong with manifests by the schemas of a version of Kubernetes.
func conform(t *testing.T, version, text string) (string, error) {
	t.Helper()
	where := filepath.Join(folder, "schemas", version, "{{.ResourceKind}}{{.KindSuffix}}.json")
	cmd := exec.Command(tool(t, "LEVADA_KUBECONFORM"), "-strict", "-summary", "-schema-location", where)
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// versions are the Kubernetes versions that there are schemas of.
func versions(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "schemas", "v*"))
	require.NoError(t, err)
	require.Len(t, found, 2, "the oldest and the newest")
	for i := range found {
		found[i] = filepath.Base(found[i])
	}
	return found
}

func TestManifestsMatchTheirSchemas(t *testing.T) {
	rendered := variants(t)
	for _, name := range slices.Sorted(maps.Keys(rendered)) {
		for _, version := range versions(t) {
			t.Run(name+" "+version, func(t *testing.T) {
				out, err := conform(t, version, rendered[name])
				require.NoError(t, err, out)
				require.Contains(t, out, "Invalid: 0, Errors: 0, Skipped: 0")
				require.NotContains(t, out, "Summary: 0 ")
			})
		}
	}
}

// What a cluster would refuse, or worse, ignore, is found here as well.
func TestMistakesAreFound(t *testing.T) {
	scaled := build(t, filepath.Join(folder, "overlays/keda"))
	job := build(t, filepath.Join(folder, "pipelines/customers"))
	for _, c := range []struct{ name, in, old, mistake, said string }{
		{"a misspelt field", scaled, "readinessProbe:", "readynessProbe:", "'readynessProbe' not allowed"},
		{"a misspelt field of a security context", scaled, "readOnlyRootFilesystem:", "readOnlyRootFileSystem:", "'readOnlyRootFileSystem' not allowed"},
		{"a field of another object", scaled, "  minReadySeconds: 5", "  minReadySeconds: 5\n  suspend: true", "'suspend' not allowed"},
		{"a misspelt field of a policy", scaled, "policyTypes:", "policyType:", "'policyType' not allowed"},
		{"a misspelt field of a budget", scaled, "maxUnavailable: 1\n  selector", "maxUnavailible: 1\n  selector", "'maxUnavailible' not allowed"},
		{"a misspelt field of a job", job, "backoffLimit:", "backOffLimit:", "'backOffLimit' not allowed"},
		{"a misspelt field of a scaled object", scaled, "maxReplicaCount:", "maxReplicas:", "'maxReplicas' not allowed"},
		{"a number for a text", scaled, `threshold: "1000"`, "threshold: 1000", "got number, want string"},
		{"a text for a number", scaled, "minReadySeconds: 5", "minReadySeconds: five", "got string, want null or integer"},
		{"a behaviour that KEDA does not have", scaled, "behavior: currentReplicasIfHigher", "behavior: higher", "value must be one of"},
		{"something that is missing", scaled, "  scaleTargetRef:\n    name: reader\n", "", "missing property 'scaleTargetRef'"},
		{"a key twice", scaled, "  minReadySeconds: 5", "  minReadySeconds: 5\n  minReadySeconds: 5", `key "minReadySeconds" already set`},
		{"a kind without a schema", scaled, "kind: ServiceAccount", "kind: ServiceAcount", "could not find schema for ServiceAcount"},
		{"another version of a kind", scaled, "apiVersion: policy/v1\n", "apiVersion: policy/v1beta1\n", "could not find schema for PodDisruptionBudget"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Contains(t, c.in, c.old)
			for _, version := range versions(t) {
				out, err := conform(t, version, strings.Replace(c.in, c.old, c.mistake, 1))
				require.Error(t, err)
				require.Contains(t, out, c.said)
			}
		})
	}
}
