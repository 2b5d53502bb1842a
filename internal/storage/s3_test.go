package storage_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/s3test"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/internal/storage/storagetest"
)

func TestS3(t *testing.T) {
	srv := s3test.New(t)
	n := 0
	storagetest.Run(t, func(t *testing.T) storage.Bucket {
		t.Helper()
		n++
		return bucket(t, srv.URI(fmt.Sprintf("tests/%d/", n)), srv.Options())
	})
}

func bucket(t *testing.T, uri string, o storage.S3Options) storage.Bucket {
	t.Helper()
	b, err := storage.NewBucket(t.Context(), uri, o)
	require.NoError(t, err)
	return b
}

// Everything that a bucket promises holds while the store throttles, fails, resets
// connections and loses answers: one request in five goes wrong.
func TestS3UnderFaults(t *testing.T) {
	for name, fault := range map[string]s3test.Fault{
		"SlowDown": s3test.Slow, "InternalError": s3test.Failed, "Reset": s3test.Reset, "BrokenAnswers": s3test.Broken,
	} {
		t.Run(name, func(t *testing.T) {
			p := s3test.NewProxy(t, s3test.New(t))
			rng := rand.New(rand.NewPCG(1, 2))
			draw := make(chan bool)
			go func() {
				for {
					select {
					case draw <- rng.IntN(5) == 0:
					case <-t.Context().Done():
						return
					}
				}
			}()
			var injected atomic.Int64
			p.Judge(func(r *http.Request) s3test.Fault {
				if fault == s3test.Broken && r.Method != http.MethodGet || !<-draw {
					return s3test.Pass
				}
				injected.Add(1)
				return fault
			})
			b := bucket(t, p.URI("out"), p.Options())
			var requests, retries, throttled atomic.Int64
			ctx := storage.Observe(t.Context(), func(retry, tooMany bool) {
				requests.Add(1)
				if retry {
					retries.Add(1)
				}
				if tooMany {
					throttled.Add(1)
				}
			})
			data := bytes.Repeat([]byte("levada "), 1<<20)
			files := 3
			if fault == s3test.Slow {
				files = 1 // it slows down, as it should
			}
			for i := range files {
				file := fmt.Sprintf("run-%d.parquet", i)
				s, err := b.Stage(ctx, "run", file)
				require.NoError(t, err)
				_, err = s.Write(data)
				require.NoError(t, err)
				require.NoError(t, s.Finish())
				require.NoError(t, b.Reveal(ctx, s.Token(), file))
				f, err := b.Open(ctx, file)
				require.NoError(t, err)
				got := make([]byte, 100_000)
				_, err = f.ReadAt(got, 1_000_000)
				require.NoError(t, err)
				require.True(t, bytes.Equal(got, data[1_000_000:1_100_000]))
			}
			require.Positive(t, injected.Load())
			require.Greater(t, requests.Load(), retries.Load())
			require.Equal(t, fault != s3test.Broken, retries.Load() > 0)
			require.Equal(t, fault == s3test.Slow, throttled.Load() > 0)
		})
	}
}

// A completion whose answer is lost has been done: who asks again is told that nothing is
// staged any more, and finds the file.
func TestS3RevealWhoseAnswerIsLost(t *testing.T) {
	p := s3test.NewProxy(t, s3test.New(t))
	b := bucket(t, p.URI("out"), p.Options())
	token := storagetest.Stage(t, b, "run", "run-one", []byte("data"))
	lost := false
	p.Judge(func(r *http.Request) s3test.Fault {
		if r.Method == http.MethodPost && !lost {
			lost = true
			return s3test.Lost
		}
		return s3test.Pass
	})
	err := b.Reveal(t.Context(), token, "run-one")
	if err != nil {
		require.ErrorIs(t, err, storage.ErrNotStaged)
	}
	require.True(t, lost)
	require.Equal(t, "data", string(storagetest.Content(t, b, "run-one")))
}

// While a gateway completes an upload, neither that nor the object is there. Whoever looks
// at that moment must not take the file for lost.
func TestS3FileThatIsBeingRevealedIsNotLost(t *testing.T) {
	p := s3test.NewProxy(t, s3test.New(t))
	b := bucket(t, p.URI("out"), p.Options())
	token := storagetest.Stage(t, b, "run", "run-one", []byte("data"))
	upload, _, _ := strings.Cut(token, "@")
	dirs, err := filepath.Glob(filepath.Join(p.Dir, s3test.Bucket, ".sgwtmp", "multipart", "*", upload))
	require.NoError(t, err)
	require.Len(t, dirs, 1, "where the gateway keeps uploads")
	aside := dirs[0] + ".aside.inprogress"
	require.NoError(t, os.Rename(dirs[0], aside))
	var looks atomic.Int32
	p.Judge(func(r *http.Request) s3test.Fault {
		if r.URL.Query().Has("uploadId") && looks.Add(1) == 3 {
			if err := os.Rename(aside, dirs[0]); err != nil {
				t.Errorf("put back: %v", err)
			}
		}
		return s3test.Pass
	})
	there, err := b.HasStaged(t.Context(), token)
	require.NoError(t, err)
	require.True(t, there)
	require.NoError(t, b.Reveal(t.Context(), token, "run-one"))
	there, err = b.HasStaged(t.Context(), token)
	require.NoError(t, err)
	require.False(t, there, "it is visible")
	require.Equal(t, "data", string(storagetest.Content(t, b, "run-one")))
}

// Each of these says what it is, and what to do; and only what may pass is called
// transient.
func TestS3ErrorsAreNamed(t *testing.T) {
	p := s3test.NewProxy(t, s3test.New(t))
	always := func(f s3test.Fault) func(*http.Request) s3test.Fault {
		return func(*http.Request) s3test.Fault { return f }
	}
	for name, c := range map[string]struct {
		uri   string
		judge func(*http.Request) s3test.Fault
		want  error
		hint  string
	}{
		"NoBucket": {uri: "s3://nothing/x", want: storage.ErrNoBucket, hint: "create the bucket nothing"},
		"Denied":   {judge: always(s3test.Denied), want: storage.ErrDenied, hint: "s3:PutObject"},
		"Expired":  {judge: always(s3test.Expired), want: storage.ErrCredentials, hint: "renew the credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			p.Judge(c.judge)
			if c.uri == "" {
				c.uri = p.URI("x")
			}
			b := bucket(t, c.uri, p.Options())
			_, err := b.Stage(t.Context(), "run", "run-one")
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.hint)
			require.ErrorContains(t, err, c.uri+"/run-one")
			require.True(t, storage.IsPermanent(err))
			require.False(t, storage.IsTransient(err))
		})
	}
	t.Run("WrongSecret", func(t *testing.T) {
		t.Setenv("AWS_SECRET_ACCESS_KEY", "another")
		p.Judge(nil)
		b := bucket(t, p.URI("y"), storage.S3Options{Endpoint: p.URL(), Region: s3test.Region})
		_, err := b.List(t.Context(), "")
		require.ErrorIs(t, err, storage.ErrCredentials)
		require.ErrorContains(t, err, "mend the access key")
	})
}

// An object that is replaced while it is read is an error, never a mix of the two.
func TestS3ChangedObject(t *testing.T) {
	srv := s3test.New(t)
	b := bucket(t, srv.URI("in"), srv.Options())
	require.NoError(t, b.Put(t.Context(), "a", bytes.Repeat([]byte("old "), 100_000)))
	f, err := b.Open(t.Context(), "a")
	require.NoError(t, err)
	require.NoError(t, b.Delete(t.Context(), "a"))
	require.NoError(t, b.Put(t.Context(), "a", bytes.Repeat([]byte("new "), 100_000)))
	_, err = f.ReadAt(make([]byte, 1000), 10)
	require.ErrorIs(t, err, storage.ErrChanged)
	require.True(t, storage.IsPermanent(err))
}

func TestS3Expand(t *testing.T) {
	srv := s3test.New(t)
	b := bucket(t, srv.URI(""), srv.Options())
	for _, name := range []string{"in/b.parquet", "in/a.parquet", "in/deep/c.parquet", "in/note.txt", "in/_levada/d.parquet", "in/.hidden.parquet", "inside/e.parquet"} {
		require.NoError(t, b.Put(t.Context(), name, []byte("x")))
	}
	at := func(names ...string) []string {
		out := make([]string, len(names))
		for i, n := range names {
			out[i] = srv.URI(n)
		}
		return out
	}
	for name, c := range map[string]struct{ uris, want []string }{
		"Object":    {at("in/note.txt"), at("in/note.txt")},
		"Prefix":    {at("in"), at("in/a.parquet", "in/b.parquet", "in/deep/c.parquet")},
		"Slash":     {at("in/"), at("in/a.parquet", "in/b.parquet", "in/deep/c.parquet")},
		"Glob":      {at("in/*.parquet"), at("in/a.parquet", "in/b.parquet")},
		"Deep":      {at("in/**/*.parquet"), at("in/_levada/d.parquet", "in/a.parquet", "in/b.parquet", "in/deep/c.parquet")},
		"WholeName": {at("in*/{a,e}.parquet"), at("in/a.parquet", "inside/e.parquet")},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := storage.Expand(t.Context(), c.uris, ".parquet", srv.Options())
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	_, err := storage.Expand(t.Context(), at("nothing"), ".parquet", srv.Options())
	require.ErrorIs(t, err, storage.ErrNotExist)
	_, err = storage.Expand(t.Context(), at("in/z*"), ".parquet", srv.Options())
	require.ErrorContains(t, err, "matches no file")
}

// What is staged takes no room that a listing shows: nothing of it is below the prefix.
func TestS3StagedFilesAreNoObjects(t *testing.T) {
	srv := s3test.New(t)
	b := bucket(t, srv.URI("out"), srv.Options())
	storagetest.Stage(t, b, "run", "run-one.parquet", []byte("x"))
	require.NoError(t, filepath.WalkDir(filepath.Join(srv.Dir, s3test.Bucket), func(p string, _ os.DirEntry, err error) error {
		require.False(t, strings.HasSuffix(p, ".parquet"), p)
		return err
	}))
}
