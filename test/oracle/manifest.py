#!/usr/bin/env python3
"""Says whether an output is what its manifest states.

    manifest.py DIR RUN

For an output of which the run wrote every file, after it has ended as done. Checked
are: the visible files are those of the manifest and no other; the length, hash, rows
and partition of each; that no temporary file is left; that the books balance,
and that they agree with the files and the sources.
"""
import hashlib
import json
import pathlib
import sys
import urllib.parse

import blake3
import pyarrow.parquet as pq


def main() -> int:
    root, run = pathlib.Path(sys.argv[1]), sys.argv[2]
    wrong = []

    def check(ok: bool, what: str) -> None:
        if not ok:
            wrong.append(what)

    m = json.loads((root / "_levada" / f"manifest-{run}.json").read_text())
    check(m["version"] == 1, f"version {m['version']}")
    check(m["run"] == run, f"it is of run {m['run']}")
    check(m["status"] == "done", f"status {m['status']}: {m.get('reason', '')}")

    named = {f["name"]: f for f in m["files"]}
    check(len(named) == len(m["files"]), "a file is named twice")
    visible = {
        str(p.relative_to(root))
        for p in root.rglob("*")
        if p.is_file() and p.relative_to(root).parts[0] != "_levada"
    }
    for name in sorted(named.keys() - visible):
        wrong.append(f"{name} is named and not there")
    for name in sorted(visible - named.keys()):
        wrong.append(f"{name} is there and not named")
    for name in sorted(visible & named.keys()):
        f, data = named[name], (root / name).read_bytes()
        check(len(data) == f["bytes"], f"{name} has {len(data)} bytes, named {f['bytes']}")
        if "blake3" in f:
            check(blake3.blake3(data).hexdigest() == f["blake3"], f"{name} has another BLAKE3")
        else:  # of an older build, or of a machine where BLAKE3 has no vector code
            check(hashlib.sha256(data).hexdigest() == f["sha256"], f"{name} has another SHA-256")
        rows = pq.read_metadata(root / name).num_rows
        check(rows == f["rows"], f"{name} has {rows} rows, named {f['rows']}")
        place = dict(
            urllib.parse.unquote(part).split("=", 1)
            for part in pathlib.PurePosixPath(name).parent.parts
        )
        check(place == f.get("partition", {}), f"{name} is in another directory than its partition")

    staged = root / "_levada" / "tmp"
    if staged.exists():
        for p in staged.rglob("*"):
            check(p.is_dir(), f"temporary file {p.relative_to(root)} is left")

    b = m["books"]
    dropped, dead = sum(b.get("dropped", {}).values()), b["dead"]
    check(b["source"] == b["read"] + b["pruned"], f"books: source is not read and pruned: {b}")
    check(b["source"] == b["written"] + dropped + dead, f"books: source is not written, dropped and dead: {b}")
    check(b["written"] == sum(f["rows"] for f in m["files"]), "books: written is not the rows of the files")
    if m.get("sources"):
        check(b["source"] == sum(s["rows"] for s in m["sources"]), "books: source is not the rows of the sources")
    check(dead == sum(b.get("dead_by_stage", {}).values()), f"books: dead rows are not those of the stages: {b}")

    for w in wrong[:20]:
        print(w)
    if len(wrong) > 20:
        print(f"and {len(wrong) - 20} more")
    print(f"{len(named)} files, {b['written']} rows: {'WRONG' if wrong else 'as the manifest says'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
