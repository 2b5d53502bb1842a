"""The jobs: what each does, as SQL for the reference, and as stages for Levada. The other systems spell them out in systems/."""

import dataclasses

from . import tables


@dataclasses.dataclass(frozen=True)
class Job:
    name: str
    does: str
    columns: dict  # of the output, name to the DuckDB type that checks cast it to
    reference: str  # a query over the table or range called "source"
    stage: tuple = ()  # operators of a Levada spec
    reads_table: bool = True


# The reference masks in other words than systems/duckdb.py, so that one mistake is not made twice.
EMAIL = "sha256(email) AS email"
PHONE = "repeat('*', greatest(length(phone) - 4, 0)) || right(phone, 4) AS phone"

Z = {"with": {"z": "amount * 2.5"}}
KEEP = {"filter": "amount > 32000"}
MASKS = (
    {"mask": {"column": "email", "method": "sha256"}},
    {"mask": {"column": "phone", "method": "keep_last", "n": 4}},
)

ALL = {
    job.name: job
    for job in (
        Job(
            name="w1",
            does="range, x 2.5, to Parquet (the sum comes when there are aggregates)",
            columns={"id": "BIGINT", "value": "DOUBLE"},
            reference="SELECT id, id * 2.5::DOUBLE AS value FROM source",
            stage=({"with": {"value": "id * 2.5"}},),
            reads_table=False,
        ),
        Job(
            name="w2",
            does="add z = amount x 2.5, keep all other columns",
            columns=tables.COLUMNS | {"z": "DOUBLE"},
            reference="SELECT *, amount * 2.5::DOUBLE AS z FROM source",
            stage=(Z,),
        ),
        Job(
            name="w5",
            does="e-mail to SHA-256, phone to its last four digits, keep all other columns",
            columns=tables.COLUMNS,
            reference=f"SELECT * REPLACE ({EMAIL}, {PHONE}) FROM source",
            stage=MASKS,
        ),
        Job(
            name="w6",
            does="keep amount > 32000 (68 %), add z, both masks",
            columns=tables.COLUMNS | {"z": "DOUBLE"},
            reference=f"SELECT * REPLACE ({EMAIL}, {PHONE}), amount * 2.5::DOUBLE AS z FROM source WHERE amount > 32000",
            stage=(KEEP, Z, *MASKS),
        ),
    )
}
