package job_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/pkg/pipeline"
)

func TestHivePairs(t *testing.T) {
	for uri, want := range map[string][]job.HivePair{
		"/data/year=2024/city=Porto%2F1/a=b.parquet": {{Column: "year", Value: "2024"}, {Column: "city", Value: "Porto/1"}},
		"s3://bucket/k=v/x/l=%zz/f.parquet":          {{Column: "k", Value: "v"}, {Column: "l", Value: "%zz"}},
		"/data/=x/plain/f.parquet":                   nil,
		"f.parquet":                                  nil,
		"/e=/f.parquet":                              {{Column: "e", Value: ""}},
	} {
		require.Equal(t, want, job.HivePairs(uri), uri)
	}
}

func TestInferHive(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   string
	}{
		{[]string{"1", "-2", "007"}, "int64"},
		{[]string{"1", pipeline.HiveNull}, "int64"},
		{[]string{"2024-01-02"}, "date32"},
		{[]string{"2024-01-02", "1"}, "utf8"},
		{[]string{"9223372036854775808"}, "utf8"},
		{[]string{"2024-02-30"}, "utf8"},
		{[]string{""}, "utf8"},
		{[]string{pipeline.HiveNull}, "utf8"},
		{nil, "utf8"},
	} {
		all := map[string]bool{}
		for _, v := range c.values {
			all[v] = true
		}
		require.Equal(t, c.want, job.InferHive(all).String(), "%v", c.values)
	}
}

func TestHiveScalar(t *testing.T) {
	for _, c := range []struct{ value, typ, want string }{ // "" when it cannot be read
		{"7", "int32", "7"}, {"2147483648", "int32", ""}, {"true", "bool", "true"}, {"1", "bool", ""}, {"2024-01-02", "date", "2024-01-02"}, {"x", "date", ""}, {"x", "string", "x"},
	} {
		s, err := job.HiveScalar(c.value, job.HiveType(c.typ))
		if c.want == "" {
			require.Error(t, err, c.value)
			continue
		}
		require.NoError(t, err, c.value)
		require.Equal(t, c.want, s.String())
	}
	s, err := job.HiveScalar(pipeline.HiveNull, job.HiveType("int64"))
	require.NoError(t, err)
	require.False(t, s.IsValid())
}
