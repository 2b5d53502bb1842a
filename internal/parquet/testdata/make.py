#!/usr/bin/env python3
"""Makes the files of other writers in this directory, with pyarrow, duckdb and polars. Files that are there are never made again: tests and
fuzzers remember bytes of them. New ones get new names."""
import base64
import decimal
import os

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

here = os.path.dirname(os.path.abspath(__file__))
r = range(60)


def nulls(values):
    return [None if i % 7 == 3 else v for i, v in enumerate(values)]


table = pa.table({
    "i": pa.array(nulls(list(r)), pa.int32()), "n": pa.array([i * 7 for i in r], pa.int64()), "f": pa.array(nulls([i / 3 for i in r])),
    "b": pa.array(nulls([i % 3 == 0 for i in r])), "s": pa.array(nulls([f"v{i % 9}" for i in r])), "u": pa.array([f"text {i}" for i in r]),
    "d": pa.array([decimal.Decimal(i) / 100 for i in r], pa.decimal128(20, 2)), "l": pa.array(nulls([list(range(i % 4)) for i in r]), pa.list_(pa.int32())),
    "st": pa.array(nulls([{"a": i, "b": f"s{i}"} for i in r]), pa.struct([("a", pa.int64()), ("b", pa.string())])),
})


def made(name, make):
    path = f"{here}/{name}.parquet"
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        make(path)


plain = dict(write_page_checksum=True, row_group_size=40, store_schema=False)
for codec in ("none", "snappy", "gzip", "zstd", "brotli", "lz4"):
    for version in ("1.0", "2.0"):
        made(f"writers/pyarrow-{codec}-v{version[0]}", lambda p: pq.write_table(table, p, compression=codec, data_page_version=version, **plain))
made("writers/pyarrow-delta", lambda p: pq.write_table(table, p, compression="none", use_dictionary=False, data_page_version="2.0", column_encoding={
    "i": "DELTA_BINARY_PACKED", "n": "DELTA_BINARY_PACKED", "f": "BYTE_STREAM_SPLIT", "s": "DELTA_BYTE_ARRAY", "u": "DELTA_LENGTH_BYTE_ARRAY"}, **plain))
times = pa.table({
    "naive": pa.array(nulls([i * 1_000_000 for i in r]), pa.timestamp("us")), "utc": pa.array(nulls([i * 1_000_000 for i in r]), pa.timestamp("us", "UTC")),
    "list": pa.array(nulls([[i] * (i % 3) for i in r]), pa.list_(pa.timestamp("us"))),
    "struct": pa.array(nulls([{"for": i, "at": i, "utc": i} for i in r]), pa.struct([("for", pa.duration("ms")), ("at", pa.timestamp("ms")), ("utc", pa.timestamp("ms", "UTC"))])),
})
for stored in (True, False):
    made("writers/pyarrow-int96" + ("" if stored else "-no-schema"), lambda p: pq.write_table(times, p, use_deprecated_int96_timestamps=True, store_schema=stored, write_page_checksum=True))
made("writers/duckdb", lambda p: duckdb.from_arrow(table).to_parquet(p))
made("writers/polars", lambda p: pl.from_arrow(table).write_parquet(p, row_group_size=40))


class Keys(pe.KmsClient):
    """Wraps nothing: the files are only to be refused."""

    def __init__(self, _):
        super().__init__()

    def wrap_key(self, key, _):
        return base64.b64encode(key)

    def unwrap_key(self, key, _):
        return base64.b64decode(key)


def encrypted(path, plaintext_footer):
    config = pe.EncryptionConfiguration(footer_key="k1", column_keys={"k2": ["s"]}, plaintext_footer=plaintext_footer)
    properties = pe.CryptoFactory(Keys).file_encryption_properties(pe.KmsConnectionConfig(), config)
    t = pa.table({"i": list(range(20)), "s": ["x"] * 20})
    with pq.ParquetWriter(path, t.schema, encryption_properties=properties) as w:
        w.write_table(t)


made("encrypted/pyarrow-footer", lambda p: encrypted(p, False))
made("encrypted/pyarrow-columns", lambda p: encrypted(p, True))
