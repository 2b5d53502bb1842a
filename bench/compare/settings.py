"""python -m compare.settings: what each of Levada's settings costs, on one job and table. It writes a table into
docs/performance.md, between the marks of its own."""

import argparse
import dataclasses
import json
import pathlib
import sys

from . import jobs, page, rounds, tables
from .__main__ import count, say
from .measure import Plan
from .systems.levada import Levada

BEGIN, END = "<!-- settings:begin -->", "<!-- settings:end -->"


@dataclasses.dataclass(frozen=True)
class Setting:
    """One change of the default: flags of `levada run`, and fields of the spec."""

    says: str
    flags: tuple = ()
    policies: dict = dataclasses.field(default_factory=dict)
    sink: dict = dataclasses.field(default_factory=dict)
    what: str = ""


SETTINGS = (
    Setting("the default", what="fused edges, untouched columns copied or gathered, snappy, 400 MiB, two of everything"),
    Setting("`--fuse never`", ("--fuse", "never"), what="every block is encoded, stored, delivered and decoded, twice"),
    Setting("`carry: all`", policies={"carry": "all"}, what="all columns are decoded and encoded"),
    Setting("`--fuse never`, `carry: all`", ("--fuse", "never"), {"carry": "all"}, what="and all of them go through the server, too"),
    Setting("`--fuse never`, `block_bytes: 512KiB`", ("--fuse", "never"), {"block_bytes": "512KiB"}, what="eight times as many messages"),
    Setting("`--memory 200MiB`", ("--memory", "200MiB"), what="the collector works more often"),
    Setting("`--memory 1GiB`", ("--memory", "1GiB"), what="and less often"),
    Setting("`--tasks 1`", ("--tasks", "1"), what="one row group is read at a time"),
    Setting("`--lanes 1`", ("--lanes", "1"), what="one file is written at a time"),
    Setting("`preserve_order: true`", sink={"preserve_order": True}, what="one lane, and rows are held until their file is closed"),
    Setting("`compression: none`", sink={"compression": "none"}, what="nothing is copied or gathered packed: it must be unpacked"),
    Setting("`compression: zstd`", sink={"compression": "zstd"}, what="nothing can be copied: all columns get another codec"),
    Setting("`target_file: 16MiB`", sink={"target_file": "16MiB"}, what="more files and commits"),
    Setting("`visibility: run`", policies={"visibility": "run"}, what="files show together at the end"),
)


class Varied(Levada):
    """Levada in one process, with a setting."""

    def __init__(self, setting: Setting, binary: str):
        super().__init__(setting.says, binary, "")
        self.setting = setting

    def gap(self, job) -> str:
        return ""

    def plan(self, job, place) -> Plan:
        plan = Levada("levada-fused", self.binary, "").plan(job, place)
        path = pathlib.Path(plan.main.argv[2])
        spec = json.loads(path.read_text())
        if self.setting.policies:
            spec["policies"] = self.setting.policies
        spec["sink"]["parquet"] |= self.setting.sink
        path.write_text(json.dumps(spec, indent=2) + "\n")
        plan.main.argv.extend(self.setting.flags)
        return plan


def text(job: jobs.Job, rows: int, cells: list) -> str:
    default = cells[0]
    lines = [
        f"Job {job.name}, {page.short(rows)} rows, medians of {len(default.runs)} runs in turns, every output checked. Ratios are to the default's medians.",
        "",
        "| setting | wall, s | CPU, s | CPU of the default's | peak, MiB | what it means |",
        "|---|---|---|---|---|---|",
    ]
    for setting, cell in zip(SETTINGS, cells, strict=True):
        if not cell.runs:
            lines.append(f"| {setting.says} | {cell.gap} | | | | {setting.what} |")
            continue
        wall, cpu, peak = (cell.median(f) for f in ("wall", "cpu", "peak"))
        lines.append(f"| {setting.says} | {page.plain(wall)} | {page.plain(cpu)} | {cpu / default.median('cpu'):.2f} | {peak / 2**20:,.0f} | {setting.what} |")
    return "\n".join(lines) + "\n"


def main(argv: list[str]) -> int:
    p = argparse.ArgumentParser(prog="compare.settings", description=sys.modules[__name__].__doc__)
    p.add_argument("--rows", type=count, default=6_000_000)
    p.add_argument("--job", default="w6", choices=[j.name for j in jobs.ALL.values() if j.reads_table])
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--out", type=pathlib.Path, help="directory of performance.md; nothing is written there if left out")
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path(".cache/compare/work"))
    p.add_argument("--levada", default="bin/levada", help="the binary")
    o = p.parse_args(argv)
    job, binary = jobs.ALL[o.job], str(pathlib.Path(o.levada).absolute())
    bench = rounds.Bench(o.work.absolute(), False, say)
    tables.about(bench.table(job, o.rows))
    cells = bench.cells([job], o.rows, [Varied(s, binary) for s in SETTINGS], o.runs)
    found = text(job, o.rows, cells)
    say("\n" + found)
    if o.out:
        path = o.out / "performance.md"
        path.write_text(page.replaced(path, path.read_text(), found, BEGIN, END))
    return 1 if any(c.gap or c.wrong for c in cells) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
