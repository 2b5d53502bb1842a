#!/usr/bin/env python3
"""Says whether a run's output holds exactly the rows it should, each once.

    oracle.py --expect SQL --got SQL

Both queries are answered by DuckDB, an implementation that shares no code with
Levada. They are compared as multisets: a row that is missing, there twice, or
there with another value is counted and makes the exit code 1. Row values are
not printed, only their number and, with --key, the keys of the first few.
"""
import argparse
import sys

import duckdb


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--expect", required=True, help="query over the input")
    p.add_argument("--got", required=True, help="query over the output")
    p.add_argument("--key", default="", help="column whose first differing values are printed")
    a = p.parse_args()
    db = duckdb.connect()
    db.execute("SET threads = 2")
    db.execute(f"CREATE TABLE expect AS {a.expect}")
    db.execute(f"CREATE TABLE got AS {a.got}")
    counts = {}
    for name in ("expect", "got"):
        counts[name] = db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
    bad = 0
    for what, left, right in (("missing", "expect", "got"), ("too many", "got", "expect")):
        n = db.execute(f"SELECT count(*) FROM (FROM {left} EXCEPT ALL FROM {right})").fetchone()[0]
        if n:
            bad += n
            keys = ""
            if a.key:
                rows = db.execute(f"SELECT {a.key} FROM (FROM {left} EXCEPT ALL FROM {right}) ORDER BY 1 LIMIT 5").fetchall()
                keys = f", for example {a.key} {[r[0] for r in rows]}"
            print(f"{n} rows {what}{keys}")
    print(f"expected {counts['expect']} rows, got {counts['got']}: {'WRONG' if bad else 'exact'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
