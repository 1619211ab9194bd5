"""Ten typical questions through the views of a lake against the same rows in a native DuckDB table, and bare Parquet.

    python -m benchmarks.queries [--size 1000000]

The lake is as `maintain` leaves it, with a thousand edits since. The three answer in turn. The native table holds the
current documents with the columns that the questions read; the bare Parquet scan reads the lake's own files without its
views, so it counts old versions too, and is for reference.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import duckdb

from benchmarks.lake import EDITED, RUNS, Corpus, kept
from warehouse.catalog import catalog_path
from warehouse.rewrite import data_files

QUESTIONS = {
    "how many": "SELECT count(*) FROM {d}",
    "by site and month": "SELECT site, date_trunc('month', published_at) AS m, count(*) FROM {d} GROUP BY ALL",
    "titles of a site's week": "SELECT title FROM {d} WHERE site = 'site-7.example'"
    " AND published_at BETWEEN '2006-03-02' AND '2006-03-09'",
    "characters by year": "SELECT year(published_at) AS y, sum(length(text)) FROM {d} GROUP BY ALL",
    "one by key": "SELECT * FROM {d} WHERE site = 'site-3.example' AND kind = 'post' AND id = '1234'",
    "one by address": "SELECT title FROM {d} WHERE url = 'https://site-5.example/777/'",
    "newest twenty": "SELECT published_at, site, title FROM {d} ORDER BY published_at DESC LIMIT 20",
    "text holds a phrase": "SELECT count(*) FROM {d} WHERE contains(text, 'kash mup')",
    "by hour of day": "SELECT hour(published_at) AS h, count(*) FROM {d} GROUP BY ALL",
    "sites by last publication": "SELECT site, max(published_at), count(*) FROM {d} GROUP BY ALL ORDER BY 2 DESC",
}  # fmt: skip

_WHY = """
Not reached, and why: a native table keeps its rows in memory in the form the engine works with, and knows its count.
The views read Parquet, which has to be unpacked and decoded for every question; that is all but a part of the time of
those about texts, and no view over files can be without it: even with no compression at all, which would take five
times the room, `sum(length(text))` takes over three times as long from Parquet as from the table. On top of the bare
files the views leave out superseded and deleted versions, by their place. Who asks a lake all day copies it once:
`CREATE TABLE mine AS FROM documents`."""


def _taken(action: Callable[[], Any]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=1_000_000)
    size = parser.parse_args(arguments).size
    folder = tempfile.mkdtemp(prefix="presslake-bench-")
    try:
        lake = kept(f"{folder}/lake", size, Corpus(900))
        connection = duckdb.connect(f"{folder}/native.duckdb", config={"threads": 2})
        connection.execute("SET parquet_metadata_cache = true")  # as presslake sql does
        connection.execute(f"ATTACH '{catalog_path(lake)}' AS catalog (READ_ONLY)")
        connection.execute("CREATE TABLE native AS SELECT * FROM catalog.documents ORDER BY site, kind, published_at")
        paths = [f"{folder}/lake/documents/{path}" for path in data_files(lake.table("documents"))]
        files = f"read_parquet({paths}, hive_partitioning = false)"
        sides = {"view": "catalog.documents", "native": "native", "files": files}
        print(f"{size:,} documents of 5 KB, merged, then {EDITED} edited; medians of {RUNS}, milliseconds\n")
        print(
            "| question | view | of it planned and opened in | native table | view ÷ native | (of the runs) | Parquet files |"
            " view ÷ files |\n|---|---|---|---|---|---|---|---|"
        )
        ratios: list[float] = []
        to_files: list[float] = []
        for name, sql in QUESTIONS.items():
            asked = {side: sql.format(d=relation) for side, relation in sides.items()}
            # What an engine does before it reads a row: opens the files, reads their footers, plans.
            asked["planned"] = "EXPLAIN " + asked["view"]
            taken: dict[str, list[float]] = {side: [] for side in asked}
            for run in range(RUNS + 1):
                for side, question in asked.items():
                    seconds = _taken(lambda: connection.execute(question).fetchall())  # noqa: B023
                    taken[side] += [seconds] if run else []  # the first one warms up
            middle = {side: statistics.median(seconds) * 1e3 for side, seconds in taken.items()}
            spread = sorted(a / b for a, b in zip(taken["view"], taken["native"], strict=True))
            ratios.append(middle["view"] / middle["native"])
            to_files.append(middle["view"] / middle["files"])
            print(f"| {name} | {middle['view']:.1f} | {middle['planned']:.1f} | {middle['native']:.1f} | {ratios[-1]:.2f} |"
                  f" {spread[0]:.2f}–{spread[-1]:.2f} | {middle['files']:.1f} | {to_files[-1]:.2f} |", flush=True)  # fmt: skip
        print(f"\nGeometric mean of view ÷ native: {statistics.geometric_mean(ratios):.2f} (goal: 1.3), worst"
              f" {max(ratios):.2f} (goal: 2); of view ÷ Parquet files: {statistics.geometric_mean(to_files):.2f}.")  # fmt: skip
        print(_WHY)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
