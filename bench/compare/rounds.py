"""Runs every system on every job and table, in turns, and checks every output."""

import contextlib
import dataclasses
import datetime
import pathlib
import shutil
import statistics
import tempfile

from . import check, measure, tables
from .jobs import Job
from .systems import Place, System


@dataclasses.dataclass
class Cell:
    """A system's runs of one job on one table."""

    rows: int
    job: str
    system: str
    version: str = ""
    date: str = ""
    runs: list = dataclasses.field(default_factory=list)  # measurements, without the course of their memory
    memory: list = dataclasses.field(default_factory=list)  # that of the run with the median wall
    gap: str = ""  # why there is no figure, or not one of each run
    failed: bool = False  # the gap is none that was to be expected
    wrong: list = dataclasses.field(default_factory=list)  # what is wrong with the output
    note: str = ""  # what a reader of the figures must know

    def median(self, figure: str) -> float | None:
        values = [r[figure] for r in self.runs if r[figure] is not None]
        return statistics.median(values) if values else None

    def spread(self, figure: str) -> tuple[float, float] | None:
        values = [r[figure] for r in self.runs if r[figure] is not None]
        return (min(values), max(values)) if values else None


class Bench:
    def __init__(self, work: pathlib.Path, keep: bool, say):
        self.work, self.keep, self.say = work, keep, say
        self.references = {}
        (work / "runs").mkdir(parents=True, exist_ok=True)

    def table(self, job: Job, rows: int) -> pathlib.Path | None:
        return tables.make(self.work / "tables", rows) if job.reads_table else None

    def reference(self, job: Job, rows: int) -> check.Sums:
        if (job.name, rows) not in self.references:
            self.references[job.name, rows] = check.reference(job, self.table(job, rows), rows)
        return self.references[job.name, rows]

    @contextlib.contextmanager
    def place(self, job: Job, rows: int, name: str):
        """Empty directories for one run, which are removed after it."""
        table = self.table(job, rows)
        home = self.work / "runs" / name
        shutil.rmtree(home, ignore_errors=True)
        for d in ("out", "state"):
            (home / d).mkdir(parents=True)
        # In the system's place for such things, and not below home: the paths of Ray's sockets must be short.
        scratch = pathlib.Path(tempfile.mkdtemp(prefix="lvc"))
        try:
            yield Place(table, rows, home / "out", home / "state", scratch), home / "log"
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            if not self.keep:
                shutil.rmtree(home, ignore_errors=True)

    def cells(self, jobs: list[Job], rows: int, systems: list[System], runs: int) -> list[Cell]:
        """Measures the systems in turns, in another order in each round, so that a busy minute of the machine does not hit
        one of them alone."""
        found = []
        for job in jobs:
            cells = {s.name: Cell(rows, job.name, s.name) for s in systems}
            ready = []
            for s in systems:
                if gap := s.gap(job):
                    cells[s.name].gap = gap
                else:
                    cells[s.name].version, cells[s.name].note = s.version(), s.note()
                    ready.append(s)
            if table := self.table(job, rows):
                tables.warm(table)
            for r in range(runs):
                for s in ready[r % len(ready) :] + ready[: r % len(ready)] if ready else []:
                    cell = cells[s.name]
                    if not cell.gap and not cell.wrong:
                        self.once(job, rows, s, r, cell)
            found += cells.values()
        return found

    def once(self, job: Job, rows: int, system: System, r: int, cell: Cell) -> None:
        name = f"{job.name}-{rows}-{system.name}-{r}"
        with self.place(job, rows, name) as (place, log):
            m = measure.run(system.plan(job, place), place.out, log)
            cell.date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
            if m.timed_out or m.status:
                cell.gap = "took too long" if m.timed_out else f"exit status {m.status}: {reason(log)}"
                # Status 2 is Levada's for a spec that it does not know, which an older version may have.
                cell.failed = not (m.status == 2 and system.name.startswith("levada"))
                self.say(f"{name}: {cell.gap}")
                return
            try:
                cell.wrong = self.reference(job, rows).differences(check.of_output(job, place.out))
            except check.Wrong as e:
                cell.wrong = [str(e)]
            if cell.wrong:
                self.say(f"{name}: WRONG: {'; '.join(cell.wrong)}")
                return
            one = dataclasses.asdict(m) | {"cpu": m.cpu}
            course = one.pop("memory")
            cell.runs.append(one)
            middle = sorted(cell.runs, key=lambda r: r["wall"])[(len(cell.runs) - 1) // 2]
            if middle is one:
                cell.memory = thinned(course)
            self.say(f"{name}: {m.wall:.2f} s, {m.cpu:.2f} CPU s, {m.peak / 2**20:,.0f} MiB")


def thinned(course: list, most: int = 300) -> list:
    """Fewer points of a course, each the largest of those that it stands for."""
    each = -(-len(course) // most)
    return [max(course[i : i + each], key=lambda p: p[1]) for i in range(0, len(course), each)] if course else []


def reason(log: pathlib.Path) -> str:
    """What a log ends with, or the errors that it names, in a line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return "; ".join(dict.fromkeys(errors or lines[-1:] or ["it said nothing"]))[:200]
