"""Daft on its native runner. It has no SHA-256: a batch function with hashlib does that."""

import hashlib

import daft
from daft import DataType, Series, col
from daft.functions import length, lpad, right

from . import job_of


@daft.func.batch(return_dtype=DataType.string())
def sha256(column: Series) -> list:
    return [None if v is None else hashlib.sha256(v.encode()).hexdigest() for v in column.to_pylist()]


def masked(frame):
    return frame.with_columns({"email": sha256(col("email")), "phone": lpad(right(col("phone"), 4), length(col("phone")), "*")})


def write(frame, out: str) -> None:
    frame.write_parquet(out, compression="snappy")


def w1(rows: int, out: str) -> None:
    write(daft.range(rows).with_column("value", col("id") * 2.5), out)


def w2(table: str, out: str) -> None:
    write(daft.read_parquet(f"{table}/*.parquet").with_column("z", col("amount") * 2.5), out)


def w5(table: str, out: str) -> None:
    write(masked(daft.read_parquet(f"{table}/*.parquet")), out)


def w6(table: str, out: str) -> None:
    kept = daft.read_parquet(f"{table}/*.parquet").where(col("amount") > 32000)
    write(masked(kept.with_column("z", col("amount") * 2.5)), out)


if __name__ == "__main__":
    job_of({"w1": w1, "w2": w2, "w5": w5, "w6": w6})
