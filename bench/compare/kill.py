"""Kills systems in the middle of their output, starts them again, and says what came of it."""

import dataclasses

from . import check, measure
from .jobs import Job
from .rounds import Bench, Cell, reason
from .systems import Place, System


@dataclasses.dataclass
class Kill:
    rows: int
    job: str
    system: str
    killed: float = 0  # s from the start to the SIGKILL of all processes
    left: str = ""  # what a reader of the output saw then
    again: float = 0  # s that the second run took
    right: bool = False  # the output is right after it
    doubled: int = 0
    lost: int = 0
    broken: int = 0  # files that cannot be read
    refused: str = ""  # what the second run said, if it failed
    clean: float = 0  # s of a run into an emptied directory
    twice: str = ""  # what comes of a job that has ended, run once more
    failed: str = ""  # why there are no figures


def kills(bench: Bench, job: Job, rows: int, systems: list[System], cells: list[Cell]) -> list[Kill]:
    measured = {c.system: c for c in cells if c.rows == rows and c.job == job.name and c.runs}
    return [kill(bench, job, rows, s, measured[s.name]) for s in systems if s.name in measured]


def kill(bench: Bench, job: Job, rows: int, system: System, cell: Cell) -> Kill:
    result = Kill(rows, job.name, system.name, failed="always ended before it could be killed")
    # Half of the time in which there is output. Half of the wall would end Ray before it has begun, or after it has written.
    middle = (cell.median("last_file") - cell.median("first_byte")) / 2
    while result.failed and middle > 0.002:
        with bench.place(job, rows, f"kill-{job.name}-{rows}-{system.name}") as (place, log):
            interrupt(bench, job, rows, system, place, log, middle, result)
        middle /= 2
    with bench.place(job, rows, f"twice-{job.name}-{rows}-{system.name}") as (place, log):
        twice(bench, job, rows, system, place, log, result)
    outcome = result.failed or f"left {result.left}; then {'right' if result.right else 'NOT right'}"
    bench.say(f"kill {job.name}-{rows}-{system.name}: {outcome}; once more: {result.twice}")
    return result


def interrupt(bench: Bench, job: Job, rows: int, system: System, place: Place, log, after: float, result: Kill) -> None:
    first = measure.run(system.plan(job, place), place.out, log, kill_after=after)
    if first.killed is None or first.status == 0 or right(bench, job, rows, place.out):
        return  # it was faster this time
    result.failed, result.killed = "", first.killed
    seen, files = check.damage(job, place.table, rows, place.out), len(check.output_files(place.out))
    result.left = f"{files} file{'s' if files > 1 else ''}, {len(seen.broken)} of them broken, {seen.rows:,} rows" if files else "nothing"
    second = measure.run(system.again(job, place, log.read_text(errors="replace")), place.out, log)
    result.again = second.wall
    if second.status:
        result.refused = reason(log)
    found = check.damage(job, place.table, rows, place.out)
    result.doubled, result.lost, result.broken = found.doubled, found.lost, len(found.broken)
    result.right = not second.status and right(bench, job, rows, place.out)


def twice(bench: Bench, job: Job, rows: int, system: System, place: Place, log, result: Kill) -> None:
    clean = measure.run(system.plan(job, place), place.out, log)
    if right(bench, job, rows, place.out):
        result.clean = clean.wall
    once_more = measure.run(system.plan(job, place), place.out, log)
    found = check.damage(job, place.table, rows, place.out)
    if found.doubled or found.lost or found.broken:
        result.twice = f"{found.doubled:,} rows doubled, {found.lost:,} lost, {len(found.broken)} broken files"
    else:
        result.twice = "refuses" if once_more.status else "the same rows"


def right(bench: Bench, job: Job, rows: int, out) -> bool:
    try:
        return not bench.reference(job, rows).differences(check.of_output(job, out))
    except check.Wrong:
        return False
