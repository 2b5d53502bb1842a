import datetime
import hashlib
import pathlib
import tempfile
import unittest

import pyarrow as pa
import pyarrow.parquet as pq

from .. import check, jobs, tables

ROWS = 2000


class Check(unittest.TestCase):
    """An output of w5, made in plain Python, and what may be wrong with it."""

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.job = jobs.ALL["w5"]
        self.table = tables.make(pathlib.Path(self.dir.name), ROWS)
        self.want = check.reference(self.job, self.table, ROWS)
        self.rows = pq.read_table(self.table / "part-0000.parquet").to_pylist()
        for row in self.rows:
            row["email"] = hashlib.sha256(row["email"].encode()).hexdigest()
            row["phone"] = "*" * (len(row["phone"]) - 4) + row["phone"][-4:]

    def found(self, *parts: list) -> list[str]:
        out = pathlib.Path(tempfile.mkdtemp(dir=self.dir.name))
        schema = pq.read_schema(self.table / "part-0000.parquet")
        for i, rows in enumerate(parts):
            pq.write_table(pa.Table.from_pylist(rows, schema), out / f"{i}.parquet")
        self.damage = check.damage(self.job, self.table, ROWS, out)
        return self.want.differences(check.of_output(self.job, out))

    def test_accepts_the_right_rows_in_any_order_and_files(self):
        self.assertEqual([], self.found(self.rows))
        self.assertEqual([], self.found(self.rows[1000:][::-1], self.rows[:1000]))
        self.assertEqual((ROWS, 0, 0, []), (self.damage.rows, self.damage.doubled, self.damage.lost, self.damage.broken))

    def test_catches_a_missing_row(self):
        self.assertIn("1,999 rows instead of 2,000", self.found(self.rows[1:]))
        self.assertEqual((0, 1), (self.damage.doubled, self.damage.lost))

    def test_catches_a_doubled_row(self):
        self.assertIn("2,001 rows instead of 2,000", self.found(self.rows, self.rows[7:8]))
        self.assertEqual((1, 0), (self.damage.doubled, self.damage.lost))

    def test_catches_a_doubled_row_in_the_place_of_another(self):
        self.assertIn("column id: other values", self.found(self.rows[1:] + self.rows[7:8]))
        self.assertEqual((1, 1), (self.damage.doubled, self.damage.lost))

    def test_catches_a_changed_value(self):
        for column, value in {"email": "x", "amount": 1.0, "quantity": 51, "note": "x"}.items():
            changed = [self.rows[0] | {column: value}, *self.rows[1:]]
            self.assertTrue(any(f"column {column}" in d for d in self.found(changed)), column)

    def test_catches_a_null(self):
        self.assertIn("column phone: 1,999 values instead of 2,000", self.found([self.rows[0] | {"phone": None}, *self.rows[1:]]))

    def test_catches_values_that_belong_to_other_rows(self):
        a, b = self.rows[:2]
        swapped = [a | {"email": b["email"]}, b | {"email": a["email"]}, *self.rows[2:]]
        self.assertEqual(["all columns are right, but not row by row"], self.found(swapped))

    def test_refuses_broken_files_other_columns_and_no_files(self):
        out = pathlib.Path(tempfile.mkdtemp(dir=self.dir.name))
        with self.assertRaisesRegex(check.Wrong, "no Parquet files"):
            check.of_output(self.job, out)
        pq.write_table(pa.table({"id": [1]}), out / "a.parquet")
        with self.assertRaisesRegex(check.Wrong, "columns id instead of"):
            check.of_output(self.job, out)
        (out / "b.parquet").write_bytes(b"PAR1 and no more")
        with self.assertRaisesRegex(check.Wrong, "cannot be read: b.parquet"):
            check.of_output(self.job, out)


class Tables(unittest.TestCase):
    def test_rows_do_not_depend_on_the_table_or_file_that_they_are_in(self):
        self.assertTrue(tables.part(0, 1000).slice(400).equals(tables.part(400, 1000)))

    def test_rows_are_those_of_every_machine(self):
        row = tables.part(1_234_567, 1_234_568).to_pylist()[0]
        self.assertEqual(EXPECTED, row)

    def test_sizes_are_the_ones_that_were_asked_for(self):
        part = tables.part(0, 100_000)
        self.assertAlmostEqual(127, part.nbytes / part.num_rows, delta=1)
        amounts = part["amount"].to_pylist()
        self.assertAlmostEqual(0.68, sum(a > 32000 for a in amounts) / len(amounts), delta=0.005)
        self.assertAlmostEqual(0.30, part["note"].null_count / part.num_rows, delta=0.005)


EXPECTED = {
    "id": 1234567,
    "ts": datetime.datetime(2024, 1, 15, 6, 56, 7, 963591),
    "amount": 59947.774272393595,
    "quantity": 21,
    "country": "SE",
    "email": "diogo.ribeiro961@example.net",
    "phone": "+33 3192565",
    "note": "bell returned one item changed size 6523673",
}


if __name__ == "__main__":
    unittest.main()
