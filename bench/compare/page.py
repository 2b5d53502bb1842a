"""The results as a part of docs/performance.md, with its JSON and plots beside it."""

import json
import pathlib
import statistics

from . import jobs, plots, tables
from .systems.levada import WAYS

BEGIN, END = "<!-- compare:begin -->", "<!-- compare:end -->"
FUSED, DURABLE = "levada-fused", "levada-durable"
M6, M24 = 6_000_000, 24_000_000

# The targets: ratios within one run of the comparison.
CPU = {FUSED: {"w2": 0.2, "w5": 0.45, "w6": 0.75}, DURABLE: {"w2": 0.5, "w5": 1.0, "w6": 1.5}}
WALL = {  # one part in so many of Ray's
    FUSED: {"w2": {M6: 20, M24: 15}, "w5": {M6: 10, M24: 6}, "w6": {M6: 8, M24: 4}},
    DURABLE: {"w2": {M6: 8, M24: 6}, "w5": {M6: 6, M24: 3}, "w6": {M6: 5, M24: 2}},
}
FIRST_ROW = 0.5  # s, w1
PEAK, PEAK_ROWS = 1 << 30, M24

SKELETON = f"""# Performance

{BEGIN}
{END}
"""


class Cells:
    """The cells of some results, by what they are of."""

    def __init__(self, results: dict):
        self.all = {(c["rows"], c["job"], c["system"]): c for c in results["cells"]}
        self.systems = list(dict.fromkeys(c["system"] for c in results["cells"]))
        self.jobs = [j for j in jobs.ALL if any(c["job"] == j for c in results["cells"])]

    def rows(self, job: str) -> list[int]:
        return sorted({rows for rows, j, _ in self.all if j == job})

    def median(self, rows: int, job: str, system: str, figure: str) -> float | None:
        values = self.values(rows, job, system, figure)
        return statistics.median(values) if values else None

    def values(self, rows: int, job: str, system: str, figure: str) -> list[float]:
        cell = self.all.get((rows, job, system))
        if cell is None or cell["gap"]:
            return []
        return [r[figure] for r in cell["runs"] if r[figure] is not None]

    def ratio(self, rows: int, job: str, system: str, figure: str, of: str) -> float | None:
        mine, other = self.median(rows, job, system, figure), self.median(rows, job, of, figure)
        return mine / other if mine is not None and other else None


def write(out: pathlib.Path, results: dict, text: str) -> None:
    """Writes the page in out, what stands beside it, and the summary in the README above, if that has a place for it."""
    where = out / "performance"
    where.mkdir(parents=True, exist_ok=True)
    (where / "compare.json").write_text(json.dumps(results, indent=1) + "\n")
    plots.write(where, Cells(results))
    path = out / "performance.md"
    path.write_text(replaced(path, path.read_text() if path.exists() else SKELETON, text))
    readme = out.parent / "README.md"
    if readme.exists() and BEGIN in (before := readme.read_text()):
        readme.write_text(replaced(readme, before, summary(results)))


def replaced(path: pathlib.Path, page: str, text: str, begin: str = BEGIN, end: str = END) -> str:
    if page.count(begin) != 1 or page.count(end) != 1:
        raise SystemExit(f"{path} needs one {begin} and one {end}")
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{text}{end}{after}"


def summary(results: dict) -> str:
    """A line for each system: wall, CPU and peak of each job over a table, 6 M rows if that was measured."""
    cells = Cells(results)
    todo = [j for j in cells.jobs if jobs.ALL[j].reads_table]
    rows = sorted({r for j in todo for r in cells.rows(j)}, key=lambda r: (r != M6, -r))
    if not rows:
        return ""
    of, m = rows[0], results["machine"]
    lines = [
        f"| {short(of)} rows, {m['cores']} cores; wall s / CPU s / peak MiB | {' | '.join(f'{j}: {jobs.ALL[j].does}' for j in todo)} |",
        "|---|" + "---|" * len(todo),
    ]
    for system in cells.systems:
        figures = []
        for job in todo:
            wall, cpu, peak = (cells.median(of, job, system, figure) for figure in ("wall", "cpu", "peak"))
            figures.append("" if wall is None else f"{plain(wall)} / {plain(cpu)} / {peak / 2**20:,.0f}")
        if any(figures):
            lines.append(f"| {system} | {' | '.join(figures)} |")
    return "\n".join(lines) + "\n"


def text(results: dict) -> str:
    cells = Cells(results)
    parts = [made_with(results, cells), targets(cells)]
    parts += [job_table(cells, job) for job in cells.jobs]
    parts += [pictures(), memory_table(cells), kill_table(results["kills"]), gaps(cells)]
    return "\n\n".join(p for p in parts if p) + "\n"


def made_with(results: dict, cells: Cells) -> str:
    m = results["machine"]
    versions = {s: next((c["version"] for c in results["cells"] if c["system"] == s and c["version"]), "") for s in cells.systems}
    levada = next((v for s, v in versions.items() if s.startswith("levada") and v), "")
    others = ", ".join(f"{s} {v}" for s, v in versions.items() if v and not s.startswith("levada"))
    sizes = [a for _, a in sorted(results["tables"].items(), key=lambda t: int(t[0]))]
    dates = sorted({c["date"] for c in results["cells"] if c["date"]})
    lines = [
        f"Made by `make compare` on {' and '.join(dict.fromkeys((dates[0], dates[-1]))) if dates else m['date']}: {m['cores']} cores of {m['processor']}, "
        f"{m['memory_bytes'] / 2**30:.0f} GiB of memory, {m['kernel']}; load {m['load'][0]} at the end. "
        f"{'Levada ' + levada + '; ' if levada else ''}{others}; Python {m['python']}.",
    ]
    if sizes:
        a = sizes[-1]
        lines.append(
            f"Tables: {', '.join(short(s['rows']) for s in sizes)} rows of {len(tables.COLUMNS)} columns, {a['disk_bytes'] / a['rows']:.0f} bytes a row on disk "
            f"(snappy, files of {tables.ROWS_PER_FILE:,} rows, row groups of {tables.ROWS_PER_GROUP:,}) and {a['arrow_bytes'] / a['rows']:.0f} in Arrow."
        )
    counts = sorted({len(c["runs"]) for c in results["cells"] if c["runs"]})
    if counts:
        of = " to ".join(str(n) for n in dict.fromkeys((counts[0], counts[-1])))
        lines.append(
            f"{'One run each' if of == '1' else f'Medians of {of} runs, least and most in brackets'}; every run in fresh processes, all of which are counted, "
            "every output equal to the reference. What is measured and how: `bench/compare/README.md`."
        )
    return "\n".join(lines)


def targets(cells: Cells) -> str:
    lines = []

    def line(what: str, want: str, got: str, met: bool) -> None:
        lines.append(f"| {what} | {want} | {got} | {'met' if met else '**missed**'} |")

    for way, wants in CPU.items():
        for job, want in wants.items():
            for rows in cells.rows(job):
                if rows >= M6 and (got := cells.ratio(rows, job, way, "cpu", "duckdb")) is not None:
                    line(f"{job}, {short(rows)} rows, {way}: CPU against DuckDB", f"≤ {want}", f"{got:.2f}", got <= want)
    for way, wants in WALL.items():
        for job, by_rows in wants.items():
            for rows, want in by_rows.items():
                if (got := cells.ratio(rows, job, way, "wall", "ray")) is not None:
                    line(f"{job}, {short(rows)} rows, {way}: wall against Ray", f"≤ 1/{want}", part_of(got), got <= 1 / want)
    for rows in cells.rows("w1"):
        for way in (FUSED, DURABLE):
            if (got := cells.median(rows, "w1", way, "first_file")) is not None:
                line(f"w1, {short(rows)} rows, {way}: first row out", f"< {FIRST_ROW} s", f"{got:.2f} s", got < FIRST_ROW)
    for job in cells.jobs:
        for way in WAYS:
            if (peaks := cells.values(PEAK_ROWS, job, way, "peak")) and job != "w1":
                line(f"{job}, {short(PEAK_ROWS)} rows, {way}: peak of all processes", "< 1 GiB", f"{max(peaks) / 2**30:.2f} GiB", max(peaks) < PEAK)
    if not lines:
        return ""
    return "### Targets\n\n| what | target | measured | |\n|---|---|---|---|\n" + "\n".join(lines)


def job_table(cells: Cells, job: str) -> str:
    lines = [
        f"### {job}: {jobs.ALL[job].does}",
        "",
        "| rows | system | wall, s | CPU, s | CPU, ns a row | peak, MiB | first row, s | last row, s | CPU of DuckDB's | wall of Ray's |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for rows in cells.rows(job):
        for system in cells.systems:
            cell = cells.all.get((rows, job, system))
            if cell is None:
                continue
            if cell["gap"]:
                lines.append(f"| {short(rows)} | {system} | {'failed' if cell['failed'] else 'none'}, see below | | | | | | | |")
                continue
            cpu = cells.median(rows, job, system, "cpu")
            lines.append(
                f"| {short(rows)} | {system} | {spread(cells, rows, job, system, 'wall')} | {spread(cells, rows, job, system, 'cpu')} | {cpu / rows * 1e9:,.0f} "
                f"| {spread(cells, rows, job, system, 'peak', 2**20)} | {plain(cells.median(rows, job, system, 'first_file'))} "
                f"| {plain(cells.median(rows, job, system, 'last_file'))} "
                f"| {judged(cells.ratio(rows, job, system, 'cpu', 'duckdb'), CPU.get(system, {}).get(job) if rows >= M6 else None)} "
                f"| {judged_part(cells.ratio(rows, job, system, 'wall', 'ray'), WALL.get(system, {}).get(job, {}).get(rows))} |"
            )
    return "\n".join(lines)


def pictures() -> str:
    return "\n\n".join(
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="performance/{name}-dark.svg"><img alt="{what}" src="performance/{name}-light.svg"></picture>'
        for name, what in plots.NAMES.items()
    )


def memory_table(cells: Cells) -> str:
    """Whether the peak grows with the rows, for Levada."""
    job = next((j for j in ("w6", "w5", "w2") if len([r for r in cells.rows(j) if r > 0]) > 1), None)
    if job is None:
        return ""
    rows = cells.rows(job)
    lines = [
        f"### Memory by rows, {job}",
        "",
        "Peak of all processes, MiB.",
        "",
        f"| system | {' | '.join(short(r) for r in rows)} |",
        "|---|" + "---|" * len(rows),
    ]
    for system in cells.systems:
        peaks = [cells.median(r, job, system, "peak") for r in rows]
        if any(peaks):
            lines.append(f"| {system} | {' | '.join(f'{p / 2**20:,.0f}' if p else '' for p in peaks)} |")
    return "\n".join(lines)


def kill_table(kills: list) -> str:
    if not kills:
        return ""
    first = kills[0]
    lines = [
        "### Killed in the middle",
        "",
        f"{first['job']}, {short(first['rows'])} rows: SIGKILL to every process, broker included, half way between the first byte of output and the last; then the same "
        "command again. Where that does not give the right output, the directory is emptied by hand and the job runs once more; the time until the output is right has all "
        "runs in it, but not the time in which somebody notices.",
        "",
        "| system | killed after, s | a reader then saw | run again, s | right? | rows doubled | rows lost | broken files | s until right | a job that has ended, run once more |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for k in kills:
        if k["failed"]:
            lines.append(f"| {k['system']} | {k['failed']} | | | | | | | | {k['twice']} |")
            continue
        until = k["killed"] + k["again"] + (0 if k["right"] else k["clean"])
        verdict = "yes" if k["right"] else "**no**" + (f": {k['refused']}" if k["refused"] else "")
        lines.append(
            f"| {k['system']} | {k['killed']:.2f} | {k['left']} | {k['again']:.2f} | {verdict} | {number(k['doubled'])} | {number(k['lost'])} | {number(k['broken'])} "
            f"| {f'{until:.2f}' if k['right'] else f'{until:.2f}, emptied by hand' if k['clean'] else 'never'} | {k['twice']} |"
        )
    return "\n".join(lines)


def gaps(cells: Cells) -> str:
    found = {}
    for (rows, job, system), cell in sorted(cells.all.items()):
        if cell["gap"]:
            found.setdefault((system, cell["gap"]), []).append(f"{job} {short(rows)}")
    lines = [f"- {system}, {', '.join(where)}: {why}" for (system, why), where in found.items()]
    lines += [f"- {note}" for note in dict.fromkeys(c["note"] for c in cells.all.values() if c["note"])]
    return "### Gaps\n\n" + "\n".join(lines) if lines else ""


def spread(cells: Cells, rows: int, job: str, system: str, figure: str, unit: float = 1) -> str:
    values = [v / unit for v in cells.values(rows, job, system, figure)]
    if not values:
        return ""
    return f"{plain(statistics.median(values))} ({plain(min(values))} to {plain(max(values))})" if len(values) > 1 else plain(values[0])


def plain(v: float | None) -> str:
    return "" if v is None else f"{v:,.0f}" if v >= 100 else f"{v:.1f}" if v >= 10 else f"{v:.2f}"


def judged(ratio: float | None, target: float | None) -> str:
    if ratio is None or target is None:
        return plain(ratio)
    return f"{ratio:.2f} (target {target}: {'met' if ratio <= target else '**missed**'})"


def judged_part(ratio: float | None, target: int | None) -> str:
    if ratio is None:
        return ""
    return part_of(ratio) + (f" (target 1/{target}: {'met' if ratio <= 1 / target else '**missed**'})" if target else "")


def part_of(ratio: float) -> str:
    return f"1/{1 / ratio:.1f}" if ratio < 1 else plain(ratio)


def number(n: int) -> str:
    return f"**{n:,}**" if n else "0"


def short(rows: int) -> str:
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if rows >= size:
            return f"{rows / size:g} {unit}"
    return str(rows)
