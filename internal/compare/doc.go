// Package compare says in what two Parquet data sets differ, whatever the order of their
// rows, their files and their row groups, within bounded memory.
//
//	files ─► footers ─► schema ─► pass 1: checksums of columns, of rows, of buckets of rows
//	                                └► buckets that differ ─► pass 2: keys and their rows
//	                                                            └► the first ─► pass 3: values
//
// The checksum of a column is the sum, modulo 2^64, of the XXH3-64 (seed 0) of its values:
// the same values in any order give the same sum. That of the rows is the sum of a hash over
// the hashes of a row's columns, so that values which have changed places are seen. Each row
// falls into one of some buckets by the hash of its key, or of the row where no key is named.
// Only rows of buckets that differ are remembered, and no more of them than a bound allows.
//
// What is hashed of a value does not depend on how it is stored: integers as 64 bits, little
// endian; floats as the bits of a float64, any NaN being the same; decimals as 256 bits; times
// and dates as their number; text and binary as their bytes; a list as its length and the
// hashes of its items; a struct as those of its fields. A null is a value of its own.
package compare
