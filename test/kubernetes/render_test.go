//go:build kubernetes

package kubernetes

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// folder has what is tested.
const folder = "../../deployments/kubernetes"

// tool returns a program that make kubernetes builds.
func tool(t *testing.T, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	require.NotEmpty(t, path, "%s is not set: make kubernetes builds the program and sets it", variable)
	return path
}

// output runs a command and returns what it printed. It must succeed.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%v: %s%s", cmd.Args, out, stderr.String())
	return string(out)
}

// build renders a kustomization.
func build(t *testing.T, dir string) string {
	t.Helper()
	return output(t, exec.Command(tool(t, "LEVADA_KUSTOMIZE"), "build", dir))
}

// variants renders everything that the folder offers, by name: each kustomization, each
// component over all that it may change, the example of the README, and the objects of
// keda-run.sh.
func variants(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	var components []string
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "kustomization.yaml" {
			return err
		}
		dir := filepath.Dir(path)
		name, err := filepath.Rel(folder, dir)
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		if strings.Contains(string(text), "\nkind: Component\n") {
			components = append(components, name)
		} else {
			all[name] = build(t, dir)
		}
		return nil
	}))
	require.NotEmpty(t, all)
	require.NotEmpty(t, components)
	for _, c := range components {
		all[c] = overlay(t, fmt.Sprintf("resources: [FOLDER/base, FOLDER/pipelines/customers]\ncomponents: [FOLDER/%s]\n", c))
	}
	all["README.md"] = overlay(t, example(t))
	all["keda-run.sh"] = kedaRun(t, someRun, "refine", "score")
	return all
}

// overlay renders a kustomization in which FOLDER stands for the folder.
func overlay(t *testing.T, text string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	abs, err := filepath.Abs(folder)
	require.NoError(t, err)
	rel, err := filepath.Rel(dir, abs)
	require.NoError(t, err)
	text = strings.ReplaceAll(text, "FOLDER", rel)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600))
	return build(t, dir)
}

var exampleBlock = regexp.MustCompile("(?s)```yaml\n(# kustomization.yaml\n.*?)```")

// example is the kustomization that the README tells people to write.
func example(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(folder, "README.md"))
	require.NoError(t, err)
	m := exampleBlock.FindSubmatch(readme)
	require.NotNil(t, m, "README.md has no block that begins with # kustomization.yaml")
	text := string(m[1])
	require.Contains(t, text, "levada/deployments/kubernetes")
	return strings.ReplaceAll(text, "levada/deployments/kubernetes", "FOLDER")
}

// someRun is the id of no run.
const someRun = "01k7xq3v9c8e5w2n6m4r1t0y7z"

// kedaRun runs keda-run.sh.
func kedaRun(t *testing.T, args ...string) string {
	t.Helper()
	return output(t, exec.Command(filepath.Join(folder, "keda-run.sh"), args...))
}

// object is what is looked at of any object.
type object struct {
	Kind     string
	Metadata struct {
		Name        string
		Namespace   string
		Labels      map[string]string
		Annotations map[string]string
	}
	AutomountServiceAccountToken *bool `yaml:"automountServiceAccountToken"`
	Data                         map[string]string
	Spec                         struct {
		// Of what has pods.
		Replicas *int
		Selector selector
		Strategy struct {
			RollingUpdate struct {
				MaxUnavailable *int `yaml:"maxUnavailable"`
				MaxSurge       *int `yaml:"maxSurge"`
			} `yaml:"rollingUpdate"`
		}
		Template    *template
		JobTemplate struct {
			Spec struct {
				BackoffLimit *int `yaml:"backoffLimit"`
				Template     *template
			}
		} `yaml:"jobTemplate"`

		// Of a disruption budget and of a network policy.
		MaxUnavailable *int     `yaml:"maxUnavailable"`
		PodSelector    selector `yaml:"podSelector"`
		PolicyTypes    []string `yaml:"policyTypes"`

		// Of a scaled object.
		ScaleTargetRef  struct{ Name string } `yaml:"scaleTargetRef"`
		MinReplicaCount *int                  `yaml:"minReplicaCount"`
		Triggers        []trigger
	}
}

type trigger struct {
	Type     string
	Metadata map[string]string
}

type selector struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
}

// picks reports that the selector takes these labels.
func (s selector) picks(labels map[string]string) bool {
	for k, v := range s.MatchLabels {
		if labels[k] != v {
			return false
		}
	}
	return true
}

type template struct {
	Metadata struct{ Labels map[string]string }
	Spec     pod
}

type pod struct {
	ServiceAccountName            string `yaml:"serviceAccountName"`
	AutomountServiceAccountToken  *bool  `yaml:"automountServiceAccountToken"`
	HostNetwork                   bool   `yaml:"hostNetwork"`
	HostPID                       bool   `yaml:"hostPID"`
	TerminationGracePeriodSeconds int    `yaml:"terminationGracePeriodSeconds"`
	TopologySpreadConstraints     []struct {
		TopologyKey   string   `yaml:"topologyKey"`
		LabelSelector selector `yaml:"labelSelector"`
	} `yaml:"topologySpreadConstraints"`
	SecurityContext struct {
		RunAsNonRoot   *bool                 `yaml:"runAsNonRoot"`
		RunAsUser      *int                  `yaml:"runAsUser"`
		SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	InitContainers []container `yaml:"initContainers"`
	Containers     []container
	Volumes        []struct {
		Name      string
		ConfigMap *struct{ Name string } `yaml:"configMap"`
		Secret    *struct {
			SecretName string `yaml:"secretName"`
		}
		EmptyDir *struct {
			SizeLimit string `yaml:"sizeLimit"`
		} `yaml:"emptyDir"`
	}
}

type container struct {
	Name            string
	Image           string
	Command         []string
	Args            []string
	SecurityContext struct {
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   *bool `yaml:"readOnlyRootFilesystem"`
		Privileged               bool
		Capabilities             struct{ Add, Drop []string }
	} `yaml:"securityContext"`
	Ports []struct{ Name string }
	Env   []struct {
		Name      string
		Value     string
		ValueFrom struct {
			SecretKeyRef *struct{ Name string } `yaml:"secretKeyRef"`
		} `yaml:"valueFrom"`
	}
	EnvFrom []struct {
		ConfigMapRef *struct{ Name string } `yaml:"configMapRef"`
	} `yaml:"envFrom"`
	Resources struct {
		Requests, Limits map[string]string
	}
	StartupProbe   *probe                             `yaml:"startupProbe"`
	LivenessProbe  *probe                             `yaml:"livenessProbe"`
	ReadinessProbe *probe                             `yaml:"readinessProbe"`
	VolumeMounts   []struct{ Name, MountPath string } `yaml:"volumeMounts"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
	Period  int                         `yaml:"periodSeconds"`
	Limit   int                         `yaml:"failureThreshold"`
}

// decode reads rendered objects.
func decode(t *testing.T, text string) []object {
	t.Helper()
	var all []object
	for dec := yaml.NewDecoder(strings.NewReader(text)); ; {
		var o object
		err := dec.Decode(&o)
		if errors.Is(err, io.EOF) {
			require.NotEmpty(t, all)
			return all
		}
		require.NoError(t, err)
		all = append(all, o)
	}
}

// pods returns the template of an object's pods; nil when it has none.
func (o *object) pods() *template {
	if o.Spec.Template != nil {
		return o.Spec.Template
	}
	return o.Spec.JobTemplate.Spec.Template
}

// of returns the objects of a kind.
func of(all []object, kind string) []object {
	return slices.DeleteFunc(slices.Clone(all), func(o object) bool { return o.Kind != kind })
}

// names returns the names of the objects of a kind.
func names(all []object, kind string) []string {
	var found []string
	for _, o := range of(all, kind) {
		found = append(found, o.Metadata.Name)
	}
	return found
}

// decoded returns the objects of every variant.
func decoded(t *testing.T) map[string][]object {
	t.Helper()
	all := map[string][]object{}
	for name, text := range variants(t) {
		all[name] = decode(t, text)
	}
	return all
}
