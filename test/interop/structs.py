#!/usr/bin/env python3
"""structs.py write FILE: writes rows with structs in structs, null at every level.
structs.py check FILE DIR: fails unless the files in DIR hold what pyarrow makes of FILE when it flattens it."""
import glob
import sys

import pyarrow as pa
import pyarrow.parquet as pq

N = 4000
geo = pa.struct([("lat", pa.float64()), ("tags", pa.list_(pa.string()))])
address = pa.struct([("city", pa.string()), ("geo", geo), pa.field("zip", pa.int32(), nullable=False)])


def row(i):
    if i % 7 == 3:
        return None
    g = None if i % 5 == 1 else {"lat": None if i % 3 == 0 else i / 4, "tags": None if i % 4 == 0 else [f"t{j}" for j in range(i % 3)]}
    return {"city": None if i % 11 == 0 else f"city {i % 40}", "geo": g, "zip": i}


def write(path):
    pq.write_table(pa.table({"id": pa.array(range(N), pa.int64()), "address": pa.array([row(i) for i in range(N)], address)}), path, row_group_size=1500)


def check(source, directory):
    want = pq.read_table(source)
    while any(pa.types.is_struct(f.type) for f in want.schema):
        want = want.flatten()
    want = want.rename_columns([n.replace(".", "_") for n in want.column_names])
    got = pa.concat_tables(pq.ParquetFile(f).read() for f in sorted(glob.glob(directory + "/*.parquet"))).sort_by("id")
    assert got.column_names == want.column_names, (got.column_names, want.column_names)
    for name in want.column_names:
        assert got[name].to_pylist() == want[name].to_pylist(), name


if sys.argv[1] == "write":
    write(sys.argv[2])
else:
    check(*sys.argv[2:4])
