"""Polars: a lazy scan, expressions, and sink_parquet, which runs on the streaming engine. It has no SHA-256: hashlib does that
in map_batches, a batch at a time."""

import hashlib

import polars as pl

from . import job_of


def sha256(column: pl.Series) -> pl.Series:
    return pl.Series(column.name, [None if v is None else hashlib.sha256(v.encode()).hexdigest() for v in column.to_list()], pl.String)


EMAIL = pl.col("email").map_batches(sha256, return_dtype=pl.String, is_elementwise=True)
PHONE = pl.col("phone").str.tail(4).str.pad_start(pl.col("phone").str.len_chars(), "*")
Z = (pl.col("amount") * 2.5).alias("z")


def scan(table: str) -> pl.LazyFrame:
    return pl.scan_parquet(f"{table}/*.parquet")


def sink(frame: pl.LazyFrame, out: str) -> None:
    frame.sink_parquet(f"{out}/part.parquet", compression="snappy")


def w1(rows: int, out: str) -> None:
    frame = pl.LazyFrame().select(pl.int_range(rows, dtype=pl.Int64).alias("id"))
    sink(frame.with_columns((pl.col("id") * 2.5).alias("value")), out)


def w2(table: str, out: str) -> None:
    sink(scan(table).with_columns(Z), out)


def w5(table: str, out: str) -> None:
    sink(scan(table).with_columns(EMAIL, PHONE), out)


def w6(table: str, out: str) -> None:
    sink(scan(table).filter(pl.col("amount") > 32000).with_columns(Z, EMAIL, PHONE), out)


if __name__ == "__main__":
    job_of({"w1": w1, "w2": w2, "w5": w5, "w6": w6})
