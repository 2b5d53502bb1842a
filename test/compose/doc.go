// Package compose runs docker-compose.yml, as it is, on a real Docker engine, and does to
// it what people do: scale a stage while it works, kill containers, take the stack down in
// the middle of a run and up again, lose one NATS server of three, work on a bucket
// elsewhere. DuckDB compares what is in the bucket with what it makes of the source.
//
// `make compose` runs it. It needs a Docker engine and the images that the files name;
// deployments/ci/engine.sh provides both where they are missing.
package compose
