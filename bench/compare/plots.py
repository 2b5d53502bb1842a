"""The plots, each twice: for light and for dark pages."""

import pathlib

NAMES = {
    "wall": "Wall time by rows, for each job and system",
    "cpu": "CPU nanoseconds a row, for each job and system",
    "memory": "Memory of all processes over time, for each system",
}
THEMES = {"light": ("#ffffff", "#1f2328", "#d1d9e0"), "dark": ("#0d1117", "#e6edf3", "#3d444d")}
COLOURS = {  # that tell apart on white and on black, and for the colour-blind (Okabe and Ito's, and shades of blue for Levada)
    "levada-fused": "#2f81f7",
    "levada-durable": "#4f8fd9",
    "levada-services": "#7a9cc6",
    "levada-services-x2": "#98a6b5",
    "duckdb": "#b8860b",
    "polars": "#c2569b",
    "daft": "#2e9e72",
    "ray": "#e0662b",
}
LINES = {"levada-fused": "-", "levada-durable": "--", "levada-services": "-.", "levada-services-x2": ":"}


def write(where: pathlib.Path, cells, kind: str = "svg") -> None:
    import matplotlib

    matplotlib.use("svg" if kind == "svg" else "agg")
    import matplotlib.pyplot as plt

    for theme, (paper, ink, grid) in THEMES.items():
        style = {
            "svg.hashsalt": "levada",
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
            "font.size": 9,
            "figure.facecolor": paper,
            "axes.facecolor": paper,
            "savefig.facecolor": paper,
            "text.color": ink,
            "axes.labelcolor": ink,
            "axes.edgecolor": ink,
            "xtick.color": ink,
            "ytick.color": ink,
            "grid.color": grid,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
        with plt.rc_context(style):
            for name, draw in (("wall", wall), ("cpu", cpu), ("memory", memory)):
                figure = draw(plt, cells)
                metadata = {"Date": None} if kind == "svg" else None
                figure.savefig(where / f"{name}-{theme}.{kind}", metadata=metadata, dpi=110, bbox_inches="tight")
                plt.close(figure)


def wall(plt, cells):
    from .page import short

    shown = [j for j in cells.jobs if j != "w1"] or cells.jobs
    figure, axes = plt.subplots(1, len(shown), figsize=(1.2 + 3.2 * len(shown), 3.6), sharey=True, squeeze=False)
    for ax, job in zip(axes[0], shown, strict=True):
        rows = cells.rows(job)
        for system in cells.systems:
            points = [(r, cells.median(r, job, system, "wall")) for r in rows]
            points = [p for p in points if p[1] is not None]
            if points:
                ax.plot(*zip(*points, strict=True), marker="o", markersize=4, label=system, color=COLOURS.get(system), linestyle=LINES.get(system, "-"))
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xticks(rows, [short(r) for r in rows])
        ax.minorticks_off()
        ax.set_yticks(*ticks(cells, shown))
        ax.set_title(f"{job}: wall", fontsize=9)
        ax.set_xlabel("rows")
        ax.grid(visible=True, linewidth=0.6)
    axes[0][0].set_ylabel("s, from process start to its end")
    legend(figure, axes[0])
    return figure


def ticks(cells, shown: list) -> tuple[list, list]:
    """1, 2 and 5 of every power of ten that the walls need."""
    walls = [w for j in shown for r in cells.rows(j) for s in cells.systems if (w := cells.median(r, j, s, "wall"))] or [1]
    found = [step * 10**power for power in range(-3, 5) for step in (1, 2, 5)]
    found = [v for v in found if min(walls) / 2 <= v <= max(walls) * 2]
    return found, [f"{v:g}" for v in found]


def cpu(plt, cells):
    from .page import short

    shown = [j for j in cells.jobs if j != "w1"] or cells.jobs
    figure, axes = plt.subplots(1, len(shown), figsize=(1.2 + 3.2 * len(shown), 1.3 + 0.3 * len(cells.systems)), sharey=True, squeeze=False)
    for ax, job in zip(axes[0], shown, strict=True):
        rows = cells.rows(job)[-1]
        most = 0
        for i, system in enumerate(cells.systems):
            seconds = cells.median(rows, job, system, "cpu")
            if seconds is None:
                ax.text(0, i, " none", va="center", fontsize=8)
                continue
            value = seconds / rows * 1e9
            most = max(most, value)
            ax.barh(i, value, color=COLOURS.get(system))
            ax.text(value, i, f" {value:,.0f}", va="center", fontsize=8)
        ax.set_xlim(0, most * 1.25 or 1)
        ax.set_yticks(range(len(cells.systems)), cells.systems)
        ax.set_title(f"{job}, {short(rows)} rows", fontsize=9)
        ax.set_xlabel("CPU, ns a row")
        ax.grid(visible=True, axis="x", linewidth=0.6)
        ax.set_axisbelow(True)
    axes[0][0].invert_yaxis()
    figure.tight_layout()
    return figure


def memory(plt, cells):
    from .page import short

    job = next((j for j in ("w6", "w5", "w2") if any(cells.median(r, j, s, "peak") for r in cells.rows(j) for s in cells.systems)), cells.jobs[0])
    rows = cells.rows(job)[-1]
    figure, ax = plt.subplots(figsize=(8, 3.8))
    for system in cells.systems:
        cell = cells.all.get((rows, job, system))
        if cell and cell["memory"] and not cell["gap"]:
            at, size = zip(*cell["memory"], strict=True)
            ax.plot(at, [s / 2**20 for s in size], label=system, color=COLOURS.get(system), linestyle=LINES.get(system, "-"), linewidth=1.4)
    ax.set_xscale("symlog", linthresh=1)
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    if ax.get_ylim()[1] > 1024:
        ax.axhline(1024, linewidth=0.8, linestyle=(0, (1, 3)), color=plt.rcParams["text.color"])
        ax.text(0, 1024, " 1 GiB", va="bottom", fontsize=8)
    ax.set_title(f"{job}, {short(rows)} rows: memory of all processes", fontsize=9)
    ax.set_xlabel("s since the start (even up to 1 s, then logarithmic)")
    ax.set_ylabel("MiB, proportional")
    ax.grid(visible=True, linewidth=0.6)
    legend(figure, [ax])
    return figure


def legend(figure, axes) -> None:
    known = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            known.setdefault(label, handle)
    figure.tight_layout()
    figure.legend(known.values(), known.keys(), loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, handlelength=3)
