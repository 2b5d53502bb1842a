//go:build kubernetes

package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/natstest"
)

// limit bounds every wait.
const limit = time.Minute

// longSpec is a run that does not end while a test looks at it.
const longSpec = `apiVersion: levada/v1
name: long
source: { range: { rows: 100000000000 } }
stages:
  - name: refine
    transform: [{ filter: "id > 10" }]
  - name: score
    transform: [{ with: { twice: "id + id" } }]
sink: { parquet: { uri: %s } }
policies: { edge_bytes: 16MiB }
`

// The services start with the arguments of the manifests, answer the probes, and stop by
// the signal that the kubelet sends, within its grace. While they work, every stream and
// consumer that an autoscaler is told of is there, and by the names it is told.
func TestServicesAtWork(t *testing.T) {
	monitor := strconv.Itoa(natstest.FreePorts(t, 1)[0])
	port, err := strconv.Atoi(monitor)
	require.NoError(t, err)
	nats := natstest.New(t, natstest.Listen(), natstest.Configure(func(o *server.Options) { o.HTTPHost, o.HTTPPort = "127.0.0.1", port }))
	monitor = net.JoinHostPort("127.0.0.1", monitor)

	base := decode(t, build(t, filepath.Join(folder, "base")))
	var services []*service
	for _, o := range of(base, "Deployment") {
		services = append(services, start(t, o, nats.URL()))
	}
	require.Len(t, services, 3)
	for _, s := range services {
		for _, probe := range []*probe{s.container.StartupProbe, s.container.LivenessProbe, s.container.ReadinessProbe} {
			await(t, s.name+" answers "+probe.HTTPGet.Path, func() bool { return get(s.addr, probe.HTTPGet.Path) == http.StatusOK })
			require.Equal(t, http.StatusNotFound, get(s.addr, probe.HTTPGet.Path+"y"))
		}
	}

	dir := t.TempDir()
	spec := filepath.Join(dir, "long.yaml")
	require.NoError(t, os.WriteFile(spec, fmt.Appendf(nil, longSpec, filepath.Join(dir, "out")), 0o600))
	run := strings.TrimSpace(output(t, exec.Command(tool(t, "LEVADA_BIN"), "submit", spec, "--nats", nats.URL())))

	t.Run("TheTriggersOfARunFindItsConsumers", func(t *testing.T) {
		var triggers []trigger
		for _, o := range decode(t, kedaRun(t, run, "refine", "score")) {
			triggers = append(triggers, o.Spec.Triggers...)
		}
		require.Len(t, triggers, 3, "tasks, and the edges of two stages")
		for _, tr := range triggers {
			require.Equal(t, "nats-jetstream", tr.Type)
			requireKnown(t, tr)
			m := tr.Metadata
			await(t, m["consumer"]+" of "+m["stream"], func() bool {
				return consumers(t, monitor, m["account"])[m["stream"]][m["consumer"]] > 0
			})
		}
	})

	t.Run("TheQueriesOverAllRunsMatchThem", func(t *testing.T) {
		edge := "levada-blocks-" + run + "-"
		expected := map[string][]string{
			"reader":    {"levada-tasks-" + run + "/readers"},
			"transform": {edge + "source/to-refine", edge + "refine/to-score"},
			"writer":    {edge + "score/to-sink"},
		}
		await(t, "all consumers", func() bool {
			all := consumers(t, monitor, "$G")
			return len(all[edge+"source"])+len(all[edge+"refine"])+len(all[edge+"score"]) == 3
		})
		all := consumers(t, monitor, "$G")
		for _, o := range of(decode(t, build(t, filepath.Join(folder, "overlays/keda"))), "ScaledObject") {
			require.Len(t, o.Spec.Triggers, 2)
			for _, tr := range o.Spec.Triggers {
				require.Equal(t, "prometheus", tr.Type)
				requireKnown(t, tr)
			}
			runs, work := o.Spec.Triggers[0].Metadata["query"], o.Spec.Triggers[1].Metadata["query"]
			for _, selector := range selectors(t, runs) {
				require.Equal(t, []string{"levada-tasks-" + run}, selector.streams(all), o.Metadata.Name)
			}
			for _, selector := range selectors(t, work) {
				require.ElementsMatch(t, expected[o.Metadata.Name], selector.consumers(all), o.Metadata.Name)
			}
		}
	})

	for _, s := range services {
		s.stop(t)
	}
}

// service is one process with the arguments of a Deployment.
type service struct {
	name      string
	addr      string // of its probes
	container container
	cmd       *exec.Cmd
	log       *bytes.Buffer
	exited    chan error
	grace     time.Duration
}

// start runs what the container of a Deployment runs, with addresses of this machine. It
// is killed at the end of the test.
func start(t *testing.T, o object, nats string) *service {
	t.Helper()
	s := &service{
		name: o.Metadata.Name, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(natstest.FreePorts(t, 1)[0])), container: o.pods().Spec.Containers[0],
		log: new(bytes.Buffer), exited: make(chan error, 1), // the one exit
		grace: time.Duration(o.pods().Spec.TerminationGracePeriodSeconds) * time.Second,
	}
	args := slices.Clone(s.container.Args)
	i := slices.Index(args, ":8080")
	require.Positive(t, i, "%s listens on the port of its probes", s.name)
	args[i] = s.addr
	s.cmd = exec.Command(tool(t, "LEVADA_BIN"), args...)
	s.cmd.Env = append(os.Environ(), "NATS_URL="+nats, "LEVADA_REPLICAS=1")
	s.cmd.Stderr = s.log
	require.NoError(t, s.cmd.Start())
	go func() { s.exited <- s.cmd.Wait() }()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it has stopped already, or the test has failed
		if t.Failed() {
			t.Logf("%s:\n%s", s.name, s.log)
		}
	})
	return s
}

// stop asks the process to stop, as the kubelet does.
func (s *service) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-s.exited:
		require.NoError(t, err, "%s: %s", s.name, s.log)
	case <-time.After(s.grace):
		require.FailNow(t, "a kill would have come first", s.name)
	}
}

// await waits until cond holds.
func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for !cond() {
		select {
		case <-ctx.Done():
			require.FailNow(t, "waited too long", what)
		case <-time.After(50 * time.Millisecond): // a poll of the probe, or of the server
		}
	}
}

// get returns the status of an answer; 0 without one.
func get(addr, path string) int {
	res, err := http.Get("http://" + addr + path)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	return res.StatusCode
}

// consumers returns the lag of each consumer by stream, as KEDA's scaler asks for it and
// as the exporter does.
func consumers(t *testing.T, monitor, account string) map[string]map[string]int {
	t.Helper()
	res, err := http.Get("http://" + monitor + "/jsz?" + url.Values{"acc": {account}, "consumers": {"true"}, "config": {"true"}}.Encode())
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	var info server.JSInfo
	require.NoError(t, json.Unmarshal(body, &info), "%s", body)
	found := map[string]map[string]int{}
	for _, a := range info.AccountDetails {
		require.Equal(t, account, a.Name)
		for _, s := range a.Streams {
			found[s.Name] = map[string]int{}
			for _, c := range s.Consumer {
				found[s.Name][c.Name] = int(min(c.NumPending, 1<<30)) + c.NumAckPending
			}
		}
	}
	return found
}

// takes lists what the scalers of KEDA 2.21 read; what else a trigger says is ignored.
var takes = map[string][]string{
	"prometheus":     {"serverAddress", "query", "threshold", "activationThreshold", "namespace", "queryParameters", "customHeaders", "ignoreNullValues", "unsafeSsl", "timeout"},
	"nats-jetstream": {"natsServerMonitoringEndpoint", "account", "accountID", "stream", "consumer", "lagThreshold", "activationLagThreshold", "useHttps"},
}

func requireKnown(t *testing.T, tr trigger) {
	t.Helper()
	for key := range tr.Metadata {
		assert.Contains(t, takes[tr.Type], key)
	}
}

// matchers are what a query asks of the labels of one metric.
type matchers []matcher

type matcher struct {
	label, op string
	value     *regexp.Regexp
}

var (
	selected = regexp.MustCompile(`(nats_[a-z_]+)\{([^}]*)\}`)
	matched  = regexp.MustCompile(`([a-z_]+)(=~|!=|=)"([^"]*)"`)
)

// selectors returns the selectors of a query, of metrics and labels that the exporter has.
func selectors(t *testing.T, query string) []matchers {
	t.Helper()
	var all []matchers
	for _, s := range selected.FindAllStringSubmatch(query, -1) {
		require.Contains(t, []string{"nats_stream_total_messages", "nats_consumer_num_pending", "nats_consumer_num_ack_pending"}, s[1])
		var ms matchers
		for _, m := range matched.FindAllStringSubmatch(s[2], -1) {
			require.Contains(t, []string{"stream_name", "consumer_name", "is_consumer_leader"}, m[1])
			text := m[3]
			if m[2] != "=~" {
				text = regexp.QuoteMeta(text)
			}
			ms = append(ms, matcher{m[1], m[2], regexp.MustCompile("^(?:" + text + ")$")})
		}
		all = append(all, ms)
	}
	require.NotEmpty(t, all, query)
	require.Len(t, all, strings.Count(query, "nats_"), query)
	return all
}

func (ms matchers) take(labels map[string]string) bool {
	for _, m := range ms {
		if m.value.MatchString(labels[m.label]) == (m.op == "!=") {
			return false
		}
	}
	return true
}

// streams returns those of which the exporter's series match.
func (ms matchers) streams(all map[string]map[string]int) []string {
	var found []string
	for stream := range all {
		if ms.take(map[string]string{"stream_name": stream}) {
			found = append(found, stream)
		}
	}
	return found
}

// consumers returns those of which the exporter's series match, with their streams.
func (ms matchers) consumers(all map[string]map[string]int) []string {
	var found []string
	for stream, consumers := range all {
		for name := range consumers {
			if ms.take(map[string]string{"stream_name": stream, "consumer_name": name, "is_consumer_leader": "true"}) {
				found = append(found, stream+"/"+name)
			}
		}
	}
	return found
}
