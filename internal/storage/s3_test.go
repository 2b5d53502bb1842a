package storage_test

import (
	"fmt"
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
		b, err := storage.NewBucket(t.Context(), srv.URI(fmt.Sprintf("tests/%d/", n)), srv.Options())
		require.NoError(t, err)
		return b
	})
}
