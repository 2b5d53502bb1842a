package embedded_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/levada-data/levada/internal/embedded"
)

// childDir makes the test binary a process that runs a server on the directory named
// until its standard input ends.
const childDir = "LEVADA_TEST_EMBEDDED_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

func child(dir string) {
	s, err := embedded.Start(context.Background(), embedded.Options{StateDir: dir})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(3)
	}
	nc, err := s.Connect()
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(3)
	}
	store(nc)
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	nc.Close()
	if err := s.Close(); err != nil {
		fmt.Println("error:", err)
		os.Exit(3)
	}
}

func store(nc *nats.Conn) {
	js, err := jetstream.New(nc)
	if err == nil {
		_, err = js.CreateOrUpdateStream(context.Background(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, MaxBytes: 1 << 20})
	}
	if err == nil {
		_, err = js.Publish(context.Background(), "s", []byte("x"))
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(3)
	}
}

// startChild runs a server in another process and returns once it is ready.
func startChild(t *testing.T, dir string) (*exec.Cmd, io.Closer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	return cmd, in
}

func start(t *testing.T, o embedded.Options) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func messages(t *testing.T, nc *nats.Conn) uint64 {
	t.Helper()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	s, err := js.Stream(t.Context(), "S")
	require.NoError(t, err)
	return s.CachedInfo().State.Msgs
}

func TestStartServesThisProcessAndOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := start(t, embedded.Options{StateDir: dir})

	inside, err := s.Connect(nats.Name("inside"))
	require.NoError(t, err)
	defer inside.Close()
	require.EqualValues(t, embedded.DefaultMaxPayload, inside.MaxPayload())
	store(inside)
	require.DirExists(t, filepath.Join(dir, "jetstream"))
	require.Positive(t, s.StoreLimit())

	e, err := embedded.Attach(dir)
	require.NoError(t, err)
	require.Equal(t, os.Getpid(), e.PID)
	require.Equal(t, s.Endpoint(), *e)
	outside, err := e.Connect()
	require.NoError(t, err)
	defer outside.Close()
	require.EqualValues(t, 1, messages(t, outside))

	info, err := os.Stat(filepath.Join(dir, "server.json"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	host, _, err := net.SplitHostPort(strings.TrimPrefix(s.URL(), "nats://"))
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", host)
}

func TestNobodyGetsInWithoutTheToken(t *testing.T) {
	s := start(t, embedded.Options{StateDir: t.TempDir()})
	_, err := nats.Connect(s.URL())
	require.ErrorIs(t, err, nats.ErrAuthorization)
	_, err = nats.Connect(s.URL(), nats.Token("guess"))
	require.ErrorIs(t, err, nats.ErrAuthorization)
}

func TestOptionsAreApplied(t *testing.T) {
	s := start(t, embedded.Options{StateDir: t.TempDir(), MaxPayload: 1 << 20, StoreLimit: 123 << 20, SyncInterval: -1})
	nc, err := s.Connect()
	require.NoError(t, err)
	defer nc.Close()
	require.EqualValues(t, 1<<20, nc.MaxPayload())
	require.EqualValues(t, 123<<20, s.StoreLimit())
}

func TestCloseRemovesTheEndpointAndKeepsTheStore(t *testing.T) {
	dir := t.TempDir()
	s, err := embedded.Start(t.Context(), embedded.Options{StateDir: dir})
	require.NoError(t, err)
	nc, err := s.Connect()
	require.NoError(t, err)
	store(nc)
	nc.Close()
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.NoFileExists(t, filepath.Join(dir, "server.json"))
	_, err = embedded.Attach(dir)
	require.ErrorIs(t, err, embedded.ErrNotRunning)

	s = start(t, embedded.Options{StateDir: dir})
	nc, err = s.Connect()
	require.NoError(t, err)
	defer nc.Close()
	require.EqualValues(t, 1, messages(t, nc))
}

func TestTwoServersOnOneDirectoryAreRefused(t *testing.T) {
	dir := t.TempDir()
	cmd, in := startChild(t, dir)
	_, err := embedded.Start(t.Context(), embedded.Options{StateDir: dir})
	require.ErrorIs(t, err, embedded.ErrLocked)
	var locked *embedded.LockedError
	require.ErrorAs(t, err, &locked)
	require.Equal(t, cmd.Process.Pid, locked.PID)
	require.ErrorContains(t, err, fmt.Sprintf("process %d", cmd.Process.Pid))

	e, err := embedded.Attach(dir)
	require.NoError(t, err)
	require.Equal(t, cmd.Process.Pid, e.PID)
	nc, err := e.Connect()
	require.NoError(t, err)
	require.EqualValues(t, 1, messages(t, nc))
	nc.Close()

	require.NoError(t, in.Close())
	require.NoError(t, cmd.Wait())
	start(t, embedded.Options{StateDir: dir})
}

func TestAKilledServerLeavesNothingThatIsBelieved(t *testing.T) {
	dir := t.TempDir()
	cmd, _ := startChild(t, dir)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.FileExists(t, filepath.Join(dir, "server.json"))
	_, err := embedded.Attach(dir)
	require.ErrorIs(t, err, embedded.ErrNotRunning)

	s := start(t, embedded.Options{StateDir: dir})
	nc, err := s.Connect()
	require.NoError(t, err)
	defer nc.Close()
	require.EqualValues(t, 1, messages(t, nc), "what was acknowledged outlives the process")
}

func TestAttachToNothing(t *testing.T) {
	_, err := embedded.Attach(filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, embedded.ErrNotRunning)
}

func TestADamagedEndpointIsAnError(t *testing.T) {
	dir := t.TempDir()
	s := start(t, embedded.Options{StateDir: dir})
	path := filepath.Join(dir, "server.json")
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	_, err = embedded.Attach(dir)
	require.ErrorContains(t, err, "server.json")
	require.NotErrorIs(t, err, embedded.ErrNotRunning)
	require.NoError(t, os.WriteFile(path, good, 0o600))
	require.NotEmpty(t, s.Token())
}

func TestAStoreThatCannotBeOpenedIsAnErrorAndFreesTheDirectory(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "jetstream")
	require.NoError(t, os.WriteFile(blocked, nil, 0o600))
	_, err := embedded.Start(t.Context(), embedded.Options{StateDir: dir})
	require.ErrorContains(t, err, "start embedded server")
	require.NoFileExists(t, filepath.Join(dir, "server.json"))
	require.NoError(t, os.Remove(blocked))
	start(t, embedded.Options{StateDir: dir})

	_, err = embedded.Start(t.Context(), embedded.Options{})
	require.ErrorContains(t, err, "no state directory")
	_, err = embedded.Start(t.Context(), embedded.Options{StateDir: filepath.Join(dir, "lock", "x")})
	require.Error(t, err)
}

func TestTheServersLogIsRoutedToOurs(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := embedded.Start(t.Context(), embedded.Options{StateDir: t.TempDir(), Log: log})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.Contains(t, out.String(), "level=DEBUG msg=nats-server")
	require.NotContains(t, out.String(), "level=INFO")
	require.NotContains(t, out.String(), s.Token())
}

func TestStartGivesUpWithItsContext(t *testing.T) {
	dir := t.TempDir()
	start(t, embedded.Options{StateDir: dir})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := embedded.Start(ctx, embedded.Options{StateDir: dir})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestDefaultStateDirFollowsXDG(t *testing.T) {
	for _, c := range []struct{ xdg, home, want string }{
		{"/x/state", "/h", "/x/state/levada"},
		{"", "/h", "/h/.local/state/levada"},
		{"relative", "/h", "/h/.local/state/levada"},
	} {
		got, err := embedded.DefaultStateDir(func(key string) string {
			return map[string]string{"XDG_STATE_HOME": c.xdg, "HOME": c.home}[key]
		})
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	_, err := embedded.DefaultStateDir(func(string) string { return "" })
	require.ErrorIs(t, err, embedded.ErrNoStateDir)
}
