"""The systems. Each is a file here: the others are programs that do one job and end (python -m compare.systems.NAME JOB
TABLE OUT ROWS), Levada is its own binary."""

import dataclasses
import importlib.metadata
import pathlib
import sys
from typing import Protocol

from ..jobs import Job
from ..measure import Plan, Process


@dataclasses.dataclass(frozen=True)
class Place:
    """Where one run reads and writes. The state is what a system keeps to go on after a kill; scratch is for everything else."""

    table: pathlib.Path | None  # None: the job makes its rows itself
    rows: int
    out: pathlib.Path
    state: pathlib.Path
    scratch: pathlib.Path


class System(Protocol):
    name: str

    def version(self) -> str: ...

    def note(self) -> str:
        """What a reader of its figures must know; empty if nothing."""

    def gap(self, job: Job) -> str:
        """Why the system cannot do the job; empty if it can."""

    def plan(self, job: Job, place: Place) -> Plan:
        """What to run."""

    def again(self, job: Job, place: Place, log: str) -> Plan:
        """What to run after a kill: log is what the killed run printed."""


@dataclasses.dataclass(frozen=True)
class Module:
    """A system that is a Python package, and a file here that uses it."""

    name: str
    package: str
    env: dict = dataclasses.field(default_factory=dict)

    def version(self) -> str:
        return importlib.metadata.version(self.package)

    def note(self) -> str:
        return ""

    def gap(self, job: Job) -> str:
        try:
            self.version()
        except importlib.metadata.PackageNotFoundError:
            return "not installed"
        return ""

    def plan(self, job: Job, place: Place) -> Plan:
        argv = [sys.executable, "-m", f"compare.systems.{self.name}", job.name, str(place.table or ""), str(place.out), str(place.rows)]
        here = str(pathlib.Path(__file__).parents[2])
        return Plan(Process(argv, self.env | {"PYTHONPATH": here, "TMPDIR": str(place.scratch), "RAY_TMPDIR": str(place.scratch)}))

    def again(self, job: Job, place: Place, log: str) -> Plan:
        return self.plan(job, place)


def every(binary: str, server: str) -> dict[str, System]:
    from . import levada

    systems = [levada.Levada(way, binary, server) for way in levada.WAYS]
    systems += [
        Module("duckdb", "duckdb"),
        Module("polars", "polars"),
        Module("daft", "daft", {"DO_NOT_TRACK": "1", "DAFT_PROGRESS_BAR": "0"}),
        Module("ray", "ray", {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}),
    ]
    return {s.name: s for s in systems}


def job_of(run: dict) -> None:
    """Calls the function of the job that the command line names with its table (or rows) and output directory."""
    name, table, out, rows = sys.argv[1:]
    run[name](table or int(rows), out)
