"""python -m compare: see README.md, or --help."""

import argparse
import dataclasses
import json
import pathlib
import re
import sys

from . import jobs, kill, machine, rounds, systems, tables

UNITS = {"": 1, "k": 1_000, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}


def count(text: str) -> int:
    match = re.fullmatch(r"(\d+)([kKMG]?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows: 200k, 6M")
    return int(match[1]) * UNITS[match[2]]


def several(each=str):
    return lambda text: [each(part) for part in text.split(",") if part]


def options(argv: list[str]) -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="compare", description=sys.modules["compare"].__doc__)
    p.add_argument("--rows", type=several(count), default=several(count)("1M,6M,24M"), help="of the tables: 1M,6M,24M")
    p.add_argument("--w1-rows", type=count, default=1_000_000, help="of the range of w1, which no --rows change")
    p.add_argument("--jobs", type=several(), default=list(jobs.ALL), help="of " + ",".join(jobs.ALL))
    p.add_argument("--systems", type=several(), help="names or their beginnings: levada,duckdb; all if left out")
    p.add_argument("--runs", type=int, default=3, help="of each cell; the table shows medians")
    p.add_argument("--kill", default="last", help="job that is killed and repeated: last of --jobs, a name, or none")
    p.add_argument("--kill-rows", type=count, help="of its table: the largest of --rows up to 6M if left out")
    p.add_argument("--out", type=pathlib.Path, help="directory of performance.md and performance/: docs; nothing is written there if left out")
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path(".cache/compare/work"), help="directory for tables and outputs")
    p.add_argument("--levada", default="bin/levada", help="the binary")
    p.add_argument("--nats-server", default=".cache/compare/nats-server", help="the binary")
    p.add_argument("--add", action="store_true", help="keep the figures of --out that are not measured this time")
    p.add_argument("--keep", action="store_true", help="keep the outputs and logs of all runs under --work")
    p.add_argument("--render", action="store_true", help="measure nothing: write the page and plots of --out again from its JSON")
    o = p.parse_args(argv)
    if unknown := set(o.jobs) - set(jobs.ALL):
        p.error(f"no job {', '.join(sorted(unknown))}")
    if o.kill == "last":
        o.kill = o.jobs[-1]
    if o.kill != "none" and o.kill not in jobs.ALL:
        p.error(f"no job {o.kill}")
    if (o.render or o.add) and not o.out:
        p.error("--render and --add need --out")
    return o


def chosen(o: argparse.Namespace) -> list:
    every = systems.every(str(pathlib.Path(o.levada).absolute()), str(pathlib.Path(o.nats_server).absolute()))
    if o.systems is None:
        return list(every.values())
    for wanted in o.systems:
        if not any(name.startswith(wanted) for name in every):
            sys.exit(f"no system {wanted}: there are {', '.join(every)}")
    return [s for name, s in every.items() if any(name.startswith(wanted) for wanted in o.systems)]


def say(line: str) -> None:
    print(line, flush=True)


def measured(o: argparse.Namespace) -> dict:
    bench = rounds.Bench(o.work.absolute(), o.keep, say)
    todo, found, about = chosen(o), [], {}
    for rows in o.rows:
        of_table = [jobs.ALL[j] for j in o.jobs if jobs.ALL[j].reads_table]
        if of_table:
            about[str(rows)] = tables.about(bench.table(of_table[0], rows))
        found += bench.cells(of_table, rows, todo, o.runs)
    found += bench.cells([jobs.ALL[j] for j in o.jobs if not jobs.ALL[j].reads_table], o.w1_rows, todo, o.runs)
    killed = []
    if o.kill != "none":
        job = jobs.ALL[o.kill]
        rows = o.kill_rows or max([r for r in o.rows if r <= 6_000_000] or o.rows) if job.reads_table else o.w1_rows
        killed = kill.kills(bench, job, rows, todo, found)
    return {
        "machine": machine.describe(),
        "runs": o.runs,
        "tables": about,
        "cells": [dataclasses.asdict(c) for c in found],
        "kills": [dataclasses.asdict(k) for k in killed],
    }


def added(old: dict, new: dict) -> dict:
    """The new results, and what of the old ones they do not replace."""
    key = lambda c: (c["rows"], c["job"], c["system"])  # noqa: E731
    for kind in ("cells", "kills"):
        have = {key(c) for c in new[kind]}
        new[kind] = [c for c in old[kind] if key(c) not in have] + new[kind]
    new["tables"] = old["tables"] | new["tables"]
    return new


def main(argv: list[str]) -> int:
    o = options(argv)
    kept = o.out / "performance" / "compare.json" if o.out else None
    if o.render:
        results = json.loads(kept.read_text())
    else:
        results = measured(o)
        (o.work / "compare.json").write_text(json.dumps(results, indent=1) + "\n")
        if o.add and kept.exists():
            results = added(json.loads(kept.read_text()), results)
    wrong = [c for c in results["cells"] if c["wrong"]]
    for c in wrong:
        print(f"WRONG: {c['system']}, {c['job']}, {c['rows']:,} rows: {'; '.join(c['wrong'])}", file=sys.stderr)
    if wrong:
        print("outputs differ from the reference: no table is written", file=sys.stderr)
        return 1
    from . import page

    text = page.text(results)
    if o.out:
        page.write(o.out, results, text)
    else:
        say("\n" + text)
    failed = [c for c in results["cells"] if c["failed"]]
    for c in failed:
        print(f"failed: {c['system']}, {c['job']}, {c['rows']:,} rows: {c['gap']}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
