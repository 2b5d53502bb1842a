// Package parquettest makes Parquet files that writers of Arrow do not make: of every logical
// type, on every physical type that may have it.
package parquettest
