"""The input tables: the same bytes' worth of rows on every machine, from nothing but the row's number."""

import json
import pathlib
import time

ROWS_PER_FILE = 500_000
ROWS_PER_GROUP = 125_000
COLUMNS = {  # name to the DuckDB type that checks cast it to
    "id": "BIGINT",
    "ts": "TIMESTAMP",
    "amount": "DOUBLE",
    "quantity": "INTEGER",
    "country": "VARCHAR",
    "email": "VARCHAR",
    "phone": "VARCHAR",
    "note": "VARCHAR",
}
RECIPE = 1  # counted up when the rows change, so that old tables are made again

COUNTRIES = ("AT BE BG BR CA CH CL CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT JP LT LU LV MT MX NL NO NZ PL PT RO SE SI SK TR UA US").split()
FIRST = (
    "ana bruno carla david eva filipe greta hugo ines joao karin luis maria nuno olga paulo rita sofia tiago ursula vera "
    "walter xenia yara zeno alice bento clara diogo elsa fabio gloria"
).split()
LAST = (
    "silva santos ferreira pereira oliveira costa rodrigues martins jesus sousa fernandes goncalves gomes lopes marques alves "
    "almeida ribeiro pinto carvalho teixeira moreira correia mendes nunes soares vieira monteiro cardoso rocha raposo neves"
).split()
DOMAINS = ["example.org", "example.com", "example.net"]
PREFIXES = ["+351 9", "+44 7", "+1 ", "+49 15", "+34 6", "+33 "]
WORDS = (
    "order parcel left with the neighbour called back twice asked for a refund wants an invoice by post paid late prefers mornings "
    "new address since spring delivery was delayed twice gift wrapped please do not ring the bell returned one item changed size"
).split()


def make(where: pathlib.Path, rows: int) -> pathlib.Path:
    """Makes the table of so many rows unless it is there, and returns its directory."""
    table = where / f"rows-{rows}"
    want = {"recipe": RECIPE, "rows": rows, "rows_per_file": ROWS_PER_FILE, "rows_per_group": ROWS_PER_GROUP}
    about = table / "_table.json"
    if about.exists() and want.items() <= json.loads(about.read_text()).items():
        return table
    table.mkdir(parents=True, exist_ok=True)
    for old in table.iterdir():
        old.unlink()
    began = time.monotonic()
    disk = memory = 0
    for i, start in enumerate(range(0, rows, ROWS_PER_FILE)):
        batch = part(start, min(rows, start + ROWS_PER_FILE))
        path = table / f"part-{i:04d}.parquet"
        write(batch, path)
        disk, memory = disk + path.stat().st_size, memory + batch.nbytes
    want |= {"disk_bytes": disk, "arrow_bytes": memory, "seconds": round(time.monotonic() - began, 2)}
    about.write_text(json.dumps(want, indent=1) + "\n")
    return table


def about(table: pathlib.Path) -> dict:
    return json.loads((table / "_table.json").read_text())


def warm(table: pathlib.Path) -> None:
    """Reads the files once, so that the first system measured does not pay for the disk."""
    for path in sorted(table.glob("*.parquet")):
        with open(path, "rb") as f:
            while f.read(1 << 22):
                pass


def write(batch, path) -> None:
    import pyarrow.parquet as pq

    # Everything else is what pyarrow does by itself: format 2.6, pages of 1 MiB, dictionaries
    # until they are full, no page index.
    pq.write_table(batch, path, compression="snappy", row_group_size=ROWS_PER_GROUP)


def part(start: int, end: int):
    """The rows from start to end, as an Arrow table."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    n = np.arange(start, end, dtype=np.uint64)

    def draw(column: int, bound: int):
        return (mixed(n, column) % np.uint64(bound)).astype(np.int64)

    def pick(words: list, column: int):
        return pa.array(words).take(pa.array(draw(column, len(words))))

    def digits(column: int, width: int):
        return pc.utf8_lpad(pa.array(draw(column, 10**width)).cast(pa.string()), width, "0")

    unit = (mixed(n, 1) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    name = pc.binary_join_element_wise(pick(FIRST, 4), pick(LAST, 5), ".")
    email = pc.binary_join_element_wise(pc.binary_join_element_wise(name, digits(6, 3), ""), pick(DOMAINS, 7), "@")
    phone = pc.binary_join_element_wise(pick(PREFIXES, 8), digits(9, 7), "")
    phrases = [" ".join(WORDS[i : i + 6]) for i in range(len(WORDS) - 5)]
    note = pc.binary_join_element_wise(pick(phrases, 10), digits(11, 7), " ")
    note = pc.if_else(pa.array(draw(12, 10) < 3), pa.scalar(None, pa.string()), note)
    ts = 1_704_067_200_000_000 + n.astype(np.int64) * 1_000_000 + draw(2, 1_000_000)
    return pa.table(
        {
            "id": pa.array(n.astype(np.int64)),
            "ts": pa.array(ts, pa.timestamp("us")),
            "amount": pa.array(unit * 100_000),
            "quantity": pa.array((draw(3, 50) + 1).astype(np.int32)),
            "country": pick(COUNTRIES, 13),
            "email": email,
            "phone": phone,
            "note": note,
        }
    )


def mixed(n, column: int):
    """64 bits for each row number and column: splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators)."""
    import numpy as np

    with np.errstate(over="ignore"):
        z = n * np.uint64(0x9E3779B97F4A7C15) + np.uint64((column * 0xD1B54A32D192ED03 + 0x632BE59BD9B4E019) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
