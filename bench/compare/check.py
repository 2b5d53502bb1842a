"""Says whether an output is right: its columns, how many rows, and sums over hashes of every column and of whole rows,
which no order of rows or files changes. DuckDB computes them, for every system alike."""

import dataclasses
import pathlib

from .jobs import Job


class Wrong(Exception):
    """The output of a system is not what the job asks for."""


@dataclasses.dataclass(frozen=True)
class Sums:
    rows: int
    columns: dict  # name to [values that are not null, sum of hashes]
    whole: str  # sum of the hashes of whole rows: columns that are right but belong to other rows

    def differences(self, other: "Sums") -> list[str]:
        found = []
        if self.rows != other.rows:
            found.append(f"{other.rows:,} rows instead of {self.rows:,}")
        for name, want in self.columns.items():
            got = other.columns[name]
            if want[0] != got[0]:
                found.append(f"column {name}: {got[0]:,} values instead of {want[0]:,}")
            elif want[1] != got[1]:
                found.append(f"column {name}: other values")
        if not found and self.whole != other.whole:
            found.append("all columns are right, but not row by row")
        return found


@dataclasses.dataclass(frozen=True)
class Damage:
    """What an interrupted and repeated job has left, counted by id."""

    rows: int
    doubled: int  # rows too many of ids that may be there
    lost: int  # ids that should be there and are not
    broken: list  # files that cannot be read


def output_files(out: pathlib.Path) -> list[pathlib.Path]:
    """The Parquet files that a reader of the directory sees: none whose path has a part that begins with _ or a dot."""
    return [p for p in sorted(out.rglob("*.parquet")) if not any(part[0] in "._" for part in p.relative_to(out).parts)]


def reference(job: Job, table: pathlib.Path | None, rows: int) -> Sums:
    with connect() as db:
        source(db, table, rows)
        return sums(db, f"({job.reference})", job.columns)


def of_output(job: Job, out: pathlib.Path) -> Sums:
    """Raises Wrong where there is nothing to sum up: no files, a broken one, other columns."""
    files = output_files(out)
    if not files:
        raise Wrong("no Parquet files")
    if broken := [p.name for p in files if not whole_file(p)]:
        raise Wrong(f"files that cannot be read: {', '.join(broken)}")
    with connect() as db:
        read = f"read_parquet({[str(p) for p in files]})"
        names = [row[0] for row in db.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()]
        if sorted(names) != sorted(job.columns):
            raise Wrong(f"columns {', '.join(names)} instead of {', '.join(job.columns)}")
        return sums(db, read, job.columns)


def damage(job: Job, table: pathlib.Path | None, rows: int, out: pathlib.Path) -> Damage:
    files = output_files(out)
    good = [p for p in files if whole_file(p)]
    broken = [p.name for p in files if p not in good]
    with connect() as db:
        source(db, table, rows)
        db.execute(f"CREATE TEMP TABLE want AS SELECT id FROM ({job.reference})")
        got = f"SELECT id FROM read_parquet({[str(p) for p in good]})" if good else "SELECT NULL::BIGINT AS id WHERE false"
        count, doubled = db.execute(f"SELECT count(*), count(*) - count(DISTINCT id) FROM ({got})").fetchone()
        (lost,) = db.execute(f"SELECT count(*) FROM want ANTI JOIN ({got}) USING (id)").fetchone()
        return Damage(count, doubled, lost, broken)


def sums(db, query: str, columns: dict) -> Sums:
    typed = {name: f'"{name}"::{kind}' for name, kind in columns.items()}
    each = ", ".join(f"count({c}), coalesce(sum(hash({c})), 0)::VARCHAR" for c in typed.values())
    row = db.execute(f"SELECT count(*), coalesce(sum(hash({', '.join(typed.values())})), 0)::VARCHAR, {each} FROM {query}").fetchone()
    return Sums(row[0], {name: [row[2 + 2 * i], row[3 + 2 * i]] for i, name in enumerate(columns)}, row[1])


def source(db, table: pathlib.Path | None, rows: int) -> None:
    what = f"SELECT range AS id FROM range({rows})" if table is None else f"SELECT * FROM read_parquet('{table}/*.parquet')"
    db.execute(f"CREATE VIEW source AS {what}")


def connect():
    import duckdb

    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    return db


def whole_file(path: pathlib.Path) -> bool:
    """Whether the file's footer can be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.read_metadata(path)
    except (pa.ArrowException, OSError):
        return False
    return True
