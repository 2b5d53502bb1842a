#!/usr/bin/env python3
"""expressions.py IN.arrow SQL.json OUT.arrow: evaluates SQL expressions over the rows of IN with DuckDB.
SQL.json is a list of expressions. OUT has a column for each: r0, r1, ... In rows in which an expression
fails, it is null, as where it is null."""
import json
import sys

import duckdb
import pyarrow as pa

source, expressions, out = sys.argv[1:]
with pa.OSFile(source) as f:
    rows = pa.ipc.open_stream(f).read_all()
con = duckdb.connect()
con.execute("SET TimeZone = 'UTC'")
con.register("rows", rows)
columns = []
for i, sql in enumerate(json.load(open(expressions))):
    try:
        table = con.sql(f"SELECT TRY({sql}) AS r FROM rows").to_arrow_table()
    except Exception as e:
        sys.exit(f"{sql}\n{e}")
    columns.append(table.column("r").combine_chunks())
result = pa.table(columns, names=[f"r{i}" for i in range(len(columns))])
with pa.OSFile(out, "wb") as f, pa.ipc.new_stream(f, result.schema) as w:
    w.write_table(result, max_chunksize=rows.num_rows)
