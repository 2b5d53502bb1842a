package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats.go"
)

const (
	lockName     = "lock"
	endpointName = "server.json"
)

// Endpoint is how other processes reach a running server: the content of server.json.
type Endpoint struct {
	URL     string    `json:"url"`     // empty while the server is starting
	Token   string    `json:"token"`   // grants everything: treat as a password
	PID     int       `json:"pid"`     // of the process that the server runs in
	Started time.Time `json:"started"` // when
}

// Attach finds the server that another process runs on a state directory. Without
// one the error is [ErrNotRunning], also when a killed process left its server.json.
func Attach(dir string) (*Endpoint, error) {
	live, err := locked(dir)
	if err != nil {
		return nil, fmt.Errorf("attach to %s: %w", dir, err)
	}
	if !live {
		return nil, fmt.Errorf("attach to %s: %w", dir, ErrNotRunning)
	}
	e, err := readEndpoint(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && e.URL == "":
		return nil, fmt.Errorf("attach to %s: %w yet, or it is ending", dir, ErrNotRunning)
	case err != nil:
		return nil, fmt.Errorf("attach to %s: %w", dir, err)
	}
	return e, nil
}

// Connect opens a connection to the server over loopback. The caller closes it.
func (e *Endpoint) Connect(opts ...nats.Option) (*nats.Conn, error) {
	return nats.Connect(e.URL, append([]nats.Option{nats.Token(e.Token)}, opts...)...)
}

// locked reports whether a process holds the lock of a state directory. It asks for
// a shared lock, so that two who ask at once do not take each other for a server.
func locked(dir string) (bool, error) {
	path := filepath.Join(dir, lockName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	l := flock.New(path, flock.SetFlag(os.O_RDONLY))
	free, err := l.TryRLock()
	if err != nil {
		return false, err
	}
	if err := l.Close(); err != nil {
		return false, err
	}
	return !free, nil
}

func readEndpoint(dir string) (*Endpoint, error) {
	path := filepath.Join(dir, endpointName)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	e := &Endpoint{}
	if err := json.Unmarshal(data, e); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return e, nil
}

// writeEndpoint puts server.json in place in one step: a reader sees the old content
// or the new. os.CreateTemp makes the file readable for its owner alone.
func writeEndpoint(dir string, e *Endpoint) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, endpointName+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, endpointName))
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to tell
	}
	return err
}
