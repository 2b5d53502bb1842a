// Package parquet reads and writes Parquet files for the services, on top of
// arrow-go: bounded in memory, with errors that name file and row group, and never a
// panic that leaves the package.
//
// What it adds to arrow-go: the footer's length, its ranges and its row counts are
// checked against the file before anything is allocated; a row group is read by one
// goroutine under a recover; statistics are handed out only when they can be
// relied on; batches carry a schema without the metadata of the file they came from;
// and the writer uses the fast snappy encoder and a dictionary only where it pays.
package parquet
