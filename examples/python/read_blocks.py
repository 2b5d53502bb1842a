#!/usr/bin/env python3
"""Watches the blocks of a run, live, from Python.

    read_blocks.py [--url URL] [--run RUN] [--stage STAGE] [--count N] [--timeout S] [--json]

A plain core subscription: nothing is acked and nobody is slowed. Each block is
checked as docs/format.md says, before it is decoded, and each span of a stage is
shown once, however often it is published.
"""
import argparse
import asyncio
import json
import os
import re
import sys

import nats
import pyarrow as pa
import xxhash

SPAN = re.compile(r"^(\d+):\[(\d+),(\d+)\)$")
OFFSETS = "__levada_offset"


def ranges(text: str) -> int:
    """Counts the rows of "17,40-43"."""
    n = 0
    for part in text.split(","):
        first, _, last = part.partition("-")
        n += int(last or first) - int(first) + 1
    return n


def decode(headers: dict, data: bytes):
    """Returns (task, from, to, batch or None); raises ValueError for a bad block."""
    if headers.get("Levada-Version") != "1":
        raise ValueError(f"version {headers.get('Levada-Version')} is not known")
    m = SPAN.match(headers["Levada-Span"])
    if not m:
        raise ValueError("malformed span")
    task, start, end = map(int, m.groups())
    rows = int(headers["Levada-Rows"])
    dropped = sum(int(d.rsplit("=", 1)[1]) for d in headers.get("Levada-Dropped", "").split(",") if d)
    dead = sum(ranges(d.rsplit("=", 1)[1]) for d in headers.get("Levada-Dead", "").split(";") if d)
    if end - start != rows + dropped + dead:
        raise ValueError(f"{end - start} source rows, but {rows} rows, {dropped} dropped, {dead} dead")
    if headers["Levada-Checksum"] != "xxh3:" + xxhash.xxh3_64_hexdigest(data):
        raise ValueError("checksum differs")
    if rows == 0:
        return task, start, end, None
    with pa.ipc.open_stream(data) as stream:
        batch = stream.read_next_batch()
    if batch.num_rows != rows:
        raise ValueError(f"{batch.num_rows} rows where the header says {rows}")
    if rows < end - start:
        offsets = batch.column(OFFSETS).to_pylist()
        if batch.schema.names[-1] != OFFSETS or any(b <= a for a, b in zip(offsets, offsets[1:])) or offsets[-1] >= end - start:
            raise ValueError("row offsets are malformed")
    return task, start, end, batch


async def main() -> int:
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--url", default=os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    p.add_argument("--run", default="*", help="only this run")
    p.add_argument("--stage", default="*", help="only the blocks that this stage made")
    p.add_argument("--count", type=int, default=0, help="stop after so many blocks; 0: never")
    p.add_argument("--timeout", type=float, default=0, help="stop when nothing new has come for so many seconds; 0: never")
    p.add_argument("--json", action="store_true", help="one JSON object a block, and a summary")
    a = p.parse_args()

    seen, rows, bad = set(), {}, 0
    nc = await nats.connect(a.url)
    sub = await nc.subscribe(f"levada.blocks.{a.run}.{a.stage}.>", pending_bytes_limit=256 << 20)
    await nc.flush()
    print("watching", file=sys.stderr, flush=True)
    while not a.count or len(seen) < a.count:
        try:
            msg = await sub.next_msg(timeout=a.timeout or None)
        except (asyncio.TimeoutError, nats.errors.TimeoutError):
            break
        headers = dict(msg.headers or {})
        stage = headers.get("Levada-Stage", "?")
        try:
            task, start, end, batch = decode(headers, msg.data)
        except (ValueError, KeyError, pa.ArrowInvalid) as err:
            bad += 1
            print(f"bad block of stage {stage}: {err}", file=sys.stderr)
            continue
        key = (headers["Levada-Run"], stage, task, start, end)
        if key in seen:
            continue
        seen.add(key)
        n = batch.num_rows if batch is not None else 0
        rows[stage] = rows.get(stage, 0) + n
        names = [] if batch is None else [f"{f.name} {f.type}" for f in batch.schema if f.name != OFFSETS]
        if a.json:
            print(json.dumps({"run": key[0], "stage": stage, "task": task, "from": start, "to": end, "rows": n, "schema": names}), flush=True)
        else:
            print(f"{stage:12} {task}:[{start},{end})  {n} rows  {', '.join(names)}", flush=True)
    await nc.close()
    if a.json:
        print(json.dumps({"blocks": len(seen), "rows": rows, "bad": bad}), flush=True)
    else:
        print(f"{len(seen)} blocks, {bad} bad, rows by stage: {rows}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
