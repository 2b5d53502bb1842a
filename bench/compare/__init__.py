"""Levada beside Ray Data, DuckDB, Polars and Daft, on the same files: see README.md."""
