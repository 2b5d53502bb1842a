#!/usr/bin/env python3
"""finish.py write FILE: writes rows of all the types that a sink's finish is about.
finish.py check FILE DIR KIND: fails unless pyarrow and DuckDB find FILE's rows in the files of DIR, and what KIND
asked for: encoded, bloom, sorted or summed."""
import datetime
import glob
import os
import random
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

N = 20_000


def write(path):
    rng = random.Random(3)
    now = datetime.datetime(2001, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
    table = pa.table({
        "id": pa.array(range(1000, 1000 + N), pa.int64()),
        "at": pa.array([now + datetime.timedelta(milliseconds=7 * i) for i in range(N)], pa.timestamp("us", "UTC")),
        "day": pa.array([(now + datetime.timedelta(days=i % 300)).date() for i in range(N)], pa.date32()),
        "price": pa.array([None if i % 11 == 5 else rng.uniform(0, 1000) for i in range(N)], pa.float64()),
        "rate": pa.array([rng.uniform(0, 1) for _ in range(N)], pa.float32()),
        "country": pa.array([None if i % 13 == 3 else rng.choice(["PT", "ES", "FR", "DE"]) for i in range(N)], pa.string()),
        "email": pa.array([f"p{i * 7919 % N}@example.org" for i in range(N)], pa.string()),
        "level": pa.array([rng.randrange(5) for _ in range(N)], pa.int32()),
    })
    pq.write_table(table, path, row_group_size=5000, write_page_index=True, use_dictionary=["country"], compression="snappy")


def chunks(path):
    meta = pq.ParquetFile(path).metadata
    for g in range(meta.num_row_groups):
        rg = meta.row_group(g)
        for c in range(rg.num_columns):
            yield rg, rg.column(c)


def encoded(files):
    want = {"price": "BYTE_STREAM_SPLIT", "rate": "BYTE_STREAM_SPLIT", "id": "DELTA_BINARY_PACKED", "at": "DELTA_BINARY_PACKED",
            "country": "RLE_DICTIONARY", "day": "PLAIN"}
    for f in files:
        for _, c in chunks(f):
            e = want.get(c.path_in_schema)
            assert e is None or e in c.encodings, (c.path_in_schema, c.encodings)
            assert c.path_in_schema != "day" or "RLE_DICTIONARY" not in c.encodings
            assert c.has_offset_index and c.has_column_index, c.path_in_schema


def bloom(files):
    for f in files:
        rows = duckdb.sql(f"select path_in_schema, bloom_filter_offset, bloom_filter_length from parquet_metadata('{f}')").fetchall()
        for column, at, size in rows:
            assert (at is not None and size > 0) == (column in ("email", "id")), (column, at)
        groups = pq.ParquetFile(f).metadata.num_row_groups
        missed = sum(r[0] for i in range(100) for r in duckdb.sql(
            f"select bloom_filter_excludes from parquet_bloom_probe('{f}', 'email', 'nobody{i}@example.org')").fetchall())
        assert missed > 0.95 * 100 * groups, (missed, groups)
        # Each row group must say yes to its own values.
        pf = pq.ParquetFile(f)
        for g in range(groups):
            for value in pf.read_row_group(g, columns=["email"])["email"].to_pylist()[:20]:
                said = duckdb.sql(f"select row_group_id, bloom_filter_excludes from parquet_bloom_probe('{f}', 'email', '{value}')").fetchall()
                assert dict(said)[g] is False, (f, g, value)


def sorted_(files):
    for f in files:
        pf = pq.ParquetFile(f)
        for g in range(pf.metadata.num_row_groups):
            names = [pf.metadata.schema.column(s.column_index).name for s in pf.metadata.row_group(g).sorting_columns]
            assert names == ["country", "price"], names
            keys = pf.metadata.row_group(g).sorting_columns
            assert [k.descending for k in keys] == [False, True] and [k.nulls_first for k in keys] == [True, False], keys
            rows = pf.read_row_group(g, columns=["country", "price"]).to_pylist()
            order = [(r["country"] is not None, r["country"] or "", r["price"] is None, -(r["price"] or 0.0)) for r in rows]
            assert order == sorted(order), (f, g)


def summed(files):
    for f in files:
        pq.read_table(f, page_checksum_verification=True)
        meta = pq.ParquetFile(f).metadata
        for column in range(meta.num_columns):  # a byte that is wrong is found
            c = meta.row_group(0).column(column)
            data = bytearray(open(f, "rb").read())
            data[c.data_page_offset + c.total_compressed_size // 2] ^= 0x10
            bad = f + ".bad"
            open(bad, "wb").write(data)
            try:
                pq.read_table(bad, columns=[c.path_in_schema], page_checksum_verification=True)
            except OSError as e:
                assert "crc" in str(e).lower() or "checksum" in str(e).lower(), e
            else:
                raise AssertionError(f"nobody saw the damage in {c.path_in_schema}")
            finally:
                os.remove(bad)


def check(source, directory, kind):
    files = sorted(glob.glob(directory + "/*.parquet"))
    assert files
    want = pq.read_table(source)
    got = pa.concat_tables(pq.ParquetFile(f).read() for f in files).sort_by("id").select(want.column_names)
    for name in want.column_names:
        assert got[name].combine_chunks().equals(want[name].combine_chunks()), name
    names = ", ".join(f'"{n}"' for n in want.column_names)
    both = " intersect all ".join(f"select {names} from read_parquet('{p}')" for p in (source, directory + "/*.parquet"))
    assert duckdb.sql(f"select count(*) from ({both})").fetchall()[0][0] == want.num_rows
    {"encoded": encoded, "bloom": bloom, "sorted": sorted_, "summed": summed}[kind](files)


if sys.argv[1] == "write":
    write(sys.argv[2])
else:
    check(*sys.argv[2:5])
