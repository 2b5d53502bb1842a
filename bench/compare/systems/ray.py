"""Ray Data on one machine: expressions where it has them, map_batches with Arrow batches for the rest. What serves people only
(dashboard, progress bars, logs in the driver) is off."""

import hashlib
import logging

import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data.expressions import col

from . import job_of


def masked(batch: pa.Table) -> pa.Table:
    email = pa.array([None if v is None else hashlib.sha256(v.encode()).hexdigest() for v in batch["email"].to_pylist()], pa.string())
    phone = batch["phone"].combine_chunks()
    stars = pc.binary_repeat("*", pc.max_element_wise(pc.subtract(pc.utf8_length(phone), 4), 0))
    phone = pc.binary_join_element_wise(stars, pc.utf8_slice_codeunits(phone, -4), "")
    batch = batch.set_column(batch.schema.get_field_index("email"), "email", email)
    return batch.set_column(batch.schema.get_field_index("phone"), "phone", phone)


def start() -> None:
    ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.WARNING)
    ray.data.DataContext.get_current().enable_progress_bars = False


def write(data, out: str) -> None:
    data.write_parquet(out, compression="snappy")


def w1(rows: int, out: str) -> None:
    write(ray.data.range(rows).with_column("value", col("id") * 2.5), out)


def w2(table: str, out: str) -> None:
    write(ray.data.read_parquet(table).with_column("z", col("amount") * 2.5), out)


def w5(table: str, out: str) -> None:
    write(ray.data.read_parquet(table).map_batches(masked, batch_format="pyarrow"), out)


def w6(table: str, out: str) -> None:
    kept = ray.data.read_parquet(table).filter(expr=col("amount") > 32000).with_column("z", col("amount") * 2.5)
    write(kept.map_batches(masked, batch_format="pyarrow"), out)


if __name__ == "__main__":
    start()
    job_of({"w1": w1, "w2": w2, "w5": w5, "w6": w6})
