//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/s3test"
	"github.com/levada-data/levada/internal/storage"
)

// place is where data is.
type place struct {
	uri string // as a spec names it
	dir string // its files on this machine: a bucket of the store is a directory
}

func local(path string) place { return place{path, path} }

func (p place) kind() string {
	scheme, _, ok := strings.Cut(p.uri, "://")
	if !ok {
		return "directory"
	}
	return scheme
}

// clean checks that a run has left no temporary file and no unfinished upload.
func (p place) clean(ctx context.Context, run string) error {
	b, err := storage.NewBucket(ctx, p.uri, storage.S3Options{})
	if err != nil {
		return err
	}
	staged, err := b.ListStaged(ctx, run)
	if err == nil && len(staged) > 0 {
		err = fmt.Errorf("%d temporary files or uploads are left, %s for one", len(staged), staged[0].Name)
	}
	return err
}

// store is an S3 server with the tables in its bucket, behind a proxy that troubles it.
type store struct {
	*s3test.Proxy
	input place // glob of the table
	large place // likewise, in larger row groups

	mu     sync.Mutex
	counts map[string]int
}

// newStore starts an S3 server, the one of all processes that the test starts, and puts
// a directory into its bucket.
func newStore(t *testing.T, dir string) *store {
	t.Helper()
	s := &store{Proxy: s3test.NewProxy(t, s3test.New(t))}
	tables := s.place("tables")
	require.NoError(t, os.CopyFS(tables.dir, os.DirFS(dir)))
	glob := func(name string) place {
		return place{tables.uri + "/" + name + "/*.parquet", filepath.Join(tables.dir, name, "*.parquet")}
	}
	s.input, s.large = glob("customers"), glob("large")
	return s
}

// place is a prefix of the bucket.
func (s *store) place(name string) place {
	return place{s.URI(name), filepath.Join(s.Dir, s3test.Bucket, name)}
}

// trouble makes one of sixty requests fail, in one of the ways of a store, until
// Judge(nil) ends it.
func (s *store) trouble(seed uint64) {
	kinds := []struct {
		name  string
		fault s3test.Fault
	}{{"slow", s3test.Slow}, {"failed", s3test.Failed}, {"reset", s3test.Reset}, {"lost", s3test.Lost}, {"broken", s3test.Broken}}
	rng := rand.New(rand.NewPCG(seed, 0))
	s.mu.Lock()
	s.counts = map[string]int{}
	s.mu.Unlock()
	s.Judge(func(*http.Request) s3test.Fault {
		s.mu.Lock()
		defer s.mu.Unlock()
		if rng.IntN(60) > 0 {
			return s3test.Pass
		}
		k := kinds[rng.IntN(len(kinds))]
		s.counts[k.name]++
		return k.fault
	})
}

// faults are those of the last trouble, by kind.
func (s *store) faults() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}
