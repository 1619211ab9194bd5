"""The recipes of docs/recipes through the views of a lake, against the same views over native DuckDB tables.

    python -m benchmarks.recipes [--size 1000000]

The lake is as `maintain` leaves it, with a thousand edits since. Both sides answer in turn, and must answer the same.
The documents have links, terms and authors and fill the last twenty years; signatures for near duplicates are not made,
so recipes 4 and 9 find none.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks.lake import EDITED, RUNS, SITES, Corpus, kept
from warehouse.catalog import NEWEST, catalog_path, macros, views
from warehouse.lake import Lake
from warehouse.query import connect

_PAGES = Path(__file__).resolve().parents[1] / "docs" / "recipes"
_SQL = re.compile(r"^```sql\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LAST, _SPAN = datetime(2026, 11, 1, tzinfo=UTC), timedelta(days=20 * 365)
# No view that a recipe asks reads the rows of these.
_UNREAD = ("raw", "words", "lengths", "unindexed")


class Linked(Corpus):
    """Invented documents with links, terms and authors, spread over twenty years."""

    def __init__(self, words: int, a_site: int) -> None:
        super().__init__(words)
        self._step = _SPAN / a_site
        hosts = [*(f"site-{n}.example" for n in range(SITES)), *(f"host-{n}.example" for n in range(300))]
        links = [
            [
                {
                    "url": f"https://{hosts[(n * 7 + k) % len(hosts)]}/{n}",
                    "text": "said",
                    "rel": None,
                    "is_internal": False,
                }
                for k in range(5)
            ]
            for n in range(997)
        ]
        terms = [
            [{"taxonomy": "category", "id": f"{n % 12}", "name": f"Category {n % 12}", "slug": f"c{n % 12}"}]
            + [
                {"taxonomy": "post_tag", "id": f"{n + k}", "name": f"Tag {n + k}", "slug": f"t{n + k}"}
                for k in (0, 300)
            ]
            for n in range(300)
        ]
        authors = [[{"id": f"{n}", "name": f"Author {n}", "slug": f"a{n}"}] for n in range(8)]
        self._pools: dict[str, list[Any]] = {
            "links": links,
            "terms": terms,
            "authors": authors,
            "language": ["en"],
            "word_count": [words],
        }

    def documents(self, site: str, first: int, count: int) -> tuple[pa.Table, pa.Table]:
        """Return rows of ``documents`` and of ``raw``, as the corpus without links does."""
        documents, raw = super().documents(site, first, count)
        numbers = range(first, first + count)
        published = [_LAST - _SPAN + number * self._step for number in numbers]
        columns: dict[str, list[Any]] = {"published_at": published, "modified_at": published}
        columns |= {name: [pool[number % len(pool)] for number in numbers] for name, pool in self._pools.items()}
        for name, values in columns.items():
            field = documents.schema.field(name)
            array = pa.array(values, field.type)
            documents = documents.set_column(documents.schema.get_field_index(name), field, array)
        return documents, raw


def native(lake: Lake, path: str) -> duckdb.DuckDBPyConnection:
    """Open a database with the views of the catalog over tables of its own."""
    connection = duckdb.connect(path, config={"threads": 2})
    connection.execute(f"ATTACH '{catalog_path(lake)}' AS catalog (READ_ONLY)")
    connection.execute("CREATE SCHEMA lake")
    named = "SELECT view_name FROM duckdb_views() WHERE database_name = 'catalog' AND schema_name = 'lake'"
    for (name,) in connection.execute(f"{named} AND view_name <> 'newest'").fetchall():
        rows = "LIMIT 0" if name in _UNREAD else ""
        connection.execute(f"CREATE TABLE lake.{name} AS FROM catalog.lake.{name} {rows}")
    connection.execute(NEWEST)
    for view in views():
        connection.execute(f"CREATE VIEW {view.name} AS {view.sql}")
    for macro in macros():
        if macro.name == "as_of":  # the others ask the index of words
            connection.execute(f"CREATE MACRO {macro.grain.split(':', 1)[0]} AS TABLE {macro.sql}")
    connection.execute("DETACH catalog")
    return connection


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=1_000_000)
    size = parser.parse_args(arguments).size
    with tempfile.TemporaryDirectory() as folder:
        lake = kept(f"{folder}/lake", size, Linked(900, size // SITES))
        sides = {
            "native": native(lake, f"{folder}/native.duckdb"),
            "view": connect(lake, threads=2),
        }
        print(f"{size:,} documents of 5 KB, merged, then {EDITED} edited; medians of {RUNS}, milliseconds\n")
        print("| recipe | views over Parquet | views over native tables | ratio | of the runs |\n|---|---|---|---|---|")
        ratios = []
        for page in sorted(_PAGES.glob("[0-9]*.md")):
            (sql,) = _SQL.findall(page.read_text())
            taken: dict[str, list[float]] = {side: [] for side in sides}
            answers: dict[str, Any] = {}
            for run in range(RUNS + 1):
                for side, connection in sides.items():
                    began = time.perf_counter()
                    answers[side] = connection.execute(sql).fetchall()
                    taken[side] += [time.perf_counter() - began] if run else []  # the first one warms up
            assert answers["view"] == answers["native"], page.stem
            middle = {side: statistics.median(seconds) * 1e3 for side, seconds in taken.items()}
            spread = sorted(a / b for a, b in zip(taken["view"], taken["native"], strict=True))
            ratios.append(middle["view"] / middle["native"])
            print(
                f"| {page.stem} | {middle['view']:.1f} | {middle['native']:.1f} | {ratios[-1]:.2f} |"
                f" {spread[0]:.2f}–{spread[-1]:.2f} |"
            )
        mean = statistics.geometric_mean(ratios)
        print(f"\nGeometric mean: {mean:.2f} (goal: 1.3), worst {max(ratios):.2f} (goal: 2).")
        print(
            "Only what is read differs: both sides run the same views. Recipes that mostly compute are level, those that"
            " mostly read pay for opening, unpacking and decoding Parquet."
        )


if __name__ == "__main__":
    main()
