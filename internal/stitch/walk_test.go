package stitch_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/stitch"
)

func checkPages(t testing.TB, data []byte) {
	t.Helper()
	require.NoError(t, stitch.CheckPages(data))
}
