"""Runs a plan and says what it cost. The measuring is done by supervise.py, in a process of its own."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys


@dataclasses.dataclass
class Process:
    argv: list
    env: dict = dataclasses.field(default_factory=dict)
    port: int = 0  # the next process starts when this one answers there


@dataclasses.dataclass
class Plan:
    """What a system does for one job: the main process, whose end is the job's end, and those that must be there before."""

    main: Process
    before: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Measurement:
    wall: float  # s, from the start of the first process to the end of the main one
    user: float  # CPU s of all processes, until the last has gone
    system: float
    accounting: str  # how the CPU seconds were counted
    peak: int  # bytes: the largest sum of the proportional set sizes of all processes at one time
    peak_of: dict  # command to its bytes at that time
    memory: list  # [s, bytes], the course of that sum
    first_byte: float | None  # s until anything of the output was on disk, under whatever name
    first_file: float | None  # s until a reader saw a whole Parquet file
    last_file: float | None  # s until the last file was whole
    tail: float  # s from the main process's end until the last process had gone
    status: int  # exit status of the main process; negative: the signal
    killed: float | None  # s until everything was killed, where that was asked for
    timed_out: bool

    @property
    def cpu(self) -> float:
        return self.user + self.system


def run(plan: Plan, out: pathlib.Path, log: pathlib.Path, kill_after: float | None = None, timeout: float = 1800) -> Measurement:
    """Runs the plan. With kill_after, it kills all of its processes so many seconds after the first byte of output."""
    os.sync()  # what earlier runs have left to write is not this one's
    order = {
        "before": [dataclasses.asdict(p) for p in plan.before],
        "main": dataclasses.asdict(plan.main),
        "out": str(out),
        "log": str(log),
        "kill_after": kill_after,
        "timeout": timeout,
    }
    supervisor = pathlib.Path(__file__).with_name("supervise.py")
    done = subprocess.run([sys.executable, "-I", str(supervisor)], input=json.dumps(order), stdout=subprocess.PIPE, text=True, check=True)
    return Measurement(**json.loads(done.stdout))
