#!/usr/bin/env python3
"""matrix.py write DIR: writes files of every type in many ways, and for each its runs (and those of logical-*.parquet, which lie there): prints "file way" a line.
matrix.py compare DIR: compares what DIR/file-way holds with DIR/file.parquet: values, types, metadata, the Parquet schema; DuckDB and
Polars must find the same rows. Prints what it has compared, and fails if anything differs."""
import collections
import datetime
import decimal
import glob
import itertools
import json
import os
import re
import sys
import uuid

os.environ["POLARS_IMPORT_INTERVAL_AS_STRUCT"] = "1"  # else Polars panics over INTERVAL

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

N, GROUP = 11000, 10000  # the first row group is large enough to be copied or gathered, the second is not
WAYS = ("fused", "durable", "copied", "gathered")


def nulls(values):
    return [None if i % 7 == 3 else v for i, v in enumerate(values)]


def extension(t, values, storage):
    return pa.ExtensionArray.from_storage(t, pa.array(values, storage))


def columns():
    r = range(N)
    day = datetime.date(2001, 2, 3)
    t = {"bool": pa.array(nulls([i % 2 == 0 for i in r]))}
    for bits in (8, 16, 32, 64):
        t[f"i{bits}"] = pa.array(nulls([(i % 200) - 100 for i in r]), getattr(pa, f"int{bits}")())
        t[f"u{bits}"] = pa.array(nulls([(1 << bits) - 1 - (i % 200) for i in r]), getattr(pa, f"uint{bits}")())
    t["f16"] = pc.cast(pa.array(nulls([float(i % 100) / 4 for i in r]), pa.float32()), pa.float16())
    t["f32"] = pa.array(nulls([i / 3 for i in r]), pa.float32())
    t["f64"] = pa.array(nulls([float("inf") if i == 5 else -0.0 if i == 6 else float("nan") if i == 8 else i / 3 for i in r]))
    for name, kind in (("str", pa.string()), ("lstr", pa.large_string()), ("vstr", pa.string_view())):
        t[name] = pa.array(nulls([f"text {i % 50} ü" if i % 2 else f"a text of more than twelve bytes {i}" for i in r]), kind)
    for name, kind in (("bin", pa.binary()), ("lbin", pa.large_binary()), ("vbin", pa.binary_view())):
        t[name] = pa.array(nulls([bytes([i % 256]) * (i % 20) for i in r]), kind)
    t["fsb"] = pa.array(nulls([i.to_bytes(4, "big") for i in r]), pa.binary(4))
    t["d32"] = pa.array(nulls([day + datetime.timedelta(days=i) for i in r]), pa.date32())
    t["d64"] = pa.array(nulls([day + datetime.timedelta(days=i) for i in r]), pa.date64())
    for unit in ("s", "ms"):
        t["t32" + unit] = pa.array(nulls(list(r)), pa.time32(unit))
    for unit in ("us", "ns"):
        t["t64" + unit] = pa.array(nulls([i * 1000 for i in r]), pa.time64(unit))
    for unit in ("s", "ms", "us", "ns"):
        for zone in (None, "UTC", "Europe/Lisbon", "+02:00"):
            t[f"ts_{unit}_{zone}"] = pa.array(nulls([i * 1000 for i in r]), pa.timestamp(unit, zone))
        t["dur_" + unit] = pa.array(nulls(list(r)), pa.duration(unit))
    for name, kind in (("dec32", pa.decimal32(9, 2)), ("dec64", pa.decimal64(18, 2)), ("dec8", pa.decimal128(8, 2)),
                       ("dec12", pa.decimal128(12, 2)), ("dec38", pa.decimal128(38, 2)), ("dec70", pa.decimal256(70, 0))):
        t[name] = pa.array(nulls([decimal.Decimal(-i) if kind.scale == 0 else decimal.Decimal(-i) / 100 for i in r]), kind)
    t["null"] = pa.nulls(N)
    t["dict"] = pa.array(nulls([f"v{i % 9}" for i in r])).dictionary_encode()
    t["dict_i8"] = pa.DictionaryArray.from_arrays(pa.array([i % 3 for i in r], pa.int8()), pa.array(["x", "y", "z"]))
    t["dict_ordered"] = pa.DictionaryArray.from_arrays(pa.array([i % 3 for i in r], pa.int16()), pa.array(["a", "b", "c"]), ordered=True)
    t["list"] = pa.array(nulls([list(range(i % 4)) for i in r]), pa.list_(pa.int32()))
    t["llist"] = pa.array(nulls([nulls(list(range(i % 4))) for i in r]), pa.large_list(pa.int32()))
    t["fsl"] = pa.array([[i, i + 1, None] for i in r], pa.list_(pa.int32(), 3))
    t["fsl_null"] = pa.array(nulls([[i, i + 1, None] for i in r]), pa.list_(pa.int32(), 3))
    t["strings"] = pa.array(nulls([nulls([f"e{j}" for j in range(i % 5)]) for i in r]), pa.list_(pa.string()))
    t["struct"] = pa.array(nulls([{"a": i, "b": None if i % 3 else f"s{i}"} for i in r]), pa.struct([("a", pa.int64()), ("b", pa.string())]))
    t["struct_required"] = pa.array([{"a": i, "b": f"s{i}"} for i in r], pa.struct([pa.field("a", pa.int64(), nullable=False), pa.field("b", pa.string())]))
    t["struct_ts"] = pa.array(nulls([{"at": i, "for": i} for i in r]), pa.struct([("at", pa.timestamp("us", "Europe/Lisbon")), ("for", pa.duration("ms"))]))
    t["struct_dict"] = pa.StructArray.from_arrays([pa.array([f"v{i % 9}" for i in r]).dictionary_encode()], ["d"])
    t["deep"] = pa.array(nulls([[{"x": [i, None]}] * (i % 3) for i in r]), pa.list_(pa.struct([("x", pa.list_(pa.int64()))])))
    t["map"] = pa.array(nulls([[("k", i), ("l", None)] if i % 2 else [] for i in r]), pa.map_(pa.string(), pa.int32()))
    t["map_deep"] = pa.array(nulls([[(i, {"q": [str(i)]})] for i in r]), pa.map_(pa.int32(), pa.struct([("q", pa.list_(pa.string()))])))
    t["uuid"] = extension(pa.uuid(), nulls([uuid.UUID(int=i).bytes for i in r]), pa.binary(16))
    t["json"] = extension(pa.json_(pa.string()), nulls([json.dumps({"a": i}) for i in r]), pa.string())
    t["bool8"] = extension(pa.bool8(), nulls([i % 2 for i in r]), pa.int8())
    t["opaque"] = extension(pa.opaque(pa.int32(), "t", "v"), nulls(list(r)), pa.int32())
    t["tensor"] = extension(pa.fixed_shape_tensor(pa.int32(), [2]), [[i, i] for i in r], pa.list_(pa.int32(), 2))
    t["required"] = pa.array(list(r), pa.int32())
    t["row"] = pa.array(list(r), pa.int64())
    return t


def table():
    t = columns()
    fields = [pa.field(name, a.type, nullable=name != "required", metadata={"unit": "m", "PARQUET:field_id": str(i + 1)} if i % 3 == 0 else None)
              for i, (name, a) in enumerate(t.items())]
    return pa.table(list(t.values()), schema=pa.schema(fields, metadata={"owner": "ana", "note": "ü"}))


def writers():
    """name, what pyarrow is told."""
    for version, page, dictionary in itertools.product(("1.0", "2.4", "2.6"), ("1.0", "2.0"), (True, False)):
        yield f"v{version}-p{page}-{'dict' if dictionary else 'plain'}", dict(version=version, data_page_version=page, use_dictionary=dictionary)
    for codec in ("none", "gzip", "zstd", "brotli", "lz4"):
        yield "codec-" + codec, dict(compression=codec)
    yield "checked", dict(write_page_checksum=True, write_page_index=True)
    yield "noschema", dict(store_schema=False)
    yield "decimals", dict(store_decimal_as_integer=True)
    yield "int96", dict(use_deprecated_int96_timestamps=True)
    flat = dict(use_dictionary=False, version="2.6")
    yield "delta", dict(flat, column_encoding={"i8": "DELTA_BINARY_PACKED", "i32": "DELTA_BINARY_PACKED", "i64": "DELTA_BINARY_PACKED", "str": "DELTA_BYTE_ARRAY",
                                               "lstr": "DELTA_LENGTH_BYTE_ARRAY", "bin": "DELTA_LENGTH_BYTE_ARRAY", "bool": "RLE"})
    yield "split", dict(flat, column_encoding={"f32": "BYTE_STREAM_SPLIT", "f64": "BYTE_STREAM_SPLIT", "i32": "BYTE_STREAM_SPLIT", "i64": "BYTE_STREAM_SPLIT",
                                               "fsb": "BYTE_STREAM_SPLIT", "f16": "BYTE_STREAM_SPLIT"})


# Types that a writer lacks, or reads back as others.
NOT_DUCKDB = {"fsl_null", "struct_ts", "dur", "dec70", "tensor", "null", "uuid", "bool8", "opaque", "f16", "vstr", "vbin", "json", "d64", "t32s", "t32ms", "t64ns", "dec32", "dec64"}
NOT_POLARS = {"struct_ts", "dur", "dec70", "tensor", "null", "uuid", "bool8", "opaque", "f16", "vstr", "vbin", "json", "d64", "dec32", "dec64", "map", "fsl", "ts", "t32s", "t32ms", "t64us"}
NOT_POLARS |= {"interval", "list_json", "list_interval", "record", "dec_wide", "own_interval", "own_struct", "own_json", "own_jsons"}  # text by its logical type alone is bytes to Polars, until an Arrow schema calls it text
PYARROW_ONLY = {"split", "logical-rare", "int96"}  # the others lack BYTE_STREAM_SPLIT of bytes, and BSON, GEOMETRY or VARIANT; INT96 they cut to microseconds


def write(directory):
    t = table()
    names = []
    for name, options in writers():
        pq.write_table(t, f"{directory}/{name}.parquet", row_group_size=GROUP, **options)
        names.append(name)
    plain = t.replace_schema_metadata(None)
    db = duckdb.connect()
    db.register("t", plain.select([c for c in plain.column_names if c not in NOT_DUCKDB and c.split("_")[0] not in NOT_DUCKDB]))
    own = """CASE WHEN row % 7 <> 3 THEN to_days(row::INTEGER % 40) END AS own_interval, CASE WHEN row % 7 <> 3 THEN '10:00:00+02'::TIMETZ END AS own_timetz,
        ('{"a": ' || row || '}')::JSON AS own_json, gen_random_uuid() AS own_uuid, (row % 9000 / 100)::DECIMAL(4, 2) AS own_decimal4, (row / 100)::DECIMAL(18, 2) AS own_decimal18,
        ['10:00:00+02'::TIMETZ, NULL] AS own_timetzs, ['{}'::JSON] AS own_jsons, {'i': to_months(row::INTEGER % 9), 'd': (row % 90 / 10)::DECIMAL(3, 1)} AS own_struct"""
    db.execute(f"COPY (SELECT *, {own} FROM t) TO '{directory}/duckdb.parquet' (FORMAT parquet, ROW_GROUP_SIZE {GROUP})")
    pl.from_arrow(plain.select([c for c in plain.column_names if c not in NOT_POLARS and c.split("_")[0] not in NOT_POLARS])).write_parquet(
        f"{directory}/polars.parquet", row_group_size=GROUP)
    runs = []
    others = ["duckdb", "polars"] + sorted(os.path.basename(f).removesuffix(".parquet") for f in glob.glob(f"{directory}/logical-*.parquet"))
    for i, name in enumerate(names + others):
        whole = name in ("v2.6-p1.0-dict", "v2.6-p2.0-plain", "int96") or name in others
        runs += [f"{name} {way}" for way in (WAYS if whole else (WAYS[i % 4],))]
    with open(f"{directory}/runs", "w") as f:
        print("\n".join(runs), file=f)
    print("\n".join(runs))


def unwrapped(c):
    """A column as something that can be taken from and compared."""
    if isinstance(c.type, pa.BaseExtensionType):
        c = pa.chunked_array([x.storage for x in c.chunks], c.type.storage_type)
    bits = {pa.float16(): pa.int16(), pa.float32(): pa.int32(), pa.float64(): pa.int64()}
    if c.type in bits:  # also zeros by their sign, and what is not a number
        c = pa.chunked_array([x.view(bits[c.type]) for x in c.chunks], bits[c.type])
    if pa.types.is_dictionary(c.type):
        c = c.cast(c.type.value_type)
    if pa.types.is_struct(c.type) and pa.types.is_dictionary(c.type.field(0).type):
        c = c.cast(pa.struct([("d", pa.string())]))
    if pa.types.is_string_view(c.type):
        c = c.cast(pa.string())
    if pa.types.is_binary_view(c.type):
        c = c.cast(pa.binary())
    return c


def parquet_schema(path):
    text = str(pq.ParquetFile(path).schema).split("\n", 1)[1]
    text = re.sub(r" \(Int\(bitWidth=(32|64), isSigned=true\)\)", "", text)  # what the physical type says by itself
    text = re.sub(r"\b(binary|fixed_len_byte_array\(\d+\))(?= field_id=-?\d+ \w+ \(Decimal)", "bytes", text)  # decimals in bytes become those of a fixed length
    return re.sub(r"required group field_id=-1 \w+ \{", "root {", text, count=1)


def zoned(t, like):
    """A type with the zones of timestamps that another has."""
    if pa.types.is_timestamp(t):
        return pa.timestamp(t.unit, like.tz)
    if pa.types.is_struct(t):
        return pa.struct([f.with_type(zoned(f.type, like.field(f.name).type)) for f in t])
    return t


def read(name, path):
    """What there is to find. pyarrow itself forgets the zone of an INT96, which the Arrow schema has."""
    got = pq.read_table(path)
    if name != "int96":
        return got
    schema = table().schema
    return got.cast(pa.schema([f.with_type(zoned(f.type, schema.field(f.name).type)) for f in got.schema], got.schema.metadata))


class Differences(Exception):
    pass


def compare_pyarrow(name, path, files, kept, counts):
    want, got = read(name, path), pa.concat_tables([pq.read_table(f) for f in files])
    bad = []
    if want.schema.names != got.schema.names:
        raise Differences(f"columns {want.schema.names} became {got.schema.names}")
    for a, b in zip(want.schema, got.schema):
        if a.type != b.type or a.nullable != b.nullable or (a.metadata or {}) != (b.metadata or {}):
            bad.append(f"{a.name}: {a.type} {a.nullable} {a.metadata} became {b.type} {b.nullable} {b.metadata}")
    if (want.schema.metadata or {}) != (got.schema.metadata or {}):
        bad.append(f"metadata {want.schema.metadata} became {got.schema.metadata}")
    for column in want.column_names:
        a, b = unwrapped(want.column(column)), unwrapped(got.column(column))
        if kept is not None:
            a = a.take(kept)
        if not a.equals(b):
            bad.append(f"{column}: values differ")
        counts["columns"] += 1
        counts["values"] += len(a)
    if bad:
        raise Differences("; ".join(bad))


def compare_duckdb(_, path, files, where, counts):
    db = duckdb.connect()
    described = db.execute("DESCRIBE SELECT * FROM read_parquet($1)", [path]).fetchall()
    cols = ", ".join(f'"{d[0]}"' for d in described)
    n = db.execute(f"SELECT count(*) FROM (SELECT {cols} FROM read_parquet($1) WHERE {where} EXCEPT ALL SELECT {cols} FROM read_parquet($2))", [[path], files]).fetchone()[0]
    if n:  # there are as many rows, so none is new when none is missing
        raise Differences(f"DuckDB finds {n} rows of {path} that are not in {files}")
    types = [d[:2] for d in db.execute("DESCRIBE SELECT * FROM read_parquet($1)", [files]).fetchall()]
    if types != [d[:2] for d in described]:
        raise Differences(f"DuckDB: {set(types) ^ {d[:2] for d in described}}")
    counts["files by DuckDB"] += 1


def compare_polars(_, path, files, kept, counts):
    columns = [c for c in pq.read_schema(path).names if c not in NOT_POLARS and c.split("_")[0] not in NOT_POLARS]
    want, got = pl.read_parquet(path, columns=columns), pl.concat([pl.read_parquet(f, columns=columns) for f in files])
    if kept is not None:
        want = want[kept.to_pylist()]
    if want.schema != got.schema or not want.equals(got):
        raise Differences(f"Polars: {[c for c in columns if not want[c].equals(got[c])]} differ, or {set(want.schema.items()) ^ set(got.schema.items())}")
    counts["files by Polars"] += 1


def compare(directory):
    counts, failures = collections.Counter(), []
    for line in open(f"{directory}/runs"):
        name, way = line.split()
        path, files = f"{directory}/{name}.parquet", sorted(glob.glob(f"{directory}/{name}-{way}/*.parquet"))
        gathered = way == "gathered"
        kept = pa.array([i for i in range(N) if i % 10 != 3]) if gathered else None
        counts["files"] += 1
        checks = ((compare_pyarrow, kept), (compare_duckdb, "row % 10 != 3" if gathered else "true"), (compare_polars, kept))
        for check, how in checks[:1] if name in PYARROW_ONLY else checks:
            try:
                check(name, path, files, how, counts)
            except Differences as e:
                failures.append(f"{name} {way}: {e}")
            except Exception as e:
                failures.append(f"{name} {way}: {check.__name__}: {e!r}"[:500])
        if name == "int96":
            continue  # it becomes a TIMESTAMP
        if (a := parquet_schema(path)) != (b := parquet_schema(files[0])):
            failures.append(f"{name} {way}: the Parquet schema differs: {set(a.splitlines()) ^ set(b.splitlines())}")
        counts["Parquet schemas"] += 1
    print(f"compared {len(columns())} types, {len(list(writers())) + 2} writers: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    {"write": write, "compare": compare}[sys.argv[1]](sys.argv[2])
