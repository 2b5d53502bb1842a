import pathlib
import tempfile
import unittest

from .. import page


def cell(system: str, wall: float, cpu: float, **more) -> dict:
    run = {"wall": wall, "cpu": cpu, "peak": 100 << 20, "first_file": wall / 2, "last_file": wall}
    return {
        "rows": 6_000_000,
        "job": "w2",
        "system": system,
        "version": "1",
        "date": "2026-01-02",
        "runs": [run],
        "memory": [[0.1, 1 << 20]],
        "gap": "",
        "failed": False,
        "wrong": [],
        "note": "",
    } | more


RESULTS = {
    "machine": {"cores": 2, "processor": "a processor", "memory_bytes": 8 << 30, "kernel": "Linux 6", "python": "3", "date": "2026-01-02", "load": [0, 0, 0]},
    "runs": 1,
    "tables": {},
    "cells": [
        cell("levada-fused", 0.5, 0.6),
        cell("levada-durable", 3.0, 3.0),
        cell("duckdb", 3.0, 5.0),
        cell("ray", 20.0, 30.0),
        cell("daft", 0, 0, runs=[], gap="not installed"),
    ],
    "kills": [
        {
            "rows": 6_000_000,
            "job": "w2",
            "system": "ray",
            "killed": 15.0,
            "left": "3 files, 1 of them broken, 4 rows",
            "again": 20.0,
            "right": False,
            "doubled": 4,
            "lost": 0,
            "broken": 1,
            "refused": "",
            "clean": 21.0,
            "twice": "8 rows doubled, 0 lost, 0 broken files",
            "failed": "",
        }
    ],
}


class Page(unittest.TestCase):
    def test_says_which_targets_are_met(self):
        text = page.text(RESULTS)
        self.assertIn("| w2, 6 M rows, levada-fused: CPU against DuckDB | ≤ 0.2 | 0.12 | met |", text)
        self.assertIn("| w2, 6 M rows, levada-durable: CPU against DuckDB | ≤ 0.5 | 0.60 | **missed** |", text)
        self.assertIn("| w2, 6 M rows, levada-fused: wall against Ray | ≤ 1/20 | 1/40.0 | met |", text)
        self.assertIn("| w2, 6 M rows, levada-durable: wall against Ray | ≤ 1/8 | 1/6.7 | **missed** |", text)

    def test_names_gaps_and_damage(self):
        text = page.text(RESULTS)
        self.assertIn("- daft, w2 6 M: not installed", text)
        self.assertIn(
            "| ray | 15.00 | 3 files, 1 of them broken, 4 rows | 20.00 | **no** | **4** | 0 | **1** | 56.00, emptied by hand | 8 rows doubled, 0 lost, 0 broken files |",
            text,
        )

    def test_leaves_what_people_wrote(self):
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / "performance.md"
            path.write_text(f"# Above\n\n{page.BEGIN}\nold\n{page.END}\n\nBelow.\n")
            page.write(pathlib.Path(name), RESULTS, "new\n")
            self.assertEqual(f"# Above\n\n{page.BEGIN}\nnew\n{page.END}\n\nBelow.\n", path.read_text())
            self.assertEqual(7, len(list((pathlib.Path(name) / "performance").iterdir())))


if __name__ == "__main__":
    unittest.main()

    def test_puts_a_summary_into_the_readme(self):
        with tempfile.TemporaryDirectory() as name:
            readme = pathlib.Path(name) / "README.md"
            readme.write_text(f"# Project\n\n{page.BEGIN}\n{page.END}\nmore\n")
            page.write(pathlib.Path(name) / "docs", RESULTS, "new\n")
            text = readme.read_text()
        self.assertTrue(text.startswith("# Project\n\n") and text.endswith(f"{page.END}\nmore\n"), text)
        self.assertIn("| 6 M rows, 2 cores; wall s / CPU s / peak MiB | w2: add z", text)
        self.assertIn("| levada-fused | 0.50 / 0.60 / 100 |\n", text)
        self.assertNotIn("daft", text)
