package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/levada-data/levada/internal/storage"
)

// Output is what is at a location that runs have written to: their manifests, and the files
// that readers see.
type Output struct {
	Bucket    storage.Bucket
	Manifests []*Manifest      // in the order of the runs: by the generation of their locks
	Files     []storage.Object // visible ones, by name
	Staged    int              // files of runs that nobody sees (yet)
}

// Outputs reads the manifests of a location and lists its files. A manifest that cannot be
// read is left out, and named in the error beside the output; without an output, the location
// could not be looked at.
func Outputs(ctx context.Context, uri string, o storage.S3Options) (*Output, error) {
	bucket, err := storage.NewBucket(ctx, uri, o)
	if err != nil {
		return nil, err
	}
	objects, err := bucket.List(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", bucket.URI(), err)
	}
	out := &Output{Bucket: bucket}
	for _, f := range objects {
		if !anyHidden(f.Name) {
			out.Files = append(out.Files, f)
		}
	}
	// Not all stores list what is hidden with the rest.
	found, err := bucket.List(ctx, manifestPrefix)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", bucket.URI(), err)
	}
	var errs []error
	for _, f := range found {
		run, ok := strings.CutSuffix(strings.TrimPrefix(f.Name, manifestPrefix), ".json")
		if !ok {
			continue
		}
		s := &Sink{bucket: bucket, run: run}
		m, err := s.ReadManifest(ctx)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out.Manifests = append(out.Manifests, m)
	}
	slices.SortFunc(out.Manifests, func(a, b *Manifest) int {
		return cmp.Or(cmp.Compare(a.Generation, b.Generation), a.Created.Compare(b.Created), cmp.Compare(a.Run, b.Run))
	})
	staged, err := bucket.ListStaged(ctx, "")
	if err != nil {
		errs = append(errs, fmt.Errorf("list the temporaries of %s: %w", bucket.URI(), err))
	}
	out.Staged = len(staged)
	return out, errors.Join(errs...)
}

// manifestPrefix begins the names of all manifests of a sink.
const manifestPrefix = private + "/manifest-"

// RunOf returns the run that a data file's name says has written it; "" when it says none.
func RunOf(name string) string {
	run, _ := runOf(name)
	return run
}

// CopyManifest writes a run's manifest as it stands, byte for byte.
func (o *Output) CopyManifest(ctx context.Context, run string, w io.Writer) error {
	s := &Sink{bucket: o.Bucket, run: run}
	data, err := s.read(ctx, manifestName(run), maxManifestBytes)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
