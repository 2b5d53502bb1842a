#!/usr/bin/env python3
"""finish.py write FILE: writes rows of all the types that a sink's finish is about.
finish.py check FILE DIR KIND SHARE: fails unless pyarrow, DuckDB, Polars and DataFusion find FILE's rows, or the share of them
with id % 10 < SHARE, in the files of DIR, and what KIND asked for: encoded, bloom, sorted or summed. The latter two also by filters, for which
they leave out row groups and pages by statistics, page index and bloom filters. Prints what it has compared."""
import collections
import datetime
import glob
import os
import random
import sys

import datafusion
import duckdb
import polars as pl
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


FILTERS = ("id = 1234", "id >= 5000 and id < 5100", "country = 'PT'", "country = 'nowhere'", "email = 'p7919@example.org'", "email = 'nobody@example.org'",
           "price > 990", "rate < 0.01", "country is null", "day = date '2001-03-01'")


def others(want, files, counts):
    """Polars and DataFusion find the same rows, whole and by filters that statistics, page indexes and bloom filters serve."""
    table = pl.from_arrow(want)
    got = pl.scan_parquet(files).select(want.column_names)
    assert got.collect().sort("id").equals(table.sort("id")), "Polars finds other rows"
    counts["files by Polars"] += len(files)
    session = datafusion.SessionContext(datafusion.SessionConfig({
        "datafusion.execution.parquet.pushdown_filters": "true", "datafusion.execution.parquet.bloom_filter_on_read": "true",
        "datafusion.execution.parquet.enable_page_index": "true", "datafusion.execution.parquet.pruning": "true"}))
    session.register_parquet("got", os.path.dirname(files[0]) + "/")
    names = ", ".join(f'"{n}"' for n in want.column_names)
    rows = pa.Table.from_batches(session.sql(f"select {names} from got").collect()).cast(want.schema).sort_by("id")
    for name in want.column_names:
        assert rows[name].combine_chunks().equals(want[name].combine_chunks()), f"DataFusion: {name}"
    counts["files by DataFusion"] += len(files)
    for where in FILTERS:
        ids = duckdb.sql(f"select list(id order by id) from want where {where}").fetchall()[0][0] or []
        for who, found in (
            ("Polars", pl.SQLContext(got=got).execute(f"select id from got where {where}").collect()["id"].sort().to_list()),
            ("DataFusion", pa.Table.from_batches(session.sql(f"select id from got where {where}").collect(), pa.schema([("id", pa.int64())]))["id"].to_pylist()),
            ("DuckDB", [r[0] for r in duckdb.sql(f"select id from read_parquet({files}) where {where}").fetchall()]),
        ):
            assert sorted(found) == ids, f"{who}: {where}: {len(found)} rows of {len(ids)}"
            counts["filters"] += 1


def check(source, directory, kind, share):
    files = sorted(glob.glob(directory + "/*.parquet"))
    assert files
    counts = collections.Counter()
    whole = pq.read_table(source)
    want = whole.filter(pa.array([i % 10 < int(share) for i in whole["id"].to_pylist()]))
    got = pa.concat_tables(pq.ParquetFile(f).read() for f in files).sort_by("id").select(want.column_names)
    for name in want.column_names:
        assert got[name].combine_chunks().equals(want[name].combine_chunks()), name
    counts["values by pyarrow"] += want.num_rows * want.num_columns
    names = ", ".join(f'"{n}"' for n in want.column_names)
    both = " intersect all ".join(f"select {names} from {p}" for p in ("want", f"read_parquet({files})"))
    assert duckdb.sql(f"select count(*) from ({both})").fetchall()[0][0] == want.num_rows
    counts["rows by DuckDB"] += want.num_rows
    others(want, files, counts)
    {"encoded": encoded, "bloom": bloom, "sorted": sorted_, "summed": summed}[kind](files)
    print(f"compared {kind}, {share} of 10 rows: " + ", ".join(f"{n} {what}" for what, n in counts.items()))


if sys.argv[1] == "write":
    write(sys.argv[2])
else:
    check(*sys.argv[2:6])
