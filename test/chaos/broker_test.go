//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// broker is a nats-server process, again and again on the same store and port.
type broker struct {
	rig  *rig
	dir  string
	addr string

	mu   sync.Mutex
	proc *process
}

// newBroker writes the configuration of a server: as it comes, but for messages of up
// to 8 MiB.
func newBroker(g *rig, dir string) (*broker, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &broker{rig: g, dir: dir, addr: l.Addr().String()}
	if err := l.Close(); err != nil { // the port is the server's now
		return nil, err
	}
	conf := fmt.Sprintf("listen: %q\nmax_payload: 8MB\njetstream { store_dir: %q, max_file_store: 32GB }\n", b.addr, filepath.Join(dir, "store"))
	return b, os.WriteFile(filepath.Join(dir, "nats.conf"), []byte(conf), 0o644)
}

func (b *broker) url() string { return "nats://" + b.addr }

// start starts the server and waits until it listens.
func (b *broker) start(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := launch("nats-server", filepath.Join(b.dir, "nats-server.log"), []string{"GOMEMLIMIT=400MiB"}, b.rig.nats, "-c", filepath.Join(b.dir, "nats.conf"))
	if err != nil {
		return err
	}
	b.proc = p
	for {
		c, err := net.Dial("tcp", b.addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.done:
			return fmt.Errorf("nats-server: %s", p.how())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond): // until it listens
		}
	}
}

func (b *broker) kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proc != nil {
		b.proc.kill()
	}
}

// up reports that the process lives.
func (b *broker) up() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.proc != nil && !b.proc.exited()
}
