// Package interop proves that others can read what Levada writes: live blocks from
// Python, output files by pyarrow and DuckDB, and that files written by pyarrow pass
// through unharmed. Its tests need Python with the packages of
// examples/python/requirements.txt and test/oracle/requirements.txt: `make interop`.
package interop
