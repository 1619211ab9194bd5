"""The layout of data files: row groups, order, dictionaries, Bloom filters, against the questions analysts ask.

    python -m benchmarks.layout [DOCUMENTS]

Prints the median milliseconds of each question and the bytes on disk for each way of writing the same documents.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

SITES, WORDS, RUNS = 20, 500, 7
QUESTIONS = {
    "count": "SELECT count(*) FROM d",
    "by site and month": "SELECT site, date_trunc('month', published_at), count(*) FROM d GROUP BY ALL",
    "titles of a week": "SELECT title FROM d WHERE site = 's7.example' AND published_at BETWEEN '2020-03-02' AND '2020-03-09'",
    "text like": "SELECT count(*) FROM d WHERE text LIKE '%zebra crossing%'",
    "one by key": "SELECT * FROM d WHERE site = 's3.example' AND kind = 'post' AND id = '1234'",
    "one by address": "SELECT title FROM d WHERE url = 'https://s5.example/p/777/'",
    "terms": "SELECT t.name, count(*) FROM (SELECT unnest(terms) AS t FROM d) GROUP BY 1",
    "words by year": "SELECT year(published_at), sum(word_count) FROM d GROUP BY 1",
}


@dataclass(frozen=True)
class Layout:
    """One way of writing. ``plain``: columns without dictionary; ``bloom``: columns with a Bloom filter."""

    name: str
    rows: int = 20_000
    order: tuple[str, ...] = ("site", "kind", "published_at")
    plain: tuple[str, ...] = ("text", "markdown")
    bloom: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)


LAYOUTS = (
    Layout("as shipped"),
    Layout("row groups of 5,000", rows=5_000),
    Layout("row groups of 100,000", rows=100_000),
    Layout("as they came", order=()),
    Layout("by id", order=("site", "kind", "id")),
    Layout("dictionaries everywhere", plain=()),
    Layout("Bloom filters on id and url", bloom=("id", "url")),
    Layout("page index", more={"write_page_index": True}),
)


def documents(count: int) -> pa.Table:
    dice = random.Random(5)
    words = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=dice.randint(2, 9))) for _ in range(20_000)]
    bodies = [" ".join(dice.choices(words, k=WORDS)) for _ in range(2_000)]
    rows = []
    for number in range(count):
        site = f"s{dice.randrange(SITES)}.example"
        at = datetime(2012, 1, 1, tzinfo=UTC) + timedelta(hours=dice.randrange(12 * 8766))
        text = f"{number} {bodies[number % 2000][number % 97 :]}"
        rows.append(
            {"site": site, "kind": "post" if number % 9 else "page", "id": str(number), "url": f"https://{site}/p/{number}/",
             "title": " ".join(dice.choices(words, k=7)), "text": text, "markdown": text, "published_at": at,
             "word_count": WORDS, "terms": [{"taxonomy": "category", "name": words[dice.randrange(300)]} for _ in range(3)]}
        )  # fmt: skip
    return pa.Table.from_pylist(rows)


def write(data: pa.Table, layout: Layout, path: Path) -> int:
    ordered = data.sort_by([(column, "ascending") for column in layout.order]) if layout.order else data
    flat = [name for name in data.schema.names if name not in layout.plain]
    bloom = {name: True for name in layout.bloom}
    pq.write_table(
        ordered, path, compression="zstd", row_group_size=layout.rows, use_dictionary=flat, store_schema=False,
        **({"bloom_filter_options": bloom} if bloom else {}), **layout.more,
    )  # fmt: skip
    return path.stat().st_size


def ask(path: Path) -> dict[str, float]:
    """Return the median milliseconds of each question, asked in turn."""
    taken: dict[str, list[float]] = {name: [] for name in QUESTIONS}
    with duckdb.connect(config={"threads": "2"}) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"CREATE VIEW d AS SELECT * FROM read_parquet('{path}')")
        for _ in range(RUNS):
            for name, sql in QUESTIONS.items():
                began = time.perf_counter()
                connection.execute(sql).fetchall()
                taken[name].append(1000 * (time.perf_counter() - began))
    return {name: statistics.median(times) for name, times in taken.items()}


def main(count: int = 60_000) -> None:
    print(f"{count:,} documents of {WORDS} words, {SITES} sites; median of {RUNS} in milliseconds")
    data = documents(count)
    print(f"{'':28}" + "".join(f"{name:>25}" for name in QUESTIONS) + f"{'MB':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for layout in LAYOUTS:
            path = Path(folder, "d.parquet")
            size = write(data, layout, path)
            times = ask(path)
            print(f"{layout.name:28}" + "".join(f"{times[name]:25.1f}" for name in QUESTIONS) + f"{size / 1e6:8.1f}")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
