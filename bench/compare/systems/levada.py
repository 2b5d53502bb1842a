"""Levada, in four ways."""

import functools
import json
import re
import socket
import subprocess

from ..jobs import Job
from ..measure import Plan, Process

WAYS = {
    "levada-fused": "one process, neighbouring stages fused (the default)",
    "levada-durable": "one process, every edge through its embedded server's file store",
    "levada-services": "nats-server, reader, transform and writer as processes, over TCP",
    "levada-services-x2": "the same with two of each",
}
# What nats-server and the services on this machine may take together is divided among
# them, as somebody would who has one machine for all: MiB.
SERVER_MEMORY, SERVICES_MEMORY = 256, 600
RESUME = re.compile(r"run (\S+) is submitted")


class Levada:
    def __init__(self, name: str, binary: str, server: str):
        self.name, self.binary, self.server = name, binary, server
        self.port = 0

    def version(self) -> str:
        return said(self.binary, "version").splitlines()[0].removeprefix("levada ")

    def note(self) -> str:
        if self.name in ("levada-fused", "levada-durable") and not has_fuse(self.binary):
            return "this version has no --fuse: levada-fused and levada-durable are the same"
        return ""

    def gap(self, job: Job) -> str:
        try:
            self.version()
            if self.name.startswith("levada-services"):
                said(self.server, "--version")
        except OSError as e:
            return f"no {e.filename}: make build"
        return ""

    def plan(self, job: Job, place) -> Plan:
        spec = write_spec(job, place)
        if not self.name.startswith("levada-services"):
            fuse = ["--fuse", "never"] if self.name == "levada-durable" and has_fuse(self.binary) else []
            return Plan(Process([self.binary, "run", spec, "--state-dir", str(place.state), "--no-progress", *fuse]))
        return self.services(place, ["run", spec])

    def again(self, job: Job, place, log: str) -> Plan:
        """The same command. Where services do the work, they go on by themselves; resume follows them to the end."""
        submitted = RESUME.findall(log)
        if submitted and self.name.startswith("levada-services"):
            return self.services(place, ["resume", submitted[-1]])
        return self.plan(job, place)

    def services(self, place, follow: list) -> Plan:
        port = free_port()
        url = f"nats://127.0.0.1:{port}"
        conf = place.scratch / "nats.conf"
        store = json.dumps(str(place.state / "store"))
        conf.write_text(f'listen: "127.0.0.1:{port}"\nmax_payload: 8MB\njetstream {{ store_dir: {store}, max_file_store: 64GB }}\n')
        each = 2 if self.name.endswith("x2") else 1
        memory = f"{SERVICES_MEMORY // (3 * each)}MiB"
        roles = [
            Process([self.binary, role, "--nats", url, "--log-level", "warn", "--memory", memory])
            for role in ("reader", "transform", "writer")
            for _ in range(each)
        ]
        return Plan(
            main=Process([self.binary, *follow, "--nats", url]),
            before=[Process([self.server, "-c", str(conf)], {"GOMEMLIMIT": f"{SERVER_MEMORY}MiB"}, port), *roles],
        )


def write_spec(job: Job, place) -> str:
    """The pipeline as a file, in JSON: YAML has it as a part."""
    source = {"parquet": {"uri": f"{place.table}/*.parquet"}} if place.table else {"range": {"rows": place.rows}}
    spec = {
        "apiVersion": "levada/v1",
        "name": f"compare-{job.name}",
        "source": source,
        "stages": [{"name": "work", "transform": list(job.stage)}],
        "sink": {"parquet": {"uri": str(place.out), "compression": "snappy"}},
    }
    path = place.scratch / "pipeline.yaml"
    path.write_text(json.dumps(spec, indent=2) + "\n")
    return str(path)


@functools.cache
def has_fuse(binary: str) -> bool:
    return "--fuse" in said(binary, "run", "--help")


def said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
