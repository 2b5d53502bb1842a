// Package s3test runs a real S3 server for tests: versitygw, on a directory, on
// loopback. And a proxy before it, with the faults of a busy store.
package s3test
