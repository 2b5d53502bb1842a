#!/usr/bin/env python3
"""files.py write DIR: writes a Parquet file for each kind of type and encoding, prints their names.
files.py compare FILE DIR: fails unless the files in DIR hold FILE's rows, in order, by pyarrow and by DuckDB."""
import datetime
import decimal
import glob
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

N = 3000


def nulls(values):
    return [None if i % 7 == 3 else v for i, v in enumerate(values)]


def table(columns):
    columns["row"] = pa.array(range(N), pa.int64())
    return pa.table(columns)


def flat():
    day = datetime.date(2001, 2, 3)
    now = datetime.datetime(2001, 2, 3, 4, 5, 6, 789000)
    return {
        "b": pa.array(nulls([i % 2 == 0 for i in range(N)])),
        "i8": pa.array(nulls([i % 127 for i in range(N)]), pa.int8()),
        "u8": pa.array(nulls([i % 255 for i in range(N)]), pa.uint8()),
        "i16": pa.array([i - 500 for i in range(N)], pa.int16()),
        "u16": pa.array([i for i in range(N)], pa.uint16()),
        "i32": pa.array(nulls([i * -7 for i in range(N)]), pa.int32()),
        "u32": pa.array([i + (1 << 31) for i in range(N)], pa.uint32()),
        "i64": pa.array(nulls([i << 40 for i in range(N)]), pa.int64()),
        "u64": pa.array([i + (1 << 63) for i in range(N)], pa.uint64()),
        "f32": pa.array(nulls([i / 3 for i in range(N)]), pa.float32()),
        "f64": pa.array(nulls([float("nan") if i == 5 else i / 3 for i in range(N)])),
        "s": pa.array(nulls([f"text {i % 50} ü" for i in range(N)])),
        "ls": pa.array(nulls([f"large {i}" for i in range(N)]), pa.large_string()),
        "bin": pa.array(nulls([bytes([i % 256]) * (i % 5) for i in range(N)])),
        "fsb": pa.array(nulls([i.to_bytes(4, "big") for i in range(N)]), pa.binary(4)),
        "d32": pa.array(nulls([day + datetime.timedelta(days=i) for i in range(N)]), pa.date32()),
        "t32": pa.array([i * 1000 for i in range(N)], pa.time32("ms")),
        "t64": pa.array([i * 1000 for i in range(N)], pa.time64("us")),
        "ts_ms": pa.array(nulls([now + datetime.timedelta(seconds=i) for i in range(N)]), pa.timestamp("ms")),
        "ts_us": pa.array(nulls([now + datetime.timedelta(seconds=i) for i in range(N)]), pa.timestamp("us", "UTC")),
        "ts_ns": pa.array([i * 10**9 + 1 for i in range(N)], pa.timestamp("ns")),
        "dec": pa.array(nulls([decimal.Decimal(i) / 100 for i in range(N)]), pa.decimal128(12, 2)),
        "dec256": pa.array([decimal.Decimal(i) for i in range(N)], pa.decimal256(50, 0)),
    }


def nested():
    return {
        "list": pa.array(nulls([[j for j in range(i % 4)] for i in range(N)]), pa.list_(pa.int32())),
        "strings": pa.array(nulls([nulls([f"e{j}" for j in range(i % 5)]) for i in range(N)]), pa.list_(pa.string())),
        "struct": pa.array(nulls([{"a": i, "b": None if i % 3 else f"s{i}"} for i in range(N)]), pa.struct([("a", pa.int64()), ("b", pa.string())])),
        "deep": pa.array([[{"x": [i, i + 1]}] * (i % 3) for i in range(N)], pa.list_(pa.struct([("x", pa.list_(pa.int64()))]))),
        "map": pa.array([[("k", i), ("l", None)] if i % 2 else [] for i in range(N)], pa.map_(pa.string(), pa.int32())),
    }


def dictionary():
    return {"d": pa.array(nulls([f"v{i % 9}" for i in range(N)])).dictionary_encode()}


def kinds():
    yield "flat-v1", flat(), dict(version="1.0", data_page_version="1.0", coerce_timestamps="us", allow_truncated_timestamps=True)
    yield "flat-v26", flat(), dict(version="2.6")
    yield "flat-v2pages", flat(), dict(data_page_version="2.0")
    for codec in ("none", "snappy", "gzip", "zstd", "brotli", "lz4"):
        yield "codec-" + codec, flat(), dict(compression=codec)
    yield "plain", flat(), dict(use_dictionary=False)
    yield "delta", {k: v for k, v in flat().items() if k in ("i32", "i64", "s")}, dict(
        use_dictionary=False, column_encoding={"i32": "DELTA_BINARY_PACKED", "i64": "DELTA_BINARY_PACKED", "s": "DELTA_BYTE_ARRAY", "row": "DELTA_BINARY_PACKED"})
    yield "split", {"f64": flat()["f64"], "f32": flat()["f32"]}, dict(
        use_dictionary=False, column_encoding={"f64": "BYTE_STREAM_SPLIT", "f32": "BYTE_STREAM_SPLIT", "row": "PLAIN"})
    yield "nested", nested(), dict()
    yield "dictionary", dictionary(), dict()
    yield "noarrowschema", flat(), dict(store_schema=False)
    yield "pageindex", flat(), dict(write_page_index=True, write_page_checksum=True)


def plain(t):
    """What must survive: values and types, with dictionaries as what they stand for, without metadata."""
    columns = []
    for name in t.column_names:
        c = t.column(name).combine_chunks()
        if pa.types.is_dictionary(c.type):
            c = c.cast(c.type.value_type)
        columns.append(c)
    return pa.table(columns, names=t.column_names)


def compare(path, directory):
    files = sorted(glob.glob(directory + "/*.parquet"))
    want = plain(pq.read_table(path))
    got = plain(pa.concat_tables([pq.read_table(f) for f in files]))
    for a, b in zip(want.schema, got.schema):
        if a.name != b.name or a.type != b.type:
            sys.exit(f"column {a.name}: {a.type} became {b.name} {b.type}")
    for name in want.column_names:
        if pa.types.is_timestamp(want.column(name).type):  # Python's datetime has no nanoseconds
            a, b = (t.column(name).cast(pa.int64()).to_pylist() for t in (want, got))
        else:
            a, b = want.column(name).to_pylist(), got.column(name).to_pylist()
        bad = [i for i, (x, y) in enumerate(zip(a, b)) if x != y and not (x != x and y != y)]
        if len(a) != len(b) or bad:
            sys.exit(f"column {name}: {len(a)} values became {len(b)}, {len(bad)} differ, the first in row {bad[:1]}")
    if not pa.types.is_nested(want.schema[0].type):
        db = duckdb.connect()
        skip = ", ".join(c for c in want.column_names if c in ("dec256", "f64", "f32"))
        cols = f"* EXCLUDE ({skip})" if skip else "*"
        for x, y in ((path, files), ([path], files)):
            n = db.execute(f"SELECT count(*) FROM (SELECT {cols} FROM read_parquet($1) EXCEPT ALL SELECT {cols} FROM read_parquet($2))", [x, y]).fetchone()[0]
            if n:
                sys.exit(f"DuckDB finds {n} rows of {x} that are not in {y}")


def main():
    if sys.argv[1] == "write":
        for name, columns, options in kinds():
            pq.write_table(table(columns), f"{sys.argv[2]}/{name}.parquet", row_group_size=1000, **options)
            print(name)
    else:
        compare(sys.argv[2], sys.argv[3])


if __name__ == "__main__":
    main()
