//go:build compose

package compose

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/s3test"
	"github.com/levada-data/levada/test/oracle"
)

// The commands of the README, and then all that may happen to a stack on one machine.
func TestStack(t *testing.T) {
	s := up(t)

	t.Run("RunsTheExample", func(t *testing.T) {
		s := s.of(t)
		out := s.compose("run", "--rm", "-T", "levada", "run", "/examples/customers.yaml")
		require.Contains(t, out, "output  s3://levada/out/customers")
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

// The variants are understood; the cluster is run above.
func TestVariantsAreValid(t *testing.T) {
	for _, overlay := range []string{"bucket", "cluster", "tls"} {
		s := &stack{t: t, name: "variants", files: []string{"docker-compose.yml", "deployments/compose/" + overlay + ".yml"}}
		services := strings.Fields(s.compose("config", "--services"))
		require.Contains(t, services, "transform", overlay)
		require.Equal(t, overlay != "bucket", slices.Contains(services, "s3"), overlay)
		require.Equal(t, overlay == "cluster", slices.Contains(services, "nats-3"), overlay)
	}
}

// of is the stack for a subtest.
func (s *stack) of(t *testing.T) *stack {
	t.Helper()
	c := *s
	c.t = t
	return &c
}
