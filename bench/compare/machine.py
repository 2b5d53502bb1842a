"""What the figures were measured on."""

import datetime
import os
import pathlib
import platform


def describe() -> dict:
    memory = next(line for line in pathlib.Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal:"))
    model = [line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": model[0] if model else platform.machine(),
        "memory_bytes": int(memory.split()[1]) * 1024,
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "load": [round(v, 2) for v in os.getloadavg()],
    }
