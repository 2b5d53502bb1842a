import unittest

from .. import jobs, rounds, settings


def cell(cpu: float) -> rounds.Cell:
    return rounds.Cell(6_000_000, "w6", "", runs=[{"wall": cpu / 2, "cpu": cpu, "peak": 100 << 20}])


class Settings(unittest.TestCase):
    def test_are_compared_with_the_default(self):
        cells = [cell(2.0) for _ in settings.SETTINGS]
        cells[1] = cell(5.0)
        cells[2] = rounds.Cell(6_000_000, "w6", "", gap="exit status 2: no such flag")
        text = settings.text(jobs.ALL["w6"], 6_000_000, cells)
        self.assertIn("| the default | 1.00 | 2.00 | 1.00 | 100 |", text)
        self.assertIn("| `--fuse never` | 2.50 | 5.00 | 2.50 | 100 |", text)
        self.assertIn("| `carry: all` | exit status 2: no such flag | | | |", text)

    def test_have_names_of_their_own(self):
        names = [s.says for s in settings.SETTINGS]
        self.assertEqual(len(names), len(set(names)))
