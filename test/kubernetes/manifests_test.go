//go:build kubernetes

package kubernetes

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/pipeline"
)

// help is what levada says to arguments before --help: it reads them all first, and so
// refuses a flag or a value that it does not know.
func help(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.Command(tool(t, "LEVADA_BIN"), append(slices.Clone(args), "--help")...).CombinedOutput()
	return string(out), err
}

func TestArgumentsAreThoseOfTheBinary(t *testing.T) {
	seen := map[string]bool{}
	for name, all := range decoded(t) {
		t.Run(name, func(t *testing.T) {
			for _, o := range all {
				if o.pods() == nil {
					continue
				}
				for _, c := range o.pods().Spec.Containers {
					require.Empty(t, c.Command, "the image's entry point is levada")
					require.NotEmpty(t, c.Args)
					out, err := help(t, c.Args...)
					require.NoError(t, err, out)
					require.Contains(t, out, "Usage:\n  levada "+c.Args[0]+" ")
					seen[c.Args[0]] = true
				}
			}
		})
	}
	for _, command := range []string{"reader", "transform", "writer", "run", "gc"} {
		require.True(t, seen[command], command)
	}
	for _, wrong := range [][]string{{"reader", "--https", ":8080"}, {"gc", "--older-than", "a week"}} {
		_, err := help(t, wrong...)
		require.Error(t, err, "%v", wrong)
	}
}

var variable = regexp.MustCompile(`\$((?:NATS|LEVADA)_[A-Z]+)`)

func TestVariablesAreThoseOfTheBinary(t *testing.T) {
	known := []string{
		// Of the AWS SDK, which reads many more.
		"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3",
	}
	text, err := help(t, "reader")
	require.NoError(t, err)
	for _, m := range variable.FindAllStringSubmatch(text, -1) {
		known = append(known, m[1])
	}
	require.Contains(t, known, "LEVADA_REPLICAS")
	for name, all := range decoded(t) {
		t.Run(name, func(t *testing.T) {
			configs := map[string]object{}
			for _, o := range of(all, "ConfigMap") {
				configs[o.Metadata.Name] = o
			}
			for _, o := range all {
				if o.pods() == nil {
					continue
				}
				for _, c := range o.pods().Spec.Containers {
					for _, e := range c.Env {
						assert.Contains(t, known, e.Name)
					}
					for _, from := range c.EnvFrom {
						for name := range configs[from.ConfigMapRef.Name].Data {
							assert.Contains(t, known, name)
						}
					}
				}
			}
		})
	}
}

// What the "restricted" pod security standard asks for, and a read-only root and limits
// besides.
func TestPodsAreHardened(t *testing.T) {
	for name, all := range decoded(t) {
		t.Run(name, func(t *testing.T) {
			assert.Empty(t, of(all, "Secret"), "a secret is never committed")
			for _, o := range of(all, "Namespace") {
				assert.Equal(t, "restricted", o.Metadata.Labels["pod-security.kubernetes.io/enforce"])
			}
			for _, o := range of(all, "ServiceAccount") {
				assert.Equal(t, new(false), o.AutomountServiceAccountToken)
			}
			for _, o := range all {
				if o.pods() == nil {
					continue
				}
				p := o.pods().Spec
				assert.Equal(t, new(false), p.AutomountServiceAccountToken, o.Metadata.Name)
				assert.Equal(t, new(true), p.SecurityContext.RunAsNonRoot, o.Metadata.Name)
				assert.Equal(t, new(65532), p.SecurityContext.RunAsUser, "the image's user")
				assert.Equal(t, "RuntimeDefault", p.SecurityContext.SeccompProfile.Type, o.Metadata.Name)
				assert.False(t, p.HostNetwork || p.HostPID, o.Metadata.Name)
				for _, v := range p.Volumes {
					if v.EmptyDir != nil {
						assert.NotEmpty(t, v.EmptyDir.SizeLimit, "%s: volume %s is unbounded", o.Metadata.Name, v.Name)
					} else {
						assert.True(t, v.ConfigMap != nil || v.Secret != nil, "%s: volume %s", o.Metadata.Name, v.Name)
					}
				}
				for _, c := range slices.Concat(p.InitContainers, p.Containers) {
					s := c.SecurityContext
					assert.Equal(t, new(false), s.AllowPrivilegeEscalation, o.Metadata.Name)
					assert.Equal(t, new(true), s.ReadOnlyRootFilesystem, o.Metadata.Name)
					assert.False(t, s.Privileged, o.Metadata.Name)
					assert.Equal(t, []string{"ALL"}, s.Capabilities.Drop, o.Metadata.Name)
					assert.Empty(t, s.Capabilities.Add, o.Metadata.Name)
					for _, r := range []string{"cpu", "memory", "ephemeral-storage"} {
						assert.NotEmpty(t, c.Resources.Requests[r], "%s: request of %s", o.Metadata.Name, r)
						assert.NotEmpty(t, c.Resources.Limits[r], "%s: limit of %s", o.Metadata.Name, r)
					}
					assert.Equal(t, c.Resources.Requests["memory"], c.Resources.Limits["memory"], "%s: memory that is not there", o.Metadata.Name)
				}
			}
		})
	}
}

func TestReferencesLeadSomewhere(t *testing.T) {
	for name, all := range decoded(t) {
		t.Run(name, func(t *testing.T) {
			base := decode(t, build(t, filepath.Join(folder, "base"))) // beside which pipelines and keda-run.sh are applied
			around := slices.Concat(all, base)
			for _, o := range all {
				name := o.Kind + " " + o.Metadata.Name
				switch o.Kind {
				case "Namespace":
				case "ScaledObject":
					assert.Contains(t, names(around, "Deployment"), o.Spec.ScaleTargetRef.Name, name)
				case "PodDisruptionBudget":
					assert.NotEmpty(t, o.Spec.Selector.MatchLabels, name)
					assert.Len(t, picked(all, o.Spec.Selector), 1, name)
				case "NetworkPolicy":
					assert.NotEmpty(t, picked(all, o.Spec.PodSelector), name)
				}
				if o.pods() != nil {
					referencesOf(t, o, around)
				}
			}
		})
	}
}

// picked returns the names of the objects whose pods a selector takes.
func picked(all []object, s selector) []string {
	var found []string
	for _, o := range all {
		if o.pods() != nil && s.picks(o.pods().Metadata.Labels) {
			found = append(found, o.Metadata.Name)
		}
	}
	return found
}

// referencesOf looks at what the pods of an object name.
func referencesOf(t *testing.T, o object, around []object) {
	t.Helper()
	labels, p := o.pods().Metadata.Labels, o.pods().Spec
	assert.Equal(t, "levada", labels["app.kubernetes.io/name"], "the network policies go by it")
	if o.Kind == "Deployment" {
		assert.NotEmpty(t, o.Spec.Selector.MatchLabels)
		assert.True(t, o.Spec.Selector.picks(labels), "%s does not select its own pods", o.Metadata.Name)
	}
	for _, s := range p.TopologySpreadConstraints {
		assert.Equal(t, o.Spec.Selector, s.LabelSelector, o.Metadata.Name)
	}
	assert.Contains(t, names(around, "ServiceAccount"), p.ServiceAccountName)
	volumes := map[string]bool{}
	for _, v := range p.Volumes {
		volumes[v.Name] = true
		if v.ConfigMap != nil {
			assert.True(t, isGenerated(around, v.ConfigMap.Name), v.ConfigMap.Name)
		}
	}
	for _, c := range p.Containers {
		assert.Regexp(t, `(^|/)levada(:|$)`, c.Image)
		require.NotEmpty(t, c.EnvFrom)
		for _, from := range c.EnvFrom {
			assert.True(t, isGenerated(around, from.ConfigMapRef.Name), from.ConfigMapRef.Name)
		}
		for _, m := range c.VolumeMounts {
			assert.True(t, volumes[m.Name], "%s mounts %s", o.Metadata.Name, m.Name)
		}
	}
}

// isGenerated reports that there is a config map of that name. A pipeline that is rendered
// alone does not know the hash in the name of the base's.
func isGenerated(around []object, name string) bool {
	return slices.ContainsFunc(names(around, "ConfigMap"), func(n string) bool {
		return n == name || strings.HasPrefix(n, name+"-")
	})
}

func TestServicesStayUp(t *testing.T) {
	for name, all := range decoded(t) {
		t.Run(name, func(t *testing.T) {
			budgets := names(all, "PodDisruptionBudget")
			for _, o := range of(all, "Deployment") {
				roll, p := o.Spec.Strategy.RollingUpdate, o.pods().Spec
				assert.Equal(t, new(0), roll.MaxUnavailable, o.Metadata.Name)
				assert.Equal(t, new(1), roll.MaxSurge, o.Metadata.Name)
				assert.Contains(t, budgets, o.Metadata.Name)
				assert.Greater(t, p.TerminationGracePeriodSeconds, 41, "20 s for work in flight, twice 10 s for the ends of runs, 1 s for the endpoint")
				assert.Len(t, p.TopologySpreadConstraints, 2, o.Metadata.Name)
				for _, c := range p.Containers {
					require.NotNil(t, c.StartupProbe)
					require.NotNil(t, c.LivenessProbe)
					require.NotNil(t, c.ReadinessProbe)
					assert.Greater(t, c.StartupProbe.Period*c.StartupProbe.Limit, 30, "levada itself tries for 30 s, and says what is wrong")
					for _, probe := range []*probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
						assert.Equal(t, c.Ports[0].Name, probe.HTTPGet.Port)
					}
				}
			}
			for _, o := range of(all, "CronJob") {
				if args := o.pods().Spec.Containers[0].Args; args[0] == "run" {
					assert.Equal(t, new(0), o.Spec.JobTemplate.Spec.BackoffLimit, "each start submits a run")
				}
			}
		})
	}
}

// Who leaves the number of pods to an autoscaler must not set it at each apply.
func TestAnAutoscalerIsAlone(t *testing.T) {
	all := decode(t, build(t, filepath.Join(folder, "overlays/keda")))
	scaled := of(all, "ScaledObject")
	require.Len(t, scaled, 3)
	for _, o := range of(all, "Deployment") {
		assert.Nil(t, o.Spec.Replicas, o.Metadata.Name)
		assert.Contains(t, names(all, "ScaledObject"), o.Metadata.Name)
	}
	for _, o := range of(decode(t, build(t, filepath.Join(folder, "base"))), "Deployment") {
		assert.Equal(t, new(2), o.Spec.Replicas, o.Metadata.Name)
	}
}

func TestPipelinesAreValid(t *testing.T) {
	found, err := filepath.Glob(filepath.Join(folder, "pipelines/*/pipeline.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, found)
	for _, file := range found {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		spec, err := pipeline.Parse(file, text)
		require.NoError(t, err)
		require.Equal(t, filepath.Base(filepath.Dir(file)), spec.Name, "the directory is named for the pipeline")
	}
}
