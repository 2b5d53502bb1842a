package s3test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/storage"
)

// EnvBinary names a versitygw that is built already. Without it the tests build the one
// of tools.mod, which the Go build cache keeps.
const EnvBinary = "LEVADA_VERSITYGW"

// The credentials of every server of this package.
const (
	AccessKey = "levada-test"
	SecretKey = "levada-test-secret"
	Region    = "eu-south-2"
)

// Bucket is the bucket that every server has.
const Bucket = "data"

// Server is a running versitygw.
type Server struct {
	Dir  string // what it serves: a directory a bucket
	host string // that it listens on
	addr string
	cmd  *exec.Cmd
	done chan struct{}
	log  *bytes.Buffer
}

// binary builds the server once for each process of tests.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(EnvBinary); path != "" {
		return path, nil
	}
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	tools := filepath.Join(filepath.Dir(strings.TrimSpace(string(mod))), "tools.mod")
	cmd := exec.Command("go", "tool", "-modfile="+tools, "-n", "versitygw")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if ee, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("build versitygw: %w: %s", err, ee.Stderr)
	}
	return strings.TrimSpace(string(out)), err
})

// New starts a server with an empty bucket, and makes it the one of this process: a
// location s3://data/.. needs no options. Both end with the test.
func New(t testing.TB) *Server {
	t.Helper()
	return NewAt(t, "127.0.0.1")
}

// NewAt is New for a server that others than this machine's processes are to reach, at
// one of this machine's addresses.
func NewAt(t testing.TB, host string) *Server {
	t.Helper()
	s := &Server{Dir: t.TempDir(), host: host}
	require.NoError(t, os.Mkdir(filepath.Join(s.Dir, Bucket), 0o755))
	for try := 0; ; try++ {
		err := s.start()
		if err == nil {
			break
		}
		require.Less(t, try, 3, "%v: %s", err, s.log) // somebody else may have taken the port
	}
	t.Cleanup(s.stop)
	for name, value := range s.Env() {
		t.Setenv(name, value)
	}
	return s
}

func (s *Server) start() error {
	path, err := binary()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(s.host, "0"))
	if err != nil {
		return err
	}
	s.addr = l.Addr().String()
	if err := l.Close(); err != nil { // the port is the server's now
		return err
	}
	s.log = &bytes.Buffer{}
	s.cmd = exec.Command(path, "--port", s.addr, "--access", AccessKey, "--secret", SecretKey, "--region", Region, "--quiet", "--keep-alive",
		"posix", "--concurrency", "256", s.Dir)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // stop kills it
	}()
	for {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-s.done:
			return errors.New("versitygw has exited")
		case <-time.After(5 * time.Millisecond): // until it listens
		}
	}
}

func (s *Server) stop() {
	_ = s.cmd.Process.Kill() // it may be gone
	<-s.done
}

// URL is where clients connect to.
func (s *Server) URL() string { return "http://" + s.addr }

// Env is what a process needs to use the server.
func (s *Server) Env() map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL_S3": s.URL(), "AWS_ACCESS_KEY_ID": AccessKey, "AWS_SECRET_ACCESS_KEY": SecretKey, "AWS_REGION": Region, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
	}
}

// Options reach the server.
func (s *Server) Options() storage.S3Options { return storage.S3Options{Endpoint: s.URL()} }

// URI is a location in the bucket.
func (s *Server) URI(key string) string { return "s3://" + Bucket + "/" + key }
