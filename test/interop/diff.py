"""Makes random pairs of data sets, and says with DuckDB in what each pair differs.

    diff.py DIR SEED PAIRS

Pair N is DIR/N/a and DIR/N/b. On standard output is a line of JSON a pair: what was done to
it, and what `levada diff` must find. The answers are DuckDB's: EXCEPT ALL both ways over the
files, of the rows and of each column, and a full join by the key.
"""
import decimal
import json
import math
import pathlib
import random
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

POINT = pa.struct([("x", pa.int32()), ("tags", pa.list_(pa.string()))])
TYPES = {
    "id": pa.int64(),
    "name": pa.string(),
    "v": pa.float64(),
    "f": pa.float32(),
    "ok": pa.bool_(),
    "day": pa.date32(),
    "at": pa.timestamp("us", "UTC"),
    "money": pa.decimal128(12, 2),
    "raw": pa.binary(),
    "tags": pa.list_(pa.string()),
    "point": POINT,
    "points": pa.list_(POINT),
}


def value(r: random.Random, t: pa.DataType):
    """A value of few, so that rows have equals; null often."""
    if r.random() < 0.15:
        return None
    if pa.types.is_struct(t):
        return {f.name: value(r, f.type) for f in t}
    if pa.types.is_list(t):
        return [value(r, t.value_type) for _ in range(r.choice([0, 1, 1, 3]))]
    if pa.types.is_string(t):
        return r.choice(["", "a", "b", "ab", "é", "a\0", "long " * 9])
    if pa.types.is_binary(t):
        return r.choice([b"", b"\0", b"\xff\xfe"])
    if pa.types.is_floating(t):
        return r.choice([0.0, 1.5, -2.25, math.nan, math.inf, -math.inf])
    if pa.types.is_boolean(t):
        return r.random() < 0.5
    if pa.types.is_decimal(t):
        return decimal.Decimal(r.choice(["0.00", "-1.25", "9999999999.99"]))
    return r.randrange(-3, 4)  # numbers, days, times


def other(r: random.Random, t: pa.DataType, was):
    """Another value than the one, and now and then the one that is most like it."""
    if was is None and pa.types.is_string(t):
        return ""
    if was == "" or was == []:
        return None
    while True:
        v = value(r, t)
        if not same(v, was):
            return v


def same(a, b) -> bool:
    return repr(a) == repr(b)


def lose(r, rows):
    rows.pop(r.randrange(len(rows)))


def double(r, rows):
    rows.append(dict(r.choice(rows)))


def change(r, rows):
    row, name = r.choice(rows), r.choice([n for n in rows[0] if n != "id"])
    row[name] = other(r, TYPES[name], row[name])


def swap(r, rows):
    """Two rows change a value: no column differs, rows do."""
    a, b, name = r.choice(rows), r.choice(rows), r.choice([n for n in rows[0] if n != "id"])
    a[name], b[name] = b[name], a[name]


def forget_nan(r, rows):
    for row in rows:
        if "v" in row and row["v"] is not None and math.isnan(row["v"]):
            row["v"] = None
            return


def write(r: random.Random, dir: pathlib.Path, rows: list, names: list) -> None:
    """Writes rows into some files, each with row groups of some size, in one order of columns."""
    schema = pa.schema([(n, TYPES[n]) for n in names])
    dir.mkdir(parents=True)
    cuts = sorted(r.randrange(len(rows) + 1) for _ in range(r.randrange(4)))
    for i, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(rows)])):
        part = rows[start:end]
        table = pa.table([pa.array([row[n] for row in part], TYPES[n]) for n in names], schema=schema)
        pq.write_table(
            table, dir / f"{i}.parquet", row_group_size=r.choice([1, 7, 64, 1000]), use_dictionary=r.random() < 0.5,
            compression=r.choice(["none", "snappy", "zstd"]), data_page_version=r.choice(["1.0", "2.0"]),
        )


def sql(names: list) -> str:
    return ", ".join(f'"{n}"' for n in names)


def answer(dir: pathlib.Path, names: list, keyed: bool) -> dict:
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    for side in "ab":
        db.execute(f"CREATE TABLE {side} AS SELECT {sql(names)} FROM read_parquet('{dir}/{side}/*.parquet')")

    def count(text: str) -> int:
        return db.execute(f"SELECT count(*) FROM ({text})").fetchone()[0]

    def only(this: str, that: str, columns: list) -> int:
        return count(f"SELECT {sql(columns)} FROM {this} EXCEPT ALL SELECT {sql(columns)} FROM {that}")

    got = {
        "only_a": only("a", "b", names),
        "only_b": only("b", "a", names),
        "columns": {n: only("a", "b", [n]) + only("b", "a", [n]) == 0 for n in names},
        "nulls": {n: [count(f'SELECT 1 FROM {s} WHERE "{n}" IS NULL') for s in "ab"] for n in names},
        "rows": [count(f"SELECT 1 FROM {s}") for s in "ab"],
        "keyed": None,
    }
    if keyed:  # rows of one id on both sides have changed if they are not the same rows
        got["keyed"] = {
            "only_a": count("SELECT 1 FROM a WHERE id NOT IN (SELECT id FROM b)"),
            "only_b": count("SELECT 1 FROM b WHERE id NOT IN (SELECT id FROM a)"),
            "changed": count(f"""SELECT DISTINCT id FROM (
                (SELECT {sql(names)} FROM a EXCEPT ALL SELECT {sql(names)} FROM b) UNION ALL
                (SELECT {sql(names)} FROM b EXCEPT ALL SELECT {sql(names)} FROM a))
                WHERE id IN (SELECT id FROM a) AND id IN (SELECT id FROM b)"""),
        }
    db.close()
    return got


def pair(r: random.Random, dir: pathlib.Path) -> dict:
    names = ["id", *r.sample([n for n in TYPES if n != "id"], r.randrange(1, len(TYPES)))]
    keyed = r.random() < 0.5
    n = r.choice([0, 1, 5, 5, 40, 40, 300])
    a = [{m: i if m == "id" and keyed else r.randrange(5) if m == "id" else value(r, TYPES[m]) for m in names} for i in range(n)]
    b = [dict(row) for row in a]
    r.shuffle(b)
    done = []
    for _ in range(r.choice([0, 0, 1, 2, 5])):
        if b:
            how = r.choice([lose, double, change, change, swap, forget_nan])
            how(r, b)
            done.append(how.__name__)
    write(r, dir / "a", a, names)
    order = list(names)
    r.shuffle(order)
    write(r, dir / "b", b, order)
    return {"done": done, **answer(dir, names, keyed)}


def main() -> None:
    dir, seed, pairs = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    r = random.Random(seed)
    for i in range(pairs):
        print(json.dumps(pair(r, dir / str(i))))


main()
