package job

import (
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/pipeline"
)

// S3 turns what a spec says about buckets into what the storage wants. nil is the
// environment.
func S3(o *pipeline.S3) storage.S3Options {
	if o == nil {
		return storage.S3Options{}
	}
	return storage.S3Options{
		Region: o.Region, Endpoint: o.Endpoint, PathStyle: o.PathStyle, RequesterPays: o.RequesterPays, SSE: o.SSE, KMSKey: o.KMSKey,
		Fetch: storage.FetchOptions{Gap: o.ReadGap, Split: o.ReadSplit, Parallel: o.ReadParallel},
	}
}
