//go:build compose

package compose

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/documents"
	"github.com/levada-data/levada/internal/s3test"
	"github.com/levada-data/levada/test/oracle"
)

// The commands of the README, and then all that may happen to a stack on one machine.
func TestStack(t *testing.T) {
	s := project(t)

	t.Run("RunsTheExample", func(t *testing.T) {
		s := s.of(t)
		out := s.typesTheDocuments()
		require.Contains(t, out, "output  s3://levada/out/customers")
		require.Len(t, strings.Fields(s.compose("ps", "--quiet", "transform")), 4)
		s.compose("up", "--detach", "--no-recreate", "--no-deps", "--scale", "transform=1", "transform")
		require.NoError(t, oracle.SameRows(t.Context(),
			fmt.Sprintf(`SELECT id, sha256(email) AS email, repeat('*', length(phone) - 4) || right(phone, 4) AS phone, amount * 0.92::DOUBLE AS eur
				FROM read_parquet('%s/*.parquet') WHERE amount > 20`, s.fetch("customers")),
			fmt.Sprintf(`SELECT id, email, phone, amount_eur AS eur FROM read_parquet('%s/*.parquet')`, s.fetch("out/customers")), "id"))
	})

	// More of a stage take work at once, and fewer leave none behind.
	t.Run("ScalesWhileItWorks", func(t *testing.T) {
		j := s.of(t).submit("scale")
		j.middle()
		j.compose("up", "--detach", "--no-recreate", "--no-deps", "--scale", "transform=4", "transform")
		j.await("four transforms at work", func(p *progress) bool { return p.workers("refine") == 4 })
		j.compose("up", "--detach", "--no-recreate", "--no-deps", "--scale", "transform=1", "transform")
		j.exact()
	})

	t.Run("ContainersAreKilled", func(t *testing.T) {
		j := s.of(t).submit("kill")
		for _, victims := range [][]string{{"transform", "reader"}, {"writer"}, {"nats"}} {
			j.middle()
			j.compose(append([]string{"kill", "--signal", "SIGKILL"}, victims...)...)
			j.compose("up", "--detach", "--no-recreate")
		}
		j.exact()
	})

	t.Run("GoesDownAndUpAgain", func(t *testing.T) {
		j := s.of(t).submit("down")
		j.middle()
		j.compose("down")
		require.Empty(t, strings.TrimSpace(j.compose("ps", "--quiet", "--all")))
		j.compose("up", "--detach")
		j.exact()
	})
}

// One of three NATS servers dies and stays away.
func TestCluster(t *testing.T) {
	s := up(t, "deployments/compose/cluster.yml")
	j := s.submit("cluster")
	j.middle()
	s.compose("kill", "--signal", "SIGKILL", "nats-2")
	j.exact()
}

// A bucket of somebody else, whom only the shell's AWS_* variables name: the stack has no S3
// server, and nothing of the demo's server is left in any service.
func TestBucket(t *testing.T) {
	docker, err := net.InterfaceByName("docker0")
	require.NoError(t, err, "the engine's own network, where this machine has an address that containers reach")
	addrs, err := docker.Addrs()
	require.NoError(t, err)
	require.NotEmpty(t, addrs)
	host, _, err := net.ParseCIDR(addrs[0].String())
	require.NoError(t, err)
	bucket := s3test.NewAt(t, host.String())

	s := up(t, "deployments/compose/bucket.yml")
	s.elsewhere = bucket
	_, err = s.levada("generate", "customers", "--rows", strconv.Itoa(customers), "--files", "8", "--out", s.fetch("customers"), "--no-progress")
	require.NoError(t, err)
	require.NotContains(t, strings.Fields(s.compose("ps", "--services", "--all")), "s3")
	for _, service := range []string{"reader", "transform", "writer", "levada"} {
		env := s.environment(service)
		require.Equal(t, bucket.URL(), env["AWS_ENDPOINT_URL_S3"], service)
		require.Equal(t, s3test.AccessKey, env["AWS_ACCESS_KEY_ID"], service)
		require.Empty(t, env["AWS_SHARED_CREDENTIALS_FILE"], service)
	}
	s.submit("bucket").exact()
}

// typesTheDocuments types what the documents say to type on a machine with an engine, in the
// order of the README, and each command once. It returns what the example's run printed.
func (s *stack) typesTheDocuments() string {
	s.t.Helper()
	var texts []string
	for _, c := range commands(s.t) {
		if c.Typed && c.Document == "README.md" {
			texts = append(texts, c.Text)
		}
	}
	for _, c := range commands(s.t) {
		if c.Typed && !slices.Contains(texts, c.Text) {
			texts = append(texts, c.Text)
		}
	}
	require.GreaterOrEqual(s.t, len(texts), 3)
	var printed []string
	for _, text := range texts {
		if out := s.types(text); strings.Contains(text, " levada run ") {
			printed = append(printed, out)
		}
	}
	require.Len(s.t, printed, 1)
	return printed[0]
}

// commands are those of the documents that this package types or checks.
func commands(t *testing.T) []documents.Entry {
	t.Helper()
	account, err := documents.Accounted(root)
	require.NoError(t, err)
	return account.Of(documents.Compose)
}

// The variants are understood as their first lines say to start them; the cluster is run
// above.
func TestVariantsAreValid(t *testing.T) {
	exported := map[string]string{} // what a document says to export, for its commands
	seen := map[string]bool{}
	for _, c := range commands(t) {
		switch {
		case c.Typed:
		case c.Begins("export"):
			exported[c.Document] += c.Text + "\n"
		case c.Begins("docker", "compose"):
			args, found := strings.CutPrefix(strings.TrimSuffix(c.Text, " -d"), "docker compose")
			require.True(t, found, c)
			args, found = strings.CutSuffix(args, " up")
			require.True(t, found, "nobody checks %s", c)
			s := &stack{t: t, name: "variants", env: os.Environ()}
			services := strings.Fields(s.types(exported[c.Document] + "docker compose" + args + " config --services"))
			overlay := filepath.Base(c.Document)
			seen[overlay] = true
			require.Contains(t, services, "transform", c)
			require.Equal(t, overlay != "bucket.yml", slices.Contains(services, "s3"), c)
			require.Equal(t, overlay == "cluster.yml", slices.Contains(services, "nats-3"), c)
		case c.Begins("docker", "build"):
			require.FileExists(t, filepath.Join(root, "Dockerfile"), c)
			require.Equal(t, ".", c.Calls[0][len(c.Calls[0])-1], c)
		default:
			require.Fail(t, "nobody checks this", "%s", c)
		}
	}
	overlays, err := filepath.Glob(filepath.Join(root, "deployments", "compose", "*.yml"))
	require.NoError(t, err)
	for _, o := range overlays {
		require.True(t, seen[filepath.Base(o)], "%s does not say how it is used", o)
	}
}

// of is the stack for a subtest.
func (s *stack) of(t *testing.T) *stack {
	t.Helper()
	c := *s
	c.t = t
	return &c
}
