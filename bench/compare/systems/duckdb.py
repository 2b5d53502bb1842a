"""DuckDB: COPY of a query to one Parquet file, all cores, everything else as it comes."""

import duckdb

from . import job_of

MASKS = "sha256(email) AS email, lpad(right(phone, 4), length(phone)::INTEGER, '*') AS phone"


def copy(query: str, out: str) -> None:
    duckdb.execute(f"COPY ({query}) TO '{out}/part.parquet' (FORMAT parquet, COMPRESSION snappy)")


def w1(rows: int, out: str) -> None:
    copy(f"SELECT range AS id, range * 2.5::DOUBLE AS value FROM range({rows})", out)


def w2(table: str, out: str) -> None:
    copy(f"SELECT *, amount * 2.5::DOUBLE AS z FROM '{table}/*.parquet'", out)


def w5(table: str, out: str) -> None:
    copy(f"SELECT * REPLACE ({MASKS}) FROM '{table}/*.parquet'", out)


def w6(table: str, out: str) -> None:
    copy(f"SELECT * REPLACE ({MASKS}), amount * 2.5::DOUBLE AS z FROM '{table}/*.parquet' WHERE amount > 32000", out)


if __name__ == "__main__":
    job_of({"w1": w1, "w2": w2, "w5": w5, "w6": w6})
